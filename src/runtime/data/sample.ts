/**
 * What a data set is made of: samples, the problems found while reading them, and what a layout must offer.
 *
 * Types, and the two or three values that every layout needs. Apart from dataset.ts (which lists the layouts) so that a
 * layout can import them without a cycle.
 */

import type { MaskRule } from "./images.js"

export const SPLITS = ["train", "valid", "test"] as const
export type Split = (typeof SPLITS)[number]

/** The split that a data set's own word names (`train`, `val`, `valid`, `validation`, `test`; any case), or undefined. */
export function splitNamed(word: string): Split | undefined {
  const name = word.trim().toLowerCase()
  return name === "val" || name === "validation" ? "valid" : SPLITS.find((split) => split === name)
}

/** One case. Paths are absolute. `maskPath` is undefined only in layouts for prediction, where no truth exists. */
export interface Sample {
  /** Unique in its split: the image's file name without its ending, and more where an image has several masks. */
  readonly id: string
  readonly split: Split
  readonly imagePath: string
  readonly maskPath: string | undefined
  /**
   * The note that everything but training reads. Where there are {@link alternatives}, one of them, drawn once by the
   * sample's split and id alone: so all runs, of all seeds, are scored on the same texts.
   */
  readonly note: string
  /**
   * What training draws from, in each epoch anew: at least two texts, {@link note} among them. A text that is there twice
   * is twice as likely. Absent where the case has one note.
   */
  readonly alternatives?: readonly string[]
  /** How the mask becomes 0 or 1, where the file asks for a rule of its own (see `maskRuleOf`); else the reader's. */
  readonly maskRule?: MaskRule
  /** Who the image is of, where the layout can tell; two samples of one subject must not be in two splits. */
  readonly subject?: string
}

/** Something noticed while reading. An "error" makes the data set unusable as it is; a "note" is for the person's eye. */
export interface DataProblem {
  readonly severity: "error" | "note"
  readonly kind:
    | "missing-mask"
    | "missing-image"
    | "missing-caption"
    | "missing-text-file"
    | "missing-split"
    | "incomplete-row"
    | "repeated-row"
    | "duplicate-caption"
    | "unused-annotation"
    | "image-without-row"
    | "mask-without-image"
    | "not-an-image"
    | "ambiguous-name"
    | "names-differ-in-case"
    | "names-matched-without-case"
    | "names-matched-without-ending"
  /** One sentence: names the first file concerned and how many more there are. */
  readonly what: string
  readonly fix: string
  /** How many files or rows it concerns. */
  readonly count: number
  /** Their names, sorted, at most {@link NAMES_KEPT}. */
  readonly names: readonly string[]
}

/** How many names a {@link DataProblem} keeps. */
export const NAMES_KEPT = 1000

export interface Dataset {
  /** Absolute path of the folder, or of the manifest that was named. */
  readonly root: string
  /** Name of the layout, a row of `LAYOUTS` in dataset.ts. */
  readonly layout: string
  /** Which prompt the notes are, in a layout that has several for each case. */
  readonly prompt?: string
  /** Sorted by split (train, valid, test), then by id. */
  readonly samples: readonly Sample[]
  readonly problems: readonly DataProblem[]
}

/** How a data set is to be read. */
export interface ReadOptions {
  /** Which prompt is the note, in a layout with several (`p6`, `random`); an error in any other layout. */
  readonly prompt?: string | undefined
  /** As `prompt`, for a layout with several; others have nothing to choose, which is fine. */
  readonly preferredPrompt?: string | undefined
}

/** What a layout reads: the samples that are whole, and everything that was noticed. */
export interface LayoutReading {
  /** See {@link Dataset.prompt}. */
  readonly prompt?: string
  readonly samples: readonly Sample[]
  readonly problems: readonly DataProblem[]
}

/** A way in which data sets lie on disk. */
export interface Layout {
  readonly name: string
  /** What the layout looks like, in words, for the message that lists the known layouts. */
  readonly looksLike: string
  /** Whether the folder, with these entries at its top (sorted names), is of this layout. Cheap. */
  detect(root: string, entries: readonly string[]): Promise<boolean>
  /** Whether a file that was named instead of a folder is of this layout. Absent: a file never is. */
  isFile?(path: string): boolean
  /** Whether the cases have several prompts to choose from, so that {@link ReadOptions.prompt} has a meaning. */
  readonly hasPrompts?: boolean
  /** Reads the folder, or the file. Throws {@link DataError} where nothing can be read at all (a malformed index). */
  read(root: string, options: ReadOptions): Promise<LayoutReading>
}

/** Every text that a sample's note can be. */
export function wordingsOf({ note, alternatives }: Pick<Sample, "note" | "alternatives">): readonly string[] {
  return alternatives ?? [note]
}

/** Names joined for a message, cut after `most` with the number left out. */
export function listed(names: readonly string[], most: number): string {
  if (names.length === 0) return "nothing"
  const shown = names.slice(0, most).join(", ")
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
