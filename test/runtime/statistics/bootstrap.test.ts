/**
 * Intervals of a mean, against SciPy (scripts/fixtures/bootstrap.py).
 */
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { RandomStream } from "../../../src/runtime/data/random.js"
import { bcaInterval, pairedBootstrap } from "../../../src/runtime/statistics/bootstrap.js"
import { normalCdf, normalQuantile } from "../../../src/runtime/statistics/normal.js"
import { quantile } from "../../../src/runtime/statistics/quantile.js"

interface Ends {
  readonly low: number
  readonly high: number
}
interface Fixture {
  readonly intervals: readonly {
    readonly name: string
    readonly values: readonly number[]
    readonly level: number
    readonly means: readonly number[]
    readonly ofThose: Ends
    readonly ofMany: Ends
  }[]
  readonly normal: Readonly<Record<"cdf" | "quantile", readonly [number, number][]>>
  readonly quantile: { readonly values: readonly number[]; readonly at: readonly [number, number][] }
}
const fixture = JSON.parse(readFileSync(new URL("../../fixtures/bootstrap.json", import.meta.url), "utf8")) as Fixture

const relative = (found: number, expected: number): number =>
  Math.abs(found - expected) / Math.max(1e-300, Math.abs(expected))

describe("the normal distribution is SciPy's", () => {
  test.each(fixture.normal.cdf)("P(Z <= %d) = %d", (z, p) => {
    expect(relative(normalCdf(z), p)).toBeLessThan(1e-12)
  })
  test.each(fixture.normal.quantile)("z of %d is %d", (p, z) => {
    expect(Math.abs(normalQuantile(p) - z)).toBeLessThan(1e-12 * Math.max(1, Math.abs(z)))
  })
  test("its ends are infinite, and outside there is nothing", () => {
    expect([normalQuantile(0), normalQuantile(1)]).toEqual([-Infinity, Infinity])
    expect([normalCdf(-Infinity), normalCdf(Infinity)]).toEqual([0, 1])
    expect(() => normalQuantile(1.1)).toThrow(RangeError)
    expect(() => normalCdf(NaN)).toThrow(RangeError)
  })
})

describe("quantiles are NumPy's", () => {
  test.each(fixture.quantile.at)("at %d", (share, value) => {
    expect(quantile(fixture.quantile.values, share)).toBeCloseTo(value, 12)
  })
  test("of nothing there is none", () => {
    expect(() => quantile([], 0.5)).toThrow(/no value/)
    expect(() => quantile([1], 1.5)).toThrow(/from 0 to 1/)
  })
})

describe.each(fixture.intervals)("$name", ({ values, level, means, ofThose, ofMany }) => {
  test("from the same resamples, the interval is SciPy's", () => {
    const { low, high, mean } = bcaInterval(values, means, level)
    expect(low).toBeCloseTo(ofThose.low, 9)
    expect(high).toBeCloseTo(ofThose.high, 9)
    expect(mean).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 12)
  })

  test("from other resamples, it is nearly that of very many", () => {
    const { low, high } = pairedBootstrap(values, { level, seed: 5, draws: 20_000 })
    const width = ofMany.high - ofMany.low
    expect(Math.abs(low - ofMany.low)).toBeLessThan(0.03 * width)
    expect(Math.abs(high - ofMany.high)).toBeLessThan(0.03 * width)
  })
})

// The means of three cases have so few values that zero falls into a gap between two of them.
test.each(fixture.intervals.filter(({ values }) => values.length > 3))(
  "the p value is below 1 - level just where zero is outside of the interval: $name",
  ({ values, level }) => {
    const { low, high, p } = pairedBootstrap(values, { level })
    expect(p < 1 - level).toBe(low > 0 || high < 0)
  },
)

describe("pairedBootstrap", () => {
  const values = [0.1, -0.2, 0.3, 0.25, 0.05]

  test("depends on the seed and on nothing else", () => {
    expect(pairedBootstrap(values, { seed: 2 })).toEqual(pairedBootstrap(values, { seed: 2 }))
    expect(pairedBootstrap(values, { seed: 2 })).not.toEqual(pairedBootstrap(values, { seed: 3 }))
  })

  test("turns around with the sign of the differences", () => {
    const up = pairedBootstrap(values)
    const down = pairedBootstrap(values.map((value) => -value))
    expect(down.low).toBeCloseTo(-up.high, 10)
    expect(down.high).toBeCloseTo(-up.low, 10)
    expect(down.p).toBeCloseTo(up.p, 10)
  })

  test("equal differences are certain: no width, and p says whether they are zero", () => {
    expect(pairedBootstrap([0, 0, 0])).toEqual({ mean: 0, low: 0, high: 0, p: 1 })
    const { mean, low, high, p } = pairedBootstrap([0.5, 0.5, 0.5, 0.5])
    expect([mean, low, high]).toEqual([0.5, 0.5, 0.5])
    expect(p).toBeLessThan(0.001)
  })

  test("a p value is as small as the draws allow where none reaches zero, however skewed the differences", () => {
    expect(pairedBootstrap([1, 1.1, 0.9, 1.05], { draws: 99 }).p).toBe(2 / 100)
    const skewed = [...Array<number>(40).fill(0.95), 0.4, 0.1]
    expect(pairedBootstrap(skewed, { draws: 999 }).p).toBe(2 / 1000)
    expect(pairedBootstrap(skewed.map((value) => -value)).p).toBe(2 / 10_001)
  })

  test("holds the true mean about as often as it says", () => {
    // 300 samples of 40 skewed cases whose mean is 0; a 90% interval misses it in about 30, give or take 5.
    const stream = new RandomStream("coverage")
    const missed = Array.from({ length: 300 }, (_, seed) => {
      const sample = Array.from({ length: 40 }, () => -Math.log(1 - stream.uniform()) - 1)
      const { low, high } = pairedBootstrap(sample, { level: 0.9, draws: 400, seed })
      return low > 0 || high < 0
    }).filter(Boolean).length
    expect(missed).toBeGreaterThan(14)
    expect(missed).toBeLessThan(56)
  })

  test("refuses what has no interval", () => {
    expect(() => pairedBootstrap([0.1])).toThrow(/two cases or more, not 1/)
    expect(() => pairedBootstrap([0.1, NaN])).toThrow(/the difference 1 is NaN/)
    expect(() => pairedBootstrap([0.1, 0.2], { draws: 0 })).toThrow(/0 draws/)
    expect(() => pairedBootstrap([0.1, 0.2], { level: 1 })).toThrow(/a level of 1/)
  })
})
