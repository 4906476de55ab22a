/** Whatever the text, the parser answers, and what it says lies within the text. */

import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { parse } from "../../grammar/parse.js"
import { ALL_TOKENS } from "../../grammar/tokens.js"
import { renderGithub, renderJson, renderTerminal } from "../../src/compiler/diagnostics/render.js"

const real = readFileSync(new URL("../fixtures/reclmis.mdl", import.meta.url), "utf8")

const words = [
  ...ALL_TOKENS.flatMap((type) => (typeof type.PATTERN === "string" ? [type.PATTERN] : [])),
  ...[
    "a",
    "x1",
    "_",
    "encoder",
    "decoder",
    "f32",
    "int",
    "0",
    "1.5",
    "3e-4",
    '"s"',
    '"',
    "'",
    "// c\n",
    "/// d\n",
    "\n",
  ],
  ...["#", ";", "@", "\u00e9", "\ud83d\ude00", "\ud800", "\u0000", "\r\n", "\t", "...", "/*", "*/"],
]

function answers(text: string): void {
  const { file, comments, diagnostics } = parse("fuzz.mdl", text)
  const check = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(check)
    else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (key === "span" || key === "operatorSpan") {
          const { start, end } = inner as { start: number; end: number }
          if (!(start >= 0 && start <= end && end <= text.length)) {
            throw new Error(`the span ${start}..${end} is not within 0..${text.length}`)
          }
        } else check(inner)
      }
    }
  }
  check(file)
  check(comments)
  check(diagnostics)
  const sources = new Map([["fuzz.mdl", text]])
  expect(renderTerminal(diagnostics, sources, { colour: false })).not.toContain("undefined")
  expect(renderJson(diagnostics, sources)).toHaveLength(diagnostics.length)
  renderGithub(diagnostics, sources)
}

describe("parse answers", () => {
  test("to any soup of tokens", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 60 }), fc.constantFrom(" ", ""), (soup, between) => {
        answers(soup.join(between))
      }),
      { numRuns: 150 },
    )
  })

  test("to any text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), answers), { numRuns: 150 })
  })

  test("to a real file that was cut, pasted and typed into anywhere", () => {
    const edit = fc.record({
      at: fc.nat(real.length),
      remove: fc.nat(30),
      insert: fc.array(fc.constantFrom(...words), { maxLength: 4 }).map((pieces) => pieces.join(" ")),
    })
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
        const text = edits.reduce(
          (now, { at, remove, insert }) => now.slice(0, at) + insert + now.slice(at + remove),
          real,
        )
        answers(text)
      }),
      { numRuns: 150 },
    )
  })

  test("with an error when one bracket of a real file is missing or doubled", () => {
    const brackets = [...real.matchAll(/[()[\]{}]/g)].map((match) => match.index)
    const code = brackets.filter((at) => !/\/\/.*$/.test(real.slice(real.lastIndexOf("\n", at) + 1, at)))
    for (const at of code) {
      const without = real.slice(0, at) + real.slice(at + 1)
      const doubled = real.slice(0, at) + real[at] + real.slice(at)
      for (const text of [without, doubled])
        expect(parse("m.mdl", text).diagnostics.length, text.slice(at - 20, at + 20)).toBeGreaterThan(0)
    }
  })
})
