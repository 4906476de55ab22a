import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { chooseCases } from "../../../src/runtime/reports/case-gallery.js"
import { formatSetting } from "../../../src/compiler/elaborate/values.js"

const scored = (dice: number, id = `case${dice}`) => ({
  ...{ id, note: "", dice, iou: dice, tp: 0, fp: 0, fn: 0, tn: 0 },
  ...{ precision: null, recall: null, specificity: null, hausdorff95: null },
})
const chosen = (dices: readonly number[], each: number) =>
  chooseCases(dices.map((dice) => scored(dice)), each).map(({ rank, scored: one }) => `${rank} ${one.dice}`) // prettier-ignore

describe("chooseCases", () => {
  it("takes the best, the median and the worst", () => {
    expect(chosen([0.2, 0.9, 0.5, 0.7, 0.1], 1)).toEqual(["best 0.9", "median 0.5", "worst 0.1"])
  })

  it("takes several of each when there are enough", () => {
    expect(chosen([6, 5, 4, 3, 2, 1], 2)).toEqual(["best 6", "best 5", "median 4", "median 3", "worst 2", "worst 1"])
  })

  it("shows no case twice", () => {
    expect(chosen([0.5], 1)).toEqual(["best 0.5"])
    expect(chosen([0.5, 0.6], 3)).toEqual(["best 0.6", "worst 0.5"])
    expect(chosen([], 1)).toEqual([])
  })

  it("leaves out cases that the convention does not score", () => {
    const cases = [scored(0.5), { ...scored(0, "empty"), leftOut: true }]
    expect(chooseCases(cases, 2).map(({ scored: { id } }) => id)).toEqual(["case0.5"])
  })

  it("does not depend on the order of the cases", () => {
    const cases = ["a", "b", "c", "d", "e"].map((id) => scored(0.5, id))
    fc.assert(
      fc.property(fc.shuffledSubarray(cases, { minLength: 5 }), (shuffled) => {
        expect(chooseCases(shuffled, 1).map(({ scored: { id } }) => id)).toEqual(["a", "c", "e"])
      }),
    )
  })
})

describe("formatSetting", () => {
  it("writes a setting as the model does", () => {
    expect(formatSetting({ name: "adam", arguments: { lr: 0.001 } })).toBe("adam(lr = 0.001)")
    expect(formatSetting({ name: "clip", arguments: {} })).toBe("clip")
    expect(formatSetting([1, { name: "a", arguments: {} }, "x"])).toBe('[1, a, "x"]')
    expect(formatSetting({ fields: { vision: 0.1, decoder: 2 } })).toBe("{ vision: 0.1, decoder: 2 }")
  })
})
