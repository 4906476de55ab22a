/**
 * Which validation result is the best, and when to give up waiting for a better one.
 *
 * Takes the setting `stop = patience(metric, epochs)`, limits and the state of training; gives the best so far and whether
 * to stop. Pure.
 */
import type { SettingValue } from "../../compiler/elaborate/values.js"
import type { TrainingSettings } from "../../compiler/elaborate/model.js"
import type { Position } from "../data/loader.js"
import type { BestScore, Metric, TrainingState } from "../runs/checkpoint.js"
import type { RunOptions } from "../runs/run-folder.js"
import type { Ending } from "../runs/run-log.js"
import { plateauMetric } from "../../compiler/training-plan.js"
import { UserError } from "../user-error.js"
import type { SplitScores } from "./scoring.js"

export interface Tracking {
  /** what decides about the best checkpoint: the metric of `stop`, else Dice, else the loss */
  readonly metric: Metric
  /** epochs without a better result after which training stops */
  readonly patience: number | undefined
  /** what a plateau schedule is told after each scoring; undefined for other schedules */
  readonly plateau: Metric | undefined
}

/**
 * @param scored whether there is an output to score
 * @throws UserError for `patience` or `plateau` on Dice or IoU in a model without one, or with a metric that is not known
 */
export function trackingOf(training: TrainingSettings, scored: boolean): Tracking {
  const stop = training["stop"] as SettingValue | undefined
  const plateau = plateauMetric(training["schedule"])
  requireScored("plateau", plateau, scored)
  if (stop === undefined) return { metric: scored ? "dice" : "loss", patience: undefined, plateau }
  const named = stop.arguments["metric"] as SettingValue | undefined
  const metric = (["dice", "iou", "loss"] as const).find((name) => name === named?.name)
  if (metric === undefined) throw new UserError("patience waits for a metric that is not known; known: dice, iou, loss")
  requireScored("patience", metric, scored)
  const patience = stop.arguments["epochs"]
  if (typeof patience !== "number" || !Number.isInteger(patience) || patience < 1) {
    throw new UserError(`patience waits ${JSON.stringify(patience)} epochs: give a whole number, 1 or more`)
  }
  return { metric, patience, plateau }
}

function requireScored(setting: string, metric: Metric | undefined, scored: boolean): void {
  if (metric === undefined || metric === "loss" || scored) return
  throw new UserError(
    `${setting} waits for a better ${metric}, but no output has the shape of the target: wait for \`loss\`, or add the output`,
  )
}

/** The value of the metric; greater is better, except for the loss. */
export function scoreOf(metric: Metric, { summary, total }: Pick<SplitScores, "summary" | "total">): number {
  if (metric === "loss") return total
  if (!summary) throw new Error(`there is no ${metric} without a scored output`)
  return summary[metric].mean
}

export function isBetter(metric: Metric, score: number, best: BestScore | null): boolean {
  if (best === null) return true
  return metric === "loss" ? score < best.score : score > best.score
}

/** Whether the best result is too long ago. `epoch` is the one that was last scored. */
export function outOfPatience({ patience }: Tracking, epoch: number, best: BestScore | null): boolean {
  return patience !== undefined && best !== null && epoch - best.epoch >= patience
}

/** The epoch of the step before the next batch. */
export function epochOfLastStep({ epoch, batch }: Position): number {
  return batch === 0 && epoch > 0 ? epoch - 1 : epoch
}

/**
 * Why a run that stopped in `state` has nothing left to do; undefined when it has steps before its limits, or what is due
 * at the end of an epoch or of the run.
 */
export function endingOf(
  { step, position, sums, evaluatedAt, best }: TrainingState,
  { epochs, steps = Infinity }: Pick<RunOptions, "epochs" | "steps">,
  tracking: Tracking,
): Exclude<Ending, "interrupted"> | undefined {
  const epochEnded = position.batch === 0 && sums.steps > 0
  if (step === 0 || epochEnded || evaluatedAt !== step) return undefined
  if (outOfPatience(tracking, epochOfLastStep(position), best)) return "early-stop"
  if (step >= steps) return "steps"
  return position.epoch >= epochs ? "epochs" : undefined
}
