/**
 * What happens to a note's text before it is tokenised.
 *
 * Takes and gives: text. "none" leaves it. "lvit" is what LViT and RecLMIS do: a note of n < 9 words gets " EOF XXX"
 * appended 9-n times, because LViT wants at least ten words from every note. Named and part of the tokenizer's
 * description, because the published weights and scores are with it.
 */
export const CLEANUPS = ["none", "lvit"] as const
export type Cleanup = (typeof CLEANUPS)[number]

const LVIT_WORDS = 9

/** Applies a clean-up. Words are separated by white space. */
export function cleanNote(note: string, cleanup: Cleanup): string {
  if (cleanup === "none") return note
  const words = wordCount(note)
  return words < LVIT_WORDS ? note + " EOF XXX".repeat(LVIT_WORDS - words) : note
}

/** Words of a note, separated by white space. */
export function wordCount(note: string): number {
  const trimmed = note.trim()
  return trimmed === "" ? 0 : trimmed.split(/\s+/).length
}
