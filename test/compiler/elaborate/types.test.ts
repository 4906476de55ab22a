/** Element types and broadcasting: nothing is converted in silence, and what does not fit is told with both shapes. */

import { describe, expect, test } from "vitest"
import { formatType } from "../../../src/compiler/elaborate/values.js"
import { compileText, elaborated, messages } from "../source-host.js"

const model = (line: string): string => `model Types {
  input f: f32[N, 3, H = 8, W = 8]
  input g: f32[N, 1, H, W]
  input i: i32[N, 3]
  input j: i32[N, 1]
  input b: bool[N, 3]
  input row: f32[3]
${line}
}`

function typeOf(expression: string): string {
  const { outputs, values } = elaborated(compileText(model(`  output o = ${expression}`))).graph
  return formatType(values[outputs[0]!.value]!.type)
}

const refused = (expression: string): string => {
  const result = compileText(model(`  output o = ${expression}`))
  return result.output ? "accepted" : messages(result)
}

describe("element types", () => {
  test.each([
    ["f + g", "f32[N, 3, H, W]"],
    ["i + j", "i32[N, 3]"],
    // A literal takes the type of the tensor.
    ["f * 2", "f32[N, 3, H, W]"],
    ["i * 2", "i32[N, 3]"],
    ["1 - i", "i32[N, 3]"],
    ["i / 2", "i32[N, 3]"],
    ["f + 0.5", "f32[N, 3, H, W]"],
    // Comparisons give bool.
    ["f < g", "bool[N, 3, H, W]"],
    ["i >= 2", "bool[N, 3]"],
    ["i == j", "bool[N, 3]"],
    ["logical_and(b, i == j)", "bool[N, 3]"],
    ["logical_not(b)", "bool[N, 3]"],
    ["select(b, i, 0)", "i32[N, 3]"],
    ["select(b, row, 0.5)", "f32[N, 3]"],
    // A cast says so.
    ['cast(i, to = "f32") + 0.5', "f32[N, 3]"],
    ['cast(b, to = "i32") + i', "i32[N, 3]"],
    ['cast(row, to = "i32")', "i32[3]"],
  ])("%s is %s", (expression, type) => {
    expect(typeOf(expression)).toBe(type)
  })

  test.each([
    ["a tensor of integers and one of numbers", "i + row", "i32"],
    ["half of an integer tensor", "i + 0.5", "0.5"],
    ["truth values in arithmetic", "b + b", "bool"],
    ["a condition that is no truth value", "select(i, i, j)", "bool"],
    ["integers where numbers are needed", "sqrt(i)", "f32"],
    ["logic on numbers", "logical_and(b, i)", "bool"],
    ["branches of two types", "select(b, i, row)", "i32"],
    ["words between tensors", "b and b", "logical_and"],
    ["not of a tensor", "not b", "logical_not"],
    ["an unknown type", 'cast(i, to = "f64")', "f64"],
  ])("%s: refused, naming what is there", (_, expression, word) => {
    const shown = refused(expression)
    expect(shown).toMatch(/error\[MDL3\d+\]/)
    expect(shown).toContain(word)
  })
})

describe("broadcasting", () => {
  test.each([
    ["f + row", undefined],
    ["f + reshape(row, [3, 1, 1])", "f32[N, 3, H, W]"],
    ["f * g", "f32[N, 3, H, W]"],
    ["row + 1", "f32[3]"],
    ["reshape(row, [3, 1]) * row", "f32[3, 3]"],
    ["f + constant(values = [1])", "f32[N, 3, H, W]"],
  ])("%s is %s", (expression, type) => {
    if (type === undefined) {
      const shown = refused(expression)
      // Both shapes in full, and the axes counted from the end.
      expect(shown).toContain("f: f32[N, 3, H, W]")
      expect(shown).toContain("row: f32[3]")
      expect(shown).toContain("MDL3001")
    } else expect(typeOf(expression)).toBe(type)
  })
})

describe("sizes", () => {
  const block = (inputs: string, call: string, result = ""): string =>
    `block B()(${inputs})${result} { return x }\n${model(`  output o = B()(${call})`)}`
  test("the first use of a name binds it, later uses check it, and the message says where", () => {
    const shown = messages(compileText(block("x: f32[N, C, H, W], y: f32[N, C, A, B]", "f, g")))
    expect(shown).toContain("axis 1 should be C = 3, it is 1")
    expect(shown).toContain("C = 3 was bound here")
  })
  test("results are checked like inputs", () => {
    expect(messages(compileText(block("x: f32[N, C, H, W]", "f", " -> f32[N, 2 * C, H, W]")))).toContain(
      "axis 1 should be 2 * C = 6",
    )
  })
  test("a size that does not divide is told with the numbers", () => {
    expect(refused("reshape(f, [N, 3, H / 3, W * 3])")).toContain("here it is 8 / 3")
  })
  test("a size that only the batch decides cannot be a number", () => {
    expect(refused("f * N")).toContain("the size of the batch is not known when compiling")
  })
})
