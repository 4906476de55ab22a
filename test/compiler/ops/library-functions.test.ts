/** Functions of the library that draw at random, what they refuse, and the mistakes that einsum points out. */

import { describe, expect, test } from "vitest"
import { fromValues } from "../../../src/compiler/ops/ndarray.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { compileText, elaborated, messages } from "../source-host.js"
import { modelOf } from "./torch-expressions.js"

const f32 = (...shape: number[]) => ({ dtype: "f32", shape }) as const

/** The result of an expression at a step of a run with seed 5. */
function run(mdl: string, rows: readonly number[], count: number, step: number): number[] {
  const { graph } = elaborated(compileText(modelOf(mdl, [f32(count, rows.length)], "std/tensors")))
  const values = Array.from({ length: count }, () => rows).flat()
  const feeds = new Map([[graph.inputs[0]!.value, fromValues([count, rows.length], values)]])
  return [...interpret(graph, [graph.outputs[0]!.value], feeds, { sizes: graph.sizes, seed: 5, step })[0]!.data]
}

const refusal = (mdl: string, ...shapes: readonly (readonly number[])[]): string =>
  messages(
    compileText(
      modelOf(
        mdl,
        shapes.map((shape) => f32(...shape)),
        /split|chunk|tile/.test(mdl) ? "std/tensors" : undefined,
      ),
    ),
  )

describe("random choices", () => {
  test("come as often as their probability says", () => {
    const weights = [0.1, 0.2, 0.7]
    const drawn = run("random_categorical(x0)", weights.map(Math.log), 4000, 0)
    weights.forEach((weight, position) => {
      const share = drawn.filter((choice) => choice === position).length / drawn.length
      // five standard deviations
      expect(Math.abs(share - weight)).toBeLessThan(5 * Math.sqrt((weight * (1 - weight)) / drawn.length))
    })
  })

  test("differ from step to step, and are the same at one step", () => {
    const at = (step: number): number[] => run("random_categorical(x0)", [0, 0, 0, 0], 20, step)
    expect(at(1)).toEqual(at(1))
    expect(at(1)).not.toEqual(at(2))
  })

  test("a permutation has every number once", () => {
    const order = run('cast(random_permutation(9), "f32") + sum(x0)', [0], 1, 3)
    expect([...order].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(order).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })
})

describe("einsum names the letter at fault", () => {
  test("when two operands disagree about its size", () => {
    const text = refusal('einsum("bqd,bkd->bqk", x0, x1)', [2, 3, 4], [2, 5, 6])
    expect(text).toContain('the letter d of "bqd,bkd->bqk" is 4 in operand 1 and 6 in operand 2')
    expect(text).toContain("x0: f32[2, 3, 4]")
  })

  test.each([
    ["ij,jk->iz", "the letter z of the result stands in no operand"],
    ["ii->i", "the letter i stands twice in operand 1"],
    ["ij->ii", "the letter i stands twice in the result"],
    ["...j,jk->k", "write a letter for every axis"],
    ["i1,1k->ik", "is no letter"],
    ["ij->i->j", "more than one arrow"],
    ["ij", "it has 1 operands, 2 are given"],
  ])("%s: %s", (equation, message) => {
    expect(refusal(`einsum("${equation}", x0, x1)`, [2, 2], [2, 2])).toContain(message)
  })

  test("when an operand has another number of axes", () => {
    expect(refusal('einsum("ijk,jk->i", x0, x1)', [2, 3], [3, 4])).toContain('3 axes, by "ijk" in the equation')
  })

  test("and takes a list as well", () => {
    const { graph } = elaborated(
      compileText(modelOf('einsum([x0, x1], equation = "ij,jk->ik")', [f32(2, 3), f32(3, 4)])),
    )
    expect(graph.nodes.map((node) => node.op)).toEqual(["matmul"])
  })
})

describe("parts of tensors", () => {
  test.each([
    ["split(x0, [1, 2])[0]", "the sizes of the parts must add up to that of the axis"],
    ["chunk(x0, 3)[0]", "the axis must be divisible by the number of parts"],
    ["tile(x0, [2])", "there must be one number of repeats for each axis"],
    ["top_k(x0, 7)[0]", "7 of an axis with 6 elements"],
    ["take_along_axis(x0, iota([2]))", "2 axes, as operand 1"],
  ])("%s is refused: %s", (mdl, message) => {
    expect(refusal(mdl, [4, 6])).toContain(message)
  })
})
