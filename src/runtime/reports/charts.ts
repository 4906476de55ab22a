/**
 * Line charts as inline SVG.
 *
 * Takes: named series of points. Gives: one figure: title, axes with round numbers, lines, and a value at each line's end.
 *
 * Why so: a report is one file without scripts, so a chart is drawn once, here. Terms of a loss differ by orders of
 * magnitude, so each gets a panel of its own, all of one size: text then has the same size in all of them at every width of
 * the window. Colours are classes, so that the page's light and dark styles apply.
 */

import { markup, type Html } from "./html.js"

/** [x, y]; a y that is not finite leaves a gap. */
export type Point = readonly [x: number, y: number]

export type Tone = "train" | "valid" | "rate"

export interface Series {
  readonly name: string
  readonly tone: Tone
  readonly points: readonly Point[]
  /** how points are drawn; "line" when absent, with a dot at its end. Few points get dots in any case. */
  readonly style?: "line" | "dots"
}

export interface LineChart {
  readonly title: string
  /** one short sentence under the title */
  readonly note?: string
  /** what x counts, such as "epoch" */
  readonly xLabel: string
  readonly series: readonly Series[]
  /** fixed ends of the y axis, such as 0 and 1 for a score */
  readonly range?: readonly [number, number]
  /** fixed ends of an x axis that does not count */
  readonly xRange?: readonly [number, number]
  /** a point to point out, such as the best epoch */
  readonly mark?: { readonly x: number; readonly y: number; readonly label: string }
  /** where epochs ended: thin lines, as long as there are few enough to be seen apart */
  readonly epochEnds?: readonly number[]
  /** where the best checkpoint is: a dashed line */
  readonly bestAt?: number | undefined
}

const WIDTH = 360
const HEIGHT = 190
const PLOT = { left: 52, right: 348, top: 12, bottom: 158 } as const
/** Above this share of largest to middle value a linear axis would press the line flat against its foot. */
const LOG_FROM = 20
/** More epochs than this leave no room between their lines. */
const MOST_EPOCH_LINES = 40
/** Up to so many points are measurements to be seen one by one. */
const FEW_POINTS = 24

/** Draws a chart; a chart without a finite point says so instead of being empty. */
export function lineChart(chart: LineChart): Html {
  const points = chart.series.flatMap((series) => series.points).filter(isFinitePoint)
  const isLog = chart.range === undefined && needsLog(points)
  const notes = [chart.note, isLog && "log scale"].filter(Boolean).join(", ")
  return markup`<figure class="chart">
    <figcaption>
      <span class="chart-title">${chart.title}</span>${notes !== "" && markup`<span class="chart-note">${notes}</span>`}
      ${chart.series.length > 1 && legend(chart.series)}
    </figcaption>
    ${points.length === 0 ? markup`<p class="empty">no values</p>` : plot(chart, points)}
  </figure>`
}

export const isFinitePoint = ([x, y]: Point): boolean => Number.isFinite(x) && Number.isFinite(y)

function legend(series: readonly Series[]): Html {
  return markup`<span class="legend"
    >${series.map(({ name, tone }) => markup`<span class="key"><i class="swatch ${tone}"></i>${name}</span>`)}</span
  >`
}

export interface Axis {
  readonly ticks: readonly number[]
  /** position along the axis, 0 to 1 */
  position(value: number): number
}

function plot(chart: LineChart, points: readonly Point[]): Html {
  const xs = points.map(([x]) => x)
  const xAxis = chart.xRange ? linearAxis(...chart.xRange, 5, true) : countAxis(Math.min(...xs), Math.max(...xs))
  const yAxis = chart.range ? linearAxis(...chart.range, 4, false) : valueAxis(points)
  const px = (x: number): number => PLOT.left + xAxis.position(x) * (PLOT.right - PLOT.left)
  const py = (y: number): number => PLOT.bottom - yAxis.position(y) * (PLOT.bottom - PLOT.top)
  const yTicks = yAxis.ticks.map((tick) => {
    const y = round(py(tick))
    return markup`<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${y}" y2="${y}" /><text
        class="tick"
        x="${PLOT.left - 6}"
        y="${y + 3.5}"
        text-anchor="end"
      >
        ${tickText(tick)}
      </text>`
  })
  const xTicks = xAxis.ticks.map(
    (tick) =>
      markup`<text class="tick" x="${round(px(tick))}" y="${PLOT.bottom + 14}" text-anchor="middle">${tickText(tick)}</text>`,
  )
  const described = chart.series.map(({ name, points: own }) => `${name}: ${rangeText(own)}`).join("; ")
  return markup`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${chart.title}. ${described}">
    ${yTicks}${verticals(chart, Math.min(...xs), Math.max(...xs)).map(({ x, kind }) => markup`<line class="${kind}" x1="${round(px(x))}" x2="${round(px(x))}" y1="${PLOT.top}" y2="${PLOT.bottom}" />`)}<line class="axis" x1="${PLOT.left}" x2="${PLOT.right}" y1="${PLOT.bottom}" y2="${PLOT.bottom}" />
    ${xTicks}<text class="label" x="${PLOT.right}" y="${HEIGHT - 4}" text-anchor="end">${chart.xLabel}</text>
    ${chart.series.map((series) => line(series, px, py))} ${chart.mark && marked(chart.mark, px, py)}
  </svg>`
}

/** Lines across the plot, where x is between `from` and `to`. */
function verticals(
  { epochEnds = [], bestAt }: LineChart,
  from: number,
  to: number,
): readonly { readonly x: number; readonly kind: "epoch-end" | "best-at" }[] {
  const inside = (x: number): boolean => x >= from && x <= to
  const ends = epochEnds.length > MOST_EPOCH_LINES ? [] : epochEnds.filter(inside)
  return [
    ...ends.map((x) => ({ x, kind: "epoch-end" as const })),
    ...(bestAt !== undefined && inside(bestAt) ? [{ x: bestAt, kind: "best-at" as const }] : []),
  ]
}

function line(
  { name, tone, points, style = "line" }: Series,
  px: (x: number) => number,
  py: (y: number) => number,
): Html {
  const runs: Point[][] = [[]]
  for (const point of points) {
    if (isFinitePoint(point)) runs.at(-1)?.push(point)
    else if (runs.at(-1)?.length) runs.push([])
  }
  const drawn = runs.filter((run) => run.length > 0)
  const all = drawn.flat()
  const dotted = style === "dots" || all.length <= FEW_POINTS ? all : all.slice(-1)
  const at = (p: Point): string => `${round(px(p[0]))} ${round(py(p[1]))}`
  return markup`<g class="series ${tone}"
    ><title>${name}: ${rangeText(points)}</title
    >${style === "line" && drawn.map((run) => markup`<path d="M${run.map(at).join("L")}" />`)}${dotted.map(
      (p) => markup`<circle cx="${round(px(p[0]))}" cy="${round(py(p[1]))}" r="2.6" />`,
    )}</g
  >`
}

function marked(
  { x, y, label }: NonNullable<LineChart["mark"]>,
  px: (x: number) => number,
  py: (y: number) => number,
): Html {
  const [cx, cy] = [px(x), py(y)]
  const anchor = cx > (PLOT.left + PLOT.right) / 2 ? "end" : "start"
  const below = cy < PLOT.top + 20
  return markup`<g class="mark"
    ><circle cx="${round(cx)}" cy="${round(cy)}" r="4.5" /><text x="${round(cx)}" y="${round(cy + (below ? 18 : -9))}" text-anchor="${anchor}">${label}</text></g
  >`
}

/** Linear from a round number at or below the least value (0 when near); logarithmic when values span too much. */
function valueAxis(points: readonly Point[]): Axis {
  const values = points.map(([, y]) => y)
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (needsLog(points)) return logAxis(low, high)
  return linearAxis(low > 0 && low < 0.6 * high ? 0 : low, high, 4, false)
}

function needsLog(points: readonly Point[]): boolean {
  const sorted = points.map(([, y]) => y).sort((a, b) => a - b)
  const [low, high, middle] = [sorted[0] ?? 0, sorted.at(-1) ?? 0, sorted[sorted.length >> 1] ?? 0]
  return low > 0 && high > LOG_FROM * middle
}

/** Epochs and steps are whole, so their ticks are, unless that leaves fewer than two. */
function countAxis(low: number, high: number): Axis {
  const axis = linearAxis(low, high, Math.min(5, Math.max(1, high - low)), true)
  return axis.ticks.length > 1 ? axis : linearAxis(low, high, 5, true)
}

/** About `count` round ticks. `tight`: the axis ends at the data and not at the next tick. */
export function linearAxis(low: number, high: number, count: number, tight: boolean): Axis {
  if (low === high) {
    const room = low === 0 ? 1 : Math.abs(low) / 2
    return tight ? single(low) : linearAxis(low - room, high + room, count, false)
  }
  const step = roundStep((high - low) / count)
  const from = tight ? low : Math.floor(low / step + 1e-9) * step
  const to = tight ? high : Math.ceil(high / step - 1e-9) * step
  const ticks: number[] = []
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-6; k++)
    ticks.push(Number((k * step).toPrecision(12)))
  return { ticks, position: (value) => (value - from) / (to - from) }
}

const single = (value: number): Axis => ({ ticks: [value], position: () => 0.5 })

/** Ticks at powers of ten. */
export function logAxis(low: number, high: number): Axis {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))]
  const every = Math.ceil((to - from) / 5)
  const ticks: number[] = []
  for (let k = from; k <= to; k += every) ticks.push(Number(`1e${k}`))
  return { ticks, position: (value) => (Math.log10(value) - from) / Math.max(1, to - from) }
}

/** The next of 1, 2, 5 times a power of ten. */
function roundStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw))
  return ([1, 2, 5].find((factor) => factor * power >= raw * 0.999) ?? 10) * power
}

const round = (value: number): number => Math.round(value * 100) / 100

/** A number on an axis: short, and never rounded to something else. */
export function tickText(value: number): string {
  const size = Math.abs(value)
  if (value !== 0 && (size < 1e-4 || size >= 1e5)) return value.toExponential().replace("e+", "e")
  return String(Number(value.toPrecision(6)))
}

function rangeText(points: readonly Point[]): string {
  const finite = points.filter(isFinitePoint)
  const [first, last] = [finite[0], finite.at(-1)]
  if (!first || !last) return "no values"
  return `${shortNumber(first[1])} to ${shortNumber(last[1])}`
}

/** Three significant digits. */
export const shortNumber = (value: number): string =>
  value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)
    ? value.toExponential(2)
    : String(Number(value.toPrecision(3)))
