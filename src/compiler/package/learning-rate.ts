/**
 * A learning rate in words.
 *
 * Takes what a program does; gives a sentence for the generated trainer. The numbers themselves come out of the program:
 * every step says which rate it used.
 */

import type { RateSpec, RateUnit } from "../targets/tensorflow/schedule.js"

/** One sentence, or two with a warm-up. */
export function rateSentence({ rate, schedule, per, warmup }: RateSpec): string {
  const rises = warmup && `Rises to ${rate} in ${counted(warmup.length, warmup.per)}. `
  return `${rises ?? ""}${sentence(rate, schedule, per)}`
}

function sentence(rate: number, schedule: RateSpec["schedule"], per: RateUnit): string {
  switch (schedule.kind) {
    case "constant":
      return `The same in all steps, ${rate}.`
    case "step":
      return `${rate}, times ${schedule.gamma} whenever ${counted(schedule.every, per)} have passed.`
    case "exponential":
      return `${rate}, times ${schedule.gamma} for each ${per}, but never below ${schedule.floor} of it.`
    case "cosine":
      return `Falls from ${rate} to ${schedule.min} along a cosine in ${counted(schedule.length, per)}, and stays there.`
    case "cosine_restarts": {
      const longer = schedule.factor === 1 ? "" : `, each cycle ${schedule.factor} times as long as the one before`
      return `Falls from ${rate} to ${schedule.min} along a cosine, and starts again after ${counted(schedule.period, per)}${longer}.`
    }
    case "polynomial": {
      const { length, power, min } = schedule
      return `Falls from ${rate} to ${min} in ${counted(length, per)}, as (1 - t/${length})^${power}, and stays there.`
    }
    case "plateau":
      return `${rate}, times ${schedule.factor} when more than ${schedule.patience} scores in a row were not better, never below ${schedule.min}.`
  }
}

const counted = (count: number, unit: RateUnit): string => `${count} ${unit}${count === 1 ? "" : "s"}`
