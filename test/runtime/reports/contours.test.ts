import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { contourPath } from "../../../src/runtime/reports/contours.js"

/** The corner points of each closed loop of a path. */
function loops(path: string): [number, number][][] {
  return path
    .split("Z")
    .filter((part) => part !== "")
    .map((part) => {
      expect(part.startsWith("M")).toBe(true)
      return part
        .slice(1)
        .split("L")
        .map((point) => point.split(" ").map(Number) as [number, number])
    })
}

/** Area inside the loops; holes count negative, because outlines keep the inside on one side. */
function area(path: string): number {
  const signed = loops(path).map((loop) =>
    loop.reduce((sum, [x, y], i) => {
      const [nextX, nextY] = loop[(i + 1) % loop.length]!
      return sum + (x * nextY - nextX * y) / 2
    }, 0),
  )
  return Math.abs(signed.reduce((a, b) => a + b, 0))
}

describe("contourPath", () => {
  it("draws nothing for an empty mask", () => {
    expect(contourPath(new Float32Array(12), 3, 4, 0.5)).toBe("")
  })

  it("outlines one pixel with a diamond around its centre", () => {
    const [loop, ...others] = loops(contourPath([0, 0, 0, 0, 1, 0, 0, 0, 0], 3, 3, 0.5))
    expect(others).toEqual([])
    expect(new Set(loop!.map(String))).toEqual(new Set(["1.5,1", "2,1.5", "1.5,2", "1,1.5"]))
  })

  it("closes outlines at the border", () => {
    const path = contourPath([1, 1, 1, 1], 2, 2, 0.5)
    expect(loops(path)).toHaveLength(1)
    // A 2x2 square with its four corners cut off.
    expect(area(path)).toBeCloseTo(4 - 4 * 0.125, 5)
  })

  it("puts the outline where the values cross the level", () => {
    // Rising from 0 to 1 between two pixel centres: level 0.25 is met a quarter of the way.
    const xs = loops(contourPath([0, 1, 1, 0, 1, 1, 0, 1, 1], 3, 3, 0.25)).flat()
    expect(Math.min(...xs.map(([x]) => x))).toBeCloseTo(0.75, 5)
  })

  it("tells a hole from its surrounding", () => {
    const ring = Array.from({ length: 25 }, (_, i) => (i === 12 ? 0 : 1))
    const path = contourPath(ring, 5, 5, 0.5)
    expect(loops(path)).toHaveLength(2)
    expect(area(path)).toBeCloseTo(25 - 4 * 0.125 - 0.5, 5)
  })

  it("joins all its pieces into closed loops, with about as much inside as the mask has pixels", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        fc.infiniteStream(fc.boolean()),
        (h, w, bits) => {
          const mask = Array.from({ length: h * w }, () => (bits.next().value ? 1 : 0))
          const count = mask.reduce((a: number, b) => a + b, 0)
          const path = contourPath(mask, h, w, 0.5)
          if (count === 0) {
            expect(path).toBe("")
            return
          }
          const points = loops(path).flat()
          expect(points.every(([x, y]) => x >= 0 && x <= w && y >= 0 && y <= h)).toBe(true)
          // Every corner between two pixels of a different kind changes the area by an eighth at most.
          expect(Math.abs(area(path) - count)).toBeLessThanOrEqual(0.5 * count)
        },
      ),
    )
  })

  it("refuses values that are not the array", () => {
    expect(() => contourPath([1, 2], 2, 2, 0.5)).toThrow("2 values for 2x2")
  })
})
