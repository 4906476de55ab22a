import { describe, expect, it } from "vitest"
import type { Dataset, Sample } from "../../../src/runtime/data/sample.js"
import { datasetFacts, dataWarnings } from "../../../src/runtime/reports/data-facts.js"
import { describeData } from "../../../src/runtime/training/prepare.js"

const sample = (split: Sample["split"], id: string, note: string, subject?: string): Sample => ({
  ...{ id, split, note, imagePath: `/set/${id}.png`, maskPath: `/set/mask_${id}.png` },
  ...(subject === undefined ? {} : { subject }),
})

const dataset = (changes: Partial<Dataset> = {}): Dataset => ({
  root: "/set",
  layout: "qata",
  problems: [],
  samples: [
    sample("train", "a", "left lung", "s1"),
    sample("train", "b", "left lung", "s1"),
    sample("train", "c", "both lungs, upper third", "s2"),
    sample("test", "d", "right lung", "s3"),
  ],
  ...changes,
})

const texts = (now: Dataset, trained = now): string[] =>
  dataWarnings(now, describeData(trained)).map(({ text }) => text)

describe("datasetFacts", () => {
  it("counts cases, notes, words and subjects of each split that has cases", () => {
    expect(datasetFacts(dataset(), undefined).splits).toEqual([
      { name: "train", cases: 3, distinctNotes: 2, noteWords: { least: 2, median: 2, most: 4 }, subjects: 2 },
      { name: "test", cases: 1, distinctNotes: 1, noteWords: { least: 2, median: 2, most: 2 }, subjects: 1 },
    ])
  })

  it("takes the masks of the scored split from its counts", () => {
    const rest = { precision: null, recall: null, specificity: null, hausdorff95: null }
    const cases = [
      { id: "d", note: "", dice: 0, iou: 0, tp: 1, fp: 0, fn: 3, tn: 12, ...rest },
      { id: "e", note: "", dice: 0, iou: 0, tp: 0, fp: 5, fn: 0, tn: 11, ...rest },
    ]
    const { splits } = datasetFacts(dataset(), { split: "test", cases })
    expect(splits.map(({ name, masks }) => [name, masks])).toEqual([
      ["train", undefined],
      ["test", { empty: 1, foreground: 0.125 }],
    ])
  })
})

describe("dataWarnings", () => {
  it("has nothing to say about the data of the training", () => expect(texts(dataset())).toEqual([]))

  it("tells subjects in several splits, empty notes, and what the layout noticed", () => {
    const samples = [...dataset().samples, sample("test", "e", " ", "s1")]
    const problems: Dataset["problems"] = [
      { severity: "note", kind: "unused-annotation", what: "rows are left out", fix: "nothing to do", count: 1, names: [] },
    ] // prettier-ignore
    expect(texts(dataset({ samples, problems }))).toEqual([
      "rows are left out: nothing to do",
      "1 subject is in more than one split: s1. Scores are too good",
      "1 of 5 notes are empty: e",
    ])
  })

  it("tells other data, another prompt, and data that were changed", () => {
    const other = dataset({ samples: [sample("test", "z", "other")] })
    expect(texts({ ...other, root: "/elsewhere" }, dataset())).toEqual([
      "the data set is not the one that the run was trained on, /set",
    ])
    expect(texts({ ...other, prompt: "p2" }, dataset({ prompt: "p6" }))).toEqual([
      "the notes are the prompt p2; the run was trained on p6",
    ])
    expect(texts(other, dataset())[0]).toMatch(/it was changed since$/)
  })

  it("does not mind where the same data lie", () => {
    expect(texts(dataset({ root: "/moved" }), dataset())).toEqual([])
  })
})
