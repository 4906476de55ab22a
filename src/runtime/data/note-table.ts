/**
 * The notes of a loader's samples: each distinct text once, tokenised, and which of them a sample has in an epoch.
 *
 * Takes: samples, a tokenizer's description, the seed, and what may change a note. Gives: encodings by number.
 *
 * Why so: a note can differ from epoch to epoch, where a case has several wordings or its picture is mirrored. All the texts
 * there can be are known before training, so each is tokenised once, and a frozen text encoder runs once for each. Which one
 * it is follows from (seed, epoch, sample) alone, as for the pixels: it does not depend on workers, on the order of batches,
 * or on where a run was resumed. A worker that mirrors a picture and this table draw the same numbers from the same stream.
 */
import { createTokenizer, type Encoding, type TokenizerDescription } from "../tokenizers/tokenizer.js"
import { areNoteAware, type Augmentation, augmentationStream, mirrorsNote } from "./augment.js"
import { swapSides } from "./note-sides.js"
import { RandomStream } from "./random.js"
import { type Sample, wordingsOf } from "./sample.js"

export interface DistinctNote extends Encoding {
  readonly note: string
}

export interface NoteTableOptions {
  readonly samples: readonly Pick<Sample, "id" | "note" | "alternatives">[]
  /** undefined: the table is empty */
  readonly tokenizer: TokenizerDescription | undefined
  /** T */
  readonly tokenLength: number
  readonly seed: number
  /** whether each epoch draws one of a sample's alternatives */
  readonly drawNotes: boolean
  readonly augment: readonly Augmentation[]
}

/** The texts that training can meet: wordings of each sample and, where pictures are mirrored, the same with sides exchanged. */
export function trainingNotes(samples: NoteTableOptions["samples"], augment: readonly Augmentation[]): string[] {
  const notes = samples.flatMap(wordingsOf)
  return areNoteAware(augment) ? notes.flatMap((note) => [note, swapSides(note).note]) : notes
}

export class NoteTable {
  private constructor(
    private readonly options: NoteTableOptions,
    /** in the order of their first sample */
    readonly distinct: readonly DistinctNote[],
    /** numbers of each sample's wordings */
    private readonly wordings: readonly Int32Array[],
    /** of each distinct note: the number of the one with sides exchanged */
    private readonly mirrored: Int32Array,
  ) {}

  static async of(options: NoteTableOptions): Promise<NoteTable> {
    const { samples, tokenizer: description, tokenLength, drawNotes, augment } = options
    if (description === undefined) return new NoteTable(options, [], [], new Int32Array(0))
    const tokenizer = await createTokenizer(description)
    const distinct: DistinctNote[] = []
    const known = new Map<string, number>()
    const number = (note: string): number => {
      const found = known.get(note)
      if (found !== undefined) return found
      known.set(note, distinct.length)
      return distinct.push({ note, ...tokenizer.encode(note, tokenLength) }) - 1
    }
    const texts = (sample: (typeof samples)[number]) => (drawNotes ? wordingsOf(sample) : [sample.note])
    const wordings = samples.map((sample) => Int32Array.from(texts(sample), number))
    const mirrored = areNoteAware(augment)
      ? Int32Array.from([...distinct], ({ note }) => number(swapSides(note).note))
      : new Int32Array(0)
    return new NoteTable(options, distinct, wordings, mirrored)
  }

  /** The number of the note that a sample has in an epoch; 0 when the table is empty. */
  numberOf(sample: number, epoch: number): number {
    const wordings = this.wordings[sample]
    if (wordings === undefined) return 0
    const { samples, seed, augment } = this.options
    const { id } = samples[sample]!
    const drawn = wordings.length === 1 ? 0 : new RandomStream(`note/${seed}/${epoch}/${id}`).integer(wordings.length)
    const note = wordings[drawn]!
    // Without a note-aware augmentation there are no mirrored notes.
    const mirrored = this.mirrored[note]
    return mirrored !== undefined && mirrorsNote(augment, augmentationStream(seed, epoch, id)) ? mirrored : note
  }

  /** How many samples have a wording that was cut to T tokens. */
  get truncated(): number {
    return this.wordings.filter((numbers) => numbers.some((number) => this.distinct[number]!.truncated)).length
  }
}
