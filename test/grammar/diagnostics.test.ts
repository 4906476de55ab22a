/** What a person reads who made a slip: one golden file for each, named for what it shows. */

import { describe, expect, test } from "vitest"
import { parse } from "../../grammar/parse.js"
import { renderTerminal } from "../../src/compiler/diagnostics/render.js"

/** A text with one error, or with as many as it says. */
type Case = string | { readonly text: string; readonly count: number }

const model = (lines: string): string => `model M {\n${lines.replace(/^/gm, "  ")}\n}\n`
const counted = (count: number, text: string): Case => ({ text, count })

const cases: Record<string, Case> = {
  // characters
  "a curly quote is shown with what to write": model("let a = f(\u201cx\u201d)\nlet b = a"),
  "a letter with an accent cannot be in a name": model("let caf\u00e9 = 1\nlet b = 2"),
  "a string without its end does not hide the next line": model('let a = f("abc)\nlet b = f("abc")'),
  "single quotes are pointed out once": model("let a = f('abc')\nlet b = a"),
  "an unknown escape is shown in its string": model(String.raw`let a = "C:\data"`),
  "symbols of other languages come with ours": counted(
    7,
    model("let a = x && y;\nlet b = x || !y\nlet c = x ** 2  # squared\nlet d := a"),
  ),
  "a number beyond what can be held is refused": model("let a = 99999999999999999999"),
  // brackets
  "a missing parenthesis is found at the next line": model("let a = f(x, g(y)\nlet b = a\noutput c = b"),
  "a missing bracket is found before the brace": model("let a = { b: [1, 2 }\nlet c = a"),
  "a missing brace of a section is found at the next section": model(
    "encoder vision {\n  let a = b\ndecoder {\n  output c = a\n}\nloss d = c",
  ),
  "a missing brace of a model is found at the next model":
    "model M {\n  let a = 1\n\nmodel N {\n  let a = 2\n}\n\nablation x of N { set a = 3 }\n",
  "a missing brace at the end is found there": "model M {\n  encoder vision {\n    let a = 1\n  }\n",
  "a missing opening brace of a section is one error": model(
    "encoder vision\n  let a = b\n}\ndecoder {\n  let c = d\n}",
  ),
  "a missing opening brace of a model is one error": "model M(a: int)\n  input x: f32[N]\n  let b = x\n}\n",
  "a parameter list left open is found at the brace": "model M(a: int, b: int {\n  let c = a\n}\n",
  "a closing bracket too many is one error": model("let a = f(x))\nlet b = a"),
  "a closing bracket of the wrong kind is one error": model("let b = (1 + 2]\nlet c = b"),
  "nesting without end is refused": `fn f(x) = ${"(".repeat(60)}x${")".repeat(60)}\n`,
  "a sum without end is refused": `fn f(x) = x${" + x".repeat(300)}\n`,
  // lines
  "a misspelled statement is recognised": model("lett a = f(x)\nlet b = a"),
  "a misspelled definition is recognised": "modle M {\n  let a = 1\n}\n\nmodel N { }\n",
  "an unknown kind of section is recognised": model("encodr vision {\n  let a = b\n}\ndecoder {\n  let c = a\n}"),
  "a section of no known kind is told how to be one": model("backbone {\n  let a = b\n}"),
  "a value without let is pointed out": model("a = f(x)\nlet b = a"),
  "a call that is no statement is pointed out": counted(2, model("let a = 1\nprint(a)\nhead h {\n  a |> f\n}")),
  "a statement at the top of a file is told where it belongs": "let a = 1\n\nmodel M { }\n",
  "a block in a model is told where it belongs": model("block B()(x) {\n  return x\n}\nlet a = b"),
  "an input in a section is told where it belongs": model("encoder vision {\n  input x: f32[N]\n  let a = x\n}"),
  "a statement in an ablation is told where it belongs": "ablation a of M {\n  let b = 1\n  set c = 2\n}\n",
  // within lines
  "two values side by side need something between them": model("let a = f(x) g(y)\nlet b = a"),
  "a missing comma between arguments is named": model("let a = f(x y)\nlet b = a"),
  "a doubled comma leaves a value out": counted(2, model("let a = [1, , 2]\nlet b = f(1,, 2)")),
  "a value left out is noticed before the next line": model("let a =\noutput b = a\nloss c = b"),
  "an operator without its right side is noticed": model("let a = b +\nlet c = a"),
  "an if without else is told what an if is": model("let a = if b then c\nlet d = a"),
  "a tuple on the left is told of records": counted(2, model("let a, b = f(x)\nlet (c, d) = f(x)")),
  "a let takes no type": model("let a: f32[N] = f(x)\nlet b = a"),
  "an assignment in a condition is told of ==": model("let a = if b = 1 then c else d"),
  "a fraction starts with a digit": model("let a = dropout(.5)"),
  "a keyword cannot be a name": model("let in = 3\nlet b = 4"),
  "arguments begin with an expression": model("let a = f(* 2)\nlet b = a"),
  "a keyword cannot be a parameter, and the others are still checked": counted(
    3,
    "block B(if: int, b: int, for: int)(x) {\n  return x y\n}\n",
  ),
  "a type is given with a colon": counted(3, "model M(dim = int, size = f32[N, 3]) {\n  input image = f32[N, 3]\n}\n"),
  "an argument is given with an equals sign": model("let a = conv(x, kernel: 3)\nlet b = a"),
  "a setting is given with an equals sign": counted(2, model("train {\n  batch: 3\n  epochs = 4\n  lr 5\n}")),
  "a published name is given with an equals sign": counted(
    3,
    model('weights "Others" {\n  a.b: "x"\n  layer[i] = "y.{i}"\n  c "z"\n  d[i + 1] = "w"\n}\nlet e = 1'),
  ),
  "a missing brace of weights is found at the next line of the model": model(
    'let a = b\nweights "Others" {\n  a = "x"\n\nlet c = a\noutput d = c',
  ),
  "an ablation says what it is of": "ablation a {\n  without b\n}\n\nmodel M { }\n",
  "an import says where from": 'import { A, B }\nimport { C } from "c"\n',
  "a file that ends early says what was being read": "model M {\n  let a =",
  // names
  "names are declared once": counted(
    5,
    'import { A, B as A } from "a"\n\nblock B(a, b)(a) {\n  return f(x = 1, x = 2)\n}\n\nmodel B {\n  train { batch = 1  batch = 2 }\n}\n',
  ),
  // all at once
  "every line has its own error": counted(
    7,
    model("let a = f(x\nlet b = g(x))\nlett c = 3\nlet d = 'x'\nlet = 4\nlet e = 5 6\nhead { return }\nlet f = 7"),
  ),
}

describe("a slip is one error, and the rest of the file is still read", () => {
  test.each(Object.entries(cases))("%s", async (name, given) => {
    const { text, count } = typeof given === "string" ? { text: given, count: 1 } : given
    const { diagnostics } = parse("model.mdl", text)
    const rendered = renderTerminal(diagnostics, new Map([["model.mdl", text]]), { colour: false })
    await expect(`${text}${text.endsWith("\n") ? "" : "\n"}---\n${rendered}`).toMatchFileSnapshot(
      `../golden/diagnostics/${name.replaceAll(/[^A-Za-z0-9=]+/g, "-")}.txt`,
    )
    expect(diagnostics).toHaveLength(count)
  })
})

describe("what could be read is there", () => {
  test("the lines around an error are in the AST", () => {
    const { file } = parse("model.mdl", model("let a = 1\nlet b = = 2\nlett c = 3\nlet d = 4\nhead h { let e = 5 ] }"))
    const [item] = file.items
    const names = item?.kind === "model" ? item.members.map((member) => member.kind) : []
    expect(names).toEqual(["let", "let", "section"])
  })

  test("the items around an error are in the AST", () => {
    const { file } = parse("m.mdl", "block A()(x) { return x }\nblock (x) { }\nfn g(x) = x\nmodle M { }\nmodel N { }")
    expect(file.items.map((item) => (item.kind === "import" ? "" : item.name.text))).toEqual(["A", "g", "N"])
  })
})

describe("limits", () => {
  test("a text beyond the limit is refused unread", () => {
    const { diagnostics } = parse("m.mdl", " ".repeat(2_000_000))
    expect(diagnostics.map(({ code }) => code)).toEqual(["MDL1007"])
  })

  test("a dense text beyond the limit is refused", () => {
    expect(parse("m.mdl", "+1".repeat(100_000)).diagnostics.map(({ code }) => code)).toEqual(["MDL1007"])
  })

  test("a file of nothing but errors shows the first hundred", () => {
    const { diagnostics } = parse("m.mdl", "\u00e9 ".repeat(100_000))
    expect(diagnostics).toHaveLength(101)
    expect(diagnostics[100]?.code).toBe("MDL1299")
  })

  test.each([
    ["parentheses", "(", ")"],
    ["lists", "[", "]"],
    ["records", "{ a: ", "}"],
    ["do", "{ return ", "}"],
    ["calls", "f(", ")"],
    ["indices", "x[", "]"],
    ["conditions", "if a then b else ", ""],
    ["folds", "fold a = b for c in d => ", ""],
  ])("nested %s of any depth are refused or read", (_, open, close) => {
    for (const depth of [40, 50, 1000, 20_000]) {
      const text = `fn f(x) = ${open.repeat(depth)}x${close.repeat(depth)}`
      const codes = parse("m.mdl", text).diagnostics.map(({ code }) => code)
      if (depth < 48) expect(codes).toEqual([])
      else expect(["MDL1103", "MDL1007"]).toContain(codes[0])
    }
  })

  test.each([
    ["sums", " + x"],
    ["pipes", " |> f"],
    ["calls", "(x)"],
    ["members", ".x"],
    ["indices", "[0]"],
    ["and", " and x"],
  ])("chains of %s of any length are refused or read", (_, link) => {
    for (const length of [200, 300, 10_000]) {
      const codes = parse("m.mdl", `fn f(x) = x${link.repeat(length)}`).diagnostics.map(({ code }) => code)
      expect(codes).toEqual(length === 200 ? [] : ["MDL1103"])
    }
  })
})
