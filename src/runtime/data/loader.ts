/**
 * Batches for training and evaluation, in a seeded order, made ahead of their use.
 *
 * Takes: samples, a batch size, an image size, a tokenizer's description, a seed. Gives: for each epoch, batches as flat
 * arrays ready to be fed.
 *
 * Why so:
 * - The order is a permutation keyed by (seed, epoch) and nothing else, and augmentation by (seed, epoch, sample): two
 *   models (a base and its ablation) see the same batches, so their comparison is paired, and a run can be resumed at any
 *   (epoch, batch) and go on exactly as it would have.
 * - Notes are tokenised once, at the start, each distinct one once (note-table.ts); a frozen text encoder can be run over
 *   `notes` and looked up by `note_index`.
 * - Batches are made by data workers (see worker.ts), at least two ahead of the consumer; in training across the end of an
 *   epoch too, so that the first step of the next one does not wait.
 */
import type { TokenizerDescription } from "../tokenizers/tokenizer.js"
import type { Augmentation } from "./augment.js"
import type { BatchArrays, BuildPlan } from "./batch-builder.js"
import { DataError } from "./data-error.js"
import { type ChannelOrder, type MaskRule, planesOf, type Size } from "./images.js"
import { type DistinctNote, NoteTable } from "./note-table.js"
import { RandomStream } from "./random.js"
import { SampleCache } from "./sample-cache.js"
import type { Sample } from "./sample.js"
import { type BatchFiller, inProcess, WorkerPool } from "./worker-pool.js"

export interface LoaderOptions {
  readonly samples: readonly Sample[]
  /** Rows of a batch, N. */
  readonly batch: number
  readonly size: Size
  /** Undefined for a model without a note: then the note arrays have no columns. */
  readonly tokenizer: TokenizerDescription | undefined
  /** Columns of the note arrays, T. */
  readonly tokenLength: number
  readonly seed: number
  /** Whether to permute; without, the samples come as given. */
  readonly shuffle: boolean
  /**
   * What becomes of a last batch that is not full: "drop" leaves it out, "pad" fills it by repeating its first sample
   * (`count` tells how many are real), "keep" gives fewer rows.
   */
  readonly last: "drop" | "pad" | "keep"
  /** Data workers; 0 makes batches in the calling thread, which does not progress during a training step. */
  readonly workers: number
  /** Batches made ahead; at least 2, and by default one more than the workers. */
  readonly prefetch?: number
  /** Whether the first batches of the next epoch are made while the last of one are used: for epochs in a row. */
  readonly continuous?: boolean
  readonly augment?: readonly Augmentation[]
  /** Whether each epoch draws one of a sample's alternative notes, as training does; false: always its `note`. */
  readonly drawNotes?: boolean
  readonly channels: ChannelOrder
  /** How a resized mask is made binary where the sample does not say; "any" (> 0), as published, by default. */
  readonly maskRule?: MaskRule
  /** Memory for decoded samples, in bytes; 512 MB by default, 0 for none. */
  readonly cacheBytes?: number
}

/** One batch. N rows, of which the first `count` are real. Arrays are flat, in row-major order. */
export interface Batch {
  /** Of the `count` real rows. */
  readonly ids: readonly string[]
  readonly count: number
  /** [N, C, H, W] in [0, 1]; C = 1 for `channels` "gray", else 3. */
  readonly image: Float32Array<ArrayBuffer>
  /** [N, T]. */
  readonly note_ids: Int32Array
  /** [N, T]: 1 for a token, 0 for padding. */
  readonly note_valid: Float32Array
  /** [N]: the row's note in `Loader.notes`. */
  readonly note_index: Int32Array
  /** [N, 1, H, W]: 0 or 1. */
  readonly mask: Float32Array<ArrayBuffer>
  /** How many of the real rows have a note that was cut to T tokens. */
  readonly truncatedNotes: number
}

/** The next batch to come. */
export interface Position {
  readonly epoch: number
  readonly batch: number
}

export interface Loader {
  readonly batchesPerEpoch: number
  /** The distinct notes, in the order of their first sample. Empty without a tokenizer. */
  readonly notes: readonly DistinctNote[]
  /** How many samples have a note (one of its wordings) that was cut to T tokens. */
  readonly truncatedNotes: number
  /** Where the epoch that was iterated last has got to; what a checkpoint keeps, to go on with `epoch(e, { from })`. */
  readonly position: Position
  /** The batches of epoch `e` (0, 1, ...), from batch `from` on. Stopping early is fine. @throws DataError for a bad file. */
  epoch(e: number, options?: { from?: number }): AsyncGenerator<Batch, void, undefined>
  /** Optional: hands back a batch that is no longer needed, so that its arrays are used again. It is empty afterwards. */
  release(batch: Batch): void
  /** Ends the workers. The loader cannot be used afterwards. */
  close(): Promise<void>
}

const DEFAULT_CACHE_BYTES = 512 * 2 ** 20

/** The order of epoch `epoch`: a permutation of 0..count-1 that depends on (count, seed, epoch) only. */
export function epochOrder(count: number, seed: number, epoch: number): Int32Array {
  return new RandomStream(`order/${seed}/${epoch}`).permutation(count)
}

/**
 * Opens a loader.
 * @throws DataError for no sample, more rows than samples with `last: "drop"`, or options out of range.
 * @throws Error when the workers have not been built (`npm run setup`).
 */
export async function openLoader(options: LoaderOptions): Promise<Loader> {
  checkOptions(options)
  const { samples, size, augment = [], drawNotes = false } = options
  const notes = await NoteTable.of({ ...options, augment, drawNotes })
  const plan: BuildPlan = {
    samples: samples.map(({ id, imagePath, maskPath, maskRule }) => ({ id, imagePath, maskPath, maskRule })),
    size: { height: size.height, width: size.width },
    channels: options.channels,
    maskRule: options.maskRule ?? "any",
    augment,
    seed: options.seed,
    cache: SampleCache.memory(samples.length, size, options.cacheBytes ?? DEFAULT_CACHE_BYTES),
  }
  const filler = options.workers === 0 ? inProcess(plan) : new WorkerPool(plan, options.workers)
  return new BatchLoader(options, notes, filler)
}

/** An epoch whose batches are being made. */
interface Underway {
  readonly epoch: number
  readonly order: Int32Array
  /** the first batch that is not begun */
  next: number
  /** begun and not handed out yet, in order */
  readonly begun: { readonly rows: Int32Array; readonly arrays: Promise<BatchArrays> }[]
}

class BatchLoader implements Loader {
  readonly batchesPerEpoch: number
  readonly notes: readonly DistinctNote[]
  readonly truncatedNotes: number
  private readonly prefetch: number
  private readonly columns: number
  private readonly spare: BatchArrays[] = []
  private current: Position = { epoch: 0, batch: 0 }
  private closed = false
  /** the epoch after the one that is iterated */
  private following: Underway | undefined

  constructor(
    private readonly options: LoaderOptions,
    private readonly table: NoteTable,
    private readonly filler: BatchFiller,
  ) {
    const { samples, batch, last, workers, tokenizer, tokenLength } = options
    this.batchesPerEpoch = last === "drop" ? Math.floor(samples.length / batch) : Math.ceil(samples.length / batch)
    this.notes = table.distinct
    this.truncatedNotes = table.truncated
    this.prefetch = options.prefetch ?? Math.max(2, workers + 1)
    this.columns = tokenizer === undefined ? 0 : tokenLength
  }

  get position(): Position {
    return this.current
  }

  async *epoch(e: number, { from = 0 }: { from?: number } = {}): AsyncGenerator<Batch, void, undefined> {
    if (this.closed) throw new Error("the loader is closed")
    if (!Number.isSafeInteger(e) || e < 0) throw new RangeError(`epoch ${e}: give 0, 1, ...`)
    if (!Number.isInteger(from) || from < 0 || from > this.batchesPerEpoch) {
      throw new RangeError(`batch ${from} of epoch ${e}: there are ${this.batchesPerEpoch}`)
    }
    const begunBefore = from === 0 && this.following?.epoch === e ? this.following : undefined
    const underway = begunBefore ?? this.underway(e, from)
    this.following = undefined
    this.current = { epoch: e, batch: from }
    for (let index = from; index < this.batchesPerEpoch; index++) {
      this.begin(underway)
      const { rows, arrays } = underway.begun.shift()!
      const filled = await arrays
      this.begin(underway)
      this.current = index + 1 < this.batchesPerEpoch ? { epoch: e, batch: index + 1 } : { epoch: e + 1, batch: 0 }
      yield this.batchOf(rows, e, filled)
    }
  }

  private underway(epoch: number, from: number): Underway {
    const { samples, seed, shuffle } = this.options
    const order = shuffle ? epochOrder(samples.length, seed, epoch) : Int32Array.from(samples, (_, i) => i)
    return { epoch, order, next: from, begun: [] }
  }

  /** Begins as many batches of an epoch as may be made ahead, and then of the next. */
  private begin(underway: Underway): void {
    this.beginUpTo(underway, this.prefetch)
    if (!this.options.continuous || underway.next < this.batchesPerEpoch) return
    this.following ??= this.underway(underway.epoch + 1, 0)
    this.beginUpTo(this.following, this.prefetch - underway.begun.length)
  }

  private beginUpTo(underway: Underway, count: number): void {
    const { batch } = this.options
    const { order, begun } = underway
    while (underway.next < this.batchesPerEpoch && begun.length < count) {
      const rows = order.slice(underway.next * batch, (underway.next + 1) * batch)
      const arrays = this.filler.fill(rows.slice(), underway.epoch, this.emptyArrays(rows.length))
      // A batch that fails while an earlier one is in use is reported when it is its turn; if the consumer stops before
      // that, nobody needs it. Without this line Node would end the process for an unhandled rejection.
      arrays.catch(() => undefined)
      begun.push({ rows, arrays })
      underway.next++
    }
  }

  release(batch: Batch): void {
    // More than are ever in flight would only be kept for nothing.
    if (this.spare.length <= this.prefetch && batch.image.length > 0) {
      this.spare.push({ image: batch.image, mask: batch.mask })
    }
  }

  async close(): Promise<void> {
    this.closed = true
    this.spare.length = 0
    await this.filler.close()
  }

  private batchOf(rows: Int32Array, epoch: number, { image, mask }: BatchArrays): Batch {
    const { samples, size } = this.options
    const n = mask.length / (size.height * size.width)
    const columns = this.columns
    const note_ids = new Int32Array(n * columns)
    const note_valid = new Float32Array(n * columns)
    const note_index = new Int32Array(n)
    rows.forEach((sample, row) => (note_index[row] = this.table.numberOf(sample, epoch)))
    note_index.fill(note_index[0] as number, rows.length)
    let truncatedNotes = 0
    note_index.forEach((number, row) => {
      const note = this.notes[number]
      if (note === undefined) return
      note_ids.set(note.ids, row * columns)
      note_valid.fill(1, row * columns, row * columns + note.valid)
      if (note.truncated && row < rows.length) truncatedNotes++
    })
    return {
      ids: Array.from(rows, (row) => (samples[row] as Sample).id),
      count: rows.length,
      image,
      note_ids,
      note_valid,
      note_index,
      mask,
      truncatedNotes,
    }
  }

  private emptyArrays(real: number): BatchArrays {
    const { batch, last, size, channels } = this.options
    const n = last === "keep" ? real : batch
    const area = size.height * size.width
    const planes = planesOf(channels) * area
    const spare = this.spare.pop()
    // A released batch that was kept short, or whose arrays the consumer has moved elsewhere, does not fit.
    if (spare && spare.mask.length === n * area && spare.image.length === n * planes) return spare
    return { image: new Float32Array(n * planes), mask: new Float32Array(n * area) }
  }
}

function checkOptions(options: LoaderOptions): void {
  const { samples, batch, size, last, workers, prefetch = 2, seed, cacheBytes = 0 } = options
  const whole = (value: number, least: number, what: string) => {
    if (Number.isSafeInteger(value) && value >= least) return
    throw new DataError({ what: `${what} is ${value}`, fix: `give a whole number of at least ${least}` })
  }
  whole(batch, 1, "the batch size")
  whole(size.height, 1, "the image height")
  whole(size.width, 1, "the image width")
  whole(workers, 0, "the number of data workers")
  whole(prefetch, 2, "the number of batches made ahead")
  whole(seed, 0, "the seed")
  whole(cacheBytes, 0, "the memory for decoded samples")
  if (samples.length === 0) {
    throw new DataError({
      what: "there is no sample to load",
      fix: "choose a split that has samples (mdl data inspect)",
    })
  }
  if (last === "drop" && samples.length < batch) {
    throw new DataError({
      what: `a batch of ${batch} cannot be filled from ${samples.length} samples`,
      fix: `use a batch of at most ${samples.length}, or more data`,
    })
  }
  const missing = samples.find((sample) => sample.maskPath === undefined)
  if (missing) {
    throw new DataError({
      what: `the sample ${missing.id} has no mask`,
      fix: "train and evaluate on samples with masks; `mdl predict` wants none",
    })
  }
}
