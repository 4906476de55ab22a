/** What depends on constants alone is computed when compiling, in the machine's precision and within limits. */

import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import type { ValueId } from "../../../src/compiler/ir/graph.js"
import { foldConstants } from "../../../src/compiler/passes/fold-constants.js"
import { removeDeadCode } from "../../../src/compiler/passes/dead-code.js"
import { runPasses, type PassOptions } from "../../../src/compiler/passes/pass.js"
import { graphText } from "./graph-text.js"

type Build = (b: GraphBuilder) => ValueId

function folded(build: Build, rounding: PassOptions["rounding"] = "exact"): string[] {
  const builder = new GraphBuilder(new Map([["T", 6]]))
  const results = [build(builder)]
  const { program } = runPasses([foldConstants, removeDeadCode], { graph: builder.finish(), results }, { rounding })
  return graphText(program)
}

const list = (b: GraphBuilder, ...values: readonly number[]): ValueId =>
  b.op("constant", [], { shape: [values.length], values })

describe("what is folded", () => {
  test("arithmetic, moves, comparisons and choices", () => {
    expect(
      folded((b) => {
        const a = list(b, 1, 2, 3)
        const sum = b.op("add", [b.op("mul", [a, b.scalar(2)]), list(b, 10, 20, 30)])
        const chosen = b.op("select", [b.op("greater", [sum, b.scalar(20)]), sum, b.op("neg", [sum])])
        return b.op("concat", [b.op("slice", [chosen], { starts: [constant(1)], sizes: [constant(2)] }), a], {
          axis: 0,
        })
      }),
    ).toEqual(["%0 = constant(f32, [5], [24, 36, 1, 2, 3])", "gives %0"])
  })

  test("indices whose number is known", () => {
    expect(folded((b) => b.op("iota", [], { size: [symbol("T")] }))).toEqual([
      "%0 = constant(i32, [6], [0, 1, 2, 3, 4, 5])",
      "gives %0",
    ])
  })

  test("after every node, to float32, as the machine rounds", () => {
    const [seventh, fifth] = [Math.fround(1 / 7), Math.fround(0.2)]
    expect(folded((b) => b.op("mul", [b.op("div", [b.scalar(1), b.scalar(7)]), b.scalar(0.2)]))).toEqual([
      `gives ${Math.fround(seventh * fifth)}`,
    ])
    expect(Math.fround(seventh * fifth)).not.toBe(Math.fround(0.2 / 7))
  })

  test("equal numbers stay one number, however large the shape", () => {
    const shape = [constant(1000), constant(1000)]
    expect(
      folded((b) =>
        b.op("sub", [b.op("broadcast_to", [b.scalar(3)], { shape }), list(b, ...new Array<number>(1000).fill(1))]),
      ),
    ).not.toEqual([])
    expect(folded((b) => b.op("mul", [b.op("broadcast_to", [b.scalar(3)], { shape }), b.scalar(2)]))).toEqual([
      "gives 6[1000, 1000]",
    ])
    expect(folded((b) => b.op("sub", [list(b, 1, 2), list(b, 0, 1)]))).toEqual(["gives 1[2]"])
  })

  test("what may round differently, only where it may", () => {
    const exp: Build = (b) => b.op("exp", [list(b, 0, 1)])
    expect(folded(exp)).toEqual(["%0 = constant(f32, [2], [0, 1])", "%1 = exp(%0)", "gives %1"])
    expect(folded(exp, "free")).toEqual([`%0 = constant(f32, [2], [1, ${Math.fround(Math.E)}])`, "gives %0"])
  })
})

describe("what is not", () => {
  test("random numbers, which differ from step to step", () => {
    expect(folded((b) => b.op("random_uniform", [], { shape: [constant(2)], key: "k" }))).toHaveLength(2)
  })

  test("what has the size of the batch", () => {
    const shape = [symbol("N"), constant(3)]
    expect(folded((b) => b.op("broadcast_to", [b.scalar(3)], { shape }))).toEqual([
      "%0 = broadcast_to(3, [N, 3])",
      "gives %0",
    ])
  })

  test("what would make the file much larger", () => {
    const outer: Build = (b) => {
      const row = list(b, ...Array.from({ length: 100 }, (_, i) => i))
      return b.op("mul", [b.op("reshape", [row], { shape: [constant(100), constant(1)] }), row])
    }
    expect(folded(outer).filter((line) => line.includes("mul"))).toHaveLength(1)
  })

  test("integers that the machine does not hold", () => {
    const large: Build = (b) => {
      const most = b.op("constant", [], { dtype: "i32", shape: [2], values: [2 ** 31 - 1, 1] })
      return b.op("add", [most, most])
    }
    expect(folded(large).filter((line) => line.includes("add"))).toHaveLength(1)
  })
})
