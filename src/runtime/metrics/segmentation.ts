/**
 * Scores of a predicted mask: Dice and IoU per case, and their summary.
 *
 * Takes: probabilities and masks as flat arrays of one case. Gives: scores in [0, 1] under a named convention and the
 * counts behind them.
 */
import { quantile } from "../statistics/quantile.js"
import { type Convention, CONVENTION, type OverlapScores, type PixelCounts, scoresOf } from "./conventions.js"

export type CaseScores = OverlapScores & PixelCounts

/**
 * Scores one case.
 * @param probability predicted probabilities of one case, any shape, flat; foreground where > threshold.
 * @param mask the truth in the same shape; foreground where > 0.5.
 * @throws RangeError when the lengths differ or a probability is not a number.
 */
export function caseScores(
  probability: ArrayLike<number>,
  mask: ArrayLike<number>,
  options: { threshold?: number; convention?: Convention } = {},
): CaseScores {
  const { threshold = 0.5, convention = CONVENTION } = options
  if (probability.length !== mask.length) {
    throw new RangeError(`the prediction has ${probability.length} values and the mask ${mask.length}`)
  }
  let tp = 0
  let fp = 0
  let fn = 0
  for (let i = 0; i < mask.length; i++) {
    const p = probability[i] as number
    // A comparison with NaN is false: an exploded model would score as if it had predicted background.
    if (Number.isNaN(p)) throw new RangeError(`the prediction's value ${i} is not a number`)
    const predicted = p > threshold
    const truth = (mask[i] as number) > 0.5
    if (predicted && truth) tp++
    else if (predicted) fp++
    else if (truth) fn++
  }
  const counts = { tp, fp, fn, tn: mask.length - tp - fp - fn }
  return { ...scoresOf(counts, convention), ...counts }
}

/** What is predicted as foreground: 1 where a probability is above the threshold. */
export function foregroundOf(probability: ArrayLike<number>, threshold: number): Uint8Array {
  return Uint8Array.from(probability, (p) => (p > threshold ? 1 : 0))
}

/** Mean, sample standard deviation (n - 1; 0 for one case) and median of some scores. */
export interface Spread {
  readonly mean: number
  readonly std: number
  readonly median: number
}

/** @throws RangeError when there are no values */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError("there is no score to summarise")
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const std = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0
  return { mean, std, median: quantile(Float64Array.from(values).sort(), 0.5) }
}

export interface Summary {
  readonly cases: number
  readonly convention: Convention
  readonly dice: Spread
  readonly iou: Spread
}

/**
 * Summarises the scores of all cases of a split; those that the convention leaves out are not in it.
 * @throws RangeError when there are none
 */
export function summarise(scores: readonly OverlapScores[], convention: Convention = CONVENTION): Summary {
  const scored = scores.filter(({ leftOut }) => !leftOut)
  return {
    cases: scored.length,
    convention,
    dice: spreadOf(scored.map((score) => score.dice)),
    iou: spreadOf(scored.map((score) => score.iou)),
  }
}

export interface ImageIndependentMask {
  /** [H * W], 0 and 1. */
  readonly mask: Float32Array
  /** The share of training masks at which a pixel becomes foreground. */
  readonly level: number
  /** Mean Dice of the mask against the training masks. */
  readonly trainDice: number
}

/**
 * The best prediction that looks at neither image nor note: the mean of the training masks, cut at the level that gives
 * the greatest mean Dice on those masks (levels 0.02, 0.04, ... 0.98; the lowest of equals). A model that does not beat it
 * has learned where lesions usually are and nothing else.
 * @param trainMasks masks of one size, flat; foreground where > 0.5.
 * @throws RangeError when there are none or their sizes differ.
 */
export function bestImageIndependentMask(
  trainMasks: readonly ArrayLike<number>[],
  options: { convention?: Exclude<Convention, "monai-ignore-empty" | "torchmetrics"> } = {},
): ImageIndependentMask {
  const { convention = CONVENTION } = options
  const count = trainMasks[0]?.length
  if (count === undefined) throw new RangeError("there is no training mask")
  const times = new Uint32Array(count)
  for (const mask of trainMasks) {
    if (mask.length !== count) throw new RangeError(`masks of ${count} and of ${mask.length} pixels: give one size`)
    for (let i = 0; i < count; i++) if ((mask[i] as number) > 0.5) times[i] = (times[i] as number) + 1
  }
  // Each pixel's highest step at which it is still foreground; a mask's overlap at every step is then one histogram.
  const step = Uint8Array.from(times, (hits) => Math.floor((hits * STEPS) / trainMasks.length))
  const predicted = countsFromTop(step, () => true)
  const diceSum = new Float64Array(STEPS)
  for (const mask of trainMasks) {
    const overlap = countsFromTop(step, (i) => (mask[i] as number) > 0.5)
    const truth = overlap[0] as number
    for (let k = 1; k < STEPS; k++) {
      const tp = overlap[k] as number
      const { dice } = scoresOf({ tp, fp: (predicted[k] as number) - tp, fn: truth - tp }, convention)
      diceSum[k] = (diceSum[k] as number) + dice
    }
  }
  let best = 1
  for (let k = 2; k < STEPS; k++) if ((diceSum[k] as number) > (diceSum[best] as number)) best = k
  return {
    mask: Float32Array.from(step, (highest) => (highest >= best ? 1 : 0)),
    level: best / STEPS,
    trainDice: (diceSum[best] as number) / trainMasks.length,
  }
}

const STEPS = 50

/** For each k in 0..STEPS: how many of the chosen pixels have a step of at least k. */
function countsFromTop(step: Uint8Array, chosen: (index: number) => boolean): Uint32Array {
  const counts = new Uint32Array(STEPS + 1)
  for (let i = 0; i < step.length; i++) {
    if (chosen(i)) counts[step[i] as number] = (counts[step[i] as number] as number) + 1
  }
  for (let k = STEPS - 1; k >= 0; k--) counts[k] = (counts[k] as number) + (counts[k + 1] as number)
  return counts
}
