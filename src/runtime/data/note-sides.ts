/**
 * A note that names the other side.
 *
 * Takes a note; gives the same text with "left" and "right" exchanged, and how many words that were.
 *
 * Why so: a mirrored image is described by a mirrored text (the note-aware flip), and a note that contradicts its image
 * shows whether a model reads it (`mdl eval --note-adherence`). Both need the same swap, and exchanging letters would turn
 * "upright" into "upleft". Only whole words are exchanged, English ones, in the case they were written in; "bilateral" and
 * "both" mean the same after it. What the words are about is not understood: "left untreated" is exchanged too.
 */

/** The words in pairs; hyphens end a word, so "left-sided" and "right-to-left" are covered by the first. */
const PAIRS: readonly (readonly [string, string])[] = [
  ["left", "right"],
  ["leftmost", "rightmost"],
  ["leftward", "rightward"],
  ["leftwards", "rightwards"],
  ["lefthand", "righthand"],
]

const OTHER: ReadonlyMap<string, string> = new Map(PAIRS.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]))

/** "right-handed" says something about the patient and stays. */
const SIDE = /(?<![\p{L}\p{M}\p{N}])(?:left|right)(?:most|wards?|hand)?(?![\p{L}\p{M}\p{N}]|-handed)/giu

export interface SwappedNote {
  readonly note: string
  /** how many words were exchanged; 0: the note names no side and is unchanged */
  readonly swapped: number
}

/**
 * Exchanges left and right. Doing it twice gives the note back (words in mixed case, such as "LeFt", come back in lower
 * case).
 */
export function swapSides(note: string): SwappedNote {
  let swapped = 0
  const exchanged = note.replace(SIDE, (word) => {
    swapped++
    return inCaseOf(word, OTHER.get(word.toLowerCase())!)
  })
  return { note: exchanged, swapped }
}

function inCaseOf(word: string, other: string): string {
  if (word === word.toUpperCase()) return other.toUpperCase()
  const capital = word[0]!.toUpperCase() + word.slice(1).toLowerCase()
  return word === capital ? other[0]!.toUpperCase() + other.slice(1) : other
}

/** Which sides a note names, by the same words. */
export function sidesNamed(note: string): ReadonlySet<"left" | "right"> {
  const found = [...note.matchAll(SIDE)].map(([word]) => word.toLowerCase())
  return new Set(found.map((word) => (word.startsWith("left") ? "left" : "right")))
}
