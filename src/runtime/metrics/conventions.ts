/**
 * What a "Dice" and an "IoU" are.
 *
 * Takes how many pixels of a case are predicted and true; gives its scores under a named convention, and the means of many
 * cases under all of them.
 *
 * Why so: papers that report "Dice" mean different numbers, which part on cases without foreground and on how cases are
 * put together. So a convention has a name, and the name travels with every score.
 * - "lvit" (LViT, RecLMIS): per image, Dice = 2 TP / (|P| + |G| + 1e-5) and IoU = TP / (|P u G| + 1e-5) of the foreground;
 *   the mean over images, the mean IoU being called "mIoU" although background is not in it. Empty against empty is 0.
 * - "monai" (DiceMetric and MeanIoU with ignore_empty=False): no epsilon, and empty against empty is 1.
 * - "monai-ignore-empty" (the same with ignore_empty=True, their default): cases with an empty truth are left out.
 * - "torchmetrics" (segmentation.DiceScore and MeanIoU of the foreground class, by sample): cases in which truth and
 *   prediction are both empty are left out; a prediction where there is no truth is 0.
 * - "torchmetrics-global" (classification.BinaryF1Score and BinaryJaccardIndex, DiceScore with aggregation_level="global"):
 *   the pixels of all cases are counted together, so large lesions weigh more. It has no score of a case.
 * docs/metrics.md has the formulas.
 */

/** Conventions that score a case. */
export const CONVENTIONS = ["lvit", "monai", "monai-ignore-empty", "torchmetrics"] as const
export type Convention = (typeof CONVENTIONS)[number]

/** How LViT and RecLMIS were scored. */
export const CONVENTION = "lvit" satisfies Convention

const EPSILON = 1e-5

/** Pixels of a case: predicted and true, predicted only, true only, neither. */
export interface PixelCounts {
  readonly tp: number
  readonly fp: number
  readonly fn: number
  readonly tn: number
}

/** Pixels that decide about overlap. */
export type OverlapCounts = Pick<PixelCounts, "tp" | "fp" | "fn">

export interface OverlapScores {
  readonly dice: number
  readonly iou: number
  /**
   * present where the convention leaves the case out: the scores are then those of "monai", so that cases can be ranked,
   * and no mean has them in it
   */
  readonly leftOut?: true
}

/** Dice and IoU of one case. */
export function scoresOf({ tp, fp, fn }: OverlapCounts, convention: Convention): OverlapScores {
  if (convention === "lvit") {
    return { dice: (2 * tp) / (2 * tp + fp + fn + EPSILON), iou: tp / (tp + fp + fn + EPSILON) }
  }
  const union = tp + fp + fn
  const scores = union === 0 ? { dice: 1, iou: 1 } : { dice: (2 * tp) / (2 * tp + fp + fn), iou: tp / union }
  const leftOut =
    (convention === "monai-ignore-empty" && tp + fn === 0) || (convention === "torchmetrics" && union === 0)
  return leftOut ? { ...scores, leftOut } : scores
}

/** The scores of a split under one convention. */
export interface ConventionScores {
  readonly convention: Convention | "torchmetrics-global"
  /** cases in the score, and cases that the convention leaves out */
  readonly cases: number
  readonly leftOut: number
  /** null where no case is left to score */
  readonly dice: number | null
  readonly iou: number | null
}

/** The same cases under every convention. */
export function underAllConventions(cases: readonly OverlapCounts[]): readonly ConventionScores[] {
  const perCase = CONVENTIONS.map((convention): ConventionScores => {
    const scored = cases.map((counts) => scoresOf(counts, convention)).filter(({ leftOut }) => !leftOut)
    const mean = (of: (scores: OverlapScores) => number): number | null =>
      scored.length === 0 ? null : scored.reduce((sum, scores) => sum + of(scores), 0) / scored.length
    return {
      convention,
      cases: scored.length,
      leftOut: cases.length - scored.length,
      dice: mean(({ dice }) => dice),
      iou: mean(({ iou }) => iou),
    }
  })
  const all = (of: (counts: OverlapCounts) => number): number => cases.reduce((sum, counts) => sum + of(counts), 0)
  const pooled = scoresOf({ tp: all(({ tp }) => tp), fp: all(({ fp }) => fp), fn: all(({ fn }) => fn) }, "torchmetrics")
  return [
    ...perCase,
    {
      convention: "torchmetrics-global",
      cases: cases.length,
      leftOut: 0,
      dice: pooled.leftOut ? null : pooled.dice,
      iou: pooled.leftOut ? null : pooled.iou,
    },
  ]
}
