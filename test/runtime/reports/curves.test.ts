import { describe, expect, it } from "vitest"
import { summarise } from "../../../src/runtime/metrics/segmentation.js"
import { curvesOf, MOST_POINTS, thinned } from "../../../src/runtime/reports/curves.js"
import type { EpochEntry, EvaluationEntry, StepsEntry } from "../../../src/runtime/runs/run-log.js"

const steps = (step: number, total: number): StepsEntry => ({
  kind: "steps", epoch: 0, step, steps: 5, learning_rate: 0.1, losses: { a: total - 1, b: 1 }, total, gradient_norm: 1, seconds_per_step: 0.1,
}) // prettier-ignore

const epoch = (number: number, total: number): EpochEntry => ({
  kind: "epoch", epoch: number, step: 10 * (number + 1), steps: 10, learning_rate: 0.1, losses: { a: total - 1, b: 1 }, total, seconds: { steps: 1, data: 0 },
}) // prettier-ignore

const evaluation = (step: number, dice: number): EvaluationEntry => ({
  kind: "evaluation", epoch: 0, step, losses: { a: 1 }, total: 1, best: true, seconds: 1,
  scores: summarise([{ dice, iou: dice - 0.1 }]),
}) // prettier-ignore

describe("curvesOf", () => {
  it("has nothing to show for an empty log", () => expect(curvesOf([])).toBeUndefined())

  it("shows groups of steps while there are few epochs, on an axis of epochs", () => {
    const curves = curvesOf([steps(5, 3), steps(10, 2), epoch(0, 2.5), evaluation(10, 0.4), steps(15, 1.5)])
    expect(curves?.xLabel).toBe("epoch")
    expect(curves?.losses[0]).toEqual({ name: "sum of the losses", train: [[0.5, 3], [1, 2], [1.5, 1.5]], valid: [[1, 1]] }) // prettier-ignore
    expect(curves?.validDice).toEqual([[1, 0.4]])
    expect(curves?.validIou).toEqual([[1, expect.closeTo(0.3)]])
    expect(curves?.gradientNorm).toEqual([[0.5, 1], [1, 1], [1.5, 1]]) // prettier-ignore
    expect(curves?.epochEnds).toEqual([1])
  })

  it("tells where the best checkpoint is: the last evaluation that was better than all before it", () => {
    const log = [epoch(0, 3), evaluation(10, 0.4), evaluation(20, 0.6), { ...evaluation(30, 0.5), best: false }]
    expect(curvesOf(log)?.bestAt).toBe(2)
    expect(curvesOf([steps(5, 3)])?.bestAt).toBeUndefined()
  })

  it("has no scores for a model without a scored output, and its losses nevertheless", () => {
    const curves = curvesOf([epoch(0, 3), { ...evaluation(10, 0), scores: undefined }])
    expect(curves).toMatchObject({ validDice: [], validIou: [], bestAt: 1 })
    expect(curves?.losses.find(({ name }) => name === "a")?.valid).toEqual([[1, 1]])
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

describe("thinned", () => {
  const wave = Array.from(
    { length: 10_000 },
    (_, x) => [x, x === 4321 ? 99 : x === 777 ? -99 : Math.sin(x / 50)] as const,
  )

  it("keeps a short line as it is", () => expect(thinned(wave.slice(0, 20))).toEqual(wave.slice(0, 20)))

  it("keeps ends and spikes of a long one, in order", () => {
    const few = thinned(wave)
    expect(few.length).toBeLessThanOrEqual(MOST_POINTS + 2)
    expect([few[0], few.at(-1)]).toEqual([wave[0], wave.at(-1)])
    expect(few).toContainEqual([4321, 99])
    expect(few).toContainEqual([777, -99])
    expect(few.map(([x]) => x)).toEqual(few.map(([x]) => x).sort((a, b) => a - b))
  })

  it("keeps a gap", () => {
    const broken = wave.map(([x, y]) => [x, x > 5000 && x < 5100 ? NaN : y] as const)
    expect(thinned(broken).some(([, y]) => Number.isNaN(y))).toBe(true)
  })
})
