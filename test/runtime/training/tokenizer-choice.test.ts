/**
 * The tokenizer a model's text input names, made for a data set.
 */
import { expect, test } from "vitest"
import type { TrainerInput } from "../../../src/compiler/trainer.js"
import { chooseTokenizer } from "../../../src/runtime/training/tokenizer-choice.js"

const input = (name: string | undefined, vocabulary?: number): TrainerInput => ({
  name: "note",
  role: "input",
  kind: "tokens",
  dtype: "i32",
  shape: [8],
  tokenizer: name === undefined ? undefined : { name, arguments: vocabulary === undefined ? {} : { vocabulary } },
})
const notes = ["left lung", "right lung", "both lungs, upper left"]

test("words are those of the notes, and ids stay below the vocabulary", async () => {
  const tokenizer = await chooseTokenizer(input("words", 5), notes)
  expect(tokenizer.describe()).toMatchObject({ kind: "words", words: ["left", "lung", ","], vocabularySize: 5 })
  expect(Math.max(...tokenizer.encode("left lung , upper", 8).ids)).toBe(4)
})

test("clip is CLIP's own", async () => {
  expect((await chooseTokenizer(input("clip", 49408), notes)).vocabularySize).toBe(49408)
})

test("a table with fewer rows than the tokenizer has ids is refused", async () => {
  await expect(chooseTokenizer(input("clip", 1000), notes)).rejects.toThrow(/49408 ids .* the model 1000: raise/)
})

test.each([
  [input(undefined), /names no tokenizer/],
  [input("words"), /names no tokenizer/],
  [input("words", 2), /no room for a word/],
  [input("bert", 30522), /names the tokenizer bert; known: clip, words/],
])("%o is refused", async (wrong, message) => {
  await expect(chooseTokenizer(wrong, notes)).rejects.toThrow(message)
})
