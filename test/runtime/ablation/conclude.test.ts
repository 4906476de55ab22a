/**
 * Conclusions from scores that are known: differences, order, correction, what is missing; and how they are told.
 */
import { describe, expect, test } from "vitest"
import { conclude } from "../../../src/runtime/ablation/conclude.js"
import { ablationPage } from "../../../src/runtime/ablation/page.js"
import { membersOf, type Plan, type PlannedVariant } from "../../../src/runtime/ablation/plan.js"
import { plotFile, plotsOf } from "../../../src/runtime/ablation/plots.js"
import { findings, tableRows } from "../../../src/runtime/ablation/words.js"
import { ablationMarkdown } from "../../../src/runtime/ablation/write-conclusion.js"
import { recordOf, type Score } from "./sweeps.js"

const variant = (label: string, more: Partial<PlannedVariant> = {}): PlannedVariant => ({
  label,
  kind: "ablation",
  reference: `m.mdl#${label}`,
  folder: label,
  changes: [`without ${label}`],
  batch: 4,
  readsNotes: true,
  parameters: { trainable: 1000 + label.length, frozen: 0 },
  macs: 2e6,
  identity: label,
  memory: 1e9,
  sameAs: null,
  ...more,
})

const plan = (variants: readonly PlannedVariant[], seeds = [1, 2, 3]): Plan => ({
  format: 2,
  model: "m.mdl#base",
  data: "data",
  prompt: null,
  dataset: {
    root: "/data",
    layout: "qata",
    splits: { train: 10, valid: 5, test: 20 },
    fingerprint: "f",
    sha256: "a".repeat(64),
  },
  budget: { epochs: 2, steps: null, batch: 4, size: null, precision: "f32", evalEvery: null, earlyStop: false },
  seeds,
  split: "test",
  variants: [variant("base", { kind: "base", changes: [] }), ...variants],
  tool: "0.0.0",
})

/** `far` costs much, `near` nothing that is sure, `better` gains. Cases and seeds differ from each other. */
const score: Score = ({ label, seed, index }) => {
  const common = 0.6 + 0.02 * seed + 0.3 * Math.abs(Math.sin(index))
  const own = { far: -0.2, near: index % 2 === 0 ? 0.03 : -0.03, better: 0.05 }[label] ?? 0
  return common + own + 0.004 * Math.sin(7 * index + seed * label.length)
}

function concluded(one: Plan, without: readonly string[] = []) {
  const done = membersOf(one).filter(({ name }) => !without.includes(name))
  const records = new Map(
    done.map(({ name, variant: { label }, seed }) => [name, recordOf(one, label, seed, score)] as const),
  )
  const failed = new Map(without.map((name) => [name, { message: `error: <${name}> broke`, code: 1 }] as const))
  return conclude(one, records, failed)
}

const whole = plan([variant("near"), variant("far"), variant("better"), variant("alias", { sameAs: "far" })])

describe("a conclusion", () => {
  const result = concluded(whole)
  test("orders the variants by what they cost, with intervals and corrected p values", () => {
    expect(result.comparisons.map(({ label, verdict }) => [label, verdict])).toEqual([
      ["far", "worse"],
      ["alias", "worse"],
      ["near", "not shown"],
      ["better", "better"],
    ])
    const far = result.comparisons[0]!
    expect(far.difference.mean).toBeCloseTo(-0.2, 2)
    expect(far.difference.low).toBeLessThan(far.difference.mean)
    expect(far.difference.high).toBeGreaterThan(far.difference.mean)
    expect(far).toMatchObject({ seeds: [1, 2, 3], cases: 20 })
    for (const { adjusted, difference } of result.comparisons) expect(adjusted).toBeGreaterThanOrEqual(difference.p)
    // Four comparisons: the smallest p value counts four times.
    expect(far.adjusted).toBeCloseTo(Math.min(1, 4 * far.difference.p), 12)
  })
  test("has the scores of each variant over its seeds", () => {
    const base = result.variants[0]!
    const bySeed = [1, 2, 3].map((seed) => {
      const values = Array.from({ length: 20 }, (_, index) => score({ label: "base", seed, index }))
      return values.reduce((sum, value) => sum + value, 0) / 20
    })
    base.seeds.forEach(({ dice }, at) => expect(dice).toBeCloseTo(bySeed[at]!, 12))
    const mean = (bySeed[0]! + bySeed[1]! + bySeed[2]!) / 3
    expect(base.dice!.mean).toBeCloseTo(mean, 12)
    expect(base.dice!.std).toBeCloseTo(Math.sqrt(bySeed.reduce((sum, d) => sum + (d - mean) ** 2, 0) / 2), 12)
    expect(base.seconds).toBe(4)
    expect(base.notes!.dice).toBeCloseTo(mean / 2, 12)
    expect(base.notes!.drop.mean).toBeCloseTo(mean / 2, 12)
  })
  test("of a variant that is another one has that one's scores", () => {
    const [far, alias] = ["far", "alias"].map((label) => result.variants.find((one) => one.label === label)!)
    expect(alias!.dice).toEqual(far!.dice)
    expect(alias!.sameAs).toBe("far")
  })
  test("with one seed has no spread between seeds, and still intervals over cases", () => {
    const one = concluded(plan([variant("far")], [5]))
    expect(one.variants[0]!.dice!.std).toBeNull()
    expect(one.comparisons[0]!.verdict).toBe("worse")
  })
  test("does without what is missing, and names it", () => {
    const part = concluded(whole, ["far/seed-2", "base/seed-3"])
    expect(part.complete).toBe(false)
    expect(part.missing).toEqual([
      { member: "far/seed-2", message: "error: <far/seed-2> broke", code: 1 },
      { member: "base/seed-3", message: "error: <base/seed-3> broke", code: 1 },
    ])
    expect(part.comparisons.find(({ label }) => label === "far")!.seeds).toEqual([1])
    expect(part.comparisons.find(({ label }) => label === "near")!.seeds).toEqual([1, 2])
    expect(concluded(whole, ["base/seed-1", "base/seed-2", "base/seed-3"]).comparisons).toEqual([])
  })
  test("refuses members that were scored on different cases", () => {
    const records = new Map(
      membersOf(whole).map(({ name, variant: { label }, seed }) => [
        name,
        recordOf(whole, label, seed, score, label === "near" ? 19 : 20),
      ]),
    )
    expect(() => conclude(whole, records, new Map())).toThrow("different cases")
  })
})

describe("told", () => {
  test("in a table and in sentences", () => {
    const result = concluded(whole)
    expect(tableRows(result).map((row) => [row[0], row[1], row[8]])).toEqual([
      ["base", "1.004 k", "base"],
      ["near", "1.004 k", "not shown"],
      ["far", "1.003 k", "worse"],
      ["better", "1.006 k", "better"],
      ["alias", "1.005 k", "the same as far"],
    ])
    const [first, , third, last] = findings(result)
    expect(first).toMatch(/^far \(without far\): Dice -0\.\d{4} \[-0\.\d{4}, -0\.\d{4}\], what it changes matters \(p /)
    expect(third).toMatch(/no difference shown/)
    expect(last).toMatch(/better without what it changes/)
  })
  test("in Markdown with every variant and failure", () => {
    const text = ablationMarkdown(concluded(whole, ["far/seed-2"]), [])
    for (const { label } of whole.variants) expect(text).toContain(`| ${label} |`)
    expect(text).toContain("**far/seed-2 failed:**")
  })
  test("in a page that stands alone, with names escaped", () => {
    const named = plan([variant("far"), variant("<script>&")])
    const result = concluded(named, ["far/seed-2"])
    const page = ablationPage(result, plotsOf(result))
    expect(page).not.toContain("<script>")
    expect(page).toContain("&lt;script&gt;&amp;")
    expect(page).toContain("error: &lt;far/seed-2&gt; broke")
    expect(page).not.toMatch(/(?:src|href)="(?!data:)/)
    expect(page.match(/<svg /g)).toHaveLength(4)
  })
  test("in plots whose names do not cover each other", () => {
    const many = plan(Array.from({ length: 30 }, (_, index) => variant(`v${index}`)))
    const plots = plotsOf(concluded(many))
    expect(plots.map(({ name }) => name)).toEqual(["differences", "parameters", "macs", "time"])
    for (const plot of plots) {
      const file = plotFile(plot)
      expect(file).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 480 \d+"/)
      expect(file).not.toMatch(/NaN|Infinity|undefined/)
      const height = Number(/viewBox="0 0 480 (\d+)"/.exec(file)![1])
      const places = [...file.matchAll(/class="plot-name" x="[\d.]+" y="([\d.]+)"/g)].map(([, y]) => Number(y))
      expect(places).toHaveLength(plot.name === "differences" ? 30 : 31)
      const sorted = places.toSorted((a, b) => a - b)
      for (const [at, y] of sorted.entries()) if (at > 0) expect(y - sorted[at - 1]!).toBeGreaterThan(12)
      expect(sorted.at(-1)).toBeLessThan(height)
    }
  })
})
