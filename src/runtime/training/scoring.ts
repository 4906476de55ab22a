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
import type { Batch, Loader } from "../data/loader.js"
import { type Convention, CONVENTION } from "../metrics/conventions.js"
import { caseScores, type CaseScores, summarise, type Summary } from "../metrics/segmentation.js"
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

/** A batch that has been scored. Its arrays are used again for a later one: copy what is to be kept. */
export interface BatchView {
  readonly batch: Batch
  /** of the real rows */
  readonly cases: readonly ScoredCase[]
  /** the scored output, [N, 1, H, W], rows that only fill the batch included */
  readonly probability: Float32Array
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
  /** called for every batch of a model with a scored output, in order, before its cases are visited */
  readonly visitBatch?: (view: BatchView) => void
  /** called after every batch with the number of cases done */
  readonly progress?: (done: number) => void
}

export const THRESHOLD = 0.5

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
    const probability = plan.scored === undefined ? undefined : outputs[plan.scored]?.data
    const rows = probability && scoreRows(plan, batch, probability, { threshold, convention })
    const notes = Array.from(batch.note_index, (index) => loader.notes[index]?.note ?? "")
    if (probability && rows) {
      const ofBatch = rows.map((scores, row) => ({ id: batch.ids[row]!, note: notes[row]!, ...scores }))
      cases.push(...ofBatch)
      options.visitBatch?.({ batch, cases: ofBatch, probability })
    }
    for (let row = 0; options.visit && row < batch.count; row++) {
      options.visit({
        id: batch.ids[row]!,
        note: notes[row]!,
        image: rowOf(batch.image, row, batch),
        mask: rowOf(batch.mask, row, batch),
        outputs: rowOfEach(outputs, row, batch),
        scores: rows?.[row],
      })
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
    summary: cases.some(({ leftOut }) => !leftOut) ? summarise(cases, convention) : undefined,
  }
}

/**
 * Scores the real rows of a batch.
 *
 * @param probability the scored output, [N, 1, H, W]
 * @throws NotFinite when a value of a real row is NaN or infinite
 */
export function scoreRows(
  plan: InputPlan,
  batch: Batch,
  probability: Float32Array,
  options: { readonly threshold: number; readonly convention: Convention },
): readonly CaseScores[] {
  return batch.ids.map((id, row) => {
    const predicted = rowOf(probability, row, batch)
    if (!predicted.every(Number.isFinite)) throw new NotFinite(`the output ${plan.scored} is not finite for ${id}`)
    return caseScores(predicted, rowOf(batch.mask, row, batch), options)
  })
}

/** One row of a flat array that has a batch's rows. */
export function rowOf(data: Float32Array, row: number, batch: Pick<Batch, "note_index">): Float32Array {
  const size = data.length / batch.note_index.length
  return data.subarray(row * size, (row + 1) * size)
}

function rowOfEach(
  outputs: Readonly<Record<string, OutputTensor>>,
  row: number,
  batch: Batch,
): Record<string, OutputTensor> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { shape, data }]) => [
      name,
      { shape: shape.slice(1), data: rowOf(data, row, batch) },
    ]),
  )
}
