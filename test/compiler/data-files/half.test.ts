/** Numbers of 16 bits: every one of them there and back, and what lies between them. */

import { describe, expect, it } from "vitest"
import { fromHalf, MOST_HALF, toHalf } from "../../../src/compiler/data-files/half.js"

describe("numbers of 16 bits", () => {
  it("come back from their own bits, all of them", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromHalf(bits)
      if (Number.isNaN(value)) expect(fromHalf(toHalf(value))).toBeNaN()
      else if (toHalf(value) !== bits) expect.fail(`${bits} (${value}) became ${toHalf(value)}`)
    }
  })

  it("are the nearest ones, ties to even", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [fromHalf(bits), fromHalf(bits + 1)]
      const even = bits % 2 === 0 ? bits : bits + 1
      const found = [low + (high - low) * 0.499, (low + high) / 2, low + (high - low) * 0.501].map(toHalf)
      if (found.join() !== [bits, even, bits + 1].join()) expect.fail(`between ${low} and ${high}: ${found.join()}`)
    }
  })

  it.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [MOST_HALF, 0x7bff],
    [65519.9, 0x7bff],
    [65520, 0x7c00],
    [-Infinity, 0xfc00],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [-0, 0x8000],
    [1 / 3, 0x3555],
  ])("%f is %i", (value, bits) => {
    expect(toHalf(value)).toBe(bits)
  })
})
