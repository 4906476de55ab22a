/**
 * The pieces of a note that a person reads, and the tokens that each became.
 *
 * Takes a note and its tokenizer's description; gives words, numbers and marks with their token positions, so that a
 * distribution over tokens can be shown on the words that were written.
 */

import { cleanNote } from "../tokenizers/cleanup.js"
import { createTokenizer, type TokenizerDescription } from "../tokenizers/tokenizer.js"
import type { NotePiece } from "./interest.js"

/** Marks apart from words, as tokenizers have them; else a word that is followed by a comma would count twice. */
const FINE = /(\s*)([\p{L}\p{M}]+|\p{N}+|[^\s\p{L}\p{M}\p{N}])/gu
const COARSE = /(\s*)(\S+)/gu

/**
 * The pieces of a note with their tokens' positions; pieces beyond `length` tokens have none (`from` = `to`).
 *
 * @returns undefined when the tokens of the pieces do not add up to the tokens of the note, however it is cut
 */
export async function notePieces(
  note: string,
  description: TokenizerDescription,
  length: number,
): Promise<readonly NotePiece[] | undefined> {
  const tokenizer = await createTokenizer({ ...description, cleanup: "none" })
  const [start, ends] = tokenizer.kind === "clip" ? [1, 2] : [0, 0]
  const text = cleanNote(note, description.cleanup)
  const room = Buffer.byteLength(text, "utf8") + 8
  const count = (part: string): number => tokenizer.encode(part, room).valid - ends
  const last = length - (ends - start)
  for (const pattern of [FINE, COARSE]) {
    let position = start
    const pieces = [...text.matchAll(pattern)].map(([, space, piece]): NotePiece => {
      const from = Math.min(position, last)
      position += count(piece!)
      return { text: piece!, spaced: space !== "", from, to: Math.min(position, last) }
    })
    if (pieces.length > 0 && position - start === count(text)) return pieces
  }
  return undefined
}
