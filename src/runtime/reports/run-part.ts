/**
 * The parts of a report about what was trained: the model section by section, the run and its machine, the data set, the
 * texts.
 *
 * Takes: facts. Gives: markup.
 */

import { durationText } from "../training/progress.js"
import { shortNumber } from "./charts.js"
import { percent } from "./gallery.js"
import { highlighted } from "./highlight.js"
import { Html, markup, type Part } from "./html.js"
import { amount, grouped } from "./numbers.js"
import type { DatasetFacts, Fact, ModelFacts, ReportData, SectionFacts } from "./report-data.js"
import { tableCard } from "./tables.js"

/** What each section of the model has and costs. */
export function modelSection({ reference, sizes, sections, parameters, macs }: ModelFacts): Html {
  const symbols = Object.entries(sizes).map(([name, size]) => `${name} = ${size}`)
  const about = [
    reference,
    ...symbols,
    ...(macs ? [`MACs of one image (a training step: ${amount(macs.training)})`] : []),
  ].join(", ")
  const cost = (section: SectionFacts): Part[] => {
    if (!macs) return []
    if (!section.cost) return ["", ""]
    const { role, macs: own, trainingOnly } = section.cost
    return [role, trainingOnly ? "in training only" : amount(own)]
  }
  const counts = ({ trainable, frozen, state }: ModelFacts["parameters"]): string[] =>
    [trainable, frozen, state].map(grouped)
  return markup`<h2>Model <small>${about}</small></h2>
${tableCard({
  head: ["section", ...(macs ? ["role", "MACs"] : []), "trainable parameters", "frozen parameters", "statistics"],
  rows: sections.map((section) => [section.name || "(model)", ...cost(section), ...counts(section)]),
  numeric: macs ? [2, 3, 4, 5] : [1, 2, 3],
  foot: ["all", ...(macs ? ["", amount(macs.inference)] : []), ...counts(parameters)],
})}`
}

/** How the run was trained, and on what machine. */
export function runSection({ training, environment }: ReportData): Html {
  const facts: Fact[] = []
  if (training) {
    const { seed, batch, epochs, steps, seconds, optimizer, schedule, ended, checkpoint } = training
    facts.push(["seed", `${seed}`], ["batch", `${batch}`], ["epochs", `${epochs}`], ["steps", grouped(steps)])
    if (seconds !== undefined) facts.push(["training time", durationText(seconds)])
    facts.push(["optimiser", optimizer])
    if (schedule !== undefined) facts.push(["schedule", schedule])
    if (ended !== undefined) facts.push(["ended", ended])
    if (checkpoint !== undefined) facts.push(["checkpoint", checkpoint])
  }
  return markup`<h2>Run</h2>${factList([...facts, ...environment])}
${training?.command !== undefined && markup`<p class="empty below">The same training again:</p><pre>${training.command}</pre>`}`
}

const factList = (facts: readonly Fact[]): Html =>
  markup`<dl class="card facts">${facts.map(([label, value]) => markup`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`

/** What was trained and scored on. */
export function datasetSection({ root, layout, prompt, fingerprint, splits }: DatasetFacts): Html {
  const about = [
    layout,
    ...(prompt === undefined ? [] : [`prompt ${prompt}`]),
    `fingerprint ${fingerprint.slice(0, 12)}`,
  ]
  const hasSubjects = splits.some(({ subjects }) => subjects !== undefined)
  const hasMasks = splits.some(({ masks }) => masks !== undefined)
  return markup`<h2>Data <small>${root} (${about.join(", ")})</small></h2>
${tableCard({
  head: [
    ...["split", "cases", ...(hasSubjects ? ["subjects"] : []), "different notes", "words of a note"],
    ...(hasMasks ? ["empty masks", "mean foreground"] : []),
  ],
  rows: splits.map(({ name, cases, subjects, distinctNotes, noteWords, masks }) => [
    ...[name, grouped(cases), ...(hasSubjects ? [subjects === undefined ? "-" : grouped(subjects)] : [])],
    ...[grouped(distinctNotes), noteWords ? wordsText(noteWords) : "-"],
    ...(hasMasks ? [masks ? grouped(masks.empty) : "-", masks ? percent(masks.foreground) : "-"] : []),
  ]),
  numeric: [1, 2, 3, 4, 5, 6],
})}`
}

const wordsText = ({ least, median, most }: { least: number; median: number; most: number }): string =>
  least === most ? `${least}` : `${least} to ${most}, median ${shortNumber(median)}`

/** The texts of the model; the model's own is open. */
export function sourcesSection({ sources }: ReportData): Html | undefined {
  if (sources.length === 0) return undefined
  return markup`<h2>Model text</h2>${sources.map(({ path, text }, index) => {
    const open = index === 0 && new Html(" open")
    return markup`<details${open}><summary>${path}</summary><pre>${highlighted(text.trimEnd())}</pre></details>`
  })}`
}
