/**
 * Training that has run away: a loss, the gradient or a parameter that is no longer a number.
 *
 * Takes what was found; gives one error that says where, and what is left to go back to.
 */
import { checkpointPath } from "../runs/checkpoint.js"
import type { HostTensor } from "../session.js"
import { listed } from "../data/sample.js"
import { UserError } from "../user-error.js"

/** The last checkpoint, whose values were all finite. */
export interface GoodCheckpoint {
  readonly step: number
  /** from 0 */
  readonly epoch: number
}

/** Where it happened. */
export interface Divergence {
  /** folder of the run */
  readonly run: string
  readonly step: number
  /** from 0 */
  readonly epoch: number
  /** the values that are no numbers, with what they are */
  readonly terms: readonly string[]
  /** ids of the cases of that step; none when it was found elsewhere */
  readonly cases: readonly string[]
  readonly lastGood: GoodCheckpoint | undefined
  readonly learningRate: number
  /** whether the step computes in bf16 */
  readonly bf16: boolean
}

/** Training stopped because a value is NaN or infinite. `terms` name the values. */
export class TrainingDiverged extends UserError {
  override readonly name = "TrainingDiverged"
  readonly step: number
  readonly epoch: number
  readonly terms: readonly string[]
  readonly cases: readonly string[]

  constructor({ run, step, epoch, terms, cases, lastGood, learningRate, bf16 }: Divergence) {
    const last = checkpointPath(run, "last")
    super(
      [
        `training diverged at step ${step} (epoch ${epoch + 1}): ${terms.join(", ")}`,
        ...(cases.length > 0 ? [`  the cases of that step: ${listed(cases, 16)}`] : []),
        lastGood
          ? `  the last good checkpoint is ${last} (step ${lastGood.step}, epoch ${lastGood.epoch + 1})`
          : "  no checkpoint had been written before",
        `  try a smaller learning rate (it was ${learningRate}), gradient clipping (clip = norm(1.0)), a warm-up` +
          `${bf16 ? ", --precision f32" : ""}; and look at the terms and cases named above`,
        "  --resume would do the same steps again, so the change needs a new run" +
          `${lastGood ? `; it can start from here: mdl train MODEL --weights ${last} ...` : ""}`,
      ].join("\n"),
    )
    this.step = step
    this.epoch = epoch
    this.terms = terms
    this.cases = cases
  }
}

/** Names of the values that are not finite, with what they are. */
export function notFinite(values: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => (Number.isFinite(value) ? [] : [`${name} is ${value}`]))
}

/** Variables that hold a value that is not finite; the first few by name. */
export function notFiniteVariables(variables: ReadonlyMap<string, HostTensor>): readonly string[] {
  const found: string[] = []
  for (const [name, { dtype, data }] of variables) {
    if (dtype === "f32" && !allFinite(data)) found.push(name)
  }
  const shown = found.slice(0, 4).map((name) => `${name} is not finite`)
  return found.length > shown.length ? [...shown, `and ${found.length - shown.length} more`] : shown
}

function allFinite(data: ArrayLike<number>): boolean {
  // x - x is 0 for finite x and NaN otherwise; a plain loop, because parameters come in tens of millions.
  let sum = 0
  for (let i = 0; i < data.length; i++) sum += data[i]! - data[i]!
  return sum === 0
}
