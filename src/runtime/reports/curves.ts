/**
 * The curves of a run, from its log.
 *
 * Takes: the lines of log.jsonl. Gives: points over epochs: each loss in training and on the validation split, the
 * learning rate, the gradient's norm, and Dice and IoU of the validation split; where epochs ended, and where the best
 * checkpoint is.
 *
 * Why so: x is the number of epochs done, also within an epoch, so that groups of steps, epochs and evaluations, which are
 * logged at different times, share one axis. With many epochs their means are drawn; with few, the groups of steps.
 */

import type { EpochEntry, LogEntry, StepsEntry } from "../runs/run-log.js"
import { isFinitePoint, type Point } from "./charts.js"
import type { Curves } from "./report-data.js"

/** Name of the curve of what is minimised. */
export const SUM_OF_LOSSES = "sum of the losses"

/** With fewer finished epochs than this, groups of steps make the better curve. */
const FEW_EPOCHS = 6

/** The most points of a line: more of them cannot be told apart on a page, and would make it heavy. */
export const MOST_POINTS = 600

/** The curves of `log`; undefined when nothing was logged yet. */
export function curvesOf(log: readonly LogEntry[]): Curves | undefined {
  const epochs = log.filter((entry) => entry.kind === "epoch")
  const groups = log.filter((entry) => entry.kind === "steps")
  const evaluations = log.filter((entry) => entry.kind === "evaluation")
  const perEpoch = Math.max(0, ...epochs.map((entry) => entry.steps))
  const inEpochs = perEpoch > 0
  const at = (step: number): number => (inEpochs ? step / perEpoch : step)
  const trained: readonly (EpochEntry | StepsEntry)[] =
    epochs.length >= FEW_EPOCHS ? epochs : groups.length > 0 ? groups : epochs
  if (trained.length === 0 && evaluations.length === 0) return undefined

  const line = <E extends { readonly step: number }>(entries: readonly E[], value: (entry: E) => number): Point[] =>
    thinned(entries.map((entry) => [at(entry.step), value(entry)]))
  const scored = evaluations.flatMap(({ step, scores }) => (scores ? [{ step, scores }] : []))
  const names = [...new Set([...trained, ...evaluations].flatMap((entry) => Object.keys(entry.losses)))]
  const best = evaluations.findLast((entry) => entry.best)
  return {
    xLabel: inEpochs ? "epoch" : "step",
    losses: [
      ...(names.length > 1
        ? [{ name: SUM_OF_LOSSES, train: line(trained, (e) => e.total), valid: line(evaluations, (e) => e.total) }]
        : []),
      ...names.map((name) => ({
        name,
        train: line(trained, ({ losses }) => losses[name] ?? NaN),
        valid: line(evaluations, ({ losses }) => losses[name] ?? NaN),
      })),
    ],
    learningRate: line(trained, (entry) => entry.learning_rate),
    gradientNorm: line(groups, (entry) => entry.gradient_norm),
    validDice: line(scored, ({ scores }) => scores.dice.mean),
    validIou: line(scored, ({ scores }) => scores.iou.mean),
    epochEnds: epochs.map(({ step }) => at(step)),
    bestAt: best && at(best.step),
  }
}

/**
 * At most about `most` of the points: of each stretch of the line its least and its greatest, so that no spike is lost.
 * Gaps stay gaps.
 */
export function thinned(points: readonly Point[], most = MOST_POINTS): Point[] {
  if (points.length <= most) return [...points]
  const length = Math.ceil((2 * points.length) / most)
  const kept: Point[] = []
  for (let from = 0; from < points.length; from += length) {
    const stretch = points.slice(from, from + length)
    const finite = stretch.filter(isFinitePoint)
    const least = finite.reduce<Point | undefined>((low, p) => (low && low[1] <= p[1] ? low : p), undefined)
    const greatest = finite.reduce<Point | undefined>((high, p) => (high && high[1] >= p[1] ? high : p), undefined)
    const gap = finite.length < stretch.length ? stretch.find((p) => !isFinitePoint(p)) : undefined
    const wanted = new Set([least, greatest, gap, points[0], points.at(-1)])
    kept.push(...stretch.filter((p) => wanted.has(p)))
  }
  return kept
}
