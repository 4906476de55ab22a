/** Gradients built while the batch has no size yet, run at sizes that come in later. */

import { describe, expect, test } from "vitest"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { add, constant, symbol, type Sizes } from "../../../src/compiler/ir/dims.js"
import type { Graph, ValueId } from "../../../src/compiler/ir/graph.js"
import { fromValues, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { attributesAt } from "../../../src/compiler/ops/sized-attributes.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"

const N = symbol("N")
const H = symbol("H")
const sizes: Sizes = new Map([["H", 8]])

/** Runs a graph at a batch size, with the dims in attributes resolved as every target does. */
function runAt(graph: Graph, wanted: readonly ValueId[], feeds: ReadonlyMap<ValueId, NdArray>, n: number): number[][] {
  const all: Sizes = new Map([...sizes, ["N", n]])
  const nodes = graph.nodes.map((node) => ({ ...node, attributes: attributesAt(node.attributes, all) }))
  const results = interpret({ ...graph, nodes }, wanted, feeds, { sizes: all, seed: 0, step: 0 })
  return results.map((result) => [...result.data])
}

describe("gradients with a symbolic batch", () => {
  test("the mean over the batch divides by its size, whatever it turns out to be", () => {
    const builder = new GraphBuilder(sizes)
    const x = builder.input("x", { dtype: "f32", shape: [N, constant(2), H] }, "input")
    const [gradient] = differentiate(builder, builder.op("mean", [x]), [x])
    for (const n of [1, 3]) {
      const feeds = new Map([[x, fromValues([n, 2, 8], new Array<number>(n * 16).fill(1))]])
      expect(runAt(builder.finish(), [gradient!], feeds, n)[0]).toEqual(new Array<number>(n * 16).fill(1 / (n * 16)))
    }
  })

  test("parts concatenated along the batch get their own rows back", () => {
    const builder = new GraphBuilder(sizes)
    const a = builder.input("a", { dtype: "f32", shape: [N] }, "input")
    const b = builder.input("b", { dtype: "f32", shape: [N] }, "input")
    const weight = builder.input("weight", { dtype: "f32", shape: [add(N, N)] }, "input")
    const loss = builder.op("sum", [builder.op("mul", [builder.op("concat", [a, b], { axis: 0 }), weight])])
    const gradients = differentiate(builder, loss, [a, b]) as ValueId[]
    const feeds = new Map([
      [a, fromValues([2], [0, 0])],
      [b, fromValues([2], [0, 0])],
      [weight, fromValues([4], [1, 2, 3, 4])],
    ])
    expect(runAt(builder.finish(), gradients, feeds, 2)).toEqual([
      [1, 2],
      [3, 4],
    ])
  })

  test("a slice that starts at a symbol pads its gradient back in place", () => {
    const builder = new GraphBuilder(sizes)
    const x = builder.input("x", { dtype: "f32", shape: [add(N, constant(2))] }, "input")
    const tail = builder.op("slice", [x], { starts: [N], sizes: [constant(2)] })
    const [gradient] = differentiate(builder, builder.op("sum", [tail]), [x])
    const feeds = new Map([[x, fromValues([5], [1, 2, 3, 4, 5])]])
    expect(runAt(builder.finish(), [gradient!, tail], feeds, 3)).toEqual([
      [0, 0, 0, 1, 1],
      [4, 5],
    ])
  })
})
