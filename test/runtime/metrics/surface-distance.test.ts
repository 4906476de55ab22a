/**
 * Hausdorff distances against distances from every pixel to every other.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import { hausdorff95 } from "../../../src/runtime/metrics/surface-distance.js"
import { quantile } from "../../../src/runtime/statistics/quantile.js"

type Point = readonly [number, number]

/** Foreground with a neighbour that is not, the outside included. */
function outline(mask: readonly number[], height: number, width: number): Point[] {
  const at = (y: number, x: number): number =>
    y < 0 || x < 0 || y >= height || x >= width ? 0 : (mask[y * width + x] as number)
  const points: Point[] = []
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const around = [at(y - 1, x), at(y + 1, x), at(y, x - 1), at(y, x + 1)]
      if (at(y, x) && around.some((neighbour) => !neighbour)) points.push([y, x])
    }
  }
  return points
}

function byDefinition(a: readonly number[], b: readonly number[], height: number, width: number): number | undefined {
  const [from, to] = [outline(a, height, width), outline(b, height, width)]
  if (from.length === 0 || to.length === 0) return undefined
  const directed = (p: Point[], q: Point[]): number =>
    quantile(
      p.map(([y, x]) => Math.min(...q.map(([v, u]) => Math.hypot(y - v, x - u)))).sort((one, two) => one - two),
      0.95,
    )
  return Math.max(directed(from, to), directed(to, from))
}

const masks = fc
  .record({
    height: fc.integer({ min: 1, max: 9 }),
    width: fc.integer({ min: 1, max: 9 }),
    often: fc.integer({ min: 1, max: 9 }),
  })
  .chain(({ height, width, often }) => {
    const pixel = fc.integer({ min: 0, max: 9 }).map((value) => (value < often ? 1 : 0))
    const mask = fc.array(pixel, { minLength: height * width, maxLength: height * width })
    return fc.tuple(fc.constant({ height, width }), mask, mask)
  })

test("distances are exact", () => {
  fc.assert(
    fc.property(masks, ([{ height, width }, a, b]) => {
      const found = hausdorff95(a, b, { height, width })
      const expected = byDefinition(a, b, height, width)
      if (expected === undefined) expect(found).toBeUndefined()
      else expect(found).toBeCloseTo(expected, 10)
    }),
    { numRuns: 300 },
  )
})
