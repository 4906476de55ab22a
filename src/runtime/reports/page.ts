/**
 * The report as one HTML page.
 *
 * Takes: `ReportData`. Gives: the text of a file that needs nothing else: pictures are in it as data URIs, charts as SVG,
 * and there is no script. Its content security policy says so too, so that not even a mistake here could run what stands
 * in somebody's note.
 */

import { withinTolerance, type ParityCase } from "../onnx/parity.js"
import { lineChart, shortNumber, type Point } from "./charts.js"
import { SUM_OF_LOSSES } from "./curves.js"
import { gallerySection } from "./gallery.js"
import { markup, Html } from "./html.js"
import type { Curves, ModelFacts, ParityFacts, ReportData, Score } from "./report-data.js"
import { STYLE } from "./style.js"

const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** The page, as UTF-8 text. */
export function renderReport(data: ReportData): string {
  const { model } = data
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="mdl">
<title>${titleOf(model)} · MDL report</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
<header>
<h1>${model.name}${model.variant !== model.name && markup`<small>${model.variant}</small>`}</h1>
<p>${headline(data)}</p>
</header>
${tiles(data)}
${data.warnings.length > 0 && markup`<ul class="warnings">${data.warnings.map((w) => markup`<li>${w}</li>`)}</ul>`}
${comparison(data)}
${data.curves && curvesSection(data.curves)}
${data.gallery && gallerySection(data.gallery)}
${data.parity && paritySection(data.parity)}
${modelSection(model)}
${runSection(data)}
${sourcesSection(data)}
<footer>Made by mdl on ${timeText(data.created)}. Source ${data.model.sourceHash.slice(0, 12)}.</footer>
</main>
</body>
</html>
`
  return page.text
}

const titleOf = ({ name, variant }: ModelFacts): string => (variant === name ? name : `${name} ${variant}`)

function headline({ model, dataset, training }: ReportData): string {
  const parts = [`${compact(model.parameters.trainable)} trainable parameters`]
  if (model.parameters.frozen > 0) parts.push(`${compact(model.parameters.frozen)} frozen`)
  if (dataset) parts.push(`data ${dataset.root.split(/[\\/]/).filter(Boolean).slice(-2).join("/")}`)
  if (training) {
    parts.push(`seed ${training.seed}`, `${training.epochs} ${training.epochs === 1 ? "epoch" : "epochs"}`)
    if (training.seconds !== undefined) parts.push(`trained in ${duration(training.seconds)}`)
  }
  return parts.join(" · ")
}

function tiles({ scores, parity }: ReportData): Html {
  const [first, ...others] = scores
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

function curvesSection(curves: Curves): Html {
  const { losses, learningRate, validDice, xLabel } = curves
  const best = validDice.reduce<Point | undefined>((top, p) => (!top || p[1] > top[1] ? p : top), undefined)
  const charts = [
    ...(validDice.length > 0
      ? [
          lineChart({
            title: "Dice on the validation split",
            xLabel,
            range: [0, 1],
            series: [{ name: "valid", tone: "valid", points: validDice }],
            ...(best ? { mark: { x: best[0], y: best[1], label: `best ${best[1].toFixed(3)}` } } : {}),
          }),
        ]
      : []),
    ...losses.map(({ name, train, valid }) =>
      lineChart({
        title: name === SUM_OF_LOSSES ? name : `loss ${name}`,
        xLabel,
        series: [
          ...(train.length > 0 ? [{ name: "train", tone: "train" as const, points: train }] : []),
          ...(valid.length > 0 ? [{ name: "valid", tone: "valid" as const, points: valid }] : []),
        ],
      }),
    ),
    ...(learningRate.length > 0
      ? [
          lineChart({
            title: "learning rate",
            xLabel,
            range: [0, Math.max(...learningRate.map(([, rate]) => rate), Number.MIN_VALUE)],
            series: [{ name: "rate", tone: "rate", points: learningRate }],
          }),
        ]
      : []),
  ]
  return markup`<h2>Training <small>each term of the loss with its weight</small></h2><div class="charts">${charts}</div>`
}

function paritySection({ file, opset, bytes, report }: ParityFacts): Html {
  const row = ({ kind, batch, outputs }: ParityCase): Html[] =>
    outputs.map((output) => {
      const ok = withinTolerance(output, report.tolerance)
      const verdict = ok ? "ok" : (output.problem ?? "differs")
      const agreement = output.agreement === undefined ? "" : `${(100 * output.agreement).toFixed(3)} %`
      const difference = (value: number): string => (output.problem === undefined ? shortNumber(value) : "")
      return markup`<tr><td>${kind}</td><td class="number">${batch}</td><td>${output.name}</td><td class="number">${difference(output.maxAbs)}</td><td class="number">${difference(output.maxRel)}</td><td class="number">${agreement}</td><td class="${ok ? "pass" : "fail"}">${verdict}</td></tr>`
    })
  return markup`<h2>ONNX against the trainer <small>${file}, opset ${opset}, ${(bytes / 1e6).toFixed(2)} MB</small></h2>
<div class="card scroll"><table>
<thead><tr><th>inputs</th><th class="number">batch</th><th>output</th><th class="number">largest difference</th><th class="number">relative</th><th class="number">agreement at 0.5</th><th></th></tr></thead>
<tbody>${report.cases.map(row)}</tbody></table></div>`
}

function modelSection(model: ModelFacts): Html {
  const sizes = Object.entries(model.sizes).map(([name, size]) => `${name} = ${size}`)
  const { sections } = model
  return markup`<h2>Model <small>${model.reference}${sizes.length > 0 && `, ${sizes.join(", ")}`}</small></h2>
<div class="card scroll"><table>
<thead><tr><th>section</th><th class="number">trainable parameters</th><th class="number">frozen parameters</th></tr></thead>
<tbody>${sections.map(({ name, trainable, frozen }) => markup`<tr><td>${name || "(model)"}</td><td class="number">${grouped(trainable)}</td><td class="number">${grouped(frozen)}</td></tr>`)}
<tr><td><b>all</b></td><td class="number"><b>${grouped(model.parameters.trainable)}</b></td><td class="number"><b>${grouped(model.parameters.frozen)}</b></td></tr></tbody>
</table></div>`
}

function runSection({ dataset, training, environment }: ReportData): Html {
  const facts: (readonly [string, string])[] = []
  if (dataset) {
    const counts = Object.entries(dataset.counts).map(([split, count]) => `${count} ${split}`)
    facts.push(["data", dataset.root], ["cases", counts.join(", ")])
  }
  if (training) {
    const { seed, batch, epochs, steps, seconds, optimizer, schedule, ended } = training
    facts.push(["seed", `${seed}`], ["batch", `${batch}`], ["epochs", `${epochs}`], ["steps", grouped(steps)])
    if (seconds !== undefined) facts.push(["training time", duration(seconds)])
    facts.push(["optimiser", optimizer])
    if (schedule !== undefined) facts.push(["schedule", schedule])
    if (ended !== undefined) facts.push(["ended", ended])
  }
  const all = [...facts, ...environment]
  return markup`<h2>Run</h2><dl class="card facts">${all.map(([label, value]) => markup`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`
}

function sourcesSection({ sources }: ReportData): Html | undefined {
  if (sources.length === 0) return undefined
  return markup`<h2>Model text</h2>${sources.map(
    ({ path, text }, index) =>
      new Html(
        markup`<details${index === 0 && new Html(" open")}><summary>${path}</summary><pre>`.text +
          markup`${text.trimEnd()}</pre></details>`.text,
      ),
  )}`
}

/** `69,440,255` */
const grouped = (value: number): string => value.toLocaleString("en-US")

/** `69.4 M` */
function compact(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`
  return value >= 1e4 ? `${(value / 1e3).toFixed(0)} k` : grouped(value)
}

/** `2 min 5 s` */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${rest} s` : `${seconds < 10 ? Number(seconds.toFixed(1)) : rest} s`
}

const timeText = (time: Date): string => `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`
