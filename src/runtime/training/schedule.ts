/**
 * Learning rates: one for each epoch, from what `train { }` says.
 *
 * Takes the optimiser's and the schedule's setting; gives a function of the epoch. Pure, so that a resumed run has the
 * rates of an unbroken one. A rate changes between epochs and not within, as in the published training code.
 */
import type { SettingValue } from "../../compiler/elaborate/values.js"
import type { TrainingSettings } from "../../compiler/elaborate/model.js"
import { UserError } from "../user-error.js"

/** The learning rate of an epoch (0, 1, ...). */
export type Schedule = (epoch: number) => number

/** PyTorch's default for Adam, used when the model names no optimiser. */
export const DEFAULT_RATE = 1e-3

/**
 * The schedule of a model.
 *
 * - `constant_rate()`: the optimiser's rate.
 * - `cosine_restarts(period, min)`: torch's CosineAnnealingWarmRestarts with T_0 = period, T_mult = 1, eta_min = min,
 *   stepped once an epoch: min + (lr - min) * (1 + cos(pi * (epoch mod period) / period)) / 2.
 * - `exponential(gamma, floor)`: lr * max(gamma^epoch, floor).
 *
 * @throws UserError for a setting out of range
 */
export function scheduleOf(training: TrainingSettings): Schedule {
  const optimizer = training["optimizer"] as SettingValue | undefined
  const rate = optimizer === undefined ? DEFAULT_RATE : numberOf(optimizer, "lr")
  if (!(rate >= 0 && Number.isFinite(rate)))
    throw new UserError(`the learning rate is ${rate}: give a number of 0 or more`)
  const setting = training["schedule"] as SettingValue | undefined
  if (setting === undefined || setting.name === "constant_rate") return () => rate
  if (setting.name === "cosine_restarts") {
    const period = numberOf(setting, "period")
    const least = numberOf(setting, "min")
    if (!Number.isInteger(period) || period < 1) {
      throw new UserError(`cosine_restarts has the period ${period}: give a whole number of epochs, 1 or more`)
    }
    return (epoch) => least + ((rate - least) * (1 + Math.cos((Math.PI * (epoch % period)) / period))) / 2
  }
  if (setting.name === "exponential") {
    const gamma = numberOf(setting, "gamma")
    const floor = numberOf(setting, "floor")
    if (!(gamma > 0 && gamma <= 1))
      throw new UserError(`exponential has the gamma ${gamma}: give a number above 0, at most 1`)
    if (!(floor >= 0 && floor <= 1)) throw new UserError(`exponential has the floor ${floor}: give a share from 0 to 1`)
    return (epoch) => rate * Math.max(gamma ** epoch, floor)
  }
  throw new UserError(`the schedule ${setting.name} is not known; known: constant_rate, cosine_restarts, exponential`)
}

function numberOf(setting: SettingValue, argument: string): number {
  const value = setting.arguments[argument]
  if (typeof value === "number") return value
  throw new UserError(`${setting.name} has no number as its ${argument}`)
}
