/**
 * What cannot be exported, and what the message says about it.
 */

import { describe, expect, it } from "vitest"
import { constant, symbol, type Dim } from "../../../../src/compiler/ir/dims.js"
import type { Graph } from "../../../../src/compiler/ir/graph.js"
import {
  ExportRequestError,
  InvalidOnnx,
  LoweringError,
  ModelTooLarge,
  OnnxExportError,
  OpNotInInference,
  OpsetOutOfRange,
  ParameterValuesError,
  UnsizedDimension,
} from "../../../../src/compiler/targets/onnx/errors.js"
import { Draft } from "../../../../src/compiler/targets/onnx/draft.js"
import { encodeModel } from "../../../../src/compiler/targets/onnx/encode.js"
import { exportOnnx, type ExportSpec } from "../../../../src/compiler/targets/onnx/export.js"
import { compositeModel, ModelBuilder, parameterValues } from "./graphs.js"

const N = symbol("N")
const dims = (...sizes: (number | Dim)[]): Dim[] =>
  sizes.map((size) => (typeof size === "number" ? constant(size) : size))

function attempt(graph: Graph, more: Partial<ExportSpec> = {}): () => unknown {
  return () =>
    exportOnnx({ name: "m", graph, parameters: parameterValues(graph), symbols: ["N"], metadata: {}, ...more })
}

describe("the exporter refuses", () => {
  const graph = compositeModel()

  it.each([14, 19, 17.5])("opset %d, naming the range", (opset) => {
    expect(attempt(graph, { opset })).toThrow(OpsetOutOfRange)
    expect(attempt(graph, { opset })).toThrow(/opset \S+ cannot be written: choose one from 15 to 18/)
  })

  it("outputs that the model does not have, listing those it has", () => {
    expect(attempt(graph, { outputs: ["mask"] })).toThrow(
      "there is no output mask; the model's outputs are probability, attention",
    )
    expect(attempt(graph, { outputs: [] })).toThrow(ExportRequestError)
  })

  it("parameters without values or of another size, all at once", () => {
    const parameters = new Map(parameterValues(graph))
    parameters.delete("vision.conv.weight")
    parameters.set("vision.norm.gain", new Float32Array(7))
    parameters.delete("decoder.head.temperature")
    expect(attempt(graph, { parameters })).toThrow(ParameterValuesError)
    expect(attempt(graph, { parameters })).toThrow("vision.conv.weight [8, 3, 3, 3] has no values")
    expect(attempt(graph, { parameters })).toThrow("vision.norm.gain [8] was given 7 values")
  })

  it("parameters in another number format, which would be rounded", () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", { dtype: "f32", shape: dims(N, 2) }, "input")
    b.output("y", b.op("mul", [x, b.weight("w", [2])]))
    const parameters = new Map([["w", Int32Array.of(1, 2)]])
    expect(attempt(b.finish(), { parameters })).toThrow("w [2] of f32 was given as Int32Array")
  })

  it("missing values of parameters that would be folded", () => {
    const parameters = new Map(parameterValues(graph))
    parameters.delete("decoder.head.temperature")
    expect(attempt(graph, { parameters })).toThrow("decoder.head.temperature [1] has no values")
  })

  it("an output that depends on a target", () => {
    const b = new ModelBuilder(new Map())
    const [x, y] = [{ dtype: "f32", shape: dims(N, 2) } as const, { dtype: "f32", shape: dims(N, 2) } as const]
    b.output("d", b.op("sub", [b.input("x", x, "input"), b.input("mask", y, "target")]))
    expect(attempt(b.finish())).toThrow("the target mask exists in training only")
  })

  it("random numbers, with the statement and section that ask for them", () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", { dtype: "f32", shape: dims(N, 2) }, "input")
    b.at("mask.noise", 1)
    b.output("y", b.op("add", [x, b.op("random_uniform", [], { shape: dims(1, 2), key: "mask.noise" })]))
    expect(attempt(b.finish())).toThrow(OpNotInInference)
    expect(attempt(b.finish())).toThrow(/random_uniform in mask\.noise \(section mask\) cannot be exported/)
  })

  it("a symbol that is neither open nor sized", () => {
    const b = new ModelBuilder(new Map())
    b.output("y", b.op("relu", [b.input("x", { dtype: "f32", shape: dims(N, symbol("T")) }, "input")]))
    expect(attempt(b.finish())).toThrow(UnsizedDimension)
    expect(attempt(b.finish())).toThrow(/needs the size of T/)
  })

  it("a size at run time that no input tells", () => {
    const b = new ModelBuilder(new Map())
    b.at("head.tile", 1).output("y", b.op("broadcast_to", [b.weight("w", [1, 2])], { shape: dims(N, 2) }))
    expect(attempt(b.finish())).toThrow(
      "broadcast_to in head.tile (section head) needs the size of N while the model runs, and no input",
    )
  })

  it("more weights than one file can hold", () => {
    const draft = new Draft(17)
    // 2.05 GB that are never touched: the size is decided before any byte is read
    const bytes = { byteLength: 2.2e9, length: 0 } as unknown as Uint8Array
    draft.tensors.set("w", { dtype: "f32", shape: [550_000_000], bytes })
    draft.nodes.push({ name: "y", op: "Identity", inputs: ["w"], outputs: ["y"], attributes: {}, doc: "" })
    const write = (): unknown => encodeModel(draft, { name: "m", doc: undefined, metadata: {} })
    expect(write).toThrow(ModelTooLarge)
    expect(write).toThrow(/2\.05 GB.*at most 2 GB; .*file of their own/)
  })

  it("with errors of one family, so that a caller can tell them from faults of the tool", () => {
    for (const Class of [OpsetOutOfRange, OpNotInInference, ParameterValuesError, ExportRequestError, ModelTooLarge]) {
      expect(Class.prototype).toBeInstanceOf(OnnxExportError)
    }
  })
})

describe("a fault of the tool", () => {
  it("is found when a rule gives another type than the language promised", () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", { dtype: "f32", shape: dims(N, 3) }, "input")
    const [y] = b.at("head.act", 1).append("relu", [x], {}, [{ dtype: "f32", shape: dims(N, 4) }])
    b.output("y", y!)
    expect(attempt(b.finish())).toThrow(LoweringError)
    expect(attempt(b.finish())).toThrow(/relu in head\.act .* output 1 is f32\[N, 3\], expected f32\[N, 4\]/)
  })

  it("is found when a rule breaks the contract of an ONNX operator", () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", { dtype: "f32", shape: dims(N, 3) }, "input")
    const attributes = { transpose_a: false, transpose_b: false }
    const [y] = b.append("matmul", [x, x], attributes, [{ dtype: "f32", shape: dims(N, 3) }])
    b.output("y", y!)
    expect(attempt(b.finish())).toThrow(LoweringError)
    expect(attempt(b.finish())).toThrow("MatMul: the inner axes differ: 3 and N")
  })

  it("is not taken for the user's error", () => {
    expect(LoweringError.prototype).not.toBeInstanceOf(OnnxExportError)
    expect(InvalidOnnx.prototype).not.toBeInstanceOf(OnnxExportError)
  })
})
