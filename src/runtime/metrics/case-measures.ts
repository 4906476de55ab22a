/**
 * What is measured of a case besides overlap.
 *
 * Takes the pixel counts and the masks of a case; gives precision, recall, specificity and the 95th percentile of the
 * Hausdorff distance, each undefined where it divides by nothing, and their summaries over the cases where they are
 * defined, with how many those are.
 *
 * Why so: a missing number must not be made up. A precision without a predicted pixel, a recall without a true one and a
 * distance to an empty mask have no value; MONAI's metrics give NaN for them and leave them out of the mean, and so do
 * these. A model that predicts nothing where there is something is therefore not punished by them (Dice and recall see it):
 * read them with the number of cases.
 */
import type { PixelCounts } from "./conventions.js"
import { type Spread, spreadOf } from "./segmentation.js"

/** null: undefined for this case */
export interface CaseMeasures {
  /** TP / (TP + FP) */
  readonly precision: number | null
  /** TP / (TP + FN), also called sensitivity */
  readonly recall: number | null
  /** TN / (TN + FP) */
  readonly specificity: number | null
  /** in pixels of the scored size */
  readonly hausdorff95: number | null
}

/** A measure over a split. */
export interface MeasureSummary {
  /** cases in which it is defined, and in which not */
  readonly cases: number
  readonly undefinedIn: number
  /** null where it is defined in no case */
  readonly spread: Spread | null
}

export interface MeasureSummaries {
  readonly precision: MeasureSummary
  readonly recall: MeasureSummary
  readonly specificity: MeasureSummary
  readonly hausdorff95: MeasureSummary
}

/** Precision, recall and specificity from the counts of a case. */
export function ratesOf({ tp, fp, fn, tn }: PixelCounts): Omit<CaseMeasures, "hausdorff95"> {
  const share = (part: number, rest: number): number | null => (part + rest === 0 ? null : part / (part + rest))
  return { precision: share(tp, fp), recall: share(tp, fn), specificity: share(tn, fp) }
}

/** Every measure over all cases. */
export function summariseMeasures(cases: readonly CaseMeasures[]): MeasureSummaries {
  const summary = (measure: keyof MeasureSummaries): MeasureSummary => {
    const values = cases.map((measured) => measured[measure]).filter((value) => value !== null)
    return {
      cases: values.length,
      undefinedIn: cases.length - values.length,
      spread: values.length === 0 ? null : spreadOf(values),
    }
  }
  return {
    precision: summary("precision"),
    recall: summary("recall"),
    specificity: summary("specificity"),
    hausdorff95: summary("hausdorff95"),
  }
}
