/**
 * From a note to token ids.
 *
 * Takes: the description of a tokenizer (plain JSON, as kept in checkpoints and ONNX metadata). Gives: the tokenizer.
 *
 * Why so: a trained model is only right with the tokenizer it was trained with, so a tokenizer is data, not code: the
 * description rebuilds it exactly, vocabulary included. CLIP's vocabulary (49,408 entries, 3 MB) is named, not repeated,
 * and loaded only when asked for.
 */
import { DataError } from "../data/data-error.js"
import { type Cleanup, CLEANUPS } from "./cleanup.js"
import type { WordsDescription } from "./words.js"

/** One encoded note. */
export interface Encoding {
  /** [length], padded with 0. */
  readonly ids: Int32Array
  /** How many of the first positions are tokens; the rest is padding. At least 1. */
  readonly valid: number
  /** Whether tokens were cut off to fit the length. */
  readonly truncated: boolean
}

export interface Tokenizer {
  readonly kind: "clip" | "words"
  /** Every id is below this: the rows an embedding table needs. */
  readonly vocabularySize: number
  /** Encodes a note into exactly `length` ids. @throws DataError when `length` cannot hold any token of the note. */
  encode(note: string, length: number): Encoding
  /** Plain JSON from which {@link createTokenizer} rebuilds this tokenizer. */
  describe(): TokenizerDescription
}

/** OpenAI CLIP's byte-pair encoding. */
export interface ClipDescription {
  readonly kind: "clip"
  readonly vocabulary: "openai/bpe_simple_vocab_16e6"
  readonly vocabularySize: 49408
  readonly cleanup: Cleanup
}

export type TokenizerDescription = ClipDescription | WordsDescription

/**
 * Rebuilds a tokenizer.
 * @param description what {@link Tokenizer.describe} gave, perhaps read from a file: it is checked.
 * @throws DataError when it is not such a description.
 */
export async function createTokenizer(description: unknown): Promise<Tokenizer> {
  const wrong = (what: string) =>
    new DataError({
      what: `the tokenizer's description ${what}`,
      fix: "use the description that was written when the model was trained (checkpoint or ONNX metadata)",
    })
  if (typeof description !== "object" || description === null) throw wrong("is not an object")
  const fields = description as Record<string, unknown>
  const cleanup = CLEANUPS.find((name) => name === fields["cleanup"])
  if (cleanup === undefined)
    throw wrong(`has the cleanup ${JSON.stringify(fields["cleanup"])}; known: ${CLEANUPS.join(", ")}`)
  if (fields["kind"] === "clip") {
    const { ClipTokenizer } = await import("./clip.js")
    const tokenizer = new ClipTokenizer(cleanup)
    const { vocabulary } = tokenizer.describe()
    if (fields["vocabulary"] !== vocabulary)
      throw wrong(`names the vocabulary ${JSON.stringify(fields["vocabulary"])}; known: ${vocabulary}`)
    return tokenizer
  }
  if (fields["kind"] === "words") {
    const words = fields["words"]
    if (!Array.isArray(words) || !words.every((word): word is string => typeof word === "string")) {
      throw wrong("has no list of words")
    }
    if (new Set(words).size !== words.length) throw wrong("names a word twice")
    const { WordsTokenizer } = await import("./words.js")
    return new WordsTokenizer(words, cleanup)
  }
  throw wrong(`has the kind ${JSON.stringify(fields["kind"])}; known: clip, words`)
}

/** Checks the `length` argument of `encode`. */
export function checkTokenLength(length: number, least: number, kind: string): void {
  if (Number.isInteger(length) && length >= least) return
  throw new DataError({
    what: `a token length of ${length} cannot hold a note (${kind} tokenizer)`,
    fix: `declare T as a whole number of at least ${least}`,
  })
}
