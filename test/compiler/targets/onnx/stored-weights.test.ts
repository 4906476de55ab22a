/** Weights of 16 and of 8 bits: what is stored, that it runs in ONNX Runtime, and how near the numbers stay. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { InferenceSession } from "onnxruntime-node"
import { describe, expect, it, onTestFinished } from "vitest"
import { constant, symbol } from "../../../../src/compiler/ir/dims.js"
import type { Graph } from "../../../../src/compiler/ir/graph.js"
import { decodeModel } from "../../../../src/compiler/targets/onnx/decode.js"
import { exportOnnx, observedModel, type ExportSpec } from "../../../../src/compiler/targets/onnx/export.js"
import type { Range } from "../../../../src/compiler/targets/onnx/quantise.js"
import { numbersOf, dataTypeOfNumber } from "../../../../src/compiler/targets/onnx/tensors.js"
import { checkParity } from "../../../../src/runtime/onnx/parity.js"
import { type Feeds, runOnnx } from "../../../../src/runtime/onnx/run.js"
import { drawn, ModelBuilder, OPSETS, parameterValues, runtimeTensor } from "./graphs.js"

/** Convolutions with bias and ReLU, a skip, a product over channels with a bias, and a sigmoid. */
function network(): Graph {
  const b = new ModelBuilder(new Map())
  const size = [constant(16), constant(16)]
  const image = b.input("image", { dtype: "f32", shape: [symbol("N"), constant(3), ...size] }, "input")
  const conv = (x: number, name: string, from: number, to: number): number => {
    b.at(name, 1)
    const bias = b.op("reshape", [b.weight(`${name}.bias`, [to])], { shape: [1, to, 1, 1].map(constant) })
    return b.op("add", [b.op("conv2d", [x, b.weight(`${name}.weight`, [to, from, 3, 3])], { padding: [1, 1] }), bias])
  }
  const first = b.op("relu", [conv(image, "net.first", 3, 32)])
  const second = b.op("add", [conv(first, "net.second", 32, 32), first])
  b.at("net.mix", 2)
  const tokens = b.op("transpose", [second], { perm: [0, 2, 3, 1] })
  const mixed = b.op("matmul", [tokens, b.weight("net.mix.weight", [32, 64])])
  const back = b.op("transpose", [b.op("add", [mixed, b.weight("net.mix.bias", [64])])], { perm: [0, 3, 1, 2] })
  b.output("probability", b.op("sigmoid", [conv(back, "net.head", 64, 1)]))
  return b.finish()
}

const graph = network()
// Weights of the size that real layers have, so that the sigmoid is not saturated.
const parameters = new Map(
  [...parameterValues(graph)].map(([name, values]) => [name, values.map((value) => value * 0.25)] as const),
)
const spec: ExportSpec = { name: "m", graph, parameters, symbols: ["N"], metadata: {} }
const feeds = (batch: number): Feeds => ({
  image: runtimeTensor("f32", drawn(`image ${batch}`, [batch, 3, 16, 16], 0, 1)),
})

async function largestDifference(bytes: Uint8Array, batch: number): Promise<number> {
  const [found, expected] = [await runOnnx(bytes, feeds(batch)), await runOnnx(exportOnnx(spec).bytes, feeds(batch))]
  const { data } = found["probability"]!
  const differences = expected["probability"]!.data as Float32Array
  return Math.max(...differences.map((value, i) => Math.abs(value - Number(data[i]))))
}

/** Constants by name, with the word of their type. */
function typesOf(bytes: Uint8Array): Record<string, string | undefined> {
  return Object.fromEntries(decodeModel(bytes).tensors.map((t) => [t.name, dataTypeOfNumber(t.elementType)]))
}

const opsOf = (bytes: Uint8Array): string[] => decodeModel(bytes).nodes.map((node) => node.op)

describe("weights of 16 bits", () => {
  const half = exportOnnx({ ...spec, weights: { kind: "f16" } })

  it("are the large ones, each cast once; the rest stays f32", () => {
    const types = typesOf(half.bytes)
    expect(types["net.second.weight"]).toBe("f16")
    expect(types["net.mix.weight"]).toBe("f16")
    expect(types["net.first.weight"]).toBe("f32")
    expect(types["net.second.bias"]).toBe("f32")
    expect(opsOf(half.bytes).filter((op) => op === "Cast")).toHaveLength(2)
    expect(half.notes).toEqual([])
    expect(half.bytes.length).toBeLessThan(0.6 * exportOnnx(spec).bytes.length)
  })

  it("are the nearest numbers of 16 bits", () => {
    const { shape, bytes } = decodeModel(half.bytes).tensors.find(({ name }) => name === "net.mix.weight")!
    const stored = numbersOf({ dtype: "f16", shape, bytes: bytes! })
    parameters.get("net.mix.weight")!.forEach((value, i) => {
      expect(Math.abs(stored[i]! - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) * 2 ** -11, 2 ** -25))
    })
  })

  it.each(OPSETS)("run in ONNX Runtime with opset %i", async (opset) => {
    const { bytes } = exportOnnx({ ...spec, opset, weights: { kind: "f16" } })
    const difference = await largestDifference(bytes, 2)
    expect(difference).toBeGreaterThan(0)
    expect(difference).toBeLessThan(1e-3)
  })

  it("stay f32 when a value is too large, with a note", () => {
    const large = new Map(parameters).set("net.mix.weight", parameters.get("net.mix.weight")!.with(5, 1e5))
    const { bytes, notes } = exportOnnx({ ...spec, parameters: large, weights: { kind: "f16" } })
    expect(typesOf(bytes)["net.mix.weight"]).toBe("f32")
    expect(notes).toEqual([expect.stringMatching(/^net\.mix\.weight has values above 65504/)])
  })
})

describe("weights of 8 bits", () => {
  const observed = observedModel(spec)!

  async function ranges(): Promise<Map<string, Range>> {
    const values = { ...(await runOnnx(observed.bytes, feeds(4))), image: feeds(4)["image"]! }
    return new Map(
      Object.entries(values).map(([name, { data }]) => {
        const numbers = [...data].map(Number)
        return [name, { low: Math.min(...numbers), high: Math.max(...numbers) }]
      }),
    )
  }
  const int8 = async (opset = 17) => exportOnnx({ ...spec, opset, weights: { kind: "int8", ranges: await ranges() } })

  it("need the ranges of what layers read and convolutions give", () => {
    expect(observed.inputs).toEqual(["image"])
    const outputs = decodeModel(observed.bytes).outputs.map(({ name }) => name)
    expect(outputs).toContain("net.first/relu")
    expect(outputs).not.toContain("net.first/conv2d")
  })

  it("replace the f32 weights, with a scale per output channel and whole biases", async () => {
    const { bytes, notes } = await int8()
    const tensors = new Map(decodeModel(bytes).tensors.map((tensor) => [tensor.name, tensor]))
    expect(typesOf(bytes)).toMatchObject({
      "net.first.weight/int8": "i8",
      "net.mix.weight/int8": "i8",
      "net.second.bias/int32": "i32",
    })
    expect(tensors.has("net.first.weight")).toBe(false)
    expect(tensors.get("net.first.weight/scale")!.shape).toEqual([32])
    expect(tensors.get("net.mix.weight/scale")!.shape).toEqual([64])
    const stored = tensors.get("net.second.weight/int8")!
    const whole = numbersOf({ dtype: "i8", shape: stored.shape, bytes: stored.bytes! })
    const perChannel = Array.from({ length: 32 }, (_, c) => whole.slice(c * 288, (c + 1) * 288).map(Math.abs))
    expect(perChannel.every((numbers) => Math.max(...numbers) === 127)).toBe(true)
    expect(notes).toEqual([])
    expect(bytes.length).toBeLessThan(0.5 * exportOnnx(spec).bytes.length)
  })

  it.each(OPSETS)("run in ONNX Runtime with opset %i, near the f32 model", async (opset) => {
    const { bytes } = await int8(opset)
    const difference = await largestDifference(bytes, 3)
    expect(difference).toBeGreaterThan(0)
    expect(difference).toBeLessThan(0.03)
  })

  it("are computed with in whole numbers: ONNX Runtime leaves no convolution or product in f32", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mdl-int8-"))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const optimizedModelFilePath = join(folder, "optimised.onnx")
    const session = await InferenceSession.create((await int8()).bytes, { optimizedModelFilePath, logSeverityLevel: 3 })
    await session.release()
    const ops = opsOf(new Uint8Array(readFileSync(optimizedModelFilePath)))
    expect(ops.filter((op) => op === "QLinearConv")).toHaveLength(3)
    expect(ops.filter((op) => ["Conv", "MatMul"].includes(op))).toEqual([])
  })

  it("give in WebAssembly what they give in the native library", async () => {
    for (const { bytes } of [await int8(), exportOnnx({ ...spec, weights: { kind: "f16" } })]) {
      const predict = (inputs: Feeds): ReturnType<typeof runOnnx> => runOnnx(bytes, inputs)
      const inputs = [1, 3].map((batch) => ({ kind: "random" as const, batch, feeds: feeds(batch) }))
      const { cases } = await checkParity({ onnx: bytes, predict, inputs, engine: "wasm" })
      // One step of the coarsest rounding before the sigmoid, where two libraries round a tie in two ways.
      for (const { outputs } of cases) expect(outputs[0]!.maxAbs).toBeLessThan(5e-3)
    }
  })

  it("leave a convolution that makes an output as it is, with a note", async () => {
    const b = new ModelBuilder(new Map())
    const x = b.input("x", { dtype: "f32", shape: [1, 3, 8, 8].map(constant) }, "input")
    b.at("net.only", 1)
    b.output("y", b.op("conv2d", [x, b.weight("net.only.weight", [4, 3, 3, 3])], {}))
    const alone = b.finish()
    const request = { ...spec, graph: alone, parameters: parameterValues(alone), symbols: [] }
    expect(observedModel(request)).toBeUndefined()
    expect(exportOnnx({ ...request, weights: { kind: "int8", ranges: new Map() } }).notes).toEqual([
      "layers that stay f32: y (it makes an output)",
    ])
  })
})
