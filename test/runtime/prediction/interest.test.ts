import { describe, expect, it } from "vitest"
import { drawable, interestsOf, weighed } from "../../../src/runtime/prediction/interest.js"
import { notePieces } from "../../../src/runtime/prediction/note-pieces.js"
import { WordsTokenizer } from "../../../src/runtime/tokenizers/words.js"

const IMAGE = { height: 32, width: 32 }
const uniform = (count: number, among = count) => ({
  shape: [1, count],
  data: Float32Array.from({ length: count }, (_, i) => (i < among ? 1 / among : 0)),
})
const found = (shape: readonly number[], tensor: ReturnType<typeof uniform>, tokens = 24, valid = 5, image = IMAGE) =>
  interestsOf([{ name: "x", shape }], { x: tensor }, image, tokens, valid)

describe("interestsOf", () => {
  it("takes a distribution over the tokens for one over words", () => {
    expect(found([24], uniform(24, 5))).toMatchObject([{ kind: "words", name: "x" }])
    expect(found([24, 1], uniform(24, 5))).toMatchObject([{ kind: "words" }])
  })

  it("takes one over a grid of the image's proportions for one over patches", () => {
    expect(found([16], uniform(16))).toMatchObject([{ kind: "patches", grid: { height: 4, width: 4 } }])
    expect(found([1, 8, 8], uniform(64))).toMatchObject([{ kind: "patches", grid: { height: 8, width: 8 } }])
    expect(found([32], uniform(32), 24, 5, { height: 32, width: 64 })).toMatchObject([
      { grid: { height: 4, width: 8 } },
    ])
  })

  it("tells them apart by the padding when there are as many tokens as patches", () => {
    expect(found([16], uniform(16, 5), 16, 5)).toMatchObject([{ kind: "words" }])
    expect(found([16], uniform(16), 16, 5)).toMatchObject([{ kind: "patches" }])
  })

  it("takes nothing else for a distribution", () => {
    expect(found([17], uniform(17))).toEqual([])
    expect(found([16], { shape: [1, 16], data: new Float32Array(16).fill(0.5) })).toEqual([])
    const negative = uniform(16)
    negative.data[0] = -1 / 16
    negative.data[1] = 3 / 16
    expect(found([16], negative)).toEqual([])
    expect(found([16], { shape: [1, 16], data: new Float32Array(16).fill(NaN) })).toEqual([])
    expect(interestsOf([{ name: "gone", shape: [16] }], {}, IMAGE, 0, 0)).toEqual([])
  })
})

describe("drawable", () => {
  const patches = (values: readonly number[]) =>
    ({ kind: "patches", name: "x", grid: { height: 2, width: 2 }, values: Float32Array.from(values) }) as const

  it("draws differences as they are", () => {
    expect(drawable(patches([0.1, 0.2, 0.3, 0.4]))).toEqual({
      values: Float32Array.of(0.1, 0.2, 0.3, 0.4),
      isFlat: false,
    })
  })

  it("does not draw rounding errors of a map that prefers nothing", () => {
    expect(drawable(patches([0.25, 0.2500001, 0.25, 0.2499999]))).toEqual({ values: new Float32Array(4), isFlat: true })
  })
})

const WORDS = WordsTokenizer.fromNotes(["two infected areas, upper left lung."]).describe()
const CLIP = {
  kind: "clip",
  vocabulary: "openai/bpe_simple_vocab_16e6",
  vocabularySize: 49408,
  cleanup: "none",
} as const

describe("notePieces", () => {
  it("gives every word and mark its token", async () => {
    const pieces = await notePieces("Two areas, upper.", WORDS, 24)
    expect(pieces).toEqual([
      { text: "Two", spaced: false, from: 0, to: 1 },
      { text: "areas", spaced: true, from: 1, to: 2 },
      { text: ",", spaced: false, from: 2, to: 3 },
      { text: "upper", spaced: true, from: 3, to: 4 },
      { text: ".", spaced: false, from: 4, to: 5 },
    ])
  })

  it("gives nothing to what was cut off", async () => {
    const pieces = await notePieces("two areas upper left", WORDS, 2)
    expect(pieces?.map(({ from, to }) => to - from)).toEqual([1, 1, 0, 0])
    const clip = await notePieces("upper left lung", CLIP, 4)
    expect(clip?.map(({ from, to }) => [from, to])).toEqual([[1, 2], [2, 3], [3, 3]]) // prettier-ignore
  })

  it("leaves out CLIP's start and end, and takes several tokens of one word together", async () => {
    const pieces = await notePieces("left costophrenic", CLIP, 18)
    expect(pieces?.[0]?.from).toBe(1)
    expect(pieces?.[1]?.from).toBe(pieces?.[0]?.to)
    expect(pieces!.at(-1)!.to).toBeGreaterThan(3)
  })

  it("falls back to whole words where marks belong to them", async () => {
    const pieces = await notePieces("the lung's base", CLIP, 18)
    expect(pieces?.map(({ text }) => text)).toEqual(["the", "lung's", "base"])
  })

  it("counts the words that the clean-up adds", async () => {
    const pieces = await notePieces("left lung", { ...WORDS, cleanup: "lvit" }, 24)
    expect(pieces?.map(({ text }) => text).slice(0, 4)).toEqual(["left", "lung", "EOF", "XXX"])
  })

  it("gives up on a note without a word", async () => {
    expect(await notePieces("  ", WORDS, 24)).toBeUndefined()
  })
})

describe("weighed", () => {
  it("sums a distribution over each piece's tokens", () => {
    const pieces = [
      { text: "a", spaced: false, from: 0, to: 2 },
      { text: "b", spaced: true, from: 2, to: 3 },
      { text: "c", spaced: true, from: 3, to: 3 },
    ]
    expect(weighed(pieces, [0.25, 0.5, 0.25]).map(({ weight }) => weight)).toEqual([0.75, 0.25, 0])
  })
})
