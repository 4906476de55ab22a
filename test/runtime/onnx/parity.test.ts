/** Parity of a file with its trainer: the measures, the verdict and the report. */

import { describe, expect, it } from "vitest"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import { exportOnnx } from "../../../src/compiler/targets/onnx/export.js"
import {
  checkParity,
  compareOutputs,
  formatParity,
  withinTolerance,
  type ParityInput,
} from "../../../src/runtime/onnx/parity.js"
import type { Feeds, Outputs, RuntimeTensor } from "../../../src/runtime/onnx/run.js"
import { ModelBuilder } from "../../compiler/targets/onnx/graphs.js"

const f32 = (...values: number[]): RuntimeTensor => ({
  dtype: "f32",
  shape: [values.length],
  data: Float32Array.from(values),
})
const i32 = (...values: number[]): RuntimeTensor => ({
  dtype: "i32",
  shape: [values.length],
  data: Int32Array.from(values),
})
const one = (found: RuntimeTensor, expected: RuntimeTensor) => compareOutputs({ y: found }, { y: expected })[0]!

describe("compareOutputs", () => {
  it("gives the largest difference, absolute and relative to the largest expected magnitude", () => {
    const difference = one(f32(1, -4, 2.5), f32(1, -4, 2))
    expect(difference).toEqual({ name: "y", maxAbs: 0.5, maxRel: 0.125, agreement: undefined, problem: undefined })
  })

  it("gives the agreement of masks for outputs in [0, 1]", () => {
    expect(one(f32(0.4, 0.6, 0.9, 0.5), f32(0.6, 0.6, 0.9, 0.5)).agreement).toBe(0.75)
    expect(one(f32(0.4, 1.1), f32(0.6, 0.6)).agreement).toBeUndefined()
  })

  it("wants integers equal, however large the others are", () => {
    const difference = one(i32(1_000_000, 3), i32(1_000_000, 2))
    expect(difference.agreement).toBe(0.5)
    expect(withinTolerance(difference, 1e-4)).toBe(false)
    expect(withinTolerance(one(i32(5, 3), i32(5, 3)), 1e-4)).toBe(true)
  })

  it("takes a NaN or an infinity for a difference unless the trainer gives it too", () => {
    expect(one(f32(NaN, 1), f32(0, 1)).maxAbs).toBe(Infinity)
    expect(one(f32(0, 1), f32(NaN, 1)).maxAbs).toBe(Infinity)
    expect(one(f32(Infinity), f32(1)).maxAbs).toBe(Infinity)
    expect(one(f32(NaN, -Infinity), f32(NaN, -Infinity)).maxAbs).toBe(0)
  })

  it("reports outputs that cannot be compared", () => {
    expect(one(f32(1), i32(1)).problem).toBe("ONNX gives f32[1], the trainer i32[1]")
    const differences = compareOutputs({ a: f32(1) }, { b: f32(1) })
    expect(differences.map(({ name, problem }) => [name, problem])).toEqual([
      ["b", "the ONNX model does not give it"],
      ["a", "the trainer does not give it"],
    ])
    expect(differences.some((difference) => withinTolerance(difference, Infinity))).toBe(false)
  })
})

describe("checkParity", () => {
  const b = new ModelBuilder(new Map())
  const x = b.input("x", { dtype: "f32", shape: [symbol("N"), constant(3)] }, "input")
  b.output("probability", b.op("sigmoid", [x]))
  const onnx = exportOnnx({ name: "m", graph: b.finish(), parameters: new Map(), symbols: ["N"], metadata: {} }).bytes

  const input = (kind: ParityInput["kind"], batch: number): ParityInput => {
    const data = Float32Array.from({ length: batch * 3 }, (_, i) => i / 2 - 1)
    return { kind, batch, feeds: { x: { dtype: "f32", shape: [batch, 3], data } } }
  }
  const predict =
    (error: number) =>
    (feeds: Feeds): Promise<Outputs> => {
      const { shape, data } = feeds["x"]!
      const probability = Float32Array.from(data as Float32Array, (v) => 1 / (1 + Math.exp(-v)) + error)
      return Promise.resolve({ probability: { dtype: "f32", shape, data: probability } })
    }

  it("passes when all outputs agree in all cases", async () => {
    const report = await checkParity({ onnx, predict: predict(0), inputs: [input("random", 1), input("real", 3)] })
    expect(report.passed).toBe(true)
    expect(report.tolerance).toBe(1e-4)
    expect(report.cases.map(({ kind, batch, outputs }) => [kind, batch, outputs.length])).toEqual([
      ["random", 1, 1],
      ["real", 3, 1],
    ])
  })

  it("fails when one case differs by more than the tolerance", async () => {
    const request = { onnx, predict: predict(0.01), inputs: [input("random", 2)] }
    expect((await checkParity(request)).passed).toBe(false)
    expect((await checkParity({ ...request, tolerance: 0.1 })).passed).toBe(true)
  })

  it("does not pass for want of inputs", async () => {
    await expect(checkParity({ onnx, predict: predict(0), inputs: [] })).rejects.toThrow(RangeError)
  })

  it("is reported as a table with the verdict first", async () => {
    const good = { name: "probability", maxAbs: 2.5e-7, maxRel: 3e-7, agreement: 1, problem: undefined }
    const bad = { name: "poi", maxAbs: 0.5, maxRel: 0.25, agreement: undefined, problem: undefined }
    const gone = {
      name: "woi",
      maxAbs: Infinity,
      maxRel: Infinity,
      agreement: undefined,
      problem: "the trainer does not give it",
    }
    const cases = [
      { kind: "random", batch: 1, outputs: [good] },
      { kind: "real", batch: 2, outputs: [bad, gone] },
    ] as const
    expect(formatParity({ cases, tolerance: 1e-4, passed: false })).toBe(
      [
        "ONNX parity: FAILED (tolerance 0.0001)",
        "inputs  batch  output       max abs  max rel  agreement",
        "random  1      probability  2.50e-7  3.00e-7  100.000 %  ok",
        "real    2      poi          5.00e-1  2.50e-1  -          differs",
        "real    2      woi          -        -        -          the trainer does not give it",
        "",
      ].join("\n"),
    )
  })
})
