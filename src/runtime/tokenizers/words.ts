/**
 * A vocabulary of the words of the training notes.
 *
 * Takes: notes (to build) or a word list (to rebuild). Gives: a tokenizer with id 0 for padding, 1 for unknown words, and
 * 2, 3, ... for the words, most frequent first and alphabetical among equals, so the same notes in any order give the
 * same ids.
 *
 * Why so: a small model trained from scratch (the phantom set, LViT-like text branches) needs no 49,408-row table, and a
 * test needs no published weights. Text is lower-cased; letters, digits and single punctuation marks are separate tokens.
 */
import { type Cleanup, cleanNote } from "./cleanup.js"
import { checkTokenLength, type Encoding, type Tokenizer } from "./tokenizer.js"

// 0 is padding.
export const UNKNOWN_ID = 1
const FIRST_WORD_ID = 2

export interface WordsDescription {
  readonly kind: "words"
  /** The word with id i + 2. */
  readonly words: readonly string[]
  readonly vocabularySize: number
  readonly cleanup: Cleanup
}

/** The words of a text: lower case (NFC), runs of letters or digits, and each other visible mark on its own. */
export function splitWords(text: string): string[] {
  return (
    text
      .normalize("NFC")
      .toLowerCase()
      .match(/[\p{L}\p{M}]+|\p{N}+|[^\s\p{L}\p{M}\p{N}]/gu) ?? []
  )
}

export class WordsTokenizer implements Tokenizer {
  readonly kind = "words"
  readonly vocabularySize: number
  private readonly idOf: ReadonlyMap<string, number>

  constructor(
    private readonly words: readonly string[],
    private readonly cleanup: Cleanup = "none",
  ) {
    this.vocabularySize = words.length + FIRST_WORD_ID
    this.idOf = new Map(words.map((word, index) => [word, index + FIRST_WORD_ID]))
  }

  /**
   * Builds the vocabulary of some notes (the training split's: words met only in validation or test are then unknown, as
   * they will be in use).
   * @param options.most cap on `vocabularySize`, padding and unknown included; the rarest words are left out.
   */
  static fromNotes(notes: Iterable<string>, options: { cleanup?: Cleanup; most?: number } = {}): WordsTokenizer {
    const { cleanup = "none", most = Infinity } = options
    if (!(most >= FIRST_WORD_ID + 1)) throw new RangeError(`a vocabulary of ${most} has no room for a word`)
    const counts = new Map<string, number>()
    for (const note of notes) {
      for (const word of splitWords(cleanNote(note, cleanup))) counts.set(word, (counts.get(word) ?? 0) + 1)
    }
    const words = [...counts]
      .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
      .map(([word]) => word)
      .slice(0, most - FIRST_WORD_ID)
    return new WordsTokenizer(words, cleanup)
  }

  encode(note: string, length: number): Encoding {
    checkTokenLength(length, 1, this.kind)
    const words = splitWords(cleanNote(note, this.cleanup))
    const ids = new Int32Array(length)
    words.slice(0, length).forEach((word, index) => (ids[index] = this.idOf.get(word) ?? UNKNOWN_ID))
    // Attention over no valid token is undefined (a softmax of nothing), so a note without a word is one unknown word.
    if (words.length === 0) ids[0] = UNKNOWN_ID
    return { ids, valid: Math.max(1, Math.min(words.length, length)), truncated: words.length > length }
  }

  describe(): WordsDescription {
    return { kind: "words", words: this.words, vocabularySize: this.vocabularySize, cleanup: this.cleanup }
  }
}
