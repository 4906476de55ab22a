/**
 * The report of a trained run.
 *
 * Takes: the folder of a run. Gives: `report.html` in it: scores on held-out cases, curves, cases with pictures, and what
 * was trained on what. Scores that the caller already has (an evaluation, a parity check, baselines) are taken as they
 * are; what is missing is measured here.
 */

import { join } from "node:path"
import { openRunDataset, samplesOf } from "../data/dataset.js"
import type { Dataset, Split } from "../data/sample.js"
import { runPredictor } from "../prediction/run-predictor.js"
import { type OpenRun, openRun } from "../runs/open-run.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import { evaluateOpenRun, type Evaluation } from "../training/evaluate.js"
import { galleryOf } from "./case-gallery.js"
import { curvesOf } from "./curves.js"
import type { ParityFacts, Score } from "./report-data.js"
import { environmentOf, modelFacts, sourcesOf, trainingFacts } from "./run-facts.js"
import { writeReport } from "./write-report.js"

export interface RunReportOptions {
  /** `best` when absent */
  readonly checkpoint?: CheckpointName | undefined
  /** folder of the data set; the one the run was trained on when absent */
  readonly data?: string | undefined
  /** the split to show; when absent, `test` where the data set has one, else `valid` */
  readonly split?: Split | undefined
  /** scores of that split, when they are known already */
  readonly evaluation?: Evaluation | undefined
  /** the same cases with each other's notes */
  readonly shuffled?: Evaluation | undefined
  readonly baselines?: readonly Score[] | undefined
  readonly parity?: ParityFacts | undefined
  /** how many best, median and worst cases; 1 when absent */
  readonly each?: number | undefined
  /** path of the page; `report.html` in the run folder when absent */
  readonly out?: string | undefined
}

/**
 * Writes the report of a run.
 *
 * @returns its absolute path
 * @throws UserError, DataError, BackendUnavailable
 */
export async function reportForRun(runFolder: string, options: RunReportOptions = {}): Promise<string> {
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
): Promise<string> {
  const { folder, record } = run
  const dataset = await openRunDataset(record.data, {
    data: options.data,
    prompt: options.evaluation?.prompt ?? undefined,
  })
  const split = options.evaluation?.split ?? options.split ?? usualSplit(dataset)
  const evaluation = options.evaluation ?? (await evaluateOpenRun(run, { data: dataset.root, split }))
  const { shuffled } = options
  const log = await folder.readLog()
  const scores = await folder.readScores()
  const logged = log.flatMap((entry) => (entry.kind === "warning" ? [entry.text] : []))
  const curves = curvesOf(log)
  return writeReport(
    {
      created: new Date(),
      model: modelFacts(record),
      dataset: { root: dataset.root, counts: record.data.splits },
      training: trainingFacts(record, log, scores),
      scores: [
        scoreOf(evaluation, split, `${evaluation.cases.length} ${split === "train" ? "" : "unseen "}cases`),
        ...(shuffled ? [scoreOf(shuffled, "shuffled notes", "the same cases, each with another case's note")] : []),
      ],
      baselines: options.baselines ?? [],
      ...(curves ? { curves } : {}),
      gallery: await galleryOf(runPredictor(run), evaluation, samplesOf(dataset, split), options.each ?? 1),
      warnings: [...new Set([...(scores?.warnings ?? []), ...logged])],
      ...(options.parity ? { parity: options.parity } : {}),
      environment: await environmentOf(record),
      sources: sourcesOf(record),
    },
    options.out ?? join(folder.path, "report.html"),
  )
}

/** Scores on cases that nothing was chosen by are worth more; not every data set has them. */
function usualSplit(dataset: Dataset): Split {
  return dataset.samples.some((sample) => sample.split === "test") ? "test" : "valid"
}

function scoreOf({ summary, threshold }: Evaluation, name: string, detail: string): Score {
  const { dice, iou, cases, convention } = summary
  return { name, detail, cases, dice: dice.mean, diceDeviation: dice.std, iou: iou.mean, convention, threshold }
}
