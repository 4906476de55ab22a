/**
 * How often `last` is written within an epoch: after so many steps, or after so much time.
 *
 * Takes what a person writes (`500`, `90s`, `10min`, `2h`); gives an interval, and whether it is over. When a checkpoint is
 * written changes nothing in the results, so time is allowed to decide.
 */

/** One of both. */
export type CheckpointInterval = { readonly steps: number } | { readonly seconds: number }

/** A long epoch is not lost: ten minutes of work, and less than that where an epoch is shorter. */
export const DEFAULT_INTERVAL: CheckpointInterval = { seconds: 600 }

const UNITS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600 }

/** The interval that `text` says; undefined when it says none. */
export function parseInterval(text: string): CheckpointInterval | undefined {
  const [, digits, unit] = /^(\d{1,9}(?:\.\d+)?) ?(s|min|h)?$/.exec(text.trim()) ?? []
  const number = Number(digits ?? 0)
  if (!(number > 0)) return undefined
  if (unit !== undefined) return { seconds: number * UNITS[unit]! }
  return Number.isInteger(number) ? { steps: number } : undefined
}

/** Whether a checkpoint is due that many steps and seconds after the last one. */
export function isDue(
  interval: CheckpointInterval,
  passed: { readonly steps: number; readonly seconds: number },
): boolean {
  return "steps" in interval ? passed.steps >= interval.steps : passed.seconds >= interval.seconds
}
