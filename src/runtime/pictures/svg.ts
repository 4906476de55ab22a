/**
 * A picture as SVG.
 *
 * Takes a layout; gives markup: a document that stands alone, for a README or a paper, or the same drawing as part of a
 * page. Texts come from somebody's model and go through `markup`, which escapes them.
 */

import {
  METRICS,
  type Layout,
  type PlacedBox,
  type PlacedEdge,
  type PlacedSection,
  type Point,
  type Rectangle,
} from "../../compiler/picture/layout.js"
import type { Box, Picture, PictureSection, SourcePlace } from "../../compiler/picture/picture.js"
import { Html, markup } from "../reports/html.js"
import { amount, grouped } from "../reports/numbers.js"
import { hueOf, PICTURE_STYLE } from "./palette.js"

/** What a drawing is called and says, for those who cannot see it, and what its sections are. */
export interface Caption {
  readonly title: string
  readonly text: string
  /** roles by section: they give the boxes inside of blocks their hue */
  readonly roles: ReadonlyMap<string, string>
}

/** The caption of a picture as a whole. */
export function captionOf({ model, variant, doc, sections }: Picture): Caption {
  return {
    title: variant === model ? model : `${model}, ${variant}`,
    text: doc ?? `the model ${model} as boxes and arrows`,
    roles: new Map(sections.map(({ name, role }) => [name, role])),
  }
}

/** A drawing that stands alone, as UTF-8 text. */
export function svgDocument(layout: Layout, caption: Caption): string {
  const style = new Html(`<style>${PICTURE_STYLE}</style>`)
  return `<?xml version="1.0" encoding="UTF-8"?>\n${drawing(layout, caption, "img", style).text}\n`
}

/** A drawing for a page that has the style already; its boxes can be reached one by one. */
export const svgDrawing = (layout: Layout, caption: Caption): Html => drawing(layout, caption, "group", undefined)

function drawing(
  { width, height, sections, boxes, edges }: Layout,
  { title, text, roles }: Caption,
  role: "img" | "group",
  style: Html | undefined,
): Html {
  return markup`<svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="${role}" aria-label="${title}">
<desc>${text}</desc>
${style}
<rect class="surface" width="${width}" height="${height}"/>
${sections.map(groupMarkup)}
${edges.map(edgeMarkup)}
${sections.map(titleMarkup)}
${boxes.map((placed) => boxMarkup(placed, roles))}
</svg>`
}

const classesOf = ({ role, trainingOnly }: PictureSection): string =>
  `group ${hueOf(role)}${trainingOnly ? " training" : ""}`

function groupMarkup({ section, x, y, width, height }: PlacedSection): Html {
  const place = section.source ? sourceAttributes(section.source) : undefined
  return markup`<g class="${classesOf(section)}" data-section="${section.name}"${place}><title>${sectionFacts(section)}</title><rect x="${x}" y="${y}" width="${width}" height="${height}" rx="12"/></g>
`
}

/** Above the arrows, which may cross it. */
function titleMarkup({ section, x, y, width }: PlacedSection): Html {
  const { name, role, frozen, trainingOnly, parameters } = section
  const notes = [parameters > 0 && amount(parameters), frozen && "frozen", trainingOnly && "training only"]
  const at = y + METRICS.heading - 10
  // A section without a name is called after its role.
  const title = name !== role && markup`<tspan class="name" dx="5">${name}</tspan>`
  return markup`<g class="${classesOf(section)}"><text x="${x + 14}" y="${at}"><tspan class="role">${role}</tspan>${title}</text>${frozen && frost(x + width - 22, y + METRICS.heading - 14)}<text class="note" x="${x + width - (frozen ? 34 : 14)}" y="${at}">${notes.filter((note) => note !== false).join(" · ")}</text></g>
`
}

/** Where a thing stands in the text, for pages that show it. */
const sourceAttributes = ({ file, line, lastLine }: SourcePlace): Html =>
  markup` data-file="${file}" data-line="${line}" data-last="${lastLine}"`

/** A star of frost: what is frozen is so marked on papers too. */
function frost(x: number, y: number): Html {
  const arms = [0, 60, 120].map((degrees) => {
    const [dx, dy] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)].map((d) => 6 * d) as [
      number,
      number,
    ]
    return `M${tenth(x - dx)} ${tenth(y - dy)}L${tenth(x + dx)} ${tenth(y + dy)}`
  })
  return markup`<path class="frost" d="${arms.join("")}"/>`
}

const tenth = (value: number): number => Math.round(10 * value) / 10

function edgeMarkup({ edge, points }: PlacedEdge): Html | undefined {
  const last = points.at(-1)
  if (!last || points.length < 2) return undefined
  const { x, y } = labelPlace(points)
  return markup`<g class="edge" data-from="${edge.from}" data-to="${edge.to}"><title>${edge.from} to ${edge.to}: ${edge.types.join("; ")}</title><path class="line" d="${roundedPath(points)}"/><path class="head" d="${head(points.at(-2)!, last)}"/><text class="flow" x="${x}" y="${y}">${flowText(edge.types)}</text></g>
`
}

/** One shape, or how many tensors go along. */
const flowText = (types: readonly string[]): string => (types.length === 1 ? types[0]! : `${types.length} tensors`)

/** In the middle of the longest piece, a little above a level one. */
function labelPlace(points: readonly Point[]): Point {
  let best = { length: -1, x: 0, y: 0 }
  points.slice(1).forEach((to, i) => {
    const from = points[i]!
    const length = Math.abs(to.x - from.x) + Math.abs(to.y - from.y)
    if (length > best.length) best = { length, x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 + 3 }
  })
  return { x: tenth(best.x), y: tenth(best.y) }
}

/** The arrow ends where the head begins, so that its tip is sharp. */
const HEAD = 7

/** Lines with corners rounded off. */
function roundedPath(points: readonly Point[]): string {
  const shown = [...points.slice(0, -1), towards(points.at(-1)!, points.at(-2)!, HEAD - 1)]
  return shown
    .map((point, i) => {
      const [before, after] = [shown[i - 1], shown[i + 1]]
      if (!before) return `M${point.x} ${point.y}`
      if (!after) return `L${point.x} ${point.y}`
      const radius = Math.min(6, distance(before, point) / 2, distance(point, after) / 2)
      const [from, to] = [towards(point, before, radius), towards(point, after, radius)]
      return `L${from.x} ${from.y}Q${point.x} ${point.y} ${to.x} ${to.y}`
    })
    .join("")
}

const distance = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y)

/** The point `length` away from `from` on the way to `to`. */
function towards(from: Point, to: Point, length: number): Point {
  const whole = distance(from, to) || 1
  return {
    x: tenth(from.x + ((to.x - from.x) * length) / whole),
    y: tenth(from.y + ((to.y - from.y) * length) / whole),
  }
}

function head(before: Point, tip: Point): string {
  const base = towards(tip, before, HEAD)
  const [dx, dy] = [((tip.y - base.y) * 3.4) / HEAD, ((base.x - tip.x) * 3.4) / HEAD]
  return `M${tip.x} ${tip.y}L${tenth(base.x + dx)} ${tenth(base.y + dy)}L${tenth(base.x - dx)} ${tenth(base.y - dy)}Z`
}

function boxMarkup({ box, lines, ...place }: PlacedBox, roles: ReadonlyMap<string, string>): Html {
  const { id, kind, section, view, trainingOnly } = box
  const { x, y, width } = place
  const hue = kind === "loss" ? "red" : hueOf(roles.get(section) ?? "")
  const classes = ["box", kind, hue, view !== null && "block", trainingOnly && "training"].filter(Boolean).join(" ")
  const texts = (["name", "what", "shape"] as const).filter((line) => lines[line] !== "")
  const middle = tenth(x + width / 2)
  return markup`<g class="${classes}" data-box="${id}" data-in="${section}"${view !== null && markup` data-view="${view}"`}${box.source !== null && sourceAttributes(box.source)}><title>${boxFacts(box)}</title>
${view !== null && face(box, { ...place, x: x + 3, y: y + 3 }, "under")}${face(box, place, "face")}
${texts.map((line, i) => markup`<text class="${line}" x="${middle}" y="${tenth(y + METRICS.padding + 9 + i * METRICS.line)}">${lines[line]}</text>`)}
${view !== null && markup`<path class="more" d="M${x + width - 13} ${y + 9}h7m-3.5 -3.5v7"/>`}</g>
`
}

/** Inputs and ends are pills, losses have cut corners. */
function face({ kind }: Box, { x, y, width, height }: Rectangle, name: string): Html {
  if (kind === "loss") {
    const cut = 9
    const path = `M${x + cut} ${y}h${width - 2 * cut}l${cut} ${cut}v${height - 2 * cut}l${-cut} ${cut}h${2 * cut - width}l${-cut} ${-cut}v${2 * cut - height}Z`
    return markup`<path class="${name}" d="${path}"/>`
  }
  const radius = ["input", "target", "given", "result"].includes(kind) ? height / 2 : kind === "operation" ? 3 : 7
  return markup`<rect class="${name}" x="${x}" y="${y}" width="${width}" height="${height}" rx="${tenth(radius)}"/>`
}

/** What is to be said of a box, one fact a line. */
export function boxFacts(box: Box): string {
  const { kind, name, what, types, source, doc } = box
  const role = { let: "", call: "", operation: "", given: "given ", result: "" } as Readonly<Record<string, string>>
  return [
    `${role[kind] ?? `${kind} `}${name}${what === "" ? "" : ` = ${what}`}`,
    ...types,
    ...costFacts(box),
    ...(source ? [`${source.file}:${source.line}`] : []),
    ...(doc === null ? [] : [doc]),
  ].join("\n")
}

function sectionFacts(section: PictureSection): string {
  return [
    `${section.role} ${section.name}`,
    ...costFacts(section),
    ...(section.doc === null ? [] : [section.doc]),
  ].join("\n")
}

function costFacts({ parameters, macs, trainingOnly, frozen }: Box | PictureSection): string[] {
  return [
    ...(parameters > 0 ? [`${grouped(parameters)} parameters${frozen ? ", frozen" : ""}`] : []),
    ...(macs > 0 ? [`${amount(macs)} MACs`] : []),
    ...(trainingOnly ? ["in training only"] : []),
  ]
}
