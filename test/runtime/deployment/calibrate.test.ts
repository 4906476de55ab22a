/** Weights of 8 bits, end to end without the trainer: ranges from cases, the file, and what the report says about it. */

import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { exportModel, type ExportOptions, type ExportResult } from "../../../src/runtime/deployment/export-model.js"
import { openOnnxPredictor } from "../../../src/runtime/prediction/onnx-predictor.js"
import { prepareCase } from "../../../src/runtime/prediction/predict-case.js"
import { openDataset, samplesOf } from "../../../src/runtime/data/dataset.js"
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
    expect(rounding!.calibration).toEqual({ data: workshop.data, split: "train", cases: 3 })
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

  it("need cases, and only they do", async () => {
    await expect(exported("d.onnx", { weights: "int8" })).rejects.toThrow(/--calibrate DIR/)
    await expect(exported("d.onnx", { calibrate: workshop.data })).rejects.toThrow(/--calibrate is for --weights int8/)
    await expect(exported("d.onnx", { weights: "int8", calibrate: join(workshop.folder, "no") })).rejects.toThrow(
      /exist/,
    )
  })
})
