/** Weights in a file of their own: where they lie, what the model says about them, and that ONNX Runtime finds them. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { constant, symbol } from "../../../../src/compiler/ir/dims.js"
import type { Graph } from "../../../../src/compiler/ir/graph.js"
import { checkOnnx } from "../../../../src/compiler/targets/onnx/check.js"
import { decodeModel } from "../../../../src/compiler/targets/onnx/decode.js"
import { exportOnnx, type ExportedModel } from "../../../../src/compiler/targets/onnx/export.js"
import { locationProblem, piecesOf } from "../../../../src/compiler/targets/onnx/external-data.js"
import { onnxText } from "../../../../src/compiler/targets/onnx/text.js"
import { runOnnx } from "../../../../src/runtime/onnx/run.js"
import { drawn, ModelBuilder, parameterValues, runtimeTensor } from "./graphs.js"

/** Two layers with a weight past a page, one of 4 KB, and small ones. */
function layered(): Graph {
  const b = new ModelBuilder(new Map())
  const x = b.input("x", { dtype: "f32", shape: [symbol("N"), constant(32)] }, "input")
  b.at("layers.first", 1)
  const wide = b.op("add", [b.op("matmul", [x, b.weight("layers.first.weight", [32, 9000])]), b.weight("bias", [9000])])
  b.at("layers.second", 2)
  const narrow = b.op("matmul", [b.op("relu", [wide]), b.weight("layers.second.weight", [9000, 32])])
  b.output("y", b.op("mul", [narrow, b.weight("layers.gain", [32])]))
  return b.finish()
}

const graph = layered()
const request = { name: "m", graph, parameters: parameterValues(graph), symbols: ["N"], metadata: { a: "1" } }
const external = { location: "m.onnx.data", above: 0, describe: () => ({ b: "2" }) }

function joined(model: ExportedModel): Uint8Array {
  return Buffer.concat([...piecesOf(model.data!)])
}

describe("weights in a file of their own", () => {
  const [whole, split] = [exportOnnx(request), exportOnnx({ ...request, external })]

  it("are those that the model would hold, at aligned places, small ones apart", () => {
    const content = joined(split)
    expect(content).toHaveLength(split.data!.bytes)
    const inside = new Map(decodeModel(whole.bytes).tensors.map((tensor) => [tensor.name, tensor]))
    const tensors = decodeModel(split.bytes).tensors
    expect(tensors.map(({ name }) => name).sort()).toEqual([...inside.keys()].sort())
    for (const { name, bytes, external: place, shape } of tensors) {
      const expected = inside.get(name)!
      expect(shape).toEqual(expected.shape)
      if (name === "layers.gain") {
        expect(place).toBeUndefined()
        expect(Buffer.compare(bytes!, expected.bytes!)).toBe(0)
        continue
      }
      expect(bytes).toBeUndefined()
      expect(place!.location).toBe("m.onnx.data")
      expect(place!.offset % (place!.length >= 2 ** 20 ? 65536 : 64)).toBe(0)
      const there = content.subarray(place!.offset, place!.offset + place!.length)
      expect(Buffer.compare(there, expected.bytes!)).toBe(0)
    }
    expect(split.bytes.length).toBeLessThan(2000)
    expect(decodeModel(split.bytes).metadata).toEqual([
      ["a", "1"],
      ["b", "2"],
    ])
  })

  it("pass the checker, show in the text, and are the same each time", () => {
    expect(checkOnnx(split.bytes)).toEqual([])
    expect(onnxText(split.bytes)).toContain('float[9000] bias = @"m.onnx.data"[1152000, 36000]')
    const again = exportOnnx({ ...request, external })
    expect(Buffer.compare(again.bytes, split.bytes)).toBe(0)
    expect(Buffer.compare(joined(again), joined(split))).toBe(0)
  })

  it("are not made below the limit", () => {
    const { bytes, data } = exportOnnx({ ...request, external: { ...external, above: Infinity } })
    expect(data).toBeUndefined()
    expect(Buffer.compare(bytes, whole.bytes)).toBe(0)
  })

  it("are found by ONNX Runtime, and give the same numbers", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mdl-external-"))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, "m.onnx"), split.bytes)
    writeFileSync(join(folder, "m.onnx.data"), joined(split))
    const feeds = { x: runtimeTensor("f32", drawn("x", [2, 32])) }
    expect(await runOnnx(join(folder, "m.onnx"), feeds)).toEqual(await runOnnx(whole.bytes, feeds))
  })

  it("are reported when the model says what cannot be", () => {
    const text = Buffer.from(split.bytes).toString("latin1")
    const problems = (from: string, to: string): string[] => checkOnnx(Buffer.from(text.replaceAll(from, to), "latin1"))
    expect(problems("m.onnx.data", "../m.o.data").join()).toContain("leads out of the model's folder")
    expect(problems("1245184", "1000000").join()).toContain(
      "begins at 1000000 of m.onnx.data, which is taken up to 1188000",
    )
    expect(problems("36000", "35999").join()).toContain("has 35999 bytes, its shape [9000] wants 36000")
  })
})

describe("names of files of weights", () => {
  it.each(["weights.bin", "parts/one.bin", "..data", "a..b"])("%s is one", (location) => {
    expect(locationProblem(location)).toBeUndefined()
  })
  it.each(["", "/etc/passwd", "C:/x", "\\\\host\\x", "..", "../x", "a/../../x", "a\\b", "a\0b"])(
    "%j is refused",
    (location) => {
      expect(locationProblem(location)).toBeTypeOf("string")
    },
  )
})
