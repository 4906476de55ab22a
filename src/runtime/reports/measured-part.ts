/**
 * The part of a report that holds what was measured besides Dice: every measure with its spread, every convention,
 * calibration, and whether the model reads its notes.
 *
 * Takes: an evaluation. Gives: markup.
 *
 * Why so: a mean hides its cases, so spread and number of cases stand beside it, and the Dice of all cases is drawn in
 * order. The reliability diagram has its numbers below it, because most pixels are in its first bin and a plot alone
 * cannot show that.
 */

import type { Calibration } from "../metrics/calibration.js"
import type { Spread } from "../metrics/segmentation.js"
import type { NoteAdherence } from "../training/note-adherence.js"
import { adherenceRemarks, effectHead, effectRow, levelText } from "../training/note-adherence-words.js"
import { lineChart } from "./charts.js"
import { thinned } from "./curves.js"
import { percent } from "./gallery.js"
import { type Html, markup } from "./html.js"
import type { Measured } from "./report-data.js"
import { tableCard } from "./tables.js"

/** The sections of an evaluation. */
export function measuredSections(measured: Measured): Html {
  const { split, cases, threshold, calibration, noteAdherence } = measured
  return markup`<h2>Measures <small>of the ${cases} cases of the ${split} split, threshold ${threshold}; HD95 in pixels of the network's image</small></h2>
<div class="columns">${measureTable(measured)}${conventionTable(measured)}</div>
<div class="charts below">${diceChart(measured.dice)}${calibration ? calibrationChart(calibration) : undefined}</div>
${calibration ? calibrationBins(calibration) : markup`<p class="empty">no calibration: the scored output has values outside of 0 to 1, so it is no probability</p>`}
${noteAdherence ? adherenceSection(noteAdherence) : undefined}`
}

function measureTable({ summary, measures, cases }: Measured): Html {
  const row = (name: string, spread: Spread | null, count: number): string[] => [
    name,
    ...[spread?.mean, spread?.std, spread?.median].map((value) => value?.toFixed(4) ?? "-"),
    `${count} of ${cases}`,
  ]
  const { precision, recall, specificity, hausdorff95 } = measures
  return tableCard({
    head: ["measure", "mean", "std", "median", "cases"],
    rows: [
      row("Dice", summary.dice, summary.cases),
      row("IoU", summary.iou, summary.cases),
      row("precision", precision.spread, precision.cases),
      row("recall", recall.spread, recall.cases),
      row("specificity", specificity.spread, specificity.cases),
      row("HD95", hausdorff95.spread, hausdorff95.cases),
    ],
    numeric: [1, 2, 3, 4],
  })
}

function conventionTable({ conventions }: Measured): Html {
  return tableCard({
    head: ["convention", "Dice", "IoU", "cases", "left out"],
    rows: conventions.map(({ convention, dice, iou, cases, leftOut }) => [
      ...[convention, dice?.toFixed(4) ?? "-", iou?.toFixed(4) ?? "-"],
      ...[cases, leftOut],
    ]),
    numeric: [1, 2, 3, 4],
  })
}

function diceChart(dice: readonly number[]): Html {
  const sorted = [...dice].sort((a, b) => b - a)
  return lineChart({
    title: "Dice of every case",
    note: "best first",
    xLabel: "rank",
    range: [0, 1],
    series: [{ name: "Dice", tone: "valid", points: thinned(sorted.map((value, i) => [i + 1, value])) }], // prettier-ignore
  })
}

function calibrationChart({ bins, expectedError, brier }: Calibration): Html {
  return lineChart({
    title: "Calibration",
    note: `expected error ${expectedError.toFixed(4)}, Brier ${brier.toFixed(4)}`,
    xLabel: "predicted probability",
    range: [0, 1],
    xRange: [0, 1],
    series: [
      { name: "ideal", tone: "rate", points: [[0, 0], [1, 1]] }, // prettier-ignore
      {
        name: "share of foreground",
        tone: "valid",
        points: bins.flatMap(({ probability, foreground }) =>
          probability === null || foreground === null ? [] : [[probability, foreground] as const],
        ),
      },
    ],
  })
}

function calibrationBins({ bins, pixels }: Calibration): Html {
  return markup`<details><summary>calibration in numbers</summary>${tableCard({
    head: ["probability", "pixels", "mean probability", "share of foreground"],
    rows: bins.map((bin) => [
      `${bin.from.toFixed(3)} to ${bin.to.toFixed(3)}`,
      percent(bin.pixels / pixels),
      bin.probability?.toFixed(4) ?? "-",
      bin.foreground?.toFixed(4) ?? "-",
    ]),
    numeric: [1, 2, 3],
  })}</details>`
}

function adherenceSection(adherence: NoteAdherence): Html {
  const { convention, effects } = adherence
  return markup`<h2>Does it read the note? <small>Dice (${convention}) with the true note less Dice with a changed one, ${levelText(adherence)} bootstrap interval over cases</small></h2>
${tableCard({ head: effectHead(adherence), rows: effects.map(effectRow), numeric: [1, 2, 3, 4, 5, 6, 7] })}
<ul class="remarks">${adherenceRemarks(adherence).map((text) => markup`<li>${text}</li>`)}</ul>`
}
