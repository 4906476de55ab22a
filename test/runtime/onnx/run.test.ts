/** Running files with ONNX Runtime: what goes in and out, and what is refused. */

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import { exportOnnx } from "../../../src/compiler/targets/onnx/export.js"
import {
  loadOnnxRuntime,
  OnnxRunError,
  OnnxRuntimeMissing,
  openOnnx,
  runOnnx,
  type RuntimeTensor,
} from "../../../src/runtime/onnx/run.js"
import { ModelBuilder } from "../../compiler/targets/onnx/graphs.js"

function smallModel(): Uint8Array {
  const b = new ModelBuilder(new Map())
  const x = b.input("x", { dtype: "f32", shape: [symbol("N"), constant(2)] }, "input")
  const i = b.input("i", { dtype: "i32", shape: [symbol("N"), constant(2)] }, "input")
  b.output("twice", b.op("mul", [x, b.scalar(2)]))
  b.output("next", b.op("add", [i, b.op("constant", [], { dtype: "i32", values: [1] })]))
  b.output("positive", b.op("greater", [x, b.scalar(0)]))
  return exportOnnx({ name: "small", graph: b.finish(), parameters: new Map(), symbols: ["N"], metadata: {} }).bytes
}

const x: RuntimeTensor = { dtype: "f32", shape: [1, 2], data: Float32Array.of(1.5, -2) }
const i: RuntimeTensor = { dtype: "i32", shape: [1, 2], data: Int32Array.of(3, 4) }

describe("runOnnx", () => {
  const bytes = smallModel()
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "mdl-onnx-"))
    await writeFile(join(folder, "small.onnx"), bytes)
  })
  afterAll(() => rm(folder, { recursive: true }))

  it("gives all outputs with their types", async () => {
    expect(await runOnnx(bytes, { x, i })).toEqual({
      twice: { dtype: "f32", shape: [1, 2], data: Float32Array.of(3, -4) },
      next: { dtype: "i32", shape: [1, 2], data: Int32Array.of(4, 5) },
      positive: { dtype: "bool", shape: [1, 2], data: Uint8Array.of(1, 0) },
    })
  })

  it("runs a file, at one batch size after the other", async () => {
    const model = await openOnnx(join(folder, "small.onnx"), { threads: 1 })
    expect(model.inputs).toEqual(["x", "i"])
    expect(model.outputs).toEqual(["twice", "next", "positive"])
    for (const batch of [1, 3]) {
      const shape = [batch, 2]
      const feeds = {
        x: { dtype: "f32", shape, data: new Float32Array(2 * batch).fill(2) },
        i: { dtype: "i32", shape, data: new Int32Array(2 * batch) },
      } as const
      expect((await model.run(feeds))["twice"]).toEqual({
        dtype: "f32",
        shape,
        data: new Float32Array(2 * batch).fill(4),
      })
    }
    await model.close()
  })

  it("names feeds that are missing or unknown", async () => {
    await expect(runOnnx(bytes, { x, mask: i })).rejects.toThrow(OnnxRunError)
    await expect(runOnnx(bytes, { x, mask: i })).rejects.toThrow(
      "no tensor was given for i; the model has no input mask (its inputs are x, i)",
    )
  })

  it("refuses feeds of a wrong shape or type", async () => {
    await expect(runOnnx(bytes, { x: { ...x, shape: [2, 1] }, i })).rejects.toThrow(OnnxRunError)
    await expect(runOnnx(bytes, { x: i, i })).rejects.toThrow(OnnxRunError)
  })

  it("refuses files that are no models", async () => {
    await expect(runOnnx(Uint8Array.of(1, 2, 3), {})).rejects.toThrow(/^ONNX Runtime does not accept the model/)
    await expect(openOnnx(join(folder, "absent.onnx"))).rejects.toThrow(/does not accept .*absent\.onnx/)
  })
})

describe("a missing ONNX Runtime", () => {
  it("is an error that says how to get it", async () => {
    const absent = loadOnnxRuntime(() => Promise.reject(new Error("Cannot find package 'onnxruntime-node'")))
    await expect(absent).rejects.toThrow(OnnxRuntimeMissing)
    await expect(absent).rejects.toThrow(/cannot be loaded: Cannot find package[^]*npm install onnxruntime-node/)
  })

  it("does not stay missing", async () => {
    expect(Object.keys(await loadOnnxRuntime())).toContain("InferenceSession")
  })
})
