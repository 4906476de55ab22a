/**
 * The report of a trained run.
 *
 * Takes: the folder of a run. Gives: `report.html` in it: scores on held-out cases, curves, cases with pictures, and what
 * was trained on what. Scores that the caller already has (an evaluation, a parity check, baselines) are taken as they
 * are; what is missing is measured here. A model that gives no mask has a report without scores and cases.
 */

import { stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import { openRunDataset, samplesOf } from "../data/dataset.js"
import type { Dataset, Split } from "../data/sample.js"
import { runPredictor } from "../prediction/run-predictor.js"
import { type OpenRun, openRun } from "../runs/open-run.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import type { LogEntry } from "../runs/run-log.js"
import { evaluateOpenRun, type Evaluation } from "../training/evaluate.js"
import { galleryOf } from "./case-gallery.js"
import { curvesOf } from "./curves.js"
import { datasetFacts, dataWarnings } from "./data-facts.js"
import { checkLosses, findingsOf, type LossCheck } from "./loss-checks.js"
import type { Measured, ParityFacts, ReportData, ReportWarning, Score } from "./report-data.js"
import { costOf, environmentOf, modelFacts, sourcesOf, trainingFacts } from "./run-facts.js"
import { writeReport } from "./write-report.js"

export interface RunReportOptions {
  /** `best` when absent */
  readonly checkpoint?: CheckpointName | undefined
  /** folder of the data set; the one the run was trained on when absent */
  readonly data?: string | undefined
  /** which prompt is the note, in a data set that has several; the run's when absent */
  readonly prompt?: string | undefined
  /** the split to show; when absent, `test` where the data set has one, else `valid` */
  readonly split?: Split | undefined
  /** scores of that split, when they are known already */
  readonly evaluation?: Evaluation | undefined
  /** read every case with changed notes too: how many permutations, see `evaluateRun` */
  readonly noteAdherence?: number | undefined
  /** the same cases with each other's notes */
  readonly shuffled?: Evaluation | undefined
  readonly baselines?: readonly Score[] | undefined
  readonly parity?: ParityFacts | undefined
  /** how many best, median and worst cases; 1 when absent */
  readonly each?: number | undefined
  /** path of the page; `report.html` in the run folder when absent */
  readonly out?: string | undefined
  /** called after every batch of the split with the number of cases done */
  readonly progress?: ((done: number) => void) | undefined
}

/** What `mdl report --json` prints. */
export interface WrittenReport {
  /** absolute path of the page */
  readonly file: string
  readonly bytes: number
  /** absolute path of the run folder */
  readonly run: string
  /** the scores on the page; null for a model that gives no mask */
  readonly scores: {
    readonly split: Split
    readonly cases: number
    readonly dice: number
    readonly iou: number
    readonly convention: string
  } | null
  /** as the page has them */
  readonly warnings: readonly ReportWarning[]
}

/**
 * Writes the report of a run.
 *
 * @throws UserError, DataError, BackendUnavailable
 */
export async function reportForRun(runFolder: string, options: RunReportOptions = {}): Promise<WrittenReport> {
  const run = await openRun(runFolder, { checkpoint: options.checkpoint })
  try {
    return await reportForOpenRun(run, options)
  } finally {
    run.close()
  }
}

/** As `reportForRun`, for a run that is open with the checkpoint to report on. */
export async function reportForOpenRun(
  run: OpenRun,
  options: Omit<RunReportOptions, "checkpoint"> = {},
): Promise<WrittenReport> {
  const { folder, record, checkpoint } = run
  const dataset = await openRunDataset(record.data, {
    data: options.data,
    prompt: options.evaluation?.prompt ?? options.prompt,
  })
  const evaluation = await evaluationFor(run, dataset, options)
  const log = await folder.readLog()
  const scores = await folder.readScores()
  const curves = curvesOf(log)
  const cost = costOf(record)
  const lossChecks = checkLosses(log, record.description.losses)
  const data: ReportData = {
    created: new Date(),
    model: modelFacts(record, "unknown" in cost ? undefined : cost),
    dataset: datasetFacts(dataset, evaluation),
    training: {
      ...trainingFacts(record, log, scores),
      checkpoint: `${checkpoint.name}, step ${checkpoint.state.step}`,
    },
    scores: evaluation ? scoresOf(evaluation, options.shuffled) : [],
    baselines: options.baselines ?? [],
    ...(evaluation ? { measured: measuredOf(evaluation) } : {}),
    ...(curves ? { curves } : {}),
    lossChecks,
    ...(evaluation
      ? {
          gallery: await galleryOf(
            runPredictor(run),
            evaluation,
            samplesOf(dataset, evaluation.split),
            options.each ?? 1,
          ),
        }
      : {}),
    warnings: [
      ...lossWarnings(log, lossChecks),
      ...trainingWarnings(log, scores?.warnings ?? []),
      ...(evaluation ? noteWarnings(evaluation) : []),
      ...dataWarnings(dataset, record.data),
      ...("unknown" in cost ? [{ about: "report" as const, text: cost.unknown }] : []),
    ],
    ...(options.parity ? { parity: options.parity } : {}),
    environment: await environmentOf(record),
    sources: sourcesOf(record),
  }
  const file = await writeReport(
    data,
    options.out === undefined ? join(folder.path, "report.html") : resolve(options.out),
  )
  return {
    file,
    bytes: (await stat(file)).size,
    run: folder.path,
    scores: evaluation ? shownScores(evaluation) : null,
    warnings: data.warnings,
  }
}

/** The scores to show; none where nothing can be scored and nobody asked for something that is about scores. */
async function evaluationFor(
  run: OpenRun,
  dataset: Dataset,
  { evaluation, data, prompt, split, noteAdherence, progress }: RunReportOptions,
): Promise<Evaluation | undefined> {
  if (evaluation) return evaluation
  if (run.plan.scored === undefined && noteAdherence === undefined) return undefined
  return evaluateOpenRun(run, {
    data,
    prompt,
    split: split ?? usualSplit(dataset),
    noteAdherence,
    ...(progress ? { progress } : {}),
  })
}

/** Scores on cases that nothing was chosen by are worth more; not every data set has them. */
function usualSplit(dataset: Dataset): Split {
  return dataset.samples.some((sample) => sample.split === "test") ? "test" : "valid"
}

function scoresOf(evaluation: Evaluation, shuffled: Evaluation | undefined): Score[] {
  const { split, cases } = evaluation
  return [
    scoreOf(evaluation, split, `${cases.length} ${split === "train" ? "" : "unseen "}cases`),
    ...(shuffled ? [scoreOf(shuffled, "shuffled notes", "the same cases, each with another case's note")] : []),
  ]
}

function scoreOf({ summary, threshold }: Evaluation, name: string, detail: string): Score {
  const { dice, iou, cases, convention } = summary
  return { name, detail, cases, dice: dice.mean, diceDeviation: dice.std, iou: iou.mean, convention, threshold }
}

function shownScores({ split, summary }: Evaluation): NonNullable<WrittenReport["scores"]> {
  const { cases, dice, iou, convention } = summary
  return { split, cases, dice: dice.mean, iou: iou.mean, convention }
}

function measuredOf(evaluation: Evaluation): Measured {
  const { split, threshold, summary, conventions, measures, calibration, noteAdherence, cases } = evaluation
  const dice = cases.flatMap((scored) => (scored.leftOut ? [] : [scored.dice]))
  return { split, threshold, summary, conventions, measures, calibration, noteAdherence, dice, cases: cases.length }
}

/**
 * What the trainer told about losses, which saw every step; and what the log shows of the others, in runs of a version that
 * told less or after a change of the model's losses.
 */
function lossWarnings(log: readonly LogEntry[], checks: readonly LossCheck[]): ReportWarning[] {
  const told = log.flatMap((entry) => (entry.kind === "warning" && entry.loss !== undefined ? [entry] : []))
  const texts = [
    ...told.map(({ text }) => text),
    ...checks.filter(({ name }) => !told.some(({ loss }) => loss === name)).flatMap(findingsOf),
  ]
  return texts.map((text) => ({ about: "losses", text }))
}

/** What was told in training about all else; a run that ended has it in its scores too. */
function trainingWarnings(log: readonly LogEntry[], ofScores: readonly string[]): ReportWarning[] {
  const told = log.filter((entry) => entry.kind === "warning")
  const others = told.flatMap(({ text, loss }) => (loss === undefined ? [text] : []))
  const unlogged = ofScores.filter((text) => !told.some((entry) => entry.text === text))
  return [...new Set([...others, ...unlogged])].map((text) => ({ about: "training", text }))
}

function noteWarnings({ truncatedNotes, cases, split }: Evaluation): ReportWarning[] {
  if (truncatedNotes === 0) return []
  const text = `${truncatedNotes} of ${cases.length} notes of the ${split} split were cut to the model's length`
  return [{ about: "notes", text }]
}
