/** How diagnostics look: columns, several labels, several files, and the forms for programs. */

import { describe, expect, test } from "vitest"
import type { Diagnostic, Label } from "../../../src/compiler/diagnostics/diagnostic.js"
import { renderGithub, renderJson, renderTerminal } from "../../../src/compiler/diagnostics/render.js"

function label(file: string, text: string, piece: string, words = "", primary = true): Label {
  const start = text.indexOf(piece)
  return { span: { file, start, end: start + piece.length }, text: words, primary }
}

function diagnostic(labels: Label[], more: Partial<Diagnostic> = {}): Diagnostic {
  return {
    code: "MDL9999",
    severity: "error",
    title: "Something is wrong",
    labels,
    notes: [],
    hint: undefined,
    ...more,
  }
}

function frame(text: string, labels: Label[], more: Partial<Diagnostic> = {}): string[] {
  return renderTerminal([diagnostic(labels, more)], new Map([["a.mdl", text]]), { colour: false }).split("\n")
}

describe("the code frame", () => {
  test("points with carets, and dashes for where things came from", () => {
    const text = "let width = 512\n\n\nlet b = width + depth\n"
    const labels = [label("a.mdl", text, "depth", "not known"), label("a.mdl", text, "width", "bound here", false)]
    expect(frame(text, labels, { notes: ["One.", "Two\nlines."], hint: "do this" })).toEqual([
      "error[MDL9999]: Something is wrong",
      "  --> a.mdl:4:17",
      "   |",
      " 1 | let width = 512",
      "   |     ----- bound here",
      " ...",
      " 4 | let b = width + depth",
      "   |                 ^^^^^ not known",
      "   |",
      "   = note: One.",
      "   = note: Two",
      "           lines.",
      "   = help: do this",
      "",
    ])
  })

  test("hangs the texts of several labels on one line below one another", () => {
    const text = "let a = mul(left, right)"
    const labels = [
      label("a.mdl", text, "mul", "sizes differ"),
      label("a.mdl", text, "left", "f32[2]", false),
      label("a.mdl", text, "right", "f32[3]", false),
    ]
    expect(frame(text, labels)).toEqual([
      "error[MDL9999]: Something is wrong",
      "  --> a.mdl:1:9",
      "   |",
      " 1 | let a = mul(left, right)",
      "   |         ^^^ ----  ----- f32[3]",
      "   |         |   |",
      "   |         |   f32[2]",
      "   |         sizes differ",
      "",
    ])
  })

  test("lets carets win where labels overlap", () => {
    const text = "f(a, b)"
    const rows = frame(text, [label("a.mdl", text, "f(a, b)", "the call", false), label("a.mdl", text, "a", "this")])
    expect(rows.slice(4, -1)).toEqual(["   | --^----", "   | | |", "   | | this", "   | the call"])
  })

  test("counts a tab, a wide character and a combining one as the terminal does", () => {
    const text = 'let\ta = "日本語" + x'
    expect(frame(text, [label("a.mdl", text, "x", "here")]).slice(3, 5)).toEqual([
      ' 1 | let    a = "日本語" + x',
      "   |                       ^ here",
    ])
    const combining = 'a = "e\u0301" + x'
    expect(frame(combining, [label("a.mdl", combining, "x")])[4]).toBe("   |           ^")
    const emoji = 'a = "\u{1f600}" + x'
    expect(frame(emoji, [label("a.mdl", emoji, "x")])[4]).toBe("   |            ^")
  })

  test("shows what could steer the terminal as marks", () => {
    const text = 'a = "\u001b[31m\u202e" + x'
    expect(frame(text, [label("a.mdl", text, "x")])[3]).toBe(' 1 | a = "␛[31m�" + x')
  })

  test("cuts a very long line around its label", () => {
    const text = `${"a + ".repeat(200)}WRONG${" + b".repeat(200)}`
    const [, , , line = "", carets = ""] = frame(text, [label("a.mdl", text, "WRONG")])
    expect(line.length).toBeLessThan(175)
    expect(line.indexOf("WRONG")).toBe(carets.indexOf("^^^^^"))
  })

  test("underlines the first line of what goes on over several", () => {
    const text = "f(a,\n  b)\n"
    expect(frame(text, [label("a.mdl", text, "f(a,\n  b)", "all this")]).slice(3, 5)).toEqual([
      " 1 | f(a,",
      "   | ^^^^ all this",
    ])
  })

  test("points after the last character at the end of the file", () => {
    const text = "let a ="
    const end = { file: "a.mdl", start: 7, end: 7 }
    expect(frame(text, [{ span: end, text: "here", primary: true }]).slice(3, 5)).toEqual([
      " 1 | let a =",
      "   |        ^ here",
    ])
  })

  test("shows labels in other files in frames of their own", () => {
    const used = "let a = Block(3)"
    const declared = "// library\nblock Block(width: int)() { }\n"
    const labels = [label("a.mdl", used, "3", "given here"), label("b.mdl", declared, "width", "declared here", false)]
    const sources = new Map(Object.entries({ "a.mdl": used, "b.mdl": declared }))
    expect(renderTerminal([diagnostic(labels)], sources, { colour: false }).split("\n")).toEqual([
      "error[MDL9999]: Something is wrong",
      "  --> a.mdl:1:15",
      "   |",
      " 1 | let a = Block(3)",
      "   |               ^ given here",
      "  ::: b.mdl:2:13",
      "   |",
      " 2 | block Block(width: int)() { }",
      "   |             ----- declared here",
      "",
    ])
  })

  test("does without the text of a file that cannot be read", () => {
    const rows = renderTerminal([diagnostic([label("gone.mdl", "x", "x", "here")])], () => undefined, { colour: false })
    expect(rows).toBe("error[MDL9999]: Something is wrong\n  --> gone.mdl\n   = here\n")
  })

  test("has one blank line between diagnostics and none of its own without labels", () => {
    const two = [diagnostic([], { severity: "warning" }), diagnostic([], { hint: "do this" })]
    expect(renderTerminal(two, new Map(), { colour: false })).toBe(
      "warning[MDL9999]: Something is wrong\n\nerror[MDL9999]: Something is wrong\n   = help: do this\n",
    )
  })

  test("keeps its columns when coloured", () => {
    const text = "let a = mul(left, right)"
    const labels = [label("a.mdl", text, "mul", "one"), label("a.mdl", text, "right", "two", false)]
    const sources = new Map([["a.mdl", text]])
    const plain = renderTerminal([diagnostic(labels)], sources, { colour: false })
    const coloured = renderTerminal([diagnostic(labels)], sources, { colour: true })
    expect(coloured).not.toBe(plain)
    // eslint-disable-next-line no-control-regex -- taking colours out is the point
    expect(coloured.replace(/\u001b\[[0-9;]*m/g, "")).toBe(plain)
  })
})

describe("forms for programs", () => {
  const text = "let a = b\r\nlet c = d, e\n"
  const sources = new Map([["dir/a.mdl", text]])
  const given = diagnostic([label("dir/a.mdl", text, "d, e", "100% wrong")], { notes: ["Why."], hint: "do this" })

  test("JSON has 1-based places and null for what is not there", () => {
    expect(renderJson([given, diagnostic([])], sources)).toEqual([
      {
        code: "MDL9999",
        severity: "error",
        message: "Something is wrong: 100% wrong",
        title: "Something is wrong",
        file: "dir/a.mdl",
        line: 2,
        column: 9,
        endLine: 2,
        endColumn: 13,
        labels: [
          {
            file: "dir/a.mdl",
            line: 2,
            column: 9,
            endLine: 2,
            endColumn: 13,
            text: "100% wrong",
            primary: true,
          },
        ],
        notes: ["Why."],
        hint: "do this",
      },
      {
        code: "MDL9999",
        severity: "error",
        message: "Something is wrong",
        title: "Something is wrong",
        file: null,
        line: null,
        column: null,
        endLine: null,
        endColumn: null,
        labels: [],
        notes: [],
        hint: null,
      },
    ])
  })

  test("GitHub's lines escape what means something there", () => {
    expect(renderGithub([given, diagnostic([], { severity: "note" })], sources)).toBe(
      "::error file=dir/a.mdl,line=2,col=9,endLine=2,endColumn=13,title=MDL9999::Something is wrong: 100%25 wrong%0AWhy.%0Ado this\n" +
        "::notice title=MDL9999::Something is wrong\n",
    )
  })

  test.each([
    ["tabs", "\tlet a =\tx", 10],
    ["wide characters", 'a = "\u65e5\u672c" + x', 12],
    ["an emoji, which is two units", 'a = "\u{1f600}" + x', 12],
    ["a family of emoji", 'a = "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}" + x', 18],
    ["a combining accent", 'a = "e\u0301" + x', 12],
  ])("columns count units of UTF-16, as editors do: %s", (_, text, column) => {
    const at = { start: text.length - 1, end: text.length, file: "a.mdl" }
    const texts = new Map([["a.mdl", text]])
    const given = [diagnostic([{ span: at, text: "here", primary: true }])]
    expect(renderJson(given, texts)[0]).toMatchObject({ line: 1, column, endLine: 1, endColumn: column + 1 })
    expect(renderGithub(given, texts)).toContain(`line=1,col=${column},endLine=1,endColumn=${column + 1}`)
  })
})
