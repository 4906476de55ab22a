/**
 * How different two predicted masks are, and what an empty note is to a model.
 */
import { describe, expect, test } from "vitest"
import { CLIP_END, CLIP_START } from "../../../src/runtime/tokenizers/clip.js"
import { createTokenizer, type TokenizerDescription } from "../../../src/runtime/tokenizers/tokenizer.js"
import { UNKNOWN_ID } from "../../../src/runtime/tokenizers/words.js"
import { maskAgreement, movedToOtherHalf } from "../../../src/runtime/training/note-adherence.js"

const mask = (text: string): number[] => Array.from(text, Number)

test("masks agree by their IoU, and two empty ones wholly", () => {
  expect(maskAgreement(mask("1100"), mask("0110"))).toBeCloseTo(1 / 3, 12)
  expect(maskAgreement(mask("0110"), mask("0110"))).toBe(1)
  expect(maskAgreement(mask("1000"), mask("0000"))).toBe(0)
  expect(maskAgreement(mask("0000"), mask("0000"))).toBe(1)
})

describe("the share that moves to the other half", () => {
  test.each([
    ["all of it", "1100" + "1000", "0011" + "0001", 4, 1],
    ["nothing", "1100" + "1000", "0100" + "1100", 4, 0],
    ["half of it, from the right", "0011", "1001", 4, 0.5],
    ["it can also gather where most of it was", "1110", "1000", 4, -1 / 3],
    ["the middle of an odd width is half on each side", "110", "011", 3, 0.5],
  ])("%s", (_, before, after, width, moved) => {
    expect(movedToOtherHalf(mask(before), mask(after), width)).toBeCloseTo(moved, 12)
  })

  test("is unknown when there is nothing to see", () => {
    expect(movedToOtherHalf(mask("0000"), mask("0001"), 4)).toBeUndefined()
    expect(movedToOtherHalf(mask("0100"), mask("0000"), 4)).toBeUndefined()
  })
})

const clip = {
  kind: "clip",
  vocabulary: "openai/bpe_simple_vocab_16e6",
  vocabularySize: 49408,
  cleanup: "none",
} as const
const words = { kind: "words", words: ["lung", "eof", "xxx"], vocabularySize: 5, cleanup: "none" } as const

describe("an empty note can be fed", () => {
  test.each<[string, TokenizerDescription, number[], number]>([
    ["to CLIP: start and end", clip, [CLIP_START, CLIP_END, 0, 0], 2],
    ["to a vocabulary: one unknown word", words, [UNKNOWN_ID, 0, 0, 0], 1],
    ["with LViT's clean-up: its filling", { ...words, cleanup: "lvit" }, [3, 4, 3, 4], 4],
  ])("%s", async (_, description, ids, valid) => {
    const encoding = (await createTokenizer(description)).encode("", 4)
    expect([...encoding.ids]).toEqual(ids)
    expect(encoding.valid).toBe(valid)
  })
})
