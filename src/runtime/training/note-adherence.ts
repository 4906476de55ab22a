/**
 * Whether a model uses the note at all.
 *
 * Takes an open run and the cases of a split; reads every batch again with changed notes: another case's (several seeded
 * permutations), one that names the other side, and an empty one. Gives what the score loses by each, per case and in the
 * mean with a paired bootstrap interval, and how different the predicted masks are.
 *
 * Why so: a language-guided model can reach a good score without reading, by the image alone. A difference of scores shows
 * it only where the wrong note makes the mask worse, so how much the mask changes is measured too. The three changes ask
 * different things: a shuffled note is a fluent one about somebody else, an opposite-side one contradicts the image in one
 * word, an empty one is unlike anything from training. Images are read once and the session is the evaluation's own.
 */
import type { Batch } from "../data/loader.js"
import { swapSides } from "../data/note-sides.js"
import type { Sample } from "../data/sample.js"
import type { Convention } from "../metrics/conventions.js"
import { scoresOf } from "../metrics/conventions.js"
import { type CaseScores, foregroundOf, type Spread, spreadOf } from "../metrics/segmentation.js"
import type { OpenRun } from "../runs/open-run.js"
import { LEVEL, pairedBootstrap } from "../statistics/bootstrap.js"
import type { Encoding } from "../tokenizers/tokenizer.js"
import { UserError } from "../user-error.js"
import { withNotesShuffled } from "./changed-notes.js"
import { batchFeeds } from "./feeds.js"
import { type BatchView, rowOf, scoreRows } from "./scoring.js"

/** The three ways in which a note is changed. */
export const NOTE_CHANGES = ["shuffled", "opposite-side", "empty"] as const
export type NoteChange = (typeof NOTE_CHANGES)[number]

/** How many permutations a shuffled score is the mean of. */
export const PERMUTATIONS = 3

/** A case read with a changed note. For shuffled notes the means over the permutations. */
export interface ChangedReading {
  readonly dice: number
  readonly iou: number
  /** IoU of the mask predicted with the true note and the one predicted with the changed note; 1 when both are empty */
  readonly agreement: number
}

export interface OppositeReading extends ChangedReading {
  readonly note: string
  /**
   * The half of the image that holds more of the mask predicted with the true note: which share of the foreground is
   * there, less the share that is there with the opposite-side note. 1: everything moved. null: a mask is empty.
   */
  readonly movedToOtherHalf: number | null
}

export interface AdherenceCase {
  readonly id: string
  readonly note: string
  /** with the true note */
  readonly dice: number
  readonly iou: number
  readonly shuffled: ChangedReading
  /** null: the note names no side */
  readonly oppositeSide: OppositeReading | null
  readonly empty: ChangedReading
}

/** A mean over cases with its bootstrap interval; without one (null) for fewer than two cases. */
export interface MeanInterval {
  readonly mean: number
  readonly low: number | null
  readonly high: number | null
  /** two-sided, of the hypothesis that the mean is 0 */
  readonly p: number | null
}

/** What one kind of change does. Differences are score with the true note minus score with the changed one. */
export interface NoteEffect {
  readonly change: NoteChange
  /** cases in the means; `leftOut` are the others: no word for a side, or not scored under the convention */
  readonly cases: number
  readonly leftOut: number
  /** readings in which the model was fed other tokens than with the true note; for shuffled notes over all permutations */
  readonly differing: number
  /** readings in which any value of the scored output is another; 0 of all effects: the model does not read the note */
  readonly outputChanged: number
  /** means with the true note, over the same cases; null without a case */
  readonly own: { readonly dice: number; readonly iou: number } | null
  readonly changed: { readonly dice: number; readonly iou: number } | null
  readonly dice: MeanInterval | null
  readonly iou: MeanInterval | null
  readonly agreement: Spread | null
}

export interface NoteAdherence {
  readonly convention: Convention
  /** seeds of the permutations, as in `mdl eval --shuffle-notes SEED` */
  readonly permutations: readonly number[]
  /** of the intervals */
  readonly level: number
  /** how many tokens the model is fed for an empty note */
  readonly emptyNoteTokens: number
  readonly effects: readonly NoteEffect[]
  /** over the cases of the opposite-side effect in which neither mask is empty */
  readonly movedToOtherHalf: (MeanInterval & { readonly cases: number }) | null
  readonly cases: readonly AdherenceCase[]
}

/** How one reading of a case went. */
interface Reading extends ChangedReading {
  readonly leftOut: boolean
  /** whether the model was fed other tokens */
  readonly differs: boolean
  readonly outputChanged: boolean
  readonly movedToOtherHalf: number | null
}

/** A case with all its readings. */
interface ReadCase {
  readonly id: string
  readonly note: string
  readonly own: CaseScores
  readonly shuffled: readonly Reading[]
  readonly opposite: (Reading & { readonly note: string }) | undefined
  readonly empty: Reading
}

export interface AdherenceOptions {
  readonly permutations: number
  readonly threshold: number
  readonly convention: Convention
}

/** Reads batches with changed notes while a split is being scored. */
export class NoteAdherenceTest {
  private readonly cases: ReadCase[] = []
  private readonly seeds: readonly number[]
  private readonly shuffled: readonly (readonly Sample[])[]
  private readonly encodings = new Map<string, Encoding>()

  /**
   * @param samples the split, in the order in which it is scored, each with its true note
   * @throws UserError for a model that reads no note, or a split of one case
   */
  constructor(
    private readonly run: OpenRun,
    private readonly samples: readonly Sample[],
    private readonly options: AdherenceOptions,
  ) {
    if (!run.plan.note) {
      throw new UserError(
        `${run.description.variant} has no note: note adherence can be measured of a model that reads notes`,
      )
    }
    this.seeds = Array.from({ length: options.permutations }, (_, i) => i + 1)
    this.shuffled = this.seeds.map((seed) => withNotesShuffled(samples, seed))
  }

  /** Reads a batch that was scored with its true notes; to be given to `scoreSplit` as `visitBatch`. */
  readonly read = (view: BatchView): void => {
    const first = this.cases.length
    const owners = view.cases.map((_, row) => this.samples[first + row]!)
    const own = owners.map(({ note }) => note)
    const shuffled = this.shuffled.map((samples) =>
      this.readWith(
        view,
        own.map((_, row) => samples[first + row]!.note),
      ),
    )
    const swapped = own.map((note) => swapSides(note))
    const opposite = swapped.some((one) => one.swapped > 0)
      ? this.readWith(
          view,
          swapped.map(({ note }) => note),
        )
      : []
    const empty = this.readWith(
      view,
      own.map(() => ""),
    )
    owners.forEach(({ id, note }, row) => {
      const other = swapped[row]!
      this.cases.push({
        id,
        note,
        own: view.cases[row]!,
        shuffled: shuffled.map((readings) => readings[row]!),
        opposite: other.swapped > 0 ? { ...opposite[row]!, note: other.note } : undefined,
        empty: empty[row]!,
      })
    })
  }

  /** @throws Error when no case was read */
  result(): NoteAdherence {
    const { cases, options } = this
    if (cases.length === 0) throw new Error("no case was read with changed notes")
    const moved = cases.flatMap(({ opposite }) => opposite?.movedToOtherHalf ?? [])
    return {
      convention: options.convention,
      permutations: this.seeds,
      level: LEVEL,
      emptyNoteTokens: this.encoded("").valid,
      effects: [
        effectOf("shuffled", cases, ({ shuffled }) => shuffled),
        effectOf("opposite-side", cases, ({ opposite }) => (opposite ? [opposite] : [])),
        effectOf("empty", cases, ({ empty }) => [empty]),
      ],
      movedToOtherHalf: moved.length === 0 ? null : { ...intervalOf(moved), cases: moved.length },
      cases: cases.map(({ id, note, own, shuffled, opposite, empty }) => ({
        id,
        note,
        dice: own.dice,
        iou: own.iou,
        shuffled: meanReading(shuffled),
        oppositeSide: opposite
          ? { ...meanReading([opposite]), note: opposite.note, movedToOtherHalf: opposite.movedToOtherHalf }
          : null,
        empty: meanReading([empty]),
      })),
    }
  }

  /** The batch once more, with a note for each real row. */
  private readWith(view: BatchView, notes: readonly string[]): readonly Reading[] {
    const { run, options } = this
    const { plan, session } = run
    const batch = this.withNotes(view.batch, notes)
    const probability = session.evaluate(batchFeeds(plan, batch, session, "evaluate")).outputs[plan.scored!]!.data
    return scoreRows(plan, batch, probability, options).map(({ dice, iou, leftOut }, row): Reading => {
      const own = rowOf(view.probability, row, batch)
      const other = rowOf(probability, row, batch)
      const before = foregroundOf(own, options.threshold)
      const after = foregroundOf(other, options.threshold)
      return {
        dice,
        iou,
        leftOut: leftOut ?? false,
        differs: differs(view.batch, batch, row),
        outputChanged: own.some((value, i) => value !== other[i]),
        agreement: maskAgreement(before, after),
        movedToOtherHalf: movedToOtherHalf(before, after, plan.size.width) ?? null,
      }
    })
  }

  private withNotes(batch: Batch, notes: readonly string[]): Batch {
    const rows = batch.note_index.length
    const columns = this.run.plan.tokenLength
    const note_ids = new Int32Array(rows * columns)
    const note_valid = new Float32Array(rows * columns)
    for (let row = 0; row < rows; row++) {
      // Rows that only fill the batch repeat its first one, as the loader does it.
      const { ids, valid } = this.encoded(notes[row] ?? notes[0]!)
      note_ids.set(ids, row * columns)
      note_valid.fill(1, row * columns, row * columns + valid)
    }
    return { ...batch, note_ids, note_valid }
  }

  private encoded(note: string): Encoding {
    const known = this.encodings.get(note)
    if (known) return known
    const { plan, tokenizers } = this.run
    const encoding = tokenizers.get(plan.note!.name)!.encode(note, plan.tokenLength)
    this.encodings.set(note, encoding)
    return encoding
  }
}

function differs(own: Batch, other: Batch, row: number): boolean {
  const columns = own.note_ids.length / own.note_index.length
  for (let i = row * columns; i < (row + 1) * columns; i++) {
    if (own.note_ids[i] !== other.note_ids[i] || own.note_valid[i] !== other.note_valid[i]) return true
  }
  return false
}

/** IoU of two masks of one size (not 0: foreground); 1 when both are empty. */
export function maskAgreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let both = 0
  let one = 0
  for (let i = 0; i < a.length; i++) {
    if (a[i] && b[i]) both++
    else if (a[i] || b[i]) one++
  }
  return scoresOf({ tp: both, fp: one, fn: 0 }, "monai").iou
}

/**
 * Which share of a mask's foreground left the half of the image that held more of it.
 *
 * @param before, after [H * W], not 0: foreground; the middle column of an odd width counts half to each side
 * @returns the share of `before` on its fuller half less the share of `after` there; undefined when either is empty
 */
export function movedToOtherHalf(
  before: ArrayLike<number>,
  after: ArrayLike<number>,
  width: number,
): number | undefined {
  const was = shareOnTheLeft(before, width)
  const is = shareOnTheLeft(after, width)
  if (was === undefined || is === undefined) return undefined
  return was >= 0.5 ? was - is : is - was
}

function shareOnTheLeft(mask: ArrayLike<number>, width: number): number | undefined {
  const middle = (width - 1) / 2
  let left = 0
  let all = 0
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue
    const x = i % width
    all++
    left += x < middle ? 1 : x === middle ? 0.5 : 0
  }
  return all === 0 ? undefined : left / all
}

function meanReading(readings: readonly Reading[]): ChangedReading {
  return {
    dice: mean(readings.map(({ dice }) => dice)),
    iou: mean(readings.map(({ iou }) => iou)),
    agreement: mean(readings.map(({ agreement }) => agreement)),
  }
}

function effectOf(
  change: NoteChange,
  all: readonly ReadCase[],
  readingsOf: (read: ReadCase) => readonly Reading[],
): NoteEffect {
  const count = (rule: (reading: Reading) => boolean): number => all.flatMap(readingsOf).filter(rule).length
  const pairs = all.flatMap((read) => {
    const readings = readingsOf(read)
    const complete = readings.length > 0 && !read.own.leftOut && readings.every(({ leftOut }) => !leftOut)
    return complete ? [{ own: read.own, changed: meanReading(readings) }] : []
  })
  const counted = {
    change,
    cases: pairs.length,
    leftOut: all.length - pairs.length,
    differing: count(({ differs }) => differs),
    outputChanged: count(({ outputChanged }) => outputChanged),
  }
  if (pairs.length === 0) return { ...counted, own: null, changed: null, dice: null, iou: null, agreement: null }
  const means = (of: (pair: (typeof pairs)[number]) => CaseScores | ChangedReading) => ({
    dice: mean(pairs.map((pair) => of(pair).dice)),
    iou: mean(pairs.map((pair) => of(pair).iou)),
  })
  return {
    ...counted,
    own: means(({ own }) => own),
    changed: means(({ changed }) => changed),
    dice: intervalOf(pairs.map(({ own, changed }) => own.dice - changed.dice)),
    iou: intervalOf(pairs.map(({ own, changed }) => own.iou - changed.iou)),
    agreement: spreadOf(pairs.map(({ changed }) => changed.agreement)),
  }
}

function intervalOf(values: readonly number[]): MeanInterval {
  return values.length < 2 ? { mean: mean(values), low: null, high: null, p: null } : pairedBootstrap(values)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
