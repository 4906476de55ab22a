import { describe, expect, it } from "vitest"
import { lineChart, shortNumber, tickText } from "../../../src/runtime/reports/charts.js"

const chart = (points: readonly (readonly [number, number])[], more = {}) =>
  lineChart({ title: "t", xLabel: "epoch", series: [{ name: "train", tone: "train", points }], ...more }).text

/** Texts of the ticks, x and y, in the order of the drawing. */
const ticks = (svg: string): string[] => [...svg.matchAll(/class="tick"[^>]*>\s*([^<]*?)\s*</g)].map((m) => m[1]!)

const paths = (svg: string): string[] => [...svg.matchAll(/<path d="([^"]*)"/g)].map((m) => m[1]!)

describe("lineChart", () => {
  it("draws one point for each value, from left to right and the greatest on top", () => {
    const [path] = paths(chart([[1, 0], [2, 1], [3, 0.5]], { range: [0, 1] })) // prettier-ignore
    const points = path!.slice(1).split("L").map((p) => p.split(" ").map(Number)) // prettier-ignore
    expect(points.map(([x]) => x)).toEqual([52, 200, 348])
    expect(points.map(([, y]) => y)).toEqual([158, 12, 85])
  })

  it("leaves a gap where a value is not finite", () => {
    expect(paths(chart([[1, 1], [2, NaN], [3, 1], [4, 2]]))).toHaveLength(2) // prettier-ignore
  })

  it("says that there are no values instead of drawing nothing", () => {
    expect(chart([])).toContain("no values")
    expect(chart([[1, NaN]])).toContain("no values")
  })

  it("marks axes with round numbers, whole ones for epochs", () => {
    expect(ticks(chart([[1, 0.31], [2, 2.9]]))).toEqual(["0", "1", "2", "3", "1", "2"]) // prettier-ignore
  })

  it("uses powers of ten when one value would press the others flat", () => {
    const points = [0.01, 0.02, 0.02, 0.03, 900].map((y, i) => [i + 1, y] as const)
    expect(ticks(chart(points)).slice(0, 6)).toEqual(["0.01", "0.1", "1", "10", "100", "1000"])
    expect(chart(points)).toContain("log scale")
    expect(chart([[1, 2], [2, 1]])).not.toContain("log scale") // prettier-ignore
  })

  it("marks the ends of epochs and the best checkpoint where they are, unless there are too many epochs", () => {
    const lines = (svg: string, kind: string): string[] =>
      [...svg.matchAll(new RegExp(`<line class="${kind}" x1="([^"]*)"`, "g"))].map((m) => m[1]!)
    const svg = chart([[0, 1], [4, 2]], { epochEnds: [1, 2, 3, 9], bestAt: 3 }) // prettier-ignore
    expect(lines(svg, "epoch-end")).toEqual(["126", "200", "274"])
    expect(lines(svg, "best-at")).toEqual(["274"])
    const many = Array.from({ length: 100 }, (_, i) => i)
    expect(lines(chart([[0, 1], [99, 2]], { epochEnds: many }), "epoch-end")).toEqual([]) // prettier-ignore
  })

  it("dots few points, and the end alone of many", () => {
    const dots = (count: number): number =>
      chart(Array.from({ length: count }, (_, i) => [i, i % 7] as const)).split("<circle").length - 1
    expect([dots(5), dots(500)]).toEqual([5, 1])
  })

  it("draws one point, and a line that never changes", () => {
    expect(paths(chart([[5, 0.7]]))).toEqual([expect.stringMatching(/^M[\d.]+ [\d.]+$/)])
    expect(paths(chart([[1, 2], [2, 2]]))[0]).not.toContain("NaN") // prettier-ignore
    expect(paths(chart([[1, 0], [2, 0]]))[0]).not.toContain("NaN") // prettier-ignore
  })

  it("escapes its names", () => {
    const text = lineChart({
      title: "<x>",
      xLabel: "epoch",
      series: [{ name: '"', tone: "rate", points: [[1, 1]] }],
    }).text
    expect(text).not.toContain("<x>")
    expect(text).toContain("&lt;x&gt;")
  })
})

describe("numbers", () => {
  it.each([
    [0, "0", "0"],
    [0.0005, "0.0005", "5.00e-4"],
    [1234.5678, "1234.57", "1230"],
    [1e-7, "1e-7", "1.00e-7"],
    [250000, "2.5e5", "2.50e+5"],
  ])("%f is %s on an axis and %s in a text", (value, tick, short) => {
    expect(tickText(value)).toBe(tick)
    expect(shortNumber(value)).toBe(short)
  })
})
