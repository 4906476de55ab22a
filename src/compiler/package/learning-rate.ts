/**
 * A learning-rate schedule as JavaScript.
 *
 * Takes the optimiser's and the schedule's setting; gives constants and the body of `learningRate(epoch)`. The formulas
 * are those of `runtime/training/schedule.ts`, operation by operation, so that a generated trainer has the very same rates;
 * a test holds the two together.
 */

import type { TrainingSettings } from "../elaborate/model.js"
import type { SettingValue } from "../elaborate/values.js"

export interface RateText {
  /** what it does, as a sentence */
  readonly doc: string
  /** the value of `learningRate(epoch)`, an expression in `epoch` */
  readonly expression: string
}

/** Rate of an optimiser that is not named; PyTorch's default for Adam. */
const DEFAULT_RATE = 1e-3

/** @throws Error for a schedule that is not known here */
export function learningRateText(training: TrainingSettings): RateText {
  const optimizer = training["optimizer"] as SettingValue | undefined
  const rate = optimizer === undefined ? DEFAULT_RATE : argument(optimizer, "lr")
  const schedule = training["schedule"] as SettingValue | undefined
  switch (schedule?.name) {
    case undefined:
    case "constant_rate":
      return { doc: `The same in all epochs, ${rate}.`, expression: String(rate) }
    case "cosine_restarts": {
      const period = argument(schedule, "period")
      const least = argument(schedule, "min")
      return {
        doc: `Falls from ${rate} to ${least} along a cosine, and starts again every ${period} epochs.`,
        expression: `${least} + ((${rate} - ${least}) * (1 + Math.cos((Math.PI * (epoch % ${period})) / ${period}))) / 2`,
      }
    }
    case "exponential": {
      const gamma = argument(schedule, "gamma")
      const floor = argument(schedule, "floor")
      return {
        doc: `${rate}, times ${gamma} for each epoch, but never below ${floor} of it.`,
        expression: `${rate} * Math.max(${gamma} ** epoch, ${floor})`,
      }
    }
    default:
      throw new Error(`a trainer package does not know the schedule ${schedule!.name}`)
  }
}

function argument(setting: SettingValue, name: string): number {
  const value = setting.arguments[name]
  if (typeof value !== "number") throw new Error(`${setting.name} has no number as its ${name}`)
  return value
}
