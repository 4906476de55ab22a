/**
 * The structural check finds each kind of damage in an otherwise valid file, and says where.
 */

import onnxProto from "onnx-proto"
import type { onnx as Onnx } from "onnx-proto"
import { describe, expect, it } from "vitest"
import { checkOnnx } from "../../../../src/compiler/targets/onnx/check.js"
import { exportOnnx } from "../../../../src/compiler/targets/onnx/export.js"
import { compositeModel, OPSETS, parameterValues } from "./graphs.js"

const { onnx } = onnxProto
const graph = compositeModel()
const exportAt = (opset: number): Uint8Array =>
  exportOnnx({
    name: "composite",
    graph,
    parameters: parameterValues(graph),
    opset,
    symbols: ["N"],
    metadata: { a: "1" },
  }).bytes
const valid = exportAt(17)

/** The problems after `change` was done to the valid model. */
function problemsAfter(change: (model: Onnx.IModelProto, graph: Required<Onnx.IGraphProto>) => void): string[] {
  const model = onnx.ModelProto.decode(valid)
  change(model, model.graph as Required<Onnx.IGraphProto>)
  return checkOnnx(onnx.ModelProto.encode(model).finish())
}

const nodeOf = (graph: Required<Onnx.IGraphProto>, op: string): Required<Onnx.INodeProto> =>
  graph.node!.find((node) => node.opType === op) as Required<Onnx.INodeProto>

const attributeOf = (node: Required<Onnx.INodeProto>, name: string): Onnx.IAttributeProto =>
  node.attribute!.find((attribute) => attribute.name === name)!

describe("the check", () => {
  it.each([...OPSETS])("finds nothing in a valid model of opset %d", (opset) => {
    expect(checkOnnx(exportAt(opset))).toEqual([])
  })

  it("finds bytes that are no model", () => {
    expect(checkOnnx(Uint8Array.from([1, 2, 3, 255]))[0]).toMatch(/^the bytes are not an ONNX model/)
    expect(checkOnnx(new Uint8Array())).toContain("the graph has no outputs")
  })

  it("finds a wrong IR version and opset", () => {
    expect(problemsAfter((model) => (model.irVersion = 9))).toEqual(["IR version 9, expected 8"])
    expect(problemsAfter((model) => (model.opsetImport![0]!.version = 19))).toContain("opset 19 is outside 15 to 18")
    expect(problemsAfter((model) => model.opsetImport!.push({ domain: "ai.other", version: 1 }))).toEqual([
      "exactly one operator set, that of ONNX itself, must be imported",
    ])
  })

  it("finds an operator that the opset does not have", () => {
    expect(problemsAfter((model) => (model.opsetImport![0]!.version = 16))).toContain(
      "node fusion.norm/layer_norm: LayerNormalization: exists from opset 17, not in 16",
    )
    expect(problemsAfter((_, g) => (nodeOf(g, "Relu").opType = "Gelu"))).toContain(
      "node vision.norm/relu: Gelu: there is no such operator in the table",
    )
    expect(problemsAfter((_, g) => (nodeOf(g, "Relu").opType = "toString"))).toContain(
      "node vision.norm/relu: toString: there is no such operator in the table",
    )
  })

  it("finds nodes out of order and values that nothing makes", () => {
    expect(problemsAfter((_, g) => g.node!.unshift(g.node!.pop()!))[0]).toMatch(
      /^node probability reads decoder\.head\/mul before node decoder\.head\/mul makes it$/,
    )
    expect(problemsAfter((_, g) => (nodeOf(g, "Relu").input![0] = "nowhere"))).toContain(
      "node vision.norm/relu reads nowhere, which nothing makes",
    )
  })

  it("finds names that are made twice", () => {
    const twice = problemsAfter((_, g) => (nodeOf(g, "Relu").output![0] = "image"))
    expect(twice).toContain("the name image is made twice (again as result)")
    expect(problemsAfter((_, g) => (nodeOf(g, "Relu").name = "attention"))).toEqual([
      "the node name attention occurs twice",
    ])
    expect(problemsAfter((model) => model.metadataProps!.push({ key: "a", value: "2" }))).toEqual([
      "the metadata key a occurs twice",
    ])
  })

  it("finds attributes that are unknown, missing, repeated or of another kind", () => {
    const axis = { name: "axis", type: onnx.AttributeProto.AttributeType.INT, i: 1 }
    expect(problemsAfter((_, g) => nodeOf(g, "Relu").attribute!.push(axis))).toEqual([
      "node vision.norm/relu: Relu: has no attribute axis in opset 17",
    ])
    expect(problemsAfter((_, g) => (nodeOf(g, "Concat").attribute = []))).toContain(
      "node decoder.up/concat: Concat: attribute axis is required",
    )
    expect(problemsAfter((_, g) => nodeOf(g, "Concat").attribute!.push(axis))).toEqual([
      "attribute axis of node decoder.up/concat occurs twice",
    ])
    const float = onnx.AttributeProto.AttributeType.FLOAT
    expect(problemsAfter((_, g) => (attributeOf(nodeOf(g, "Concat"), "axis").type = float))).toContain(
      "node decoder.up/concat: Concat: attribute axis is of kind int, not float",
    )
  })

  it("finds a wrong number of inputs", () => {
    expect(problemsAfter((_, g) => nodeOf(g, "Relu").input!.push("image"))).toEqual([
      "node vision.norm/relu: Relu: takes 1 to 1 inputs, has 2",
    ])
  })

  it("finds types that do not follow from the inputs", () => {
    const pads = problemsAfter((_, g) => (attributeOf(nodeOf(g, "Conv"), "pads").ints = [0, 0, 0, 0]))
    expect(pads).toEqual([
      "value vision.conv/conv2d is declared f32[N, 8, 8, 12], but node vision.conv/conv2d makes f32[N, 8, 6, 10]",
    ])
    const declared = problemsAfter((_, g) => {
      g.output![0]!.type!.tensorType!.shape!.dim![0] = { dimValue: 1 }
    })
    expect(declared).toEqual([
      "value probability is declared f32[1, 1, 8, 12], but node probability makes f32[N, 1, 8, 12]",
    ])
    const cast = problemsAfter((_, g) => (attributeOf(nodeOf(g, "Cast"), "to").i = 6))
    expect(cast).toContain("value valid/bool is declared bool[N, 5], but node valid/bool makes i32[N, 5]")
  })

  it("finds values without a shape or with a size that says nothing", () => {
    const missing = problemsAfter((_, g) => (g.valueInfo = g.valueInfo!.filter((v) => v.name !== "vision.norm/relu")))
    expect(missing).toEqual(["value vision.norm/relu, made by node vision.norm/relu, has no declared shape"])
    expect(problemsAfter((_, g) => (g.input![1]!.type!.tensorType!.shape = null))).toContain("input note has no shape")
    const open = problemsAfter((_, g) => (g.input![0]!.type!.tensorType!.shape!.dim![1] = {}))
    expect(open).toContain('a size of image is "", which is neither a number nor a polynomial of symbols')
    expect(problemsAfter((_, g) => g.valueInfo!.push({ ...g.valueInfo![0]!, name: "ghost" }))).toEqual([
      "a type is declared for ghost, which no node makes",
    ])
  })

  it("finds constants that are damaged or never read", () => {
    const cut = problemsAfter((_, g) => (g.initializer![0]!.rawData = new Uint8Array(8)))
    expect(cut).toContain("constant vision.conv.weight has 8 bytes, its shape [8, 3, 3, 3] wants 864")
    expect(problemsAfter((_, g) => (g.initializer![0]!.dataType = 11))).toContain(
      "constant vision.conv.weight has element type number 11, which exported models do not use",
    )
    expect(problemsAfter((_, g) => g.initializer!.push({ ...g.initializer![0]!, name: "spare" }))).toEqual([
      "constant spare is never read",
    ])
  })

  it("finds nodes that no output needs, and outputs that no node makes", () => {
    expect(problemsAfter((_, g) => g.output!.pop())).toContain(
      "value attention, made by node attention, has no declared shape",
    )
    expect(problemsAfter((_, g) => (g.output![0]!.name = "ghost"))).toContain("output ghost is made by no node")
    expect(problemsAfter((_, g) => (g.output![0]!.name = "ghost"))).toContain("no result of node probability is read")
  })
})
