/**
 * What an exported file holds: numbers at two batch sizes, names, folded constants, nothing that is not needed.
 */

import { describe, expect, it } from "vitest"
import { constant, multiply, symbol, type Dim } from "../../../../src/compiler/ir/dims.js"
import type { Graph } from "../../../../src/compiler/ir/graph.js"
import { fromValues } from "../../../../src/compiler/ops/ndarray.js"
import { checkOnnx } from "../../../../src/compiler/targets/onnx/check.js"
import { decodeModel, type DecodedNode } from "../../../../src/compiler/targets/onnx/decode.js"
import { exportOnnx, type ExportedModel, type ExportSpec } from "../../../../src/compiler/targets/onnx/export.js"
import { onnxText } from "../../../../src/compiler/targets/onnx/text.js"
import { compositeFeeds, compositeModel, drawn, expectParity, ModelBuilder, OPSETS, parameterValues } from "./graphs.js"

const N = symbol("N")
const dims = (...sizes: (number | Dim)[]): Dim[] =>
  sizes.map((size) => (typeof size === "number" ? constant(size) : size))
const f32 = (...sizes: (number | Dim)[]) => ({ dtype: "f32", shape: dims(...sizes) }) as const

function exported(graph: Graph, more: Partial<ExportSpec> = {}): ExportedModel {
  return exportOnnx({ name: "m", graph, parameters: parameterValues(graph), symbols: ["N"], metadata: {}, ...more })
}

const nodesOf = (model: ExportedModel): readonly DecodedNode[] => decodeModel(model.bytes).nodes
const opsOf = (model: ExportedModel): string[] => nodesOf(model).map((node) => node.op)
const constantsOf = (model: ExportedModel): string[] => decodeModel(model.bytes).tensors.map((tensor) => tensor.name)

describe("a composite model", () => {
  const graph = compositeModel()

  for (const opset of OPSETS) {
    for (const batch of [1, 3]) {
      it(`gives the reference's numbers at batch ${batch}, opset ${opset}`, async () => {
        await expectParity(graph, exported(graph, { opset }), compositeFeeds(batch), batch)
      })
    }
  }

  it("reads as expected", async () => {
    const metadata = { "mdl.source": "sha256:0", "Image.NominalPixelRange": "NominalRange_0_1" }
    const model = exported(graph, { name: "composite", doc: "A small model.", metadata })
    await expect(onnxText(model.bytes)).toMatchFileSnapshot("golden/composite.onnx.txt")
  })

  it("says what it holds", () => {
    const model = exported(graph)
    const decoded = decodeModel(model.bytes)
    expect(model.opset).toBe(17)
    expect(decoded.irVersion).toBe(8)
    expect(decoded.producer).toBe("mdl")
    expect(model.nodes).toBe(decoded.nodes.length)
    expect(model.initializers).toBe(decoded.tensors.length)
    expect(model.inputs).toEqual([
      { name: "image", dtype: "f32", shape: ["N", 3, 8, 12] },
      { name: "note", dtype: "f32", shape: ["N", 5, 8] },
      { name: "valid", dtype: "i32", shape: ["N", 5] },
    ])
    expect(model.outputs[1]).toEqual({ name: "attention", dtype: "f32", shape: ["N", 24, 5] })
    expect(decoded.inputs[0]!.doc).toBe("RGB, scaled to [0, 1]")
  })

  it("is written in the same bytes each time, and in others when a weight changes", () => {
    const first = exported(graph, { metadata: { a: "1", b: "2" } }).bytes
    expect(exported(compositeModel(), { metadata: { b: "2", a: "1" } }).bytes).toEqual(first)
    const parameters = new Map(parameterValues(graph))
    parameters.set(
      "vision.norm.gain",
      parameters.get("vision.norm.gain")!.map((x) => x + 1),
    )
    expect(exported(graph, { parameters, metadata: { a: "1", b: "2" } }).bytes).not.toEqual(first)
  })

  it("leaves out dropout, losses, targets and what the chosen outputs do not need", () => {
    const model = exported(graph, { outputs: ["attention"] })
    expect(opsOf(exported(graph))).not.toContain("Identity")
    expect(model.outputs.map((output) => output.name)).toEqual(["attention"])
    expect(constantsOf(model).filter((name) => name.startsWith("decoder"))).toEqual([])
    expect(model.inputs.map((input) => input.name)).not.toContain("mask")
  })

  it("gives layer normalisation as one node from opset 17 and as its parts before", () => {
    expect(opsOf(exported(graph, { opset: 17 }))).toContain("LayerNormalization")
    expect(opsOf(exported(graph, { opset: 16 }))).not.toContain("LayerNormalization")
  })
})

describe("names", () => {
  it("of values come from the statement, those of constants from the parameter", () => {
    const model = exported(compositeModel())
    const convolution = nodesOf(model).find((node) => node.op === "Conv")!
    expect(convolution.name).toBe("vision.conv/conv2d")
    expect(convolution.inputs).toEqual(["image", "vision.conv.weight", "vision.conv.bias"])
    expect(convolution.doc).toBe("composite.mdl@10-19")
  })

  it("do not change when a statement is added elsewhere", () => {
    const build = (extra: boolean): Graph => {
      const b = new ModelBuilder(new Map())
      let x = b.input("x", f32(N, 4), "input")
      if (extra) x = b.at("head.extra", 0).op("mul", [x, b.scalar(2)])
      b.at("head.linear", 1)
      b.output("y", b.op("relu", [b.op("matmul", [x, b.weight("head.linear.weight", [4, 4])])]))
      return b.finish()
    }
    const names = (extra: boolean): string[] => nodesOf(exported(build(extra))).map((node) => node.name)
    expect(names(true)).toEqual(["head.extra/mul", ...names(false)])
  })

  it("that clash are refused", () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 4), "input")
    b.output("x", b.op("relu", [x]))
    expect(() => exported(b.finish())).toThrow("two inputs, outputs or parameters are named x")
  })
})

describe("constants", () => {
  it("are computed at export when they depend on parameters alone", async () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 6), "input")
    const norm = b.at("w", 1).op("sqrt", [b.op("sum", [b.op("square", [b.weight("w.v", [6, 6])])])])
    const unit = b.op("div", [b.weight("w.u", [6, 6]), norm])
    b.at("y", 2).output("y", b.op("matmul", [x, b.op("stop_gradient", [unit])], { transpose_b: true }))
    const model = exported(b.finish())
    expect(opsOf(model)).toEqual(["MatMul"])
    expect(constantsOf(model)).toEqual(["w/div.transposed"])
    await expectParity(b.finish(), model, { x: drawn("x", [2, 6]) }, 2)
  })

  it("may be made with attributes that name sizes", async () => {
    const b = new ModelBuilder(new Map([["T", 4]]))
    const T = symbol("T")
    const x = b.input("x", f32(N, T, 2), "input")
    const positions = b.op("slice", [b.weight("p", [7, 2])], { starts: dims(1, 0), sizes: dims(T, 2) })
    b.output("y", b.op("add", [x, positions]))
    const model = exported(b.finish())
    expect(constantsOf(model)).toEqual(["slice"])
    await expectParity(b.finish(), model, { x: drawn("x", [2, 4, 2]) }, 2)
  })

  it("are left to the runtime when they would make the file much larger", async () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 64, 8), "input")
    const row = b.op("broadcast_to", [b.weight("row", [1, 8])], { shape: dims(64, 8) })
    b.output("y", b.op("concat", [x, b.op("broadcast_to", [row], { shape: dims(N, 64, 8) })], { axis: 1 }))
    const model = exported(b.finish())
    expect(constantsOf(model)).toContain("row")
    expect(model.bytes.length).toBeLessThan(64 * 8 * 4)
    await expectParity(b.finish(), model, { x: drawn("x", [3, 64, 8]) }, 3)
  })

  it("that are equal are stored once", () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 4, 4), "input")
    const w = b.weight("w", [4, 4])
    const twice = b.op("matmul", [b.op("matmul", [x, w], { transpose_b: true }), w], { transpose_b: true })
    b.output("y", b.op("mul", [b.op("mul", [twice, b.scalar(0.1)]), b.op("constant", [], { values: [0.1] })]))
    expect(constantsOf(exported(b.finish()))).toEqual(["w.transposed", "const/f32:0.1"])
  })

  it("count from 0 at export, or when the model runs if their number is open", async () => {
    const b = new ModelBuilder(new Map([["T", 4]]))
    const x = b.input("x", { dtype: "i32", shape: dims(N, symbol("T")) }, "input")
    b.output("fixed", b.op("add", [x, b.op("iota", [], { size: [symbol("T")] })]))
    const rows = b.op("reshape", [b.op("iota", [], { size: [N] })], { shape: dims(N, 1) })
    b.output("open", b.op("add", [x, rows]))
    const model = exported(b.finish())
    expect(opsOf(model).filter((op) => op === "Range")).toHaveLength(1)
    await expectParity(
      b.finish(),
      model,
      {
        x: fromValues(
          [3, 4],
          Array.from({ length: 12 }, (_, i) => i * i),
        ),
      },
      3,
    )
  })
})

describe("a bias", () => {
  const withBias = (shape: number[], swapped: boolean, reuse: boolean): Graph => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 3, 5, 5), "input")
    const y = b.at("c", 1).op("conv2d", [x, b.weight("c.weight", [4, 3, 3, 3])])
    const bias = b.weight("c.bias", shape)
    const sum = b.op("add", swapped ? [bias, y] : [y, bias])
    b.output("y", b.op("relu", [reuse ? b.op("add", [sum, y]) : sum]))
    return b.finish()
  }

  it.each([
    [[1, 4, 1, 1], false],
    [[4, 1, 1], true],
  ])("of shape %j joins the convolution (on the left: %s)", async (shape, swapped) => {
    const graph = withBias(shape, swapped, false)
    const model = exported(graph)
    expect(opsOf(model)).toEqual(["Conv", "Relu"])
    await expectParity(graph, model, { x: drawn("x", [2, 3, 5, 5]) }, 2)
  })

  it.each([[[1, 1, 1, 3]], [[1]], [[4, 3, 3]]])("of shape %j, which is not one per channel, stays", (shape) => {
    expect(opsOf(exported(withBias(shape, false, false)))).toEqual(["Conv", "Add", "Relu"])
  })

  it("stays when the convolution is read elsewhere too", async () => {
    const graph = withBias([4, 1, 1], false, true)
    expect(opsOf(exported(graph))).toEqual(["Conv", "Add", "Add", "Relu"])
    await expectParity(graph, exported(graph), { x: drawn("x", [2, 3, 5, 5]) }, 2)
  })

  it("of a matrix product stays an addition", () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 4), "input")
    b.output("y", b.op("add", [b.op("matmul", [x, b.weight("w", [4, 3])]), b.weight("b", [3])]))
    expect(opsOf(exported(b.finish()))).toEqual(["MatMul", "Add"])
  })
})

describe("moving elements", () => {
  it("twice is done once, and there and back not at all", async () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 2, 3, 4), "input")
    const turned = b.op("transpose", [b.op("transpose", [x], { perm: [0, 2, 3, 1] })], { perm: [0, 3, 1, 2] })
    const flat = b.op("reshape", [b.op("reshape", [turned], { shape: dims(N, 6, 4) })], { shape: dims(N, 24) })
    b.output("flat", flat)
    const once = b.op("transpose", [b.op("transpose", [x], { perm: [0, 2, 3, 1] })], { perm: [1, 0, 2, 3] })
    b.output("once", once)
    const back = b.op("reshape", [b.op("reshape", [x], { shape: dims(N, 24) })], { shape: dims(N, 2, 3, 4) })
    b.output("same", b.op("relu", [back]))
    const model = exported(b.finish())
    expect(opsOf(model).sort()).toEqual(["Relu", "Reshape", "Transpose"])
    await expectParity(b.finish(), model, { x: drawn("x", [2, 2, 3, 4]) }, 2)
  })

  it("to sizes that are known only at run time follows the batch", async () => {
    const b = new ModelBuilder(new Map([["T", 3]]))
    const T = symbol("T")
    const x = b.input("x", f32(N, T, 2), "input")
    b.output("folded", b.op("reshape", [x], { shape: dims(multiply(N, T), 2) }))
    const grown = b.op("broadcast_to", [b.op("reshape", [x], { shape: dims(N, 1, T, 2) })], { shape: dims(N, N, T, 2) })
    b.output("grown", grown)
    b.output("square", b.op("reshape", [grown], { shape: dims(multiply(N, N), T, 2) }))
    b.output("split", b.op("slice", [x], { starts: [0, 1, 0], sizes: dims(N, 2, 2) }))
    const stacked = b.op("concat", [x, b.op("neg", [x])], { axis: 0 })
    b.output("second", b.op("slice", [stacked], { starts: dims(N, 0, 0), sizes: dims(N, T, 2) }))
    b.output("padded", b.op("pad", [x], { before: dims(N, 1, 0), after: dims(0, 0, 2) }))
    const model = exported(b.finish())
    expect(model.outputs.map((output) => output.shape[0])).toEqual(["3*N", "N", "N*N", "N", "N", "2*N"])
    for (const batch of [1, 4]) await expectParity(b.finish(), model, { x: drawn("x", [batch, 3, 2]) }, batch)
  })

  it("of an operand to the size it would be broadcast to anyway is left out", async () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 3), "input")
    const row = b.input("row", f32(1, 3), "input")
    b.output("y", b.op("add", [x, b.op("broadcast_to", [row], { shape: dims(N, 3) })]))
    const model = exported(b.finish())
    expect(opsOf(model)).toEqual(["Add"])
    await expectParity(b.finish(), model, { x: drawn("x", [4, 3]), row: drawn("row", [1, 3]) }, 4)
  })
})

describe("outputs that no node makes", () => {
  it("are passed through an Identity", async () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", f32(N, 3), "input")
    const y = b.op("relu", [x])
    b.output("input", b.op("dropout", [x], { rate: 0.5, key: "k" }))
    b.output("parameter", b.weight("p", [3]))
    b.output("first", y)
    b.output("second", y)
    const model = exported(b.finish())
    expect(opsOf(model).sort()).toEqual(["Identity", "Identity", "Identity", "Relu"])
    expect(checkOnnx(model.bytes)).toEqual([])
    await expectParity(b.finish(), model, { x: drawn("x", [2, 3]) }, 2)
  })
})
