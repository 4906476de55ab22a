import { describe, expect, it } from "vitest"
import { summarise } from "../../../src/runtime/metrics/segmentation.js"
import { curvesOf } from "../../../src/runtime/reports/curves.js"
import type { EpochEntry, EvaluationEntry, StepsEntry } from "../../../src/runtime/runs/run-log.js"

const steps = (step: number, total: number): StepsEntry => ({
  kind: "steps", epoch: 0, step, steps: 5, learning_rate: 0.1, losses: { a: total - 1, b: 1 }, total, gradient_norm: 1, seconds_per_step: 0.1,
}) // prettier-ignore

const epoch = (number: number, total: number): EpochEntry => ({
  kind: "epoch", epoch: number, step: 10 * (number + 1), steps: 10, learning_rate: 0.1, losses: { a: total - 1, b: 1 }, total, seconds: { steps: 1, data: 0 },
}) // prettier-ignore

const evaluation = (step: number, dice: number): EvaluationEntry => ({
  kind: "evaluation", epoch: 0, step, losses: { a: 1 }, total: 1, best: true, seconds: 1,
  scores: summarise([{ dice, iou: dice }]),
}) // prettier-ignore

describe("curvesOf", () => {
  it("has nothing to show for an empty log", () => expect(curvesOf([])).toBeUndefined())

  it("shows groups of steps while there are few epochs, on an axis of epochs", () => {
    const curves = curvesOf([steps(5, 3), steps(10, 2), epoch(0, 2.5), evaluation(10, 0.4), steps(15, 1.5)])
    expect(curves?.xLabel).toBe("epoch")
    expect(curves?.losses[0]).toEqual({ name: "sum of the losses", train: [[0.5, 3], [1, 2], [1.5, 1.5]], valid: [[1, 1]] }) // prettier-ignore
    expect(curves?.validDice).toEqual([[1, 0.4]])
  })

  it("shows means of epochs once there are enough", () => {
    const log = [0, 1, 2, 3, 4, 5].flatMap((n) => [steps(10 * n + 5, 9), epoch(n, 6 - n)])
    expect(curvesOf(log)?.losses.find(({ name }) => name === "a")?.train).toEqual([[1, 5], [2, 4], [3, 3], [4, 2], [5, 1], [6, 0]]) // prettier-ignore
  })

  it("counts steps before the first epoch has ended", () => {
    const curves = curvesOf([steps(5, 3)])
    expect(curves?.xLabel).toBe("step")
    expect(curves?.learningRate).toEqual([[5, 0.1]])
  })

  it("leaves a gap for a loss that was not measured", () => {
    const curves = curvesOf([epoch(0, 2), evaluation(10, 0.4)])
    expect(curves?.losses.find(({ name }) => name === "b")?.valid).toEqual([[1, NaN]])
  })
})
