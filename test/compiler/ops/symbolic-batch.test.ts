/** ONNX lowerings of ops whose shapes or offsets depend on the batch, which an exported file must leave open. */

import { expect, test } from "vitest"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { add, constant, multiply, symbol, type Dim } from "../../../src/compiler/ir/dims.js"
import type { Graph, ValueId } from "../../../src/compiler/ir/graph.js"
import { fromValues, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { opDefinition } from "../../../src/compiler/ops/registry.js"
import { exportOnnx } from "../../../src/compiler/targets/onnx/export.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { runOnnx } from "../../../src/runtime/onnx/run.js"
import { seededUniform } from "./case-values.js"

const N = symbol("N")
const dims = (...sizes: readonly (number | Dim)[]): Dim[] =>
  sizes.map((size) => (typeof size === "number" ? constant(size) : size))

type Make = (builder: GraphBuilder, x: ValueId, indices: ValueId) => ValueId

/** Each takes x: f32[N, 4] and indices: i32[4]. */
const MODELS: Readonly<Record<string, Make>> = {
  "indices of the batch": ({ op }, x) => {
    const rows = op("iota", [], { size: [N], dtype: "f32" })
    return op("mul", [x, op("reshape", [rows], { shape: dims(N, 1) })])
  },
  "integer indices of the batch": ({ op }, x) => op("gather", [x, op("iota", [], { size: [N] })]),
  "broadcast over the batch": ({ op }, x) => {
    const row = op("mean", [x], { axes: [0] })
    return op("add", [x, op("broadcast_to", [row], { shape: dims(N, 4) })])
  },
  "rows flattened": ({ op }, x) => op("reshape", [x], { shape: [multiply(N, constant(4))] }),
  "columns scattered": ({ op }, x, indices) => op("scatter_add", [x, indices], { axis: 1, size: dims(6) }),
  "columns gathered": ({ op }, x, indices) => op("gather", [x, indices], { axis: 1 }),
  "a batch longer by one": ({ op }, x) => {
    const token = op("slice", [x], { starts: dims(0, 0), sizes: dims(1, 4) })
    const longer = op("concat", [token, x], { axis: 0 })
    return op("reshape", [longer], { shape: dims(add(N, constant(1)), 2, 2) })
  },
  "a slice that starts at the batch": ({ op }, x) => {
    const twice = op("concat", [x, op("neg", [x])], { axis: 0 })
    return op("slice", [twice], { starts: dims(N, 1), sizes: dims(N, 3) })
  },
  "padding as long as the batch": ({ op }, x) => op("pad", [x], { before: dims(N, 0), after: dims(0, 1), value: 2 }),
  "letters of the batch": ({ op, all, scalar, typeOf }, x) => {
    const inputs = [op("reshape", [x], { shape: dims(N, 2, 2) }), op("mul", [x, x])]
    const attributes = { equation: "nij,nk->nkji" }
    return opDefinition("einsum").composition!({ op, all, scalar, typeOf, inputs, attributes })[0]!
  },
  "letters that the batch is summed over": ({ op, all, scalar, typeOf }, x) => {
    const inputs = [x, op("exp", [x])]
    const attributes = { equation: "ni,nj->ij" }
    return opDefinition("einsum").composition!({ op, all, scalar, typeOf, inputs, attributes })[0]!
  },
  "added at an index of its own": ({ op }, x) =>
    op("scatter_along_axis", [x, op("rank_descending", [x])], { axis: 1, size: dims(6) }),
  "picked at an index of its own": ({ op }, x) => op("take_along_axis", [x, op("rank_descending", [x])], { axis: 1 }),
  "groups of channels of the batch": ({ op }, x) => {
    const [gain, bias] = [2, 0.5].map((value) => op("constant", [], { shape: [2], values: [value] })) as [
      ValueId,
      ValueId,
    ]
    return op("group_norm", [op("reshape", [x], { shape: dims(N, 2, 2) }), gain, bias], { groups: 1 })
  },
  "ranks in every row": ({ op }, x) => op("cast", [op("rank_descending", [x])], { to: "f32" }),
}

const cases = Object.keys(MODELS).flatMap((name) => [15, 17, 18].map((opset) => ({ name, opset })))

interface Exported {
  readonly graph: Graph
  readonly y: ValueId
  readonly model: ReturnType<typeof exportOnnx>
}

function exported(make: Make, opset: number): Exported {
  const builder = new GraphBuilder(new Map())
  const x = builder.input("x", { dtype: "f32", shape: dims(N, 4) }, "input")
  const indices = builder.input("indices", { dtype: "i32", shape: dims(4) }, "input")
  const y = make(builder, x, indices)
  builder.output("y", y)
  const graph = builder.finish()
  return {
    graph,
    y,
    model: exportOnnx({ name: "m", graph, parameters: new Map(), symbols: ["N"], metadata: {}, opset }),
  }
}

test.each(cases)("$name, opset $opset", async ({ name, opset }) => {
  const { graph, y, model } = exported(MODELS[name]!, opset)
  const [x, indices] = graph.inputs.map((input) => input.value) as [ValueId, ValueId]
  for (const n of [1, 3]) {
    const uniform = seededUniform(`${name} ${n}`)
    const values = Float32Array.from({ length: n * 4 }, uniform)
    const positions = [3, 1, 1, 0]
    const sizes = new Map([["N", n]])
    const feeds = new Map<ValueId, NdArray>([
      [x, fromValues([n, 4], values)],
      [indices, fromValues([4], positions)],
    ])
    const [expected] = interpret(graph, [y], feeds, { sizes, seed: 0, step: 0 })
    const given = {
      x: { dtype: "f32" as const, shape: [n, 4], data: values },
      indices: { dtype: "i32" as const, shape: [4], data: Int32Array.from(positions) },
    }
    const used = model.inputs.map((input) => [input.name, given[input.name as keyof typeof given]] as const)
    const found = (await runOnnx(model.bytes, Object.fromEntries(used)))["y"]!
    expect([...found.shape]).toEqual([...expected!.shape])
    expected!.data.forEach((value, i) => expect(Number(found.data[i])).toBeCloseTo(value, 5))
  }
})
