/**
 * Scores of small masks against torchmetrics, scikit-learn, SciPy and MONAI's definitions (scripts/fixtures/metrics.py).
 */
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { BINS, CalibrationTally } from "../../../src/runtime/metrics/calibration.js"
import { ratesOf, summariseMeasures } from "../../../src/runtime/metrics/case-measures.js"
import { type PixelCounts, scoresOf, underAllConventions } from "../../../src/runtime/metrics/conventions.js"
import { caseScores, foregroundOf, summarise } from "../../../src/runtime/metrics/segmentation.js"
import { hausdorff95 } from "../../../src/runtime/metrics/surface-distance.js"

interface Overlap {
  readonly dice: number | null
  readonly iou: number | null
}
type PerCase = "monai" | "monai-ignore-empty" | "torchmetrics"
interface Fixture {
  readonly together: Readonly<Record<"torchmetrics" | "torchmetrics-global", Overlap>> & {
    readonly calibration: {
      readonly expectedError: number
      readonly brier: number
      readonly foreground: readonly number[]
      readonly probability: readonly number[]
    }
  }
  readonly cases: readonly {
    readonly name: string
    readonly height: number
    readonly width: number
    readonly probability: readonly number[]
    readonly truth: string
    readonly expected: Readonly<Record<PerCase, Overlap>> & {
      readonly counts: PixelCounts
      readonly precision: number | null
      readonly recall: number | null
      readonly specificity: number | null
      readonly hausdorff95: number | null
    }
  }[]
}
const fixture = JSON.parse(readFileSync(new URL("../../fixtures/metrics.json", import.meta.url), "utf8")) as Fixture
const cases = fixture.cases.map((one) => ({ ...one, mask: Array.from(one.truth, Number) }))

/** Equal to a few units of float32, in which torchmetrics counts; null only where null is expected. */
function expectNear(found: number | null, expected: number | null): void {
  if (found === null || expected === null) expect(found).toBe(expected)
  else expect(found).toBeCloseTo(expected, 6)
}

describe.each(cases)("$name", ({ height, width, probability, mask, expected }) => {
  const scores = caseScores(probability, mask)

  test("pixels are counted as scikit-learn counts them", () => {
    expect(scores).toMatchObject(expected.counts)
  })

  test.each(["monai", "monai-ignore-empty", "torchmetrics"] as const)("Dice and IoU under %s", (convention) => {
    const { dice, iou, leftOut } = scoresOf(expected.counts, convention)
    expectNear(leftOut ? null : dice, expected[convention].dice)
    expectNear(leftOut ? null : iou, expected[convention].iou)
  })

  test("Dice and IoU under lvit are those of MONAI with an epsilon", () => {
    const { tp, fp, fn } = expected.counts
    expect(scores.dice).toBe((2 * tp) / (2 * tp + fp + fn + 1e-5))
    expect(scores.iou).toBe(tp / (tp + fp + fn + 1e-5))
  })

  test("precision, recall and specificity", () => {
    const rates = ratesOf(expected.counts)
    expectNear(rates.precision, expected.precision)
    expectNear(rates.recall, expected.recall)
    expectNear(rates.specificity, expected.specificity)
  })

  test("the 95th percentile of the Hausdorff distance", () => {
    const predicted = foregroundOf(probability, 0.5)
    expectNear(hausdorff95(predicted, mask, { height, width }) ?? null, expected.hausdorff95)
    expectNear(hausdorff95(mask, predicted, { height, width }) ?? null, expected.hausdorff95)
  })
})

describe("all cases together", () => {
  const found = new Map(
    underAllConventions(cases.map(({ expected }) => expected.counts)).map((scores) => [scores.convention, scores]),
  )

  test.each(["torchmetrics", "torchmetrics-global"] as const)("%s is what its metric classes compute", (convention) => {
    expectNear(found.get(convention)!.dice, fixture.together[convention].dice)
    expectNear(found.get(convention)!.iou, fixture.together[convention].iou)
  })

  test.each(["monai", "monai-ignore-empty"] as const)("%s is the mean of the cases that have a score", (convention) => {
    const known = cases.flatMap(({ expected }) => expected[convention].dice ?? [])
    expectNear(found.get(convention)!.dice, known.reduce((a, b) => a + b, 0) / known.length)
    expect(found.get(convention)).toMatchObject({ cases: known.length, leftOut: cases.length - known.length })
  })

  test("a summary and the list of conventions say the same", () => {
    for (const convention of ["lvit", "monai", "monai-ignore-empty", "torchmetrics"] as const) {
      const scores = cases.map(({ probability, mask }) => caseScores(probability, mask, { convention }))
      const { dice, iou, cases: count } = summarise(scores, convention)
      expect(found.get(convention)).toMatchObject({ cases: count, dice: dice.mean, iou: iou.mean })
    }
  })

  test("calibration is that of torchmetrics and scikit-learn", () => {
    const tally = new CalibrationTally()
    for (const { probability, mask } of cases) tally.add(probability, mask)
    const { expectedError, brier, bins, pixels } = tally.result()!
    const { calibration } = fixture.together
    expectNear(expectedError, calibration.expectedError)
    expectNear(brier, calibration.brier)
    const filled = bins.filter((bin) => bin.pixels > 0)
    expect(filled.length).toBe(calibration.foreground.length)
    filled.forEach((bin, i) => {
      expectNear(bin.foreground, calibration.foreground[i]!)
      expectNear(bin.probability, calibration.probability[i]!)
    })
    expect(bins.length).toBe(BINS)
    expect(bins.reduce((sum, bin) => sum + bin.pixels, 0)).toBe(pixels)
  })
})

describe("what has no value", () => {
  test("a split without foreground has no score under a convention that leaves all of it out", () => {
    const nothing = { tp: 0, fp: 0, fn: 0, tn: 9 }
    const byName = Object.fromEntries(underAllConventions([nothing, nothing]).map((one) => [one.convention, one]))
    expect(byName["lvit"]).toMatchObject({ cases: 2, leftOut: 0, dice: 0, iou: 0 })
    expect(byName["monai"]).toMatchObject({ cases: 2, leftOut: 0, dice: 1, iou: 1 })
    for (const convention of ["monai-ignore-empty", "torchmetrics"]) {
      expect(byName[convention]).toMatchObject({ cases: 0, leftOut: 2, dice: null, iou: null })
    }
    expect(byName["torchmetrics-global"]).toMatchObject({ dice: null, iou: null })
  })

  test("measures are summarised over the cases that have them, and the others counted", () => {
    const rates = { precision: null, recall: 0.5, specificity: 1 }
    const summary = summariseMeasures([
      { ...rates, hausdorff95: null },
      { ...rates, hausdorff95: 4, precision: 0.25 },
      { ...rates, hausdorff95: 2, recall: 1 },
    ])
    expect(summary.precision).toEqual({ cases: 1, undefinedIn: 2, spread: { mean: 0.25, std: 0, median: 0.25 } })
    expect(summary.recall).toMatchObject({ cases: 3, undefinedIn: 0, spread: { mean: 2 / 3, median: 0.5 } })
    expect(summary.hausdorff95).toMatchObject({ cases: 2, undefinedIn: 1, spread: { mean: 3 } })
    expect(summariseMeasures([{ ...rates, hausdorff95: null }]).hausdorff95.spread).toBeNull()
  })

  test("an output that is no probability has no calibration, and 1 belongs to the last bin", () => {
    const logits = new CalibrationTally()
    logits.add([0.5, 3], [1, 1])
    expect(logits.result()).toBeUndefined()
    expect(new CalibrationTally().result()).toBeUndefined()
    const sure = new CalibrationTally()
    sure.add([1, 1, 0, 0.99], [1, 0, 0, 1])
    const { bins, brier } = sure.result()!
    expect(bins.at(-1)).toMatchObject({ pixels: 3, foreground: 2 / 3 })
    expect(bins[0]).toEqual({ from: 0, to: 1 / BINS, pixels: 1, probability: 0, foreground: 0 })
    expect(brier).toBeCloseTo((1 + 0.01 ** 2) / 4, 12)
  })

  test("a distance is refused for masks that have not the size", () => {
    expect(() => hausdorff95([1, 0], [1, 0], { height: 2, width: 2 })).toThrow(/2 pixels is not 2x2/)
  })
})
