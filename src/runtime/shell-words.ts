/**
 * Words of a shell: how a text is written so that a shell reads it as one word, and the other way round.
 *
 * Paths hold spaces, quotes and dollar signs, and a batch script is read by a shell. Inside single quotes a shell leaves
 * everything as it is but the quote itself, which is why nothing else needs a rule.
 */
import { UserError } from "./user-error.js"

/** A text as one word of a POSIX shell. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** The same for people to read and copy: without quotes where no shell needs them. */
export const readableWord = (text: string): string =>
  /^[\w./:@%+,=#~-]+$/.test(text) && !/^[#~]/.test(text) ? text : shellWord(text)

/** Several, separated by spaces. */
export const shellWords = (words: readonly string[]): string => words.map(shellWord).join(" ")

/** A piece of a word: plain text, an escaped character, or what is between quotes. */
const PIECE = /[^\s'"\\]+|\\([^])|'([^']*)'|"((?:[^"\\]|\\[^])*)"/y

/**
 * The words of a text, split as a shell does it: quotes and backslashes count, nothing is expanded.
 *
 * @throws UserError for a quote that is not closed
 */
export function splitShellWords(text: string): readonly string[] {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < text.length;) {
    if (/\s/.test(text[at]!)) {
      if (word !== undefined) words.push(word)
      word = undefined
      at++
      continue
    }
    PIECE.lastIndex = at
    const piece = PIECE.exec(text)
    if (!piece)
      throw new UserError(`${text}: the ${text[at] === "\\" ? "backslash" : "quote"} at the end closes nothing`)
    const [whole, escaped, single, double] = piece
    word = (word ?? "") + (escaped ?? single ?? double?.replace(/\\(["\\$`])/g, "$1") ?? whole)
    at += whole.length
  }
  return word === undefined ? words : [...words, word]
}
