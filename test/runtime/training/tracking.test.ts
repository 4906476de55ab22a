/**
 * Which result is the best, and when waiting for a better one ends.
 */
import { describe, expect, test } from "vitest"
import type { BestScore, Metric } from "../../../src/runtime/runs/checkpoint.js"
import { isBetter, outOfPatience, scoreOf, trackingOf } from "../../../src/runtime/training/tracking.js"

const patience = (metric: string, epochs: unknown) => ({
  stop: { name: "patience", arguments: { metric: { name: metric, arguments: {} }, epochs: epochs as number } },
})
const best = (metric: Metric, score: number, epoch = 0): BestScore => ({ metric, score, step: 1, epoch })

test("the metric is that of stop, else Dice, else the loss", () => {
  expect(trackingOf(patience("iou", 3), true)).toEqual({ metric: "iou", patience: 3, plateau: undefined })
  expect(trackingOf({}, true)).toEqual({ metric: "dice", patience: undefined, plateau: undefined })
  expect(trackingOf({}, false)).toEqual({ metric: "loss", patience: undefined, plateau: undefined })
})

describe("stop is refused", () => {
  test("on a score that the model has not", () => {
    expect(() => trackingOf(patience("dice", 3), false)).toThrow(/no output has the shape of the target/)
    expect(trackingOf(patience("loss", 3), false).metric).toBe("loss")
  })
  test.each([0, -1, 1.5, "3"])("with %s epochs", (epochs) => {
    expect(() => trackingOf(patience("dice", epochs), true)).toThrow(/whole number, 1 or more/)
  })
  test("on an unknown metric", () => {
    expect(() => trackingOf(patience("accuracy", 3), true)).toThrow(/known: dice, iou, loss/)
  })
})

test("a plateau schedule waits for a score that the model has", () => {
  const plateau = (metric: string) => ({
    schedule: { name: "plateau", arguments: { metric: { name: metric, arguments: {} } } },
  })
  expect(trackingOf(plateau("iou"), true)).toEqual({ metric: "dice", patience: undefined, plateau: "iou" })
  expect(trackingOf(plateau("loss"), false).plateau).toBe("loss")
  expect(() => trackingOf(plateau("dice"), false)).toThrow(
    /plateau waits for a better dice, but no output has the shape/,
  )
})

test("a score must be greater, a loss smaller; equal is not better", () => {
  expect(isBetter("dice", 0.1, null)).toBe(true)
  expect([0.4, 0.5, 0.6].map((score) => isBetter("dice", score, best("dice", 0.5)))).toEqual([false, false, true])
  expect([0.4, 0.5, 0.6].map((score) => isBetter("loss", score, best("loss", 0.5)))).toEqual([true, false, false])
})

test("patience counts epochs since the best one", () => {
  const tracking = { metric: "dice", patience: 2, plateau: undefined } as const
  expect([3, 4, 5, 6].map((epoch) => outOfPatience(tracking, epoch, best("dice", 0.5, 3)))).toEqual([
    false,
    false,
    true,
    true,
  ])
  expect(outOfPatience({ ...tracking, patience: undefined }, 99, best("dice", 0.5))).toBe(false)
})

test("the score is the mean of the metric, or the summed loss", () => {
  const spread = (mean: number) => ({ mean, std: 0, median: 0 })
  const summary = { cases: 1, convention: "lvit", dice: spread(0.7), iou: spread(0.6) } as const
  expect([scoreOf("dice", { summary, total: 2 }), scoreOf("iou", { summary, total: 2 })]).toEqual([0.7, 0.6])
  expect(scoreOf("loss", { summary: undefined, total: 2 })).toBe(2)
  expect(() => scoreOf("dice", { summary: undefined, total: 2 })).toThrow(/no dice/)
})
