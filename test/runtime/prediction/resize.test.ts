import { describe, expect, it } from "vitest"
import { fitted, resizeNearest } from "../../../src/runtime/prediction/resize.js"

describe("resizeNearest", () => {
  it("keeps an array of the same size", () => {
    const size = { height: 2, width: 3 }
    expect([...resizeNearest([1, 2, 3, 4, 5, 6], size, size)]).toEqual([1, 2, 3, 4, 5, 6])
  })

  it("repeats each value when growing by a whole factor", () => {
    const grown = resizeNearest([1, 2], { height: 1, width: 2 }, { height: 2, width: 4 })
    expect([...grown]).toEqual([1, 1, 2, 2, 1, 1, 2, 2])
  })

  it("takes the value under each pixel's centre otherwise", () => {
    expect([...resizeNearest([1, 2, 3], { height: 1, width: 3 }, { height: 1, width: 2 })]).toEqual([1, 3])
    expect([...resizeNearest([1, 2], { height: 1, width: 2 }, { height: 1, width: 3 })]).toEqual([1, 2, 2])
  })
})

describe("fitted", () => {
  it("shrinks to the longest side allowed and never grows", () => {
    expect(fitted({ height: 100, width: 400 }, 200)).toEqual({ height: 50, width: 200 })
    expect(fitted({ height: 10, width: 20 }, 200)).toEqual({ height: 10, width: 20 })
    expect(fitted({ height: 1, width: 4000 }, 200)).toEqual({ height: 1, width: 200 })
  })
})
