/**
 * A run's scores on a split.
 *
 * Takes the folder of a run and a data set; gives Dice and IoU of every case, their summary under every convention, the
 * other measures of a mask, calibration, and the losses. With `shuffleNotes` each image is paired with another case's note:
 * a model that uses the note must get worse. With `noteAdherence` every case is read with changed notes besides.
 */
import { openRunDataset, samplesOf } from "../data/dataset.js"
import type { Size } from "../data/images.js"
import type { Split } from "../data/sample.js"
import { type Calibration, CalibrationTally } from "../metrics/calibration.js"
import { type CaseMeasures, type MeasureSummaries, ratesOf, summariseMeasures } from "../metrics/case-measures.js"
import { type Convention, CONVENTION, type ConventionScores, underAllConventions } from "../metrics/conventions.js"
import { foregroundOf, type Summary } from "../metrics/segmentation.js"
import { hausdorff95 } from "../metrics/surface-distance.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import { type OpenRun, openRun } from "../runs/open-run.js"
import { UserError } from "../user-error.js"
import { withNotesShuffled } from "./changed-notes.js"
import { type NoteAdherence, NoteAdherenceTest } from "./note-adherence.js"
import {
  type BatchView,
  NotFinite,
  rowOf,
  type ScoredCase,
  type ScoringOptions,
  scoreSplit,
  THRESHOLD,
} from "./scoring.js"
import { openSplit } from "./split-loader.js"

export interface EvaluateOptions extends Pick<ScoringOptions, "visit" | "progress"> {
  /** folder of the data set; by default the one the run was trained on */
  readonly data?: string | undefined
  /** which prompt is the note, in a data set that has several; by default the one the run was trained on */
  readonly prompt?: string | undefined
  /** `test` by default */
  readonly split?: Split | undefined
  /** `best` by default */
  readonly checkpoint?: CheckpointName | undefined
  /** a seed: pair every image with the note of another case */
  readonly shuffleNotes?: number | undefined
  /** read every case with changed notes too; how many permutations the shuffled score is the mean of */
  readonly noteAdherence?: number | undefined
  /** of the summary and of the cases; "lvit" by default. The means under all others are given besides. */
  readonly convention?: Convention | undefined
  readonly workers?: number | undefined
}

/** A case with everything that is measured of it. */
export type EvaluatedCase = ScoredCase & CaseMeasures

/** What `mdl eval --json` prints. */
export interface Evaluation {
  /** absolute path of the run folder */
  readonly run: string
  readonly model: string
  readonly data: string
  /** which prompt the notes are; null where the data set has one note for each case */
  readonly prompt: string | null
  readonly split: Split
  readonly checkpoint: {
    readonly name: CheckpointName
    readonly step: number
    readonly sha256: string
  }
  /** null: every image has its own note */
  readonly shuffledNotes: { readonly seed: number; readonly differing: number } | null
  /** how many notes were cut to the model's length */
  readonly truncatedNotes: number
  readonly threshold: number
  /** Dice and IoU: mean, sample standard deviation, median over the cases; `convention` says how a case is scored */
  readonly summary: Summary
  /** the means of the same cases under every convention */
  readonly conventions: readonly ConventionScores[]
  /** over the cases in which each is defined */
  readonly measures: MeasureSummaries
  /** null when the scored output is not a probability: it has values outside of [0, 1] */
  readonly calibration: Calibration | null
  /** null unless asked for */
  readonly noteAdherence: NoteAdherence | null
  readonly losses: Readonly<Record<string, number>>
  /** in the order of the data set */
  readonly cases: readonly EvaluatedCase[]
}

/** Opens a run and scores it. @throws UserError, DataError, BackendUnavailable */
export async function evaluateRun(runFolder: string, options: EvaluateOptions = {}): Promise<Evaluation> {
  const run = await openRun(runFolder, { checkpoint: options.checkpoint })
  try {
    return await evaluateOpenRun(run, options)
  } finally {
    run.close()
  }
}

/** Scores a run that is open; `options.checkpoint` is the one it was opened with. */
export async function evaluateOpenRun(run: OpenRun, options: Omit<EvaluateOptions, "checkpoint">): Promise<Evaluation> {
  const { record, plan, session, checkpoint } = run
  const { split = "test", convention = CONVENTION, shuffleNotes, noteAdherence } = options
  if (plan.scored === undefined) {
    throw new UserError(
      `${record.description.variant} cannot be scored: none of its outputs has the shape of its target` +
        (plan.target ? ` [N, ${plan.target.shape.join(", ")}]` : ", which it does not have"),
    )
  }
  const dataset = await openRunDataset(record.data, { data: options.data, prompt: options.prompt })
  const own = samplesOf(dataset, split)
  if (shuffleNotes !== undefined && noteAdherence !== undefined) {
    throw new UserError("note adherence compares with the true notes: do not shuffle them (leave out one of the two)")
  }
  const samples = shuffleNotes === undefined ? own : withNotesShuffled(own, shuffleNotes)
  const scoring = { threshold: THRESHOLD, convention }
  const adherence =
    noteAdherence === undefined
      ? undefined
      : new NoteAdherenceTest(run, own, { ...scoring, permutations: noteAdherence })
  const measuring = new MeasuredSplit(plan.size, THRESHOLD)
  const loader = await openSplit(record, plan, samples, { training: false, workers: options.workers ?? 1 })
  try {
    const { visit, progress } = options
    const { summary, losses, cases } = await scoreSplit(session, plan, loader, {
      ...scoring,
      visitBatch: (view) => {
        measuring.add(view)
        adherence?.read(view)
      },
      ...(visit ? { visit } : {}),
      ...(progress ? { progress } : {}),
    })
    if (!summary) {
      throw new UserError(
        `no case of the ${split} split is scored under the convention ${convention}, which leaves out empty masks: ` +
          "score under lvit or monai",
      )
    }
    return {
      run: run.folder.path,
      model: record.model.reference,
      data: dataset.root,
      prompt: dataset.prompt ?? null,
      split,
      checkpoint: { name: checkpoint.name, step: checkpoint.state.step, sha256: checkpoint.sha256 },
      shuffledNotes:
        shuffleNotes === undefined
          ? null
          : { seed: shuffleNotes, differing: samples.filter((sample, i) => sample.note !== own[i]?.note).length },
      truncatedNotes: loader.truncatedNotes,
      threshold: THRESHOLD,
      summary,
      conventions: underAllConventions(cases),
      measures: summariseMeasures(measuring.cases),
      calibration: measuring.calibration.result() ?? null,
      noteAdherence: adherence?.result() ?? null,
      losses,
      cases: cases.map((scored, i) => ({ ...scored, ...measuring.cases[i]! })),
    }
  } catch (thrown) {
    if (!(thrown instanceof NotFinite)) throw thrown
    throw new UserError(`${checkpoint.path} cannot be scored: ${thrown.what}`, { cause: thrown })
  } finally {
    await loader.close()
  }
}

/** What an evaluation measures besides the scores that every epoch has. */
class MeasuredSplit {
  readonly cases: CaseMeasures[] = []
  readonly calibration = new CalibrationTally()

  constructor(
    private readonly size: Size,
    private readonly threshold: number,
  ) {}

  add({ batch, cases, probability }: BatchView): void {
    cases.forEach((scored, row) => {
      const predicted = rowOf(probability, row, batch)
      const mask = rowOf(batch.mask, row, batch)
      this.calibration.add(predicted, mask)
      const distance = hausdorff95(foregroundOf(predicted, this.threshold), foregroundOf(mask, 0.5), this.size)
      this.cases.push({ ...ratesOf(scored), hausdorff95: distance ?? null })
    })
  }
}
