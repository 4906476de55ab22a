/**
 * The tokenizer of a model's text input, made for a data set.
 *
 * Takes the setting in the model (`clip`, `words(512)`) and the training notes; gives a tokenizer whose every id has a row
 * in the model's embedding table. A vocabulary of words comes from the training split alone: words that are met only in
 * other splits are unknown there, as they will be in use.
 */
import type { TrainerInput } from "../../compiler/trainer.js"
import { createTokenizer, type Tokenizer } from "../tokenizers/tokenizer.js"
import { WordsTokenizer } from "../tokenizers/words.js"
import { UserError } from "../user-error.js"

/** @throws UserError when the setting is not known, or the table has fewer rows than the tokenizer has ids */
export async function chooseTokenizer(input: TrainerInput, trainNotes: Iterable<string>): Promise<Tokenizer> {
  const setting = input.tokenizer
  const rows = setting?.arguments["vocabulary"]
  if (setting === undefined || typeof rows !== "number") {
    throw new UserError(`the input ${input.name} names no tokenizer: write \`using clip\` or \`using words(512)\``)
  }
  const tokenizer = await make(setting.name, rows, input.name, trainNotes)
  if (tokenizer.vocabularySize > rows) {
    throw new UserError(
      `the tokenizer of ${input.name} has ${tokenizer.vocabularySize} ids and its vocabulary in the model ${rows}: ` +
        `raise the vocabulary to at least ${tokenizer.vocabularySize}`,
    )
  }
  return tokenizer
}

async function make(name: string, rows: number, input: string, trainNotes: Iterable<string>): Promise<Tokenizer> {
  if (name === "clip") {
    return createTokenizer({ kind: "clip", vocabulary: "openai/bpe_simple_vocab_16e6", cleanup: "none" })
  }
  if (name !== "words") throw new UserError(`the input ${input} names the tokenizer ${name}; known: clip, words`)
  if (rows < 3) {
    throw new UserError(`words(${rows}) has no room for a word: give at least 3 (padding, unknown, and one word)`)
  }
  return WordsTokenizer.fromNotes(trainNotes, { most: rows })
}
