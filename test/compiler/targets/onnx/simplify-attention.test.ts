/**
 * What is rewritten around attention: scales go into weights, two masks become one, a bias finds its convolution across a
 * transpose. Numbers are those of the reference, in ONNX Runtime.
 */

import { describe, expect, it } from "vitest"
import { constant, symbol, type Dim } from "../../../../src/compiler/ir/dims.js"
import type { Graph, ValueId } from "../../../../src/compiler/ir/graph.js"
import { decodeModel } from "../../../../src/compiler/targets/onnx/decode.js"
import { exportOnnx, type ExportedModel } from "../../../../src/compiler/targets/onnx/export.js"
import { drawn, expectParity, ModelBuilder, parameterValues } from "./graphs.js"

const N = symbol("N")
const dims = (...sizes: (number | Dim)[]): Dim[] =>
  sizes.map((size) => (typeof size === "number" ? constant(size) : size))
const f32 = (...sizes: (number | Dim)[]) => ({ dtype: "f32", shape: dims(...sizes) }) as const

const exported = (graph: Graph): ExportedModel =>
  exportOnnx({ name: "m", graph, parameters: parameterValues(graph), symbols: ["N"], metadata: {} })
const countOf = (model: ExportedModel, op: string): number =>
  decodeModel(model.bytes).nodes.filter((node) => node.op === op).length

/** Tokens [N, 4, 6] in `heads` heads, the output of a linear layer with weights of its own. */
function projected(b: ModelBuilder, x: ValueId, name: string): ValueId {
  const weight = b.weight(`${name}.weight`, [6, 6])
  const bias = b.weight(`${name}.bias`, [6])
  const y = b.op("add", [b.op("matmul", [x, weight], { transpose_b: true }), bias])
  return b.op("transpose", [b.op("reshape", [y], { shape: dims(N, 4, 2, 3) })], { perm: [0, 2, 1, 3] })
}

describe("scores of attention", () => {
  it("are scaled by the weights of the queries", async () => {
    const b = new ModelBuilder(new Map()).at("a", 1)
    const x = b.input("x", f32(N, 4, 6), "input")
    const scores = b.op("matmul", [projected(b, x, "q"), projected(b, x, "k")], { transpose_b: true })
    b.output("y", b.op("softmax", [b.op("div", [scores, b.scalar(Math.sqrt(3))])]))
    const graph = b.finish()
    const model = exported(graph)
    expect([countOf(model, "Div"), countOf(model, "Mul")]).toEqual([0, 0])
    await expectParity(graph, model, { x: drawn("x", [2, 4, 6]) }, 2)
  })

  it("are scaled themselves when the queries are read elsewhere too", async () => {
    const b = new ModelBuilder(new Map()).at("a", 1)
    const x = b.input("x", f32(N, 4, 6), "input")
    const queries = projected(b, x, "q")
    const scores = b.op("matmul", [queries, projected(b, x, "k")], { transpose_b: true })
    b.output("y", b.op("div", [scores, b.scalar(Math.sqrt(3))]))
    b.output("queries", queries)
    const graph = b.finish()
    const model = exported(graph)
    expect(countOf(model, "Div")).toBe(1)
    await expectParity(graph, model, { x: drawn("x", [2, 4, 6]) }, 2)
  })

  it("are masked once by two masks, which are joined once for all layers", async () => {
    const b = new ModelBuilder(new Map()).at("a", 1)
    const [x, valid] = [b.input("x", f32(N, 2, 4, 4), "input"), b.input("valid", f32(N, 4), "input")]
    const position = b.op("iota", [], { size: [constant(4)] })
    const future = b.op("greater", [
      b.op("reshape", [position], { shape: dims(1, 4) }),
      b.op("reshape", [position], { shape: dims(4, 1) }),
    ])
    const never = b.scalar(-1e30)
    const kept = b.op("greater", [b.op("reshape", [valid], { shape: dims(N, 1, 1, 4) }), b.scalar(0.5)])
    const masked = (scores: ValueId): ValueId =>
      b.op("softmax", [b.op("select", [kept, b.op("select", [future, never, scores]), never])])
    b.output("y", masked(masked(x)))
    const graph = b.finish()
    const model = exported(graph)
    expect([countOf(model, "Where"), countOf(model, "And"), countOf(model, "Not")]).toEqual([2, 1, 0])
    await expectParity(graph, model, { x: drawn("x", [2, 2, 4, 4]), valid: drawn("valid", [2, 4], 0.2, 1) }, 2)
  })

  it("keep both masks when they hide with different numbers", () => {
    const b = new ModelBuilder(new Map()).at("a", 1)
    const [x, valid] = [b.input("x", f32(N, 4), "input"), b.input("valid", f32(N, 4), "input")]
    const inner = b.op("select", [b.op("greater", [valid, b.scalar(0.5)]), x, b.scalar(-1e30)])
    b.output("y", b.op("select", [b.op("less", [valid, b.scalar(0.9)]), inner, b.scalar(0)]))
    const model = exported(b.finish())
    expect([countOf(model, "Where"), countOf(model, "And")]).toEqual([2, 0])
  })
})

describe("a convolution along tokens", () => {
  it("takes the bias that is added after the transpose, and the transposes around it meet", async () => {
    const b = new ModelBuilder(new Map()).at("a", 1)
    const x = b.input("x", f32(N, 6, 4), "input")
    const conv = b.op("conv1d", [x, b.weight("weight", [5, 6, 3])], { padding: [1] })
    const moved = b.op("add", [b.op("transpose", [conv], { perm: [0, 2, 1] }), b.weight("bias", [5])])
    b.output("y", b.op("relu", [b.op("transpose", [moved], { perm: [0, 2, 1] })]))
    const graph = b.finish()
    const model = exported(graph)
    expect(decodeModel(model.bytes).nodes.map((node) => node.op)).toEqual(["Conv", "Relu"])
    await expectParity(graph, model, { x: drawn("x", [2, 6, 4]) }, 2)
  })
})
