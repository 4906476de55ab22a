/**
 * A run's scores on a split.
 *
 * Takes the folder of a run and a data set; gives Dice and IoU of every case, their summary with the convention named, and
 * the losses. With `shuffleNotes` each image is paired with another case's note: a model that uses the note must get worse.
 */
import { openDataset, samplesOf } from "../data/dataset.js"
import { RandomStream } from "../data/random.js"
import type { Sample, Split } from "../data/sample.js"
import type { Summary } from "../metrics/segmentation.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import { type OpenRun, openRun } from "../runs/open-run.js"
import { UserError } from "../user-error.js"
import { NotFinite, type ScoredCase, type ScoringOptions, scoreSplit, THRESHOLD } from "./scoring.js"
import { openSplit } from "./split-loader.js"

export interface EvaluateOptions extends Pick<ScoringOptions, "visit" | "progress"> {
  /** folder of the data set; by default the one the run was trained on */
  readonly data?: string | undefined
  /** `test` by default */
  readonly split?: Split | undefined
  /** `best` by default */
  readonly checkpoint?: CheckpointName | undefined
  /** a seed: pair every image with the note of another case */
  readonly shuffleNotes?: number | undefined
  readonly workers?: number | undefined
}

/** What `mdl eval --json` prints. */
export interface Evaluation {
  /** absolute path of the run folder */
  readonly run: string
  readonly model: string
  readonly data: string
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
  readonly losses: Readonly<Record<string, number>>
  /** in the order of the data set */
  readonly cases: readonly ScoredCase[]
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
  const { split = "test", shuffleNotes } = options
  if (plan.scored === undefined) {
    throw new UserError(
      `${record.description.variant} cannot be scored: none of its outputs has the shape of its target` +
        (plan.target ? ` [N, ${plan.target.shape.join(", ")}]` : ", which it does not have"),
    )
  }
  const dataset = await openDataset(options.data ?? record.data.root)
  const own = samplesOf(dataset, split)
  const samples = shuffleNotes === undefined ? own : withNotesShuffled(own, shuffleNotes)
  const loader = await openSplit(record, plan, samples, { training: false, workers: options.workers ?? 1 })
  try {
    const { visit, progress } = options
    const { summary, losses, cases } = await scoreSplit(session, plan, loader, {
      ...(visit ? { visit } : {}),
      ...(progress ? { progress } : {}),
    })
    if (!summary) throw new Error(`the output ${plan.scored} was not scored`)
    return {
      run: run.folder.path,
      model: record.model.reference,
      data: dataset.root,
      split,
      checkpoint: { name: checkpoint.name, step: checkpoint.state.step, sha256: checkpoint.sha256 },
      shuffledNotes:
        shuffleNotes === undefined
          ? null
          : { seed: shuffleNotes, differing: samples.filter((sample, i) => sample.note !== own[i]?.note).length },
      truncatedNotes: loader.truncatedNotes,
      threshold: THRESHOLD,
      summary,
      losses,
      cases,
    }
  } catch (thrown) {
    if (!(thrown instanceof NotFinite)) throw thrown
    throw new UserError(`${checkpoint.path} cannot be scored: ${thrown.what}`, { cause: thrown })
  } finally {
    await loader.close()
  }
}

/**
 * The samples, each with the note of another one: a random cyclic permutation (Sattolo's algorithm), so that none keeps its
 * own. Two cases may have notes of the same words.
 *
 * @throws UserError when there is only one sample
 */
export function withNotesShuffled(samples: readonly Sample[], seed: number): readonly Sample[] {
  if (samples.length < 2) throw new UserError("notes can be shuffled only among two cases or more")
  const order = samples.map((_, i) => i)
  const stream = new RandomStream(`shuffled-notes/${seed}`)
  for (let i = order.length - 1; i > 0; i--) {
    const j = stream.integer(i)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return samples.map((sample, i) => ({ ...sample, note: samples[order[i]!]!.note }))
}
