/**
 * Several comparisons at once, and over several seeds: against statsmodels and NumPy (scripts/fixtures/comparisons.py).
 */
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { pairedBootstrap } from "../../../src/runtime/statistics/bootstrap.js"
import { crossedBootstrap } from "../../../src/runtime/statistics/crossed-bootstrap.js"
import { holm } from "../../../src/runtime/statistics/holm.js"

interface Fixture {
  readonly holm: readonly { readonly p: readonly number[]; readonly adjusted: readonly number[] }[]
  readonly crossed: readonly {
    readonly name: string
    readonly differences: readonly (readonly number[])[]
    readonly mean: number
    readonly low: number
    readonly high: number
  }[]
}
const fixture = JSON.parse(readFileSync(new URL("../../fixtures/comparisons.json", import.meta.url), "utf8")) as Fixture

describe("Holm's correction", () => {
  test.each(fixture.holm)("of $p is that of statsmodels", ({ p, adjusted }) => {
    const found = holm(p)
    expect(found.length).toBe(adjusted.length)
    for (const [index, value] of adjusted.entries()) expect(found[index]).toBeCloseTo(value, 12)
  })
  test("of nothing is nothing", () => expect(holm([])).toEqual([]))
  test.each([[-0.1], [1.1], [NaN]])("refuses %d, which is no p value", (p) => {
    expect(() => holm([0.5, p])).toThrow("the p value 1")
  })
})

describe("intervals over seeds and cases", () => {
  test.each(fixture.crossed)("$name: as NumPy's, within the noise of resampling", ({ differences, ...expected }) => {
    const found = crossedBootstrap(differences, { draws: 40_000 })
    expect(found.mean).toBeCloseTo(expected.mean, 12)
    const width = expected.high - expected.low
    expect(Math.abs(found.low - expected.low)).toBeLessThan(0.03 * width)
    expect(Math.abs(found.high - expected.high)).toBeLessThan(0.03 * width)
    expect(found.p < 0.05).toBe(expected.low > 0 || expected.high < 0)
  })
  test("a difference that one seed turns around is less sure than over cases alone", () => {
    const rows = [0.06, 0.05, -0.04].map((shift) => Array.from({ length: 30 }, (_, i) => shift + 0.01 * Math.sin(i)))
    const cases = rows[0]!.map((_, at) => rows.reduce((sum, row) => sum + row[at]!, 0) / rows.length)
    expect(pairedBootstrap(cases).p).toBeLessThan(0.01)
    expect(crossedBootstrap(rows).p).toBeGreaterThan(0.1)
  })
  test("with one seed it is the interval over cases", () => {
    const row = fixture.crossed[0]!.differences[0]!
    expect(crossedBootstrap([row], { seed: 4 })).toEqual(pairedBootstrap(row, { seed: 4 }))
  })
  test("the same seed gives the same interval, another one another", () => {
    const { differences } = fixture.crossed[0]!
    const first = crossedBootstrap(differences, { seed: 1, draws: 500 })
    expect(crossedBootstrap(differences, { seed: 1, draws: 500 })).toEqual(first)
    expect(crossedBootstrap(differences, { seed: 2, draws: 500 }).low).not.toBe(first.low)
  })
  test.each([
    ["no seed", []],
    ["one case", [[0.1], [0.2]]],
    ["cases that differ in number", [[0.1, 0.2], [0.1]]],
    [
      "a score that is not a number",
      [
        [0.1, NaN],
        [0.1, 0.2],
      ],
    ],
  ])("%s is refused", (_, rows) => {
    expect(() => crossedBootstrap(rows)).toThrow(RangeError)
  })
})
