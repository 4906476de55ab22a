import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bestImageIndependentMask, caseScores, spreadOf, summarise } from "../../../src/runtime/metrics/segmentation.js"

const pairs = fc
  .integer({ min: 1, max: 60 })
  .chain((n) =>
    fc.tuple(
      fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: n, maxLength: n }),
      fc.array(fc.constantFrom(0, 1), { minLength: n, maxLength: n }),
    ),
  )

describe("caseScores", () => {
  it("follows LViT's formula by default", () => {
    const scores = caseScores([0.9, 0.8, 0.2, 0.5], [1, 0, 1, 1])
    expect(scores).toEqual({ tp: 1, fp: 1, fn: 2, tn: 0, dice: 2 / (5 + 1e-5), iou: 1 / (4 + 1e-5) })
  })

  it("scores an empty prediction of an empty mask 0 by LViT's convention and 1 by MONAI's", () => {
    expect(caseScores([0, 0], [0, 0])).toMatchObject({ dice: 0, iou: 0 })
    expect(caseScores([0, 0], [0, 0], { convention: "monai" })).toMatchObject({ dice: 1, iou: 1 })
    expect(caseScores([1, 0], [0, 0], { convention: "monai" })).toMatchObject({ dice: 0, iou: 0 })
  })

  it("is between 0 and 1, ties Dice to IoU, and counts every pixel once", () => {
    fc.assert(
      fc.property(pairs, fc.constantFrom("lvit" as const, "monai" as const), ([probability, mask], convention) => {
        const { dice, iou, tp, fp, fn } = caseScores(probability, mask, { convention })
        expect(dice).toBeGreaterThanOrEqual(0)
        expect(dice).toBeLessThanOrEqual(1)
        expect(dice).toBeCloseTo((2 * iou) / (1 + iou), 4)
        expect(tp + fn).toBe(mask.reduce<number>((a, b) => a + b, 0))
        expect(tp + fp).toBe(probability.filter((p) => p > 0.5).length)
      }),
    )
  })

  it("uses the threshold asked for, strictly", () => {
    expect(caseScores([0.3], [1], { threshold: 0.3 }).tp).toBe(0)
    expect(caseScores([0.31], [1], { threshold: 0.3 }).tp).toBe(1)
  })

  it("refuses lengths that differ and values that are not numbers", () => {
    expect(() => caseScores([0], [0, 1])).toThrow(/1 values and the mask 2/)
    expect(() => caseScores([0, NaN], [0, 1])).toThrow(/value 1 is not a number/)
  })
})

describe("summarise", () => {
  it("gives mean, standard deviation and median", () => {
    expect(spreadOf([1, 2, 3, 10])).toEqual({ mean: 4, std: Math.sqrt(50 / 3), median: 2.5 })
    expect(spreadOf([5])).toEqual({ mean: 5, std: 0, median: 5 })
    const summary = summarise([caseScores([1], [1]), caseScores([0], [1])])
    expect(summary).toMatchObject({ cases: 2, convention: "lvit" })
    expect(summary.dice.mean).toBeCloseTo(0.5, 4)
    expect(() => summarise([])).toThrow(RangeError)
  })
})

describe("bestImageIndependentMask", () => {
  it("is the common mask when all are the same", () => {
    const mask = [0, 1, 1, 0]
    const best = bestImageIndependentMask([mask, mask, mask])
    expect([...best.mask]).toEqual(mask)
    expect(best.trainDice).toBeCloseTo(1, 4)
  })

  it("is at least as good as predicting everything, and its Dice is what scoring it gives", () => {
    const masks = fc
      .integer({ min: 1, max: 20 })
      .chain((n) =>
        fc.array(fc.array(fc.constantFrom(0, 1), { minLength: n, maxLength: n }), { minLength: 1, maxLength: 12 }),
      )
    fc.assert(
      fc.property(masks, fc.constantFrom("lvit" as const, "monai" as const), (train, convention) => {
        const { mask, level, trainDice } = bestImageIndependentMask(train, { convention })
        const scored = train.map((truth) => caseScores(mask, truth, { convention }).dice)
        expect(trainDice).toBeCloseTo(scored.reduce((a, b) => a + b) / train.length, 8)
        for (const other of [0.1, 0.3, 0.5, 0.7, 0.9]) {
          const share = mask.map((_, i) => train.filter((one) => one[i] === 1).length / train.length)
          const cut = share.map((value) => (value >= other ? 1 : 0))
          const dice = train.map((truth) => caseScores(cut, truth, { convention }).dice)
          expect(trainDice).toBeGreaterThanOrEqual(dice.reduce((a, b) => a + b) / train.length - 1e-6)
        }
        expect(level).toBeGreaterThan(0)
      }),
    )
  })

  it("refuses no masks and masks of two sizes", () => {
    expect(() => bestImageIndependentMask([])).toThrow(RangeError)
    expect(() => bestImageIndependentMask([[1], [1, 0]])).toThrow(/masks of 1 and of 2 pixels/)
  })
})
