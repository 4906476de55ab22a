/**
 * The plots of a sweep as SVG: scores against cost, and differences to the base with their intervals.
 *
 * Takes a result; gives figures, to stand in the page and as files of their own. Names stand in a column at the right, spread
 * so that none covers another, with a line to what they name: variants of one model lie close together.
 */
import { type Axis, linearAxis, logAxis, tickText } from "../reports/charts.js"
import { type Html, markup, type Part } from "../reports/html.js"
import type { AblationResult, VariantResult } from "./result.js"

export interface Plot {
  /** name of its file, without the ending */
  readonly name: string
  readonly title: string
  readonly svg: Html
}

/** For the page and for files alike; the page's own style has the colours too. */
export const PLOT_STYLE = `
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(460px, 100%), 1fr)); gap: 12px; }
.plot-dot { fill: var(--train); } .plot-seed { fill: var(--train); opacity: 0.35; }
.plot-base .plot-dot, .plot-base .plot-seed { fill: var(--valid); }
.plot-lead { stroke: var(--grid); stroke-width: 1; fill: none; }
.plot-name { fill: var(--text); font-size: 12px; }
.plot-base .plot-name { font-weight: 650; }
.plot-interval { stroke: var(--rate); stroke-width: 2; } .plot-mean { fill: var(--rate); }
.plot-worse .plot-interval { stroke: var(--bad); } .plot-worse .plot-mean { fill: var(--bad); }
.plot-better .plot-interval { stroke: var(--good); } .plot-better .plot-mean { fill: var(--good); }
.plot-zero { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
`

const COLOURS = `
svg { --text: #1a1d24; --soft: #5b6372; --line: #dde1e8; --grid: #e9ecf1; --train: #2563c9; --valid: #d9660a;
  --rate: #6b7280; --good: #15803d; --bad: #b91c1c; font-family: system-ui, sans-serif; background: #ffffff; }
.grid { stroke: var(--grid); } .axis { stroke: var(--line); } .tick, .label { fill: var(--soft); font-size: 11px; }
`

const WIDTH = 480
const NAMES = 330
const LEFT = 52
const TOP = 14
const LINE = 14
/** Letters that fit beside a plot; the whole name is in its title. */
const LETTERS = 21

/** All plots that the result has values for. */
export function plotsOf(result: AblationResult): readonly Plot[] {
  const scored = result.variants.filter(({ dice, sameAs }) => dice !== null && sameAs === null)
  if (scored.length === 0) return []
  const costs = [
    ["parameters", "trainable parameters", (v: VariantResult) => v.parameters.trainable],
    ["macs", "multiply-accumulates for one image", (v: VariantResult) => v.macs],
    ["time", "seconds of training, mean over the seeds", (v: VariantResult) => v.seconds ?? NaN],
  ] as const
  const against = costs.map(([name, label, cost]): Plot => {
    const title = `Dice against ${label}`
    return { name, title, svg: costPlot(result, scored, title, label, cost) }
  })
  return result.comparisons.length > 0
    ? [{ name: "differences", title: "Dice minus that of the base", svg: differencePlot(result) }, ...against]
    : against
}

/** A plot as a file of its own. */
export function plotFile({ svg }: Plot): string {
  const style = `<style>${COLOURS}${PLOT_STYLE}</style>`
  return `${svg.text.replace(/<svg([^>]*)>/, (_, rest: string) => `<svg xmlns="http://www.w3.org/2000/svg"${rest}>${style}`)}\n`
}

function costPlot(
  { base }: AblationResult,
  variants: readonly VariantResult[],
  title: string,
  label: string,
  cost: (variant: VariantResult) => number,
): Html {
  const height = Math.max(230, 60 + variants.length * LINE)
  const bottom = height - 36
  const costs = variants.map(cost)
  const scores = variants.flatMap(({ seeds }) => seeds.map(({ dice }) => dice))
  const x = axisOf(costs)
  const y = linearAxis(Math.min(...scores), Math.max(...scores), 4, false)
  const px = (value: number): number => round(LEFT + 8 + x.position(value) * (NAMES - LEFT - 40))
  const py = (value: number): number => round(bottom - y.position(value) * (bottom - TOP))
  const places = spread(
    variants.map(({ dice }) => py(dice!.mean)),
    TOP + 4,
    bottom,
  )
  const dots = variants.map((variant, index) => {
    const [cx, cy, name] = [px(costs[index]!), py(variant.dice!.mean), places[index]!]
    return markup`<g class="${variant.label === base ? "plot-base" : "plot-other"}"
      ><title>${variant.label}: Dice ${variant.dice!.mean.toFixed(4)}, ${tickText(Number(costs[index]!.toPrecision(4)))} ${label}</title
      ><path class="plot-lead" d="M${cx} ${cy}L${NAMES - 14} ${name}L${NAMES} ${name}" />${variant.seeds.map(
        ({ dice }) => markup`<circle class="plot-seed" cx="${cx}" cy="${py(dice)}" r="2.6" />`,
      )}<circle class="plot-dot" cx="${cx}" cy="${cy}" r="4.2" /><text class="plot-name" x="${NAMES + 4}" y="${round(name + 4)}">${shortened(variant.label)}</text></g
    >`
  })
  return frame(title, height, [
    y.ticks.map((tick) => horizontal(tick, py(tick), NAMES - 14)),
    axisLine(bottom, LEFT, NAMES - 14),
    x.ticks.map((tick) => tickAt(px(tick), bottom + 15, tick)),
    markup`<text class="label" x="${NAMES - 14}" y="${height - 5}" text-anchor="end">${label}</text>`,
    dots,
  ])
}

function differencePlot({ comparisons, base }: AblationResult): Html {
  const rows = 22
  const height = 60 + comparisons.length * rows
  const bottom = height - 36
  const ends = comparisons.flatMap(({ difference: { low, high } }) => [low, high])
  const axis = linearAxis(Math.min(0, ...ends), Math.max(0, ...ends), 5, false)
  const px = (value: number): number => round(LEFT - 40 + axis.position(value) * (NAMES - LEFT))
  const lines = comparisons.map(({ label, difference, verdict }, index) => {
    const y = TOP + 10 + index * rows
    const { mean, low, high } = difference
    return markup`<g class="plot-${verdict === "not shown" ? "open" : verdict}"
      ><title>${label}: ${mean.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]</title
      ><line class="plot-interval" x1="${px(low)}" x2="${px(high)}" y1="${y}" y2="${y}" /><circle class="plot-mean" cx="${px(mean)}" cy="${y}" r="4" /><text class="plot-name" x="${NAMES + 4}" y="${y + 4}">${shortened(label)}</text></g
    >`
  })
  return frame(`Dice minus that of ${base}, with intervals`, height, [
    markup`<line class="plot-zero" x1="${px(0)}" x2="${px(0)}" y1="${TOP - 6}" y2="${bottom}" />`,
    axisLine(bottom, LEFT - 40, NAMES - 14),
    axis.ticks.map((tick) => tickAt(px(tick), bottom + 15, tick)),
    markup`<text class="label" x="${NAMES - 14}" y="${height - 5}" text-anchor="end">Dice minus that of ${base}</text>`,
    lines,
  ])
}

function frame(title: string, height: number, parts: readonly Part[]): Html {
  return markup`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">${parts}</svg>`
}

const horizontal = (tick: number, y: number, to: number): Html =>
  markup`<line class="grid" x1="${LEFT}" x2="${to}" y1="${y}" y2="${y}" /><text class="tick" x="${LEFT - 6}" y="${y + 3.5}" text-anchor="end">${tickText(tick)}</text>`

const axisLine = (y: number, from: number, to: number): Html =>
  markup`<line class="axis" x1="${from}" x2="${to}" y1="${y}" y2="${y}" />`

const tickAt = (x: number, y: number, value: number): Html =>
  markup`<text class="tick" x="${x}" y="${y}" text-anchor="middle">${engineeringTick(value)}</text>`

const shortened = (name: string): string => (name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name)

/** `4M`, `12.5G`; small numbers as they are. */
function engineeringTick(value: number): string {
  for (const [factor, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (Math.abs(value) >= factor) return `${tickText(value / factor)}${unit}`
  }
  return tickText(value)
}

const WIDE = 6

/** Logarithmic when the values span much. */
function axisOf(values: readonly number[]): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  return low > 0 && high > WIDE * low ? logAxis(low, high) : linearAxis(low, high, 3, false)
}

/** Moves places apart until each has a line for itself, in their order, within the bounds as far as they suffice. */
function spread(places: readonly number[], top: number, bottom: number): readonly number[] {
  const order = places.map((_, index) => index).sort((a, b) => places[a]! - places[b]!)
  const moved = [...places]
  let free = top
  for (const index of order) {
    moved[index] = Math.max(places[index]!, free)
    free = moved[index] + LINE
  }
  let limit = Math.max(bottom, free - LINE)
  if (limit > bottom) limit = Math.max(bottom, top + (places.length - 1) * LINE)
  for (const index of [...order].reverse()) {
    moved[index] = round(Math.min(moved[index]!, limit))
    limit = moved[index] - LINE
  }
  return moved
}

const round = (value: number): number => Math.round(value * 100) / 100
