import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { swapSides } from "../../../src/runtime/data/note-sides.js"

describe("swapSides", () => {
  test.each([
    ["one infected area, lower left lung.", "one infected area, lower right lung.", 1],
    [
      "bilateral pulmonary infection, upper left lung and lower right lung.",
      "bilateral pulmonary infection, upper right lung and lower left lung.",
      2,
    ],
    ["Left-sided effusion; RIGHT lung clear", "Right-sided effusion; LEFT lung clear", 2],
    ["left, left; (right)", "right, right; (left)", 3],
    ["leftmost part, drifting rightwards", "rightmost part, drifting leftwards", 2],
    ["left_lung/right_lung", "right_lung/left_lung", 2],
    ["the right's border", "the left's border", 1],
    ["", "", 0],
    ["a round lesion in both lungs, bilateral", "a round lesion in both lungs, bilateral", 0],
    ["upright, copyright, cleft palate, righteous, lefty", "upright, copyright, cleft palate, righteous, lefty", 0],
    ["a right-handed patient", "a right-handed patient", 0],
    ["gauche\u00e9left, left2", "gauche\u00e9left, left2", 0],
  ])("%j becomes %j", (note, other, swapped) => {
    expect(swapSides(note)).toEqual({ note: other, swapped })
  })

  test("is undone by itself and keeps every other word", () => {
    const word = fc.constantFrom("left", "right", "Left", "RIGHT", "lung", "bilateral", "upright", "left-sided", "the")
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const once = swapSides(words.join(" "))
        expect(swapSides(once.note)).toEqual({ note: words.join(" "), swapped: once.swapped })
        expect(once.note.split(" ").length).toBe(words.join(" ").split(" ").length)
        expect(once.swapped).toBe(words.filter((one) => /^(left|right)/i.test(one)).length)
      }),
    )
  })
})
