/**
 * Garbage of any size is refused, and no kind of it takes time out of proportion: the texts here took minutes when something
 * looked through all that is open, or all that follows, for each token. A test that hangs fails by its time limit.
 */

import { describe, expect, test } from "vitest"
import { parse } from "../../grammar/parse.js"
import { compile } from "../../src/compiler/compile.js"
import { NotFormattableError, format } from "../../src/compiler/format/format.js"

const PATIENCE = 60_000

/** What is repeated, after what. */
const GARBAGE: readonly { readonly unit: string; readonly before?: string }[] = [
  ...[
    "(",
    "[",
    "{",
    ")",
    '"',
    "'",
    "/*",
    "//\n",
    "a.",
    "-",
    "not ",
    "0",
    ",",
    "=",
    "\\",
    '"\\',
    "\u201c",
    "\u00e9 ",
  ].map((unit) => ({ unit })),
  ...[
    "let x = ",
    "model M { ",
    "if a then ",
    "let x = (\n",
    "f(x,\n",
    "block A()(x){\n",
    "let a = f(x // 2)\n",
    "1 // 2\n",
  ].map((unit) => ({ unit })),
  { unit: "f32[", before: "fn f(x: " },
  { unit: "a = f(b\n", before: "model M {\n train {\n" },
  { unit: "let a = (1 // 2)\n", before: "model M {\n" },
  { unit: 'weights "a" {\n', before: "model M {\n" },
]

const filled = (unit: string, length: number): string => unit.repeat(Math.ceil(length / unit.length)).slice(0, length)

describe("a page of garbage is refused with few words", () => {
  test.each(GARBAGE)("$unit", { timeout: PATIENCE }, ({ unit, before = "" }) => {
    // Near the limits of tokens and of characters, and beyond.
    for (const length of [60_000, 490_000, 1_000_000]) {
      const { diagnostics } = parse("m.mdl", before + filled(unit, length))
      expect(diagnostics.length).toBeLessThanOrEqual(101)
      if (length === 1_000_000) expect(diagnostics.map(({ code }) => code)).toEqual(["MDL1007"])
    }
  })

  test("bytes of any kind", { timeout: PATIENCE }, () => {
    // A linear congruential generator: the same bytes each time.
    let state = 1
    const bytes = Uint8Array.from({ length: 490_000 }, () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) >> 16)
    for (const encoding of ["latin1", "utf8"] as const) {
      const { diagnostics } = parse("m.mdl", Buffer.from(bytes).toString(encoding).slice(0, 490_000))
      expect(diagnostics.length).toBe(101)
    }
  })
})

const DEEP = 10_000

describe("what is ten thousand deep is an error in every stage", () => {
  const nested = (open: string, close = "", core = "1"): string =>
    `fn f(x) = ${open.repeat(DEEP)}${core}${close.repeat(DEEP)}`

  test.each([
    ["minus signs", nested("-")],
    ["negations", nested("not ")],
    ["parentheses", nested("(", ")")],
    ["lists", nested("[", "]")],
    ["records", nested("{ a: ", " }")],
    ["comprehensions", nested("[", " for i in 0..2]")],
    ["conditions", nested("if true then ")],
    ["alternatives", nested("if true then 1 else ")],
    ["calls", nested("f(", ")")],
    ["calls of calls", nested("", "()", "x")],
    ["pipes", nested("", " |> f()", "x")],
    ["members", nested("", ".a", "x")],
    ["quotients", nested("", " / 2")],
    ["types", `fn f(x: ${"f32[".repeat(DEEP)}1${"]".repeat(DEEP)}) = x`],
    ["blocks", `${"block B()(x) { ".repeat(DEEP)}${"}".repeat(DEEP)}`],
    ["sections", `model M { ${"head h { ".repeat(DEEP)}${"}".repeat(DEEP)}`],
  ])("%s", { timeout: PATIENCE }, async (_, text) => {
    const codes = parse("m.mdl", text).diagnostics.map(({ code }) => code)
    expect(["MDL1103", "MDL1201"]).toContain(codes[0])
    await expect(format(text)).rejects.toThrow(NotFormattableError)
    const { output, diagnostics } = compile("m.mdl", { read: (path) => (path === "m.mdl" ? text : undefined) })
    expect(output).toBeUndefined()
    expect(diagnostics.map(({ code }) => code)).toEqual(codes)
  })

  test("modules that import one another in a row", () => {
    const read = (path: string): string | undefined => {
      const number = /^m(\d+)\.mdl$/.exec(path)?.[1]
      return number === undefined ? undefined : `import { f as g } from "./m${Number(number) + 1}"\nfn f(x) = x\n`
    }
    const { diagnostics } = compile("m0.mdl", { read })
    expect(diagnostics.map(({ code }) => code)).toEqual(["MDL3401"])
  })
})

describe("long texts are formatted in time", () => {
  test.each([
    ["comments before a definition", "// a\n".repeat(20_000) + "fn f(x) = x\n"],
    ["documentation", "/// a\n".repeat(20_000) + "fn f(x) = x\n"],
  ])("%s", { timeout: PATIENCE }, async (_, text) => {
    expect(await format(text)).toBe(text)
  })
})
