/**
 * The learning rate as a function of the step, inside the graph.
 *
 * Takes a schedule and the step; gives the rate, computed in float64 and rounded to float32. It is part of the program, so
 * that a SavedModel trains by itself and no caller has a formula of its own; what a step used is among its results.
 *
 * Time is counted in units, epochs or steps, from 0; a rate that counts in epochs changes between epochs and not within
 * one, as in the published training code. How many steps an epoch has is known when training starts, so it is a variable
 * that `init` sets. A warm-up comes first, and the schedule begins where it ends (torch's LinearLR and SequentialLR).
 * Plateau is the one schedule with a memory: its variables are changed by a program of their own, `score`.
 */

import { Float64 } from "./float64.js"
import type { GraphDefBuilder } from "./graphdef.js"
import type { Signature } from "./signatures.js"
import { output, placeholder, type Variable, type VariableTable } from "./variables.js"

/** What a schedule counts in. */
export type RateUnit = "epoch" | "step"

/** How the rate changes; torch.optim.lr_scheduler's names are given. Lengths are in units. */
export type Schedule =
  | { readonly kind: "constant" }
  /** StepLR: rate * gamma^floor(t / every) */
  | { readonly kind: "step"; readonly every: number; readonly gamma: number }
  /** ExponentialLR: rate * max(gamma^t, floor) */
  | { readonly kind: "exponential"; readonly gamma: number; readonly floor: number }
  /** CosineAnnealingLR; stays at `min` after `length` */
  | { readonly kind: "cosine"; readonly length: number; readonly min: number }
  /** CosineAnnealingWarmRestarts: each cycle is `factor` (a whole number) times as long as the one before */
  | { readonly kind: "cosine_restarts"; readonly period: number; readonly min: number; readonly factor: number }
  /** PolynomialLR, ending at `min` instead of 0 */
  | { readonly kind: "polynomial"; readonly length: number; readonly power: number; readonly min: number }
  /** ReduceLROnPlateau: times `factor` when more than `patience` scores in a row were not better */
  | {
      readonly kind: "plateau"
      readonly better: "greater" | "smaller"
      readonly patience: number
      readonly factor: number
      readonly min: number
    }

export interface RateSpec {
  /** the optimiser's own, in front of schedule and warm-up */
  readonly rate: number
  readonly schedule: Schedule
  /** what the schedule counts in */
  readonly per: RateUnit
  /** rises from rate / length to rate in `length` units */
  readonly warmup?: { readonly length: number; readonly per: RateUnit }
}

/** Name of the variable with the number of steps in an epoch; int64, set by `init`. */
export const STEPS_PER_EPOCH = "schedule/steps_per_epoch"
const PLATEAU = {
  best: "schedule/plateau_best",
  waited: "schedule/plateau_waited",
  reductions: "schedule/plateau_reductions",
} as const
/** torch's: a score is better when it is so by a ten-thousandth of the best one */
const PLATEAU_THRESHOLD = 1e-4
/** "no score yet", which any score is better than. Not infinite, because a checkpoint may hold only finite numbers. */
const LARGEST = 3.4028234663852886e38
/** Steps and epochs stay below this, so cycles that begin later need no place in the tables. */
const LONGEST = 2 ** 53

/** Declares what the rate depends on besides the step. */
export function declareSchedule(table: VariableTable, { schedule }: RateSpec): void {
  table.declare(STEPS_PER_EPOCH, "DT_INT64", [], { kind: "constant", value: 1 })
  if (schedule.kind !== "plateau") return
  const worst = schedule.better === "greater" ? -LARGEST : LARGEST
  table.declare(PLATEAU.best, "DT_FLOAT", [], { kind: "constant", value: worst })
  table.declare(PLATEAU.waited, "DT_INT64", [], { kind: "constant", value: 0 })
  table.declare(PLATEAU.reductions, "DT_INT64", [], { kind: "constant", value: 0 })
}

/**
 * Appends the rate of a step.
 *
 * @param step int64 scalar, 1 for the first step
 * @param program first part of the node names
 * @returns an f32 scalar
 */
export function learningRate(
  builder: GraphDefBuilder,
  table: VariableTable,
  spec: RateSpec,
  step: string,
  program: string,
): string {
  const f = new Float64(builder, `${program}/schedule`)
  const { rate, schedule, per, warmup } = spec
  const perEpoch = lazily(() => f.from(table.read(table.get(STEPS_PER_EPOCH), program), "DT_INT64"))
  /** whole units in a number of steps */
  const units = (steps: string, unit: RateUnit): string =>
    unit === "step" ? steps : f.floor(f.divide(steps, perEpoch()))
  const done = lazily(() => f.subtract(f.from(step, "DT_INT64"), 1))
  const reductions = (): string => f.from(table.read(table.get(PLATEAU.reductions), program), "DT_INT64")
  if (!warmup)
    return f.to(
      scheduled(f, rate, schedule, () => units(done(), per), reductions),
      "DT_FLOAT",
    )

  const warmupSteps = warmup.per === "step" ? f.constant(warmup.length) : f.multiply(perEpoch(), warmup.length)
  const sinceWarmup = f.maximum(f.subtract(done(), warmupSteps), 0)
  const rising = f.divide(f.multiply(f.add(units(done(), warmup.per), 1), rate), warmup.length)
  const after = scheduled(f, rate, schedule, () => units(sinceWarmup, per), reductions)
  return f.to(f.choose(f.less(done(), warmupSteps), rising, after), "DT_FLOAT")
}

/** The rate `time()` units after the schedule has begun. */
function scheduled(f: Float64, rate: number, schedule: Schedule, time: () => string, reductions: () => string): string {
  /** from the rate at 0 to `min` at 1, along a cosine */
  const alongCosine = (angle: string, min: number): string =>
    f.add(min, f.divide(f.multiply(rate - min, f.add(1, f.cosine(angle))), 2))
  switch (schedule.kind) {
    case "constant":
      return f.constant(rate)
    case "step":
      return f.multiply(rate, f.power(schedule.gamma, f.floor(f.divide(time(), schedule.every))))
    case "exponential":
      return f.multiply(rate, f.maximum(f.power(schedule.gamma, time()), schedule.floor))
    case "cosine": {
      const { length, min } = schedule
      return alongCosine(f.divide(f.multiply(Math.PI, f.minimum(time(), length)), length), min)
    }
    case "cosine_restarts": {
      const { period, min, factor } = schedule
      if (factor === 1) return alongCosine(f.divide(f.multiply(Math.PI, f.modulo(time(), period)), period), min)
      const { since, length } = cycle(f, time(), period, factor)
      return alongCosine(f.divide(f.multiply(Math.PI, since), length), min)
    }
    case "polynomial": {
      const { length, power, min } = schedule
      const left = f.subtract(1, f.divide(f.minimum(time(), length), length))
      return f.add(min, f.multiply(rate - min, f.power(left, power)))
    }
    case "plateau": {
      const { factor, min } = schedule
      return f.maximum(f.multiply(rate, f.power(factor, reductions())), Math.min(min, rate))
    }
  }
}

/**
 * The cycle that `time` falls into when each is `factor` times as long as the one before: how long ago it began and how
 * long it is. The beginnings are whole numbers and stand in the graph, because a logarithm can miss one by rounding.
 */
function cycle(f: Float64, time: string, period: number, factor: number) {
  const starts: number[] = []
  const lengths: number[] = []
  for (let start = 0, length = period; start < LONGEST; start += length, length *= factor) {
    starts.push(start)
    lengths.push(length)
  }
  // The last beginning that is not later is the largest of them, and its cycle the longest.
  const reached = f.lessEqual(f.constants(starts), time)
  const greatest = (values: readonly number[]): string => f.largest(f.choose(reached, f.constants(values), 0))
  return { since: f.subtract(time, greatest(starts)), length: greatest(lengths) }
}

/** Whether programs with this schedule need the signature `score`. */
export function takesScores({ schedule }: RateSpec): boolean {
  return schedule.kind === "plateau"
}

/**
 * `score(score)`: tells a plateau schedule how good the model is now. As torch's ReduceLROnPlateau, with a relative
 * threshold of 1e-4 and no cooldown. Gives how often the rate has been reduced.
 */
export function scoreSignature(builder: GraphDefBuilder, table: VariableTable, { schedule }: RateSpec): Signature {
  if (schedule.kind !== "plateau") throw new Error(`the schedule ${schedule.kind} takes no scores`)
  const program = "score"
  const f = new Float64(builder, program)
  const input = placeholder(builder, program, "score", "DT_FLOAT", [])
  const [best, waited, reductions] = [PLATEAU.best, PLATEAU.waited, PLATEAU.reductions].map((n) => table.get(n)) as [
    Variable,
    Variable,
    Variable,
  ]
  const score = f.from(input.tensor, "DT_FLOAT")
  const before = table.read(best, program)
  const bar = f.multiply(
    f.from(before, "DT_FLOAT"),
    schedule.better === "greater" ? 1 + PLATEAU_THRESHOLD : 1 - PLATEAU_THRESHOLD,
  )
  const isBetter = schedule.better === "greater" ? f.less(bar, score) : f.less(score, bar)
  const now = f.choose(isBetter, 0, f.add(f.from(table.read(waited, program), "DT_INT64"), 1))
  const tired = f.less(schedule.patience, now)
  const reduced = f.add(f.from(table.read(reductions, program), "DT_INT64"), f.choose(tired, 1, 0))
  const kept = builder.node("SelectV2", program, [isBetter, input.tensor, before], { T: { type: "DT_FLOAT" } })
  const assigned = [
    table.assign(best, kept, program),
    table.assign(waited, f.to(f.choose(tired, 0, now), "DT_INT64"), program),
    table.assign(reductions, f.to(reduced, "DT_INT64"), program),
  ]
  const count = f.to(reduced, "DT_INT32")
  return {
    inputs: { score: input },
    outputs: { reductions: output(builder, program, "reductions", count, "DT_INT32", [], assigned) },
  }
}

/** A value that is made when it is first asked for, and only once. */
function lazily(make: () => string): () => string {
  let made: string | undefined
  return () => (made ??= make())
}
