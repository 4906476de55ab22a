import { describe, expect, it } from "vitest"
import { NoteTable, type NoteTableOptions, trainingNotes } from "../../../src/runtime/data/note-table.js"
import { WordsTokenizer } from "../../../src/runtime/tokenizers/words.js"
import { FLIP_ROTATE, NOTE_AWARE } from "./published.js"

const NOTES = ["left lung", "right lung", "upper left lung and lower right lung"]
const base: NoteTableOptions = {
  samples: [],
  tokenizer: WordsTokenizer.fromNotes(NOTES).describe(),
  tokenLength: 4,
  seed: 3,
  drawNotes: true,
  augment: [],
}
const texts = (table: NoteTable) => table.distinct.map(({ note }) => note)

describe("NoteTable", () => {
  it("draws wordings evenly, one that stands twice twice as often", async () => {
    const alternatives = ["left lung", "right lung", "right lung"]
    const samples = Array.from({ length: 60 }, (_, i) => ({ id: `case${i}`, note: "left lung", alternatives }))
    const table = await NoteTable.of({ ...base, samples })
    expect(texts(table)).toEqual(["left lung", "right lung"])
    let left = 0
    for (let epoch = 0; epoch < 30; epoch++) samples.forEach((_, i) => (left += table.numberOf(i, epoch) === 0 ? 1 : 0))
    expect(left / 1800).toBeGreaterThan(0.29)
    expect(left / 1800).toBeLessThan(0.38)
  })

  it("counts the samples of which some wording is cut", async () => {
    const samples = [
      { id: "a", note: NOTES[0]!, alternatives: NOTES },
      { id: "b", note: NOTES[0]! },
      { id: "c", note: NOTES[2]! },
    ]
    expect((await NoteTable.of({ ...base, samples })).truncated).toBe(2)
    // Without drawing, alternatives are never met.
    expect((await NoteTable.of({ ...base, samples, drawNotes: false })).truncated).toBe(1)
  })

  it("has the mirrored texts only where pictures are mirrored, and gives each epoch its own", async () => {
    const samples = [{ id: "a", note: "Upper left lung" }]
    expect(texts(await NoteTable.of({ ...base, samples, augment: [FLIP_ROTATE] }))).toEqual(["Upper left lung"])
    const table = await NoteTable.of({ ...base, samples, augment: [NOTE_AWARE] })
    expect(texts(table)).toEqual(["Upper left lung", "Upper right lung"])
    const met = Array.from({ length: 40 }, (_, epoch) => table.numberOf(0, epoch))
    expect(new Set(met)).toEqual(new Set([0, 1]))
    // A note without sides has one form.
    const plain = await NoteTable.of({ ...base, samples: [{ id: "a", note: "lung" }], augment: [NOTE_AWARE] })
    expect(texts(plain)).toEqual(["lung"])
  })

  it("is empty without a tokenizer", async () => {
    const table = await NoteTable.of({ ...base, tokenizer: undefined, samples: [{ id: "a", note: "left lung" }] })
    expect([texts(table), table.truncated, table.numberOf(0, 5)]).toEqual([[], 0, 0])
  })
})

describe("trainingNotes", () => {
  it("are all texts that a vocabulary has to know", () => {
    const samples = [
      { id: "a", note: "left lung", alternatives: ["left lung", "a lung"] },
      { id: "b", note: "right lung" },
    ]
    expect(trainingNotes(samples, [FLIP_ROTATE])).toEqual(["left lung", "a lung", "right lung"])
    expect(new Set(trainingNotes(samples, [NOTE_AWARE]))).toEqual(new Set(["left lung", "right lung", "a lung"]))
  })
})
