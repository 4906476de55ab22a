/** Shrunk and enlarged masks against OpenCV, pixel by pixel (scripts/fixtures/mask-resize.py). */

import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { resizedForeground } from "../../../src/runtime/data/mask-resize.js"

interface Case {
  readonly mask: readonly string[]
  readonly height: number
  readonly width: number
  readonly resized: readonly string[]
}
const { cases } = JSON.parse(readFileSync("test/fixtures/data/mask-resize.json", "utf8")) as { cases: readonly Case[] }

const grey = (rows: readonly string[]): Uint8Array => Uint8Array.from(rows.join(""), (bit) => 255 * Number(bit))

describe("a mask at another size", () => {
  test.each(cases.map((each) => [each.mask.length, each.mask[0]!.length, each.height, each.width, each] as const))(
    "%ix%i to %ix%i is what OpenCV makes of it",
    (height, width, toHeight, toWidth, { mask, resized }) => {
      const result = resizedForeground(grey(mask), { height, width }, { height: toHeight, width: toWidth })
      const rows = Array.from({ length: toHeight }, (_, y) => result.subarray(y * toWidth, (y + 1) * toWidth).join(""))
      expect(rows).toEqual(resized)
    },
  )
  test("a share of foreground that rounds to nothing is background", () => {
    // One foreground pixel of 1000 in a row: the sampled place of the last target pixel lies far from it.
    const row = new Uint8Array(1000)
    row[3] = 255
    const result = resizedForeground(row, { height: 1, width: 1000 }, { height: 1, width: 100 })
    expect(Array.from(result).indexOf(1)).toBe(-1)
  })
})
