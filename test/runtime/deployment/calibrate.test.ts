/** Weights of 8 bits, end to end without the trainer: ranges from cases, the file, and what the report says about it. */

import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { exportModel, type ExportOptions, type ExportResult } from "../../../src/runtime/deployment/export-model.js"
import { openOnnxPredictor } from "../../../src/runtime/prediction/onnx-predictor.js"
import { prepareCase } from "../../../src/runtime/prediction/predict-case.js"
import { openDataset, samplesOf } from "../../../src/runtime/data/dataset.js"
import type { Sample } from "../../../src/runtime/data/sample.js"
import { constant } from "../../../src/compiler/ir/dims.js"
import { exportOnnx } from "../../../src/compiler/targets/onnx/export.js"
import { type Calibration, observeRanges } from "../../../src/runtime/deployment/calibrate.js"
import { ModelBuilder } from "../../compiler/targets/onnx/graphs.js"
import { openWorkshop, type Workshop } from "./looking-model.js"

let workshop: Workshop
beforeAll(async () => void (workshop = await openWorkshop()))
afterAll(() => workshop.remove())

function exported(name: string, more: Partial<ExportOptions> = {}): Promise<ExportResult> {
  const source = `${workshop.model}#Blind`
  return exportModel({ source, out: join(workshop.folder, name), parity: false, ...more })
}

describe("int8 weights", () => {
  it("are calibrated on training cases and measured on test cases", async () => {
    const result = await exported("a.onnx", { weights: "int8", calibrate: workshop.data, cases: 3 })
    const { rounding } = result
    expect(rounding!.calibration).toEqual({ data: workshop.data, split: "train", cases: 3, method: "minmax" })
    expect(rounding!.measured).toEqual({ split: "test", cases: 3 })
    const [probability, ...others] = rounding!.outputs
    expect(others).toEqual([])
    expect(probability!.name).toBe("probability")
    expect(probability!.meanAbs).toBeLessThanOrEqual(probability!.maxAbs)
    expect(probability!.agreement).toBeGreaterThan(0.5)
    for (const dice of Object.values(rounding!.dice!)) expect(dice).toBeTypeOf("number")
  })

  it("give what the report says: the differences are those of the two files", async () => {
    const { file, rounding } = await exported("b.onnx", { weights: "int8", calibrate: workshop.data, cases: 2 })
    const f32 = await exported("c.onnx")
    const [exact, rounded] = [await openOnnxPredictor(f32.file, 1), await openOnnxPredictor(file, 1)]
    const test = samplesOf(await openDataset(workshop.data), "test")
    // two of five, from all over the split
    const differences = await Promise.all(
      [test[0]!, test[2]!].map(async ({ imagePath, note }) => {
        const one = await prepareCase(exact, imagePath, note)
        const [[a], [b]] = [await exact.run([one]), await rounded.run([one])]
        return a!["probability"]!.data.map((value, i) => Math.abs(value - b!["probability"]!.data[i]!))
      }),
    )
    const all = differences.flatMap((values) => [...values])
    expect(Math.max(...all)).toBeGreaterThan(0)
    expect(rounding!.outputs[0]!.maxAbs).toBeCloseTo(Math.max(...all), 6)
    expect(rounding!.outputs[0]!.meanAbs).toBeCloseTo(all.reduce((sum, value) => sum + value, 0) / all.length, 6)
    await exact.close()
    await rounded.close()
  })

  it("are other ones when outliers are cut off, and the report says that they were", async () => {
    const int8 = { weights: "int8", calibrate: workshop.data, cases: 2 } as const
    const all = await exported("e.onnx", int8)
    const most = await exported("f.onnx", { ...int8, calibration: { kind: "percentile", percentile: 90 } })
    expect(most.rounding!.calibration.method).toBe("percentile=90")
    expect(most.sha256).not.toBe(all.sha256)
    // A tenth of the pixels is cut off: the masks suffer, which is what the report is for.
    expect(most.rounding!.outputs[0]!.maxAbs).toBeGreaterThan(all.rounding!.outputs[0]!.maxAbs)
  })

  it("need cases, and only they do", async () => {
    await expect(exported("d.onnx", { weights: "int8" })).rejects.toThrow(/--calibrate DIR/)
    const percentile = { kind: "percentile", percentile: 99.9 } as const
    await expect(exported("d.onnx", { calibration: percentile })).rejects.toThrow(/--calibration is for --weights int8/)
    await expect(exported("d.onnx", { calibrate: workshop.data })).rejects.toThrow(/--calibrate is for --weights int8/)
    await expect(exported("d.onnx", { weights: "int8", calibrate: join(workshop.folder, "no") })).rejects.toThrow(
      /exist/,
    )
  })
})

describe("ranges", () => {
  const samples = [{ id: "a" }, { id: "b" }] as unknown as readonly Sample[]
  /** Values of `x`, which the model doubles: 0 to 9999 in the first case, the same below 0 in the second. */
  const feeder = {
    feeds: ({ id }: Sample) => {
      const data = Float32Array.from({ length: 10_000 }, (_, i) => (id === "a" ? i : -i / 10))
      return Promise.resolve({ x: { dtype: "f32", shape: [10_000], data } } as const)
    },
  }
  const model = new ModelBuilder(new Map())
  const x = model.input("x", { dtype: "f32", shape: [constant(10_000)] }, "input")
  model.output("y", model.op("add", [x, x]))
  const graph = model.finish()
  const { bytes } = exportOnnx({ name: "m", graph, parameters: new Map(), symbols: [], metadata: {} })
  const ranges = (calibration?: Calibration) =>
    observeRanges({ bytes, inputs: ["x"] }, feeder, { samples }, calibration)

  it("are the extremes of all cases, of results and of inputs", async () => {
    expect(Object.fromEntries(await ranges())).toEqual({
      x: { low: -Math.fround(999.9), high: 9999 },
      y: { low: -2 * Math.fround(999.9), high: 19_998 },
    })
  })

  it.each([99.9, 99, 90])("hold %d %% of the values, within a bin of the histogram", async (percentile) => {
    const { low, high } = (await ranges({ kind: "percentile", percentile })).get("x")!
    const seen = [...(await feeder.feeds(samples[0]!)).x.data, ...(await feeder.feeds(samples[1]!)).x.data]
    const cut = (seen.length * (100 - percentile)) / 200
    const width = (9999 + 999.9) / 2048
    const count = (test: (value: number) => boolean): number => seen.filter(test).length
    // No more is cut off at either end than its half, and a bin more would be too much.
    expect(count((value) => value > high)).toBeLessThanOrEqual(cut)
    expect(count((value) => value > high - width)).toBeGreaterThan(cut)
    expect(count((value) => value < low)).toBeLessThanOrEqual(cut)
    expect(count((value) => value < low + width)).toBeGreaterThan(cut)
    expect(high).toBeLessThan(9999)
  })

  it("with all values are the extremes, and never leave out 0", async () => {
    const all = (await ranges({ kind: "percentile", percentile: 100 })).get("x")!
    expect(all.low).toBeCloseTo(-999.9, 3)
    expect(all.high).toBeCloseTo(9999, 3)
    const ones = { feeds: () => Promise.resolve({ x: { dtype: "f32", shape: [10_000], data: new Float32Array(10_000).fill(5) } } as const) } // prettier-ignore
    const found = await observeRanges(
      { bytes, inputs: ["x"] },
      ones,
      { samples },
      { kind: "percentile", percentile: 99 },
    )
    expect(found.get("x")!.low).toBe(0)
    expect(found.get("x")!.high).toBeCloseTo(5, 6)
  })
})
