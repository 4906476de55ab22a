/**
 * The random choice of `mask_tokens`: how many tokens are hidden, and how likely each of them is.
 *
 * The published code draws max(int(ratio * length), 1) tokens without replacement from the distribution of interest, with
 * `torch.multinomial`. For a few tokens the probability of each to be among them can be written down; many cases drawn at
 * once must come near it. Seed and step are fixed, so the draws are the same in every run.
 */

import { describe, expect, test } from "vitest"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { interpret } from "../../src/compiler/targets/reference/interpret.js"
import { compileText, elaborated } from "../compiler/source-host.js"

const CASES = 4000

/** Four standard deviations of a share among `CASES` draws. */
const NEAR = (4 * 0.5) / Math.sqrt(CASES)

/** For each case, 1 where a token was left: weights of interest and 0 for padding are the same in all cases. */
const kept = (weights: readonly number[], valid: readonly number[], ratio: number): readonly number[][] =>
  drawn(weights, valid, `mask_tokens(x, by = weights, ratio = ${ratio}, valid = valid)`)

/** For each case, what an expression of x, all ones, gives for each token. */
function drawn(weights: readonly number[], valid: readonly number[], expression: string): readonly number[][] {
  const T = weights.length
  const { graph } = elaborated(
    compileText(`
import { hide_tokens, mask_tokens } from "std/conditioned"

model Masks() {
  input x: f32[N, ${T}, 1]
  input weights: f32[N, ${T}]
  input valid: f32[N, ${T}]
  output left = ${expression}
}
`),
  )
  const repeated = (row: readonly number[], shape: readonly number[]): NdArray => ({
    shape: [CASES, ...shape],
    data: Float64Array.from({ length: CASES * T }, (_, index) => row[index % T]!),
  })
  const inputs: Readonly<Record<string, NdArray>> = {
    x: repeated(new Array<number>(T).fill(1), [T, 1]),
    weights: repeated(weights, [T]),
    valid: repeated(valid, [T]),
  }
  const feeds = new Map(graph.inputs.map(({ name, value }) => [value, inputs[name]!] as const))
  const options = { sizes: new Map([...graph.sizes, ["N", CASES] as const]), seed: 5, step: 2 }
  const { data } = interpret(graph, [graph.outputs[0]!.value], feeds, options)[0]!
  return Array.from({ length: CASES }, (_, row) => [...data.slice(row * T, (row + 1) * T)])
}

/** The probability of each token to be among the first `count` that are drawn without replacement. */
function inclusion(weights: readonly number[], count: number): number[] {
  const result = new Array<number>(weights.length).fill(0)
  const draw = (left: readonly number[], remaining: number, probability: number): void => {
    if (remaining === 0) return
    const total = left.reduce((sum, index) => sum + weights[index]!, 0)
    for (const index of left) {
      const chosen = (probability * weights[index]!) / total
      result[index]! += chosen
      draw(
        left.filter((other) => other !== index),
        remaining - 1,
        chosen,
      )
    }
  }
  draw(
    weights.map((_, index) => index),
    count,
    1,
  )
  return result
}

const shares = (rows: readonly number[][]): number[] =>
  rows[0]!.map((_, token) => rows.filter((row) => row[token] === 0).length / rows.length)

describe("mask_tokens", () => {
  const weights = [0.5, 0.3, 0.15, 0.04, 0.01]
  test.each([
    [0.3, 5, 1],
    [0.5, 5, 2],
    [0.7, 5, 3],
    [0.3, 3, 1],
    [0.1, 4, 1],
    [1.0, 4, 4],
  ])("hides at ratio %f of %i valid tokens always %i, and no padding", (ratio, length, count) => {
    const valid = weights.map((_, index) => (index < length ? 1 : 0))
    const rows = kept(
      weights.map((weight, index) => weight * valid[index]!),
      valid,
      ratio,
    )
    const hidden = rows.map((row) => row.filter((left) => left === 0).length)
    expect([...new Set(hidden)]).toEqual([count])
    expect(rows.filter((row) => row.slice(length).includes(0))).toEqual([])
  })
  test.each([1, 2, 3])("draws %i tokens as torch.multinomial without replacement does", (count) => {
    const given = shares(kept(weights, [1, 1, 1, 1, 1], count / 5 + 0.01))
    inclusion(weights, count).forEach((expected, token) => {
      expect(Math.abs(given[token]! - expected), `token ${token}`).toBeLessThan(NEAR)
    })
  })
  test("with fewer positive weights than it needs takes those, then the rest evenly", () => {
    const given = shares(kept([0.9, 0.1, 0, 0, 0], [1, 1, 1, 1, 1], 0.61))
    expect(given.slice(0, 2)).toEqual([1, 1])
    for (const share of given.slice(2)) expect(Math.abs(share - 1 / 3)).toBeLessThan(NEAR)
  })
  test("says which tokens it hid", () => {
    const valid = weights.map((_, index) => (index < 4 ? 1 : 0))
    const both = "hide_tokens(x, by = weights, ratio = 0.5, valid = valid)"
    const left = drawn(weights, valid, `${both}.tokens`)
    const hidden = drawn(weights, valid, `${both}.hidden`)
    expect(hidden).toEqual(left.map((row) => row.map((token) => 1 - token)))
    expect(new Set(hidden.map((row) => row.filter((token) => token === 1).length))).toEqual(new Set([2]))
  })
})
