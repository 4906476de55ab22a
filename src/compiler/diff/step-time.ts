/**
 * How long a training step takes, about.
 *
 * Takes a model's cost at batch 1 and the batch; gives milliseconds. Multiply-accumulates and bytes of activations, each
 * at a rate: those that give the two best steps that were measured on two threads (docs/results.md, "Speed": the bench's
 * U-Net, 2.25 G and 91.5 MB in 35.0 ms; RecLMIS `quick`, 1.58 G and 222 MB in 50.1 ms). On another machine the number is
 * another, so it is for comparing two models: which is slower, and by what share.
 */

import type { ElaboratedModel } from "../elaborate/model.js"
import type { ModelSummary } from "../summary.js"

const MS_PER_MAC = 8.99e-9
const MS_PER_BYTE = 1.618e-7

/** The batch of a model that sets none, as `mdl train` has it. */
const USUAL_BATCH = 8

export interface StepTime {
  readonly batch: number
  readonly milliseconds: number
}

/** The estimate; undefined for a model without a loss, which has no training step. */
export function estimateStep(
  { training }: Pick<ElaboratedModel, "training">,
  { macs, activations, losses }: Pick<ModelSummary, "macs" | "activations" | "losses">,
): StepTime | undefined {
  if (losses.length === 0) return undefined
  const batch = typeof training["batch"] === "number" ? training["batch"] : USUAL_BATCH
  const exact = batch * (macs.training * MS_PER_MAC + activations.training * MS_PER_BYTE)
  return { batch, milliseconds: Number(exact.toPrecision(3)) }
}
