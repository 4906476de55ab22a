import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { RandomStream } from "../../../src/runtime/data/random.js"

describe("RandomStream", () => {
  it("gives the same draws for the same key, and others for another", () => {
    const draws = (key: string) => {
      const stream = new RandomStream(key)
      return Array.from({ length: 20 }, () => stream.bits())
    }
    expect(draws("order/1/0")).toEqual(draws("order/1/0"))
    expect(draws("order/1/0")).not.toEqual(draws("order/1/1"))
    expect(draws("order/1/0")).not.toEqual(draws("order/11/0"))
  })

  it("keeps the values of its first version, on which order and phantoms depend", () => {
    const stream = new RandomStream("golden")
    expect([stream.bits(), stream.bits(), stream.bits()]).toMatchInlineSnapshot(`
      [
        2235746307,
        3899979836,
        1566165008,
      ]
    `)
    expect([...new RandomStream("golden").permutation(8)]).toMatchInlineSnapshot(`
      [
        1,
        7,
        6,
        5,
        0,
        2,
        4,
        3,
      ]
    `)
  })

  it("does not tie a fork to what was drawn before it", () => {
    const drawn = new RandomStream("a")
    drawn.bits()
    expect(drawn.fork("b").bits()).toBe(new RandomStream("a").fork("b").bits())
  })

  it("permutes: every index once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.string(), (count, key) => {
        const order = [...new RandomStream(key).permutation(count)].sort((a, b) => a - b)
        expect(order).toEqual(Array.from({ length: count }, (_, i) => i))
      }),
    )
  })

  it("is uniform in its bits, its integers and the pairs of neighbours", () => {
    const stream = new RandomStream("uniformity")
    const n = 40_000
    const cells = new Array<number>(36).fill(0)
    let previous = stream.integer(6)
    let sum = 0
    for (let i = 0; i < n; i++) {
      const value = stream.integer(6)
      cells[previous * 6 + value] = (cells[previous * 6 + value] as number) + 1
      previous = value
      sum += stream.uniform()
    }
    const chiSquare = cells.reduce((total, seen) => total + (seen - n / 36) ** 2 / (n / 36), 0)
    expect(chiSquare).toBeLessThan(73) // 35 degrees of freedom: 73 is exceeded with probability 0.0002
    expect(sum / n).toBeCloseTo(0.5, 1)
  })

  it("has normal draws of mean 0 and variance 1", () => {
    const stream = new RandomStream("normal")
    const values = Array.from({ length: 20_000 }, () => stream.normal())
    const mean = values.reduce((a, b) => a + b) / values.length
    expect(Math.abs(mean)).toBeLessThan(0.03)
    expect(values.reduce((a, b) => a + b * b) / values.length).toBeCloseTo(1, 1)
  })

  it("refuses a count that is not one", () => {
    expect(() => new RandomStream("x").integer(0)).toThrow(RangeError)
    expect(() => new RandomStream("x").integer(1.5)).toThrow(RangeError)
  })
})
