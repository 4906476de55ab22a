/**
 * How each term of the loss behaved, from the log of a run.
 *
 * Takes: the lines of log.jsonl and the losses that the model declares. Gives: for each loss its first and last values, and
 * the epochs in which it was exactly 0, did not change, or was not there; and those findings in words.
 *
 * Why so: the published RecLMIS code can train whole runs with all its auxiliary losses at 0. The trainer tells the first
 * epoch of such a loss; a reader of the page wants all of them, of runs of any version, so the log is read again.
 * A line of the log is the mean of a group of steps: a loss counts as constant in an epoch when at least two groups have
 * the same mean, which a loss that depends on its batch does not do by chance.
 */

import type { EpochEntry, LogEntry, StepsEntry } from "../runs/run-log.js"

export interface LossCheck {
  readonly name: string
  /** finished epochs that were looked at */
  readonly epochs: number
  /** mean over the first and the last epoch that have it; undefined where none has */
  readonly first: number | undefined
  readonly last: number | undefined
  /** on the validation split, the last time it was scored */
  readonly valid: number | undefined
  /** epochs, counted from 1: exactly 0 in all of it */
  readonly zero: readonly number[]
  /** one and the same number, and not 0 */
  readonly constant: readonly number[]
  readonly missing: readonly number[]
}

/** Means of equal numbers differ by rounding errors of their sums; numbers in f32 that differ at all, by more. */
const SAME = 1e-12

/**
 * Checks the losses of a log.
 *
 * @param declared the losses of the model, in its order
 */
export function checkLosses(log: readonly LogEntry[], declared: readonly string[]): LossCheck[] {
  const epochs = log.filter((entry) => entry.kind === "epoch")
  const groups = log.filter((entry) => entry.kind === "steps")
  const evaluated = log.filter((entry) => entry.kind === "evaluation").at(-1)
  const names = [...new Set([...declared, ...epochs.flatMap(({ losses }) => Object.keys(losses))])]
  return names.map((name) => {
    const means = epochs.flatMap(({ losses }) => losses[name] ?? [])
    const found = epochs.map((epoch) => ({ epoch: epoch.epoch + 1, state: stateOf(name, epoch, groups) }))
    const those = (state: LossState): number[] => found.flatMap((one) => (one.state === state ? [one.epoch] : []))
    return {
      name,
      epochs: epochs.length,
      first: means[0],
      last: means.at(-1),
      valid: evaluated?.losses[name],
      zero: those("zero"),
      constant: those("constant"),
      missing: those("missing"),
    }
  })
}

type LossState = "zero" | "constant" | "missing" | "moving"

function stateOf(name: string, { epoch, losses }: EpochEntry, groups: readonly StepsEntry[]): LossState {
  const mean = losses[name]
  if (mean === undefined) return "missing"
  const values = groups.flatMap((group) => (group.epoch === epoch ? (group.losses[name] ?? []) : []))
  if (mean === 0 && values.every((value) => value === 0)) return "zero"
  const same = values.every((value) => Math.abs(value - values[0]!) <= SAME * Math.abs(values[0]!))
  return values.length > 1 && same ? "constant" : "moving"
}

/** What was found about a loss, in sentences; none for one that is as it should be. */
export function findingsOf({ name, epochs, zero, constant, missing, last }: LossCheck): string[] {
  const where = (numbers: readonly number[]): string =>
    numbers.length === epochs ? `all ${epochs} epochs` : `${epochList(numbers)} of ${epochs}`
  return [
    ...(missing.length > 0 ? [`the loss ${name} was not computed in ${where(missing)}`] : []),
    ...(zero.length > 0 ? [`the loss ${name} was exactly 0 in ${where(zero)}: it teaches nothing`] : []),
    ...(constant.length > 0
      ? [`the loss ${name} did not change in ${where(constant)} (${last} at last): it does not depend on the data`]
      : []),
  ].map((text) => text.replace("all 1 epochs", "the only epoch"))
}

/** `epoch 3`, `epochs 1-4, 7` */
export function epochList(numbers: readonly number[]): string {
  const runs: [number, number][] = []
  for (const number of numbers) {
    const last = runs.at(-1)
    if (last && number === last[1] + 1) last[1] = number
    else runs.push([number, number])
  }
  const text = runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ")
  return `${numbers.length === 1 ? "epoch" : "epochs"} ${text}`
}
