/**
 * The part of a report that shows training: a curve for each term of the loss, the scores of the validation split, learning
 * rate and gradient, and what became of each term.
 *
 * Takes: curves and checks of the log. Gives: markup.
 */

import { type LineChart, lineChart, type Point, shortNumber, type Tone } from "./charts.js"
import { SUM_OF_LOSSES } from "./curves.js"
import { type Html, markup } from "./html.js"
import { epochList, type LossCheck } from "./loss-checks.js"
import type { Curves } from "./report-data.js"
import { tableCard } from "./tables.js"

/** The section of the curves, and the table of the losses below it. */
export function trainingSection(curves: Curves, checks: readonly LossCheck[]): Html {
  const { losses, learningRate, gradientNorm, validDice, validIou, xLabel, epochEnds, bestAt } = curves
  const chart = (more: Omit<LineChart, "xLabel" | "epochEnds" | "bestAt">): Html =>
    lineChart({ xLabel, epochEnds, bestAt, ...more })
  const single = (name: string, tone: Tone, points: readonly Point[], more: Partial<LineChart> = {}): Html[] =>
    points.length > 0 ? [chart({ title: name, series: [{ name, tone, points }], ...more })] : []
  const greatest = Math.max(...learningRate.map(([, rate]) => rate), Number.MIN_VALUE)
  const charts = [
    ...single("Dice on the validation split", "valid", validDice, { range: [0, 1], ...best(validDice, bestAt) }),
    ...single("IoU on the validation split", "valid", validIou, { range: [0, 1], ...best(validIou, bestAt) }),
    ...losses.map(({ name, train, valid }) =>
      chart({
        title: name === SUM_OF_LOSSES ? name : `loss ${name}`,
        series: [
          ...(train.length > 0 ? [{ name: "train", tone: "train" as const, points: train }] : []),
          ...(valid.length > 0 ? [{ name: "valid", tone: "valid" as const, points: valid }] : []),
        ],
      }),
    ),
    ...single("learning rate", "rate", learningRate, { range: [0, greatest] }),
    ...single("norm of the gradient", "rate", gradientNorm, { note: "before clipping" }),
  ]
  const marks = bestAt === undefined ? "" : "; dashed: the best checkpoint"
  return markup`<h2>Training <small>each term of the loss with its weight${marks}</small></h2><div class="charts">${charts}</div>
${checks.length > 0 && lossTable(checks)}`
}

/** The best checkpoint's point of a curve, with its value. */
function best(points: readonly Point[], at: number | undefined): Pick<LineChart, "mark"> {
  const point = points.find(([x]) => x === at)
  return point ? { mark: { x: point[0], y: point[1], label: `best ${point[1].toFixed(3)}` } } : {}
}

function lossTable(checks: readonly LossCheck[]): Html {
  const shown = (value: number | undefined): string => (value === undefined ? "-" : shortNumber(value))
  return markup`<div class="below">${tableCard({
    head: ["loss", "first epoch", "last epoch", "validation", ""],
    rows: checks.map((check) => [
      check.name,
      ...[shown(check.first), shown(check.last), shown(check.valid)],
      verdict(check),
    ]),
    numeric: [1, 2, 3],
  })}</div>`
}

function verdict({ epochs, zero, constant, missing }: LossCheck): Html | string {
  const found = [
    ...(missing.length > 0 ? [`missing in ${epochList(missing)}`] : []),
    ...(zero.length > 0 ? [`exactly 0 in ${epochList(zero)}`] : []),
    ...(constant.length > 0 ? [`constant in ${epochList(constant)}`] : []),
  ]
  if (found.length > 0) return markup`<span class="fail">${found.join(", ")}</span>`
  return epochs === 0 ? "no epoch has ended" : markup`<span class="pass">nothing found</span>`
}
