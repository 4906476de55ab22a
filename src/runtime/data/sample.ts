/**
 * What a data set is made of: samples, the problems found while reading them, and what a layout must offer.
 *
 * Types, and the two or three values that every layout needs. Apart from dataset.ts (which lists the layouts) so that a
 * layout can import them without a cycle.
 */

export const SPLITS = ["train", "valid", "test"] as const
export type Split = (typeof SPLITS)[number]

/** One case. Paths are absolute. `maskPath` is undefined only in layouts for prediction, where no truth exists. */
export interface Sample {
  /** Unique in its split; for QaTa the image's file name without its ending. */
  readonly id: string
  readonly split: Split
  readonly imagePath: string
  readonly maskPath: string | undefined
  readonly note: string
  /** Who the image is of, where the layout can tell; two samples of one subject must not be in two splits. */
  readonly subject?: string
}

/** Something noticed while reading. An "error" makes the data set unusable as it is; a "note" is for the person's eye. */
export interface DataProblem {
  readonly severity: "error" | "note"
  readonly kind:
    | "missing-mask"
    | "missing-caption"
    | "duplicate-caption"
    | "unused-annotation"
    | "mask-without-image"
    | "not-an-image"
    | "names-differ-in-case"
  /** One sentence: names the first file concerned and how many more there are. */
  readonly what: string
  readonly fix: string
  /** How many files or rows it concerns. */
  readonly count: number
  /** Their names, sorted, at most {@link NAMES_KEPT}. */
  readonly names: readonly string[]
}

/** How many names a {@link DataProblem} keeps. */
export const NAMES_KEPT = 20

export interface Dataset {
  /** Absolute path of the folder. */
  readonly root: string
  /** Name of the layout, a row of `LAYOUTS` in dataset.ts. */
  readonly layout: string
  /** Sorted by split (train, valid, test), then by id. */
  readonly samples: readonly Sample[]
  readonly problems: readonly DataProblem[]
}

/** What a layout reads: the samples that are whole, and everything that was noticed. */
export interface LayoutReading {
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
  /** Reads the folder. Throws {@link DataError} where nothing can be read at all (a malformed index). */
  read(root: string): Promise<LayoutReading>
}

/** Names joined for a message, cut after `most` with the number left out. */
export function listed(names: readonly string[], most: number): string {
  if (names.length === 0) return "nothing"
  const shown = names.slice(0, most).join(", ")
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
