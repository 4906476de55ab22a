/**
 * Compiling always ends: texts made to run for ever, to fill the memory or to overflow the stack are refused with a
 * message that says what there is too much of. Each would take hours or gigabytes without its limit.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { compile } from "../../src/compiler/compile.js"
import { fileHost } from "../../src/runtime/model-file.js"
import { compileText, messages } from "./source-host.js"

/** A model with `body` in it, behind `definitions`. */
const model = (body: string, definitions = ""): string => `${definitions}
model M(a: int = 3) {
  input x: f32[N, 4, H = 8]
  ${body}
  output y = x
}`

/** `f0`, `f1`, ... each made from the one before it. */
const chain = (count: number, first: string, next: (index: number) => string): string =>
  Array.from({ length: count }, (_, i) => (i === 0 ? first : next(i))).join("\n")

function refused(text: string): string {
  const result = compileText(text)
  expect(result.output).toBeUndefined()
  expect(result.diagnostics.length).toBeLessThan(10)
  return messages(result)
}

describe("a text that would take for ever is refused:", () => {
  test.each([
    ["a huge range", "let z = len(0..1000000000)", "more than 100000 items"],
    ["a fold over a huge range", "let z = (fold p = 1 for i in 0..1000000000 => p)", "more than 100000 items"],
    ["loops in loops", "let z = len([len([j for j in 0..100000]) for i in 0..100000])", "steps of evaluation"],
    ["a list that doubles", "let z = len(fold p = [1] for i in 0..40 => p + p)", "more than 100000 items"],
    [
      "a list that is spread twice",
      "let z = len(fold p = [1] for i in 0..40 => [...p, ...p])",
      "more than 100000 items",
    ],
    ["a record that holds itself twice", "let z = (fold p = {a: 1} for i in 0..60 => {a: p, b: p})", "100000 items"],
    ["a list within a list, and so on", "let z = (fold p = [1] for i in 0..100000 => [p])", "more than 100000 items"],
    ["a text that doubles", 'let z = (fold p = "ab" for i in 0..60 => p + p)', "more than 100000 characters"],
    [
      "operations without end",
      "let z = (fold p = x for i in 0..100000 => p + 1.0 + 2.0)",
      "more than 120000 operations",
    ],
    ["a size that grows", "let z = (fold p = 1 for i in 0..100 => p * 1000)", "sizes are computed exactly up to"],
    ["a power of a size", "let z = (fold p = H for i in 0..100 => p * H)", "a product of more than 16 symbols"],
    ["a size with many terms", "let z = (fold p = H for i in 0..12 => p * (H + N + 1))", "a sum of more than 64"],
    ["a shape with too many elements", "let z = reshape(x, [N, 1000000000 * 1000000000])", "computed exactly up to"],
  ])("%s", (_, body, expected) => {
    expect(refused(model(body))).toContain(expected)
  })

  test("functions that call the one below twice, on numbers", () => {
    const definitions = chain(
      51,
      "fn f0(x: int) { return x }",
      (i) => `fn f${i}(x: int) { return f${i - 1}(x) + f${i - 1}(x) }`,
    )
    expect(refused(model("let z = f50(3)", definitions))).toContain("steps of evaluation")
  })

  test("functions that call the one below twice, on tensors", () => {
    const definitions = chain(
      51,
      "fn f0(x: tensor) { return x + 1.0 }",
      (i) => `fn f${i}(x: tensor) { return f${i - 1}(f${i - 1}(x)) }`,
    )
    expect(refused(model("let z = f50(x)", definitions))).toContain("more than 120000 operations")
  })

  test("expressions deep in one another over many calls", () => {
    const deep = (i: number): string => `${"[".repeat(30)}${"1 + ".repeat(60)}f${i - 1}(x)${"]".repeat(30)}`
    const definitions = chain(60, "fn f0(x: int) { return x }", (i) => `fn f${i}(x: int) { return ${deep(i)} }`)
    expect(refused(model("let z = f59(3)", definitions))).toContain("more than 500 expressions within one another")
  })

  test.each(["from the first", "from the last"])("thousands of definitions in a row, %s", (order) => {
    const number = (i: number): number => (order === "from the first" ? i : 5999 - i)
    const definitions = Array.from({ length: 6000 }, (_, i) => number(i))
      .map((i) => (i === 0 ? "fn f0(x: int) { return x }" : `fn f${i}(x: int) { return f${i - 1}(x) }`))
      .join("\n")
    expect(refused(model("let z = f5999(1)", definitions))).toContain("more than 512 definitions")
  })

  test("a function given to itself", () => {
    const definitions = "fn again(f: any, x: int) { return f(f, x) }"
    expect(refused(model("let z = again(again, 1)", definitions))).toContain("more than 64 calls within one another")
  })

  test("blocks nested hundreds of levels deep", () => {
    const body = `let z = ${"{ let q = 1 return ".repeat(400)}1${" }".repeat(400)}`
    expect(refused(model(body))).toContain("Nested too deeply")
  })

  test("a sum of tens of thousands of terms", () => {
    expect(refused(model(`let z = ${"1 + ".repeat(40_000)}1`))).toContain("Nested too deeply")
  })

  test("a file on disk that is larger still, of which the beginning is enough", () => {
    const folder = mkdtempSync(join(tmpdir(), "mdl-limits-"))
    const path = join(folder, "model.mdl")
    writeFileSync(path, "\u20ac".repeat(800_000))
    expect(fileHost(folder).read(path)?.length).toBeLessThan(700_000)
    const { diagnostics } = compile(path, fileHost(folder))
    rmSync(folder, { recursive: true })
    expect(diagnostics.map(({ code }) => code)).toEqual(["MDL1007"])
  })

  test("a file of two megabytes", () => {
    expect(refused(`// ${"x".repeat(2_000_000)}`)).toContain("at most 500000 are read")
  })
})

describe("numbers that no size can be are refused:", () => {
  test.each([
    ["a remainder by zero", model("let z = 3 % 0"), "division by zero"],
    ["a quotient by zero", model("let z = H / 0"), "division by zero"],
    ["an input of size zero", "model M {\n  input x: f32[N, 0]\n  output y = x\n}", "above 0, this is 0"],
    ["an input of negative size", "model M {\n  input x: f32[N, H = 0 - 8]\n  output y = x\n}", "above 0, this is -8"],
    ["the largest of no numbers", model("let z = largest([])"), "no largest of an empty list"],
  ])("%s", (_, text, expected) => {
    expect(refused(text)).toContain(expected)
  })
})

test("long lists are not long messages", () => {
  const text = refused(model('let l = [i for i in 0..5000]\n  check l == [], "the list is not empty"'))
  expect(text).toContain("5000 items")
  expect(text.length).toBeLessThan(1500)
})

describe("names of JavaScript mean nothing:", () => {
  test.each(["constructor", "__proto__", "toString", "hasOwnProperty"])("%s", (name) => {
    expect(refused(model(`let z = ${name}`))).toContain(`nothing is called \`${name}\``)
    expect(refused(model(`let z = {a: 1}.${name}`))).toContain(`there is no field \`${name}\``)
    expect(refused(model(`let z = op.${name}`))).toContain(`there is no field \`${name}\``)
    expect(refused(model(`train { ${name} = 1 }`))).toContain(`training has no setting \`${name}\``)
    expect(refused(model(`let z = linear(x, ${name} = 1)`))).toContain(`\`${name}\``)
    const ablation = `${model("")}\nablation b of M { set ${name} = 1 }`
    expect(messages(compileText(ablation, { selector: "b" }))).toContain(`\`${name}\``)
    expect(messages(compileText(model(""), { selector: name }))).toContain(`\`${name}\``)
  })
})
