/**
 * The curves of a run, from its log.
 *
 * Takes: the lines of log.jsonl. Gives: points over epochs: each loss in training and on the validation split, the
 * learning rate, and the validation Dice.
 *
 * Why so: x is the number of epochs done, also within an epoch, so that groups of steps, epochs and evaluations, which are
 * logged at different times, share one axis. With many epochs their means are drawn; with few, the groups of steps.
 */

import type { LogEntry } from "../runs/run-log.js"
import type { Point } from "./charts.js"
import type { Curves } from "./report-data.js"

/** Name of the curve of what is minimised. */
export const SUM_OF_LOSSES = "sum of the losses"

/** With fewer finished epochs than this, groups of steps make the better curve. */
const FEW_EPOCHS = 6

/** The curves of `log`; undefined when nothing was logged yet. */
export function curvesOf(log: readonly LogEntry[]): Curves | undefined {
  const epochs = log.filter((entry) => entry.kind === "epoch")
  const groups = log.filter((entry) => entry.kind === "steps")
  const evaluations = log.filter((entry) => entry.kind === "evaluation")
  const perEpoch = Math.max(0, ...epochs.map((entry) => entry.steps))
  const inEpochs = perEpoch > 0
  const at = (step: number): number => (inEpochs ? step / perEpoch : step)
  const trained = epochs.length >= FEW_EPOCHS ? epochs : groups.length > 0 ? groups : epochs
  if (trained.length === 0 && evaluations.length === 0) return undefined

  const names = [...new Set([...trained, ...evaluations].flatMap((entry) => Object.keys(entry.losses)))]
  const series = (
    entries: readonly { step: number; losses: Readonly<Record<string, number>> }[],
    name: string,
  ): Point[] => entries.map((entry) => [at(entry.step), entry.losses[name] ?? NaN])
  const total = (entries: readonly { step: number; total: number }[]): Point[] =>
    entries.map((entry) => [at(entry.step), entry.total])
  return {
    xLabel: inEpochs ? "epoch" : "step",
    losses: [
      ...(names.length > 1 ? [{ name: SUM_OF_LOSSES, train: total(trained), valid: total(evaluations) }] : []),
      ...names.map((name) => ({ name, train: series(trained, name), valid: series(evaluations, name) })),
    ],
    learningRate: trained.map((entry) => [at(entry.step), entry.learning_rate]),
    validDice: evaluations.flatMap((entry): Point[] =>
      entry.scores ? [[at(entry.step), entry.scores.dice.mean]] : [],
    ),
  }
}
