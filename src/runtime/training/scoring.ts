/**
 * One pass over a split: losses, and a score for each case.
 *
 * Takes a session and a loader of the split in its fixed order, its last batch padded; gives the mean losses, the Dice and
 * IoU of every case, and their summary.
 *
 * Why so: programs have a fixed batch, so the last batch is filled up by repeating its first case; the repetitions are
 * scored by nobody. A loss is one number for a batch: batches count by their real cases, so in a padded one the repeated
 * case weighs more within it.
 */
import { setImmediate } from "node:timers/promises"
import type { Loader } from "../data/loader.js"
import { caseScores, type CaseScores, type Convention, summarise, type Summary } from "../metrics/segmentation.js"
import type { NativeSession, OutputTensor } from "../session.js"
import { batchFeeds, type InputPlan } from "./feeds.js"

export interface ScoredCase extends CaseScores {
  readonly id: string
  readonly note: string
}

/** What is known about one case while a pass goes on. Arrays are views into the batch: copy what is to be kept. */
export interface CaseView {
  readonly id: string
  readonly note: string
  /** [3, H, W] in the model's channel order */
  readonly image: Float32Array
  /** [1, H, W] */
  readonly mask: Float32Array
  /** of this case, by output: sizes after the batch */
  readonly outputs: Readonly<Record<string, OutputTensor>>
  readonly scores: CaseScores | undefined
}

export interface SplitScores {
  readonly losses: Readonly<Record<string, number>>
  /** sum of the losses */
  readonly total: number
  /** in the order of the split; empty without a scored output */
  readonly cases: readonly ScoredCase[]
  readonly summary: Summary | undefined
}

export interface ScoringOptions {
  readonly threshold?: number
  readonly convention?: Convention
  /** called for every case, in order */
  readonly visit?: (view: CaseView) => void
  /** called after every batch with the number of cases done */
  readonly progress?: (done: number) => void
}

export const THRESHOLD = 0.5
export const CONVENTION: Convention = "lvit"

/** A loss or an output is not finite; `what` names it. */
export class NotFinite extends Error {
  override readonly name = "NotFinite"
  constructor(readonly what: string) {
    super(what)
  }
}

/**
 * Scores all cases of a loader.
 *
 * @param loader not shuffled, `last: "pad"`, with the batch of the `evaluate` signature
 * @throws NotFinite when a loss or the scored output is NaN or infinite
 */
export async function scoreSplit(
  session: NativeSession,
  plan: InputPlan,
  loader: Loader,
  options: ScoringOptions = {},
): Promise<SplitScores> {
  const { threshold = THRESHOLD, convention = CONVENTION } = options
  const sums = new Map<string, number>()
  const cases: ScoredCase[] = []
  const area = plan.size.height * plan.size.width
  let done = 0
  for await (const batch of loader.epoch(0)) {
    // Batches that are ready come without a turn of the event loop, and signals and workers need one.
    await setImmediate()
    const { losses, outputs } = session.evaluate(batchFeeds(plan, batch, session, "evaluate"))
    for (const [name, value] of Object.entries(losses)) {
      if (!Number.isFinite(value))
        throw new NotFinite(`the loss ${name} is ${value} on the cases around ${batch.ids[0]}`)
      sums.set(name, (sums.get(name) ?? 0) + value * batch.count)
    }
    const scored = plan.scored === undefined ? undefined : outputs[plan.scored]
    for (let row = 0; row < batch.count; row++) {
      const id = batch.ids[row]!
      const note = loader.notes[batch.note_index[row]!]?.note ?? ""
      const mask = batch.mask.subarray(row * area, (row + 1) * area)
      let scores: CaseScores | undefined
      if (scored) {
        const probability = scored.data.subarray(row * area, (row + 1) * area)
        if (!probability.every(Number.isFinite))
          throw new NotFinite(`the output ${plan.scored} is not finite for ${id}`)
        scores = caseScores(probability, mask, { threshold, convention })
        cases.push({ id, note, ...scores })
      }
      if (options.visit) {
        const image = batch.image.subarray(row * 3 * area, (row + 1) * 3 * area)
        options.visit({ id, note, image, mask, outputs: rowOf(outputs, row, batch.note_index.length), scores })
      }
    }
    done += batch.count
    options.progress?.(done)
    if (!options.visit) loader.release(batch)
  }
  const losses = Object.fromEntries([...sums].map(([name, sum]) => [name, sum / done]))
  return {
    losses,
    total: Object.values(losses).reduce((a, b) => a + b, 0),
    cases,
    summary: cases.length > 0 ? summarise(cases, convention) : undefined,
  }
}

function rowOf(
  outputs: Readonly<Record<string, OutputTensor>>,
  row: number,
  rows: number,
): Record<string, OutputTensor> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { shape, data }]) => {
      const size = data.length / rows
      return [name, { shape: shape.slice(1), data: data.subarray(row * size, (row + 1) * size) }]
    }),
  )
}
