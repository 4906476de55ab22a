/**
 * The report as one HTML page.
 *
 * Takes: `ReportData`. Gives: the text of a file that needs nothing else: pictures are in it as data URIs, charts as SVG,
 * and there is no script. Its content security policy says so too, so that not even a mistake here could run what stands
 * in somebody's note.
 */

import { withinTolerance } from "../onnx/parity.js"
import { durationText } from "../training/progress.js"
import { shortNumber } from "./charts.js"
import { gallerySection } from "./gallery.js"
import { documentText } from "./document.js"
import { type Html, markup, type Part } from "./html.js"
import { measuredSections } from "./measured-part.js"
import { amount } from "./numbers.js"
import type { ModelFacts, ParityFacts, ReportData, ReportWarning, Score } from "./report-data.js"
import { datasetSection, modelSection, runSection, sourcesSection } from "./run-part.js"
import { STYLE } from "./style.js"
import { tableCard } from "./tables.js"
import { trainingSection } from "./training-part.js"

/** The page, as UTF-8 text. */
export function renderReport(data: ReportData): string {
  const { model } = data
  const body = markup`<header>
<h1>${model.name}${model.variant !== model.name && markup`<small>${model.variant}</small>`}</h1>
<p>${headline(data)}</p>
</header>
${tiles(data)}
${data.scores.length === 0 && markup`<p class="empty below">No scores and no cases: none of the model's outputs has the shape of its target.</p>`}
${warningSection(data.warnings)}
${comparison(data)}
${data.curves && trainingSection(data.curves, data.lossChecks ?? [])}
${data.gallery && gallerySection(data.gallery)}
${data.measured && measuredSections(data.measured)}
${data.parity && paritySection(data.parity)}
${modelSection(model)}
${data.dataset && datasetSection(data.dataset)}
${runSection(data)}
${sourcesSection(data)}
<footer>Made by mdl on ${timeText(data.created)}. Source ${data.model.sourceHash.slice(0, 12)}.</footer>`
  return documentText(`${titleOf(model)} · MDL report`, STYLE, body)
}

const titleOf = ({ name, variant }: ModelFacts): string => (variant === name ? name : `${name} ${variant}`)

function headline({ model, dataset, training }: ReportData): string {
  const parts = [`${amount(model.parameters.trainable)} trainable parameters`]
  if (model.parameters.frozen > 0) parts.push(`${amount(model.parameters.frozen)} frozen`)
  if (dataset) parts.push(`data ${dataset.root.split(/[\\/]/).filter(Boolean).slice(-2).join("/")}`)
  if (training) {
    const { seed, epochs, steps } = training
    const length = epochs === 0 ? `${steps} steps` : `${epochs} ${epochs === 1 ? "epoch" : "epochs"}`
    parts.push(`seed ${seed}`, length)
    if (training.seconds !== undefined) parts.push(`trained in ${durationText(training.seconds)}`)
  }
  return parts.join(" · ")
}

function tiles({ scores, parity }: ReportData): Html | undefined {
  const [first, ...others] = scores
  if (!first && !parity) return undefined
  return markup`<section class="tiles">
${first && tile(`Dice, ${first.name}`, first.dice.toFixed(3), `${first.cases} cases, mean of the foreground`, "main")}
${first?.iou !== undefined && tile(`mIoU, ${first.name}`, first.iou.toFixed(3), `convention "${first.convention}", threshold ${first.threshold}`)}
${others.map((score) => tile(`Dice, ${score.name}`, score.dice.toFixed(3), score.detail))}
${parity && tile("ONNX parity", parity.report.passed ? "passed" : "failed", `largest difference ${shortNumber(worst(parity))}, tolerance ${parity.report.tolerance}`, parity.report.passed ? "pass" : "fail")}
</section>`
}

function tile(name: string, value: string, detail: string, tone = ""): Html {
  const valueTone = tone === "pass" || tone === "fail" ? tone : ""
  return markup`<div class="card tile ${tone === "main" ? "main" : ""}"><div class="name">${name}</div><div class="value ${valueTone}">${value}</div><div class="detail">${detail}</div></div>`
}

const worst = ({ report }: ParityFacts): number =>
  Math.max(0, ...report.cases.flatMap(({ outputs }) => outputs.map((output) => output.maxAbs)))

/** Before the scores, because it says how far to trust them. */
function warningSection(warnings: readonly ReportWarning[]): Html | undefined {
  if (warnings.length === 0) return undefined
  return markup`<section class="warnings" aria-label="warnings"><h2>${warnings.length} ${warnings.length === 1 ? "warning" : "warnings"}</h2>
<ul>${warnings.map(({ about, text }) => markup`<li><b>${about}</b> ${text}</li>`)}</ul></section>`
}

/** The scores against their baselines, when there is anything to compare. */
function comparison({ scores, baselines }: ReportData): Html | undefined {
  const all = [...scores.map((score) => ({ score, own: true })), ...baselines.map((score) => ({ score, own: false }))]
  if (all.length < 2) return undefined
  const row = ({
    score,
    own,
  }: {
    score: Score
    own: boolean
  }): Html => markup`<div class="name">${score.name}<span>${score.detail}</span></div>
<div class="bar ${own ? "own" : ""}"><i style="width:${(100 * Math.min(1, Math.max(0, score.dice))).toFixed(1)}%"></i></div>
<div class="number">${score.dice.toFixed(3)}${score.diceDeviation !== undefined && markup` ± ${score.diceDeviation.toFixed(3)}`}</div>`
  return markup`<h2>Scores <small>mean Dice of the foreground, ± standard deviation over cases</small></h2>
<div class="card bars">${all.map(row)}</div>`
}

function paritySection({ file, opset, bytes, report }: ParityFacts): Html {
  const rows = report.cases.flatMap(({ kind, batch, outputs }) =>
    outputs.map((output): Part[] => {
      const ok = withinTolerance(output, report.tolerance)
      const agreement = output.agreement === undefined ? "" : `${(100 * output.agreement).toFixed(3)} %`
      const difference = (value: number): string => (output.problem === undefined ? shortNumber(value) : "")
      return [
        ...[kind, batch, output.name, difference(output.maxAbs), difference(output.maxRel), agreement],
        markup`<span class="${ok ? "pass" : "fail"}">${ok ? "ok" : (output.problem ?? "differs")}</span>`,
      ]
    }),
  )
  return markup`<h2>ONNX against the trainer <small>${file}, opset ${opset}, ${(bytes / 1e6).toFixed(2)} MB</small></h2>
${tableCard({
  head: ["inputs", "batch", "output", "largest difference", "relative", "agreement at 0.5", ""],
  rows,
  numeric: [1, 3, 4, 5],
})}`
}

const timeText = (time: Date): string => `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`
