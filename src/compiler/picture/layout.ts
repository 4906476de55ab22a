/**
 * Where everything in a picture stands: places of boxes, groups and arrows.
 *
 * Takes a view; gives rectangles and lines, in pixels at natural size. ELK's layered algorithm does it, in this process:
 * sections are groups, and what stands first in the text stands first in the picture where the arrows allow it. The size
 * of a box comes from its own lines, so that no text is cut that would fit.
 */

import elk, { type ELK, type ElkExtendedEdge, type ElkNode } from "elkjs/lib/elk.bundled.js"
import type { Box, Edge, PictureSection, View } from "./picture.js"
import { boldWidth, codeWidth, shortened, textWidth } from "./text-width.js"

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Rectangle extends Point {
  readonly width: number
  readonly height: number
}

/** A box with the lines that stand in it. */
export interface PlacedBox extends Rectangle {
  readonly box: Box
  readonly lines: BoxLines
}

export interface BoxLines {
  readonly name: string
  readonly what: string
  readonly shape: string
}

export interface PlacedSection extends Rectangle {
  readonly section: PictureSection
}

export interface PlacedEdge {
  readonly edge: Edge
  /** where it begins, bends and ends */
  readonly points: readonly Point[]
}

export interface Layout {
  readonly width: number
  readonly height: number
  readonly sections: readonly PlacedSection[]
  readonly boxes: readonly PlacedBox[]
  readonly edges: readonly PlacedEdge[]
}

/** Sizes of fonts and spaces that the drawing shares. */
export const METRICS = { name: 13, what: 11.5, shape: 10.5, title: 12, line: 15.5, padding: 10, heading: 30 } as const

/** Longer names and shapes are cut in the picture; facts and titles have them whole. */
const MOST = { name: 34, what: 48, shape: 40 } as const

/** The lines of a box. */
export function linesOf({ name, what, types, kind }: Box): BoxLines {
  const shape = types.length <= 1 ? (types[0] ?? "") : `${types.length} tensors`
  const isEnd = kind === "given" || kind === "result"
  return {
    name: shortened(isEnd && name === "" ? "from outside" : name, MOST.name),
    what: shortened(what, MOST.what),
    shape: shortened(shape, MOST.shape),
  }
}

function sizeOf({ name, what, shape }: BoxLines, isBlock: boolean): { width: number; height: number } {
  const { padding, line } = METRICS
  const width = Math.max(
    boldWidth(name, METRICS.name) + (isBlock ? 16 : 0),
    textWidth(what, METRICS.what),
    codeWidth(shape, METRICS.shape),
    44,
  )
  const lines = [name, what, shape].filter((text) => text !== "").length
  // Few different widths: what has the same sizes need not be laid out again, and boxes line up.
  return { width: 8 * Math.ceil((width + 2 * padding) / 8), height: Math.ceil(lines * line) + padding + 4 }
}

/** Around a picture, and between boxes above one another. */
const [MARGIN, BETWEEN] = [16, 30]

const OPTIONS: Readonly<Record<string, string>> = {
  "elk.algorithm": "layered",
  "elk.direction": "DOWN",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.json.shapeCoords": "ROOT",
  "elk.json.edgeCoords": "ROOT",
  "elk.padding": `[top=${MARGIN},left=${MARGIN},bottom=${MARGIN},right=${MARGIN}]`,
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
  "elk.layered.crossingMinimization.forceNodeModelOrder": "true",
  // What leaves a box leaves it at one point, so that many readers are one line that branches.
  "elk.layered.mergeEdges": "true",
  "elk.layered.mergeHierarchyEdges": "true",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
  "elk.layered.spacing.nodeNodeBetweenLayers": `${BETWEEN}`,
  "elk.layered.spacing.edgeNodeBetweenLayers": "14",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "9",
  "elk.spacing.nodeNode": "22",
  "elk.spacing.edgeNode": "14",
  "elk.spacing.edgeEdge": "9",
}

/** A group is as wide as its title. */
const groupOptions = ({ name, role, ...section }: PictureSection): Readonly<Record<string, string>> => ({
  "elk.padding": `[top=${METRICS.heading + 8},left=14,bottom=14,right=14]`,
  "elk.nodeSize.constraints": "MINIMUM_SIZE",
  // Sizes of groups are those before the picture is turned from rightwards to downwards: height, width.
  "elk.nodeSize.minimum": `(60,${Math.ceil(boldWidth(`${role} ${name}`, METRICS.title)) + noteWidth(section)})`,
})

/** Room for what stands at the right end of a group's title: its size, and whether it is frozen or for training only. */
const noteWidth = ({ frozen, trainingOnly }: Pick<PictureSection, "frozen" | "trainingOnly">): number =>
  100 + (frozen ? 70 : 0) + (trainingOnly ? 70 : 0)

/** Lays out views, one at a time. Equal views give equal layouts. */
export class LayoutEngine {
  private readonly elk: ELK = new elk.default()
  /** by what was asked: many views have boxes of the same sizes, joined alike */
  private readonly known = new Map<string, ElkNode>()

  /** @param sections groups for the boxes that name them; none inside of blocks */
  async layOut({ boxes, edges }: View, sections: readonly PictureSection[] = []): Promise<Layout> {
    const lines = boxes.map(linesOf)
    if (sections.length === 0 && isChain(boxes, edges)) return stacked(boxes, edges, lines)
    const nodes = boxes.map(({ kind, view }, i): ElkNode => {
      const constraint = kind === "given" ? "FIRST" : kind === "result" ? "LAST" : undefined
      return {
        id: `box ${i}`,
        ...sizeOf(lines[i]!, view !== null),
        ...(constraint ? { layoutOptions: { "elk.layered.layering.layerConstraint": constraint } } : {}),
      }
    })
    const groups = new Map<number, ElkNode>()
    const children = nodes.flatMap((node, i): readonly ElkNode[] => {
      const at = sections.findIndex(({ name }) => name === boxes[i]!.section)
      if (at < 0) return [node]
      const group = groups.get(at)
      if (group) {
        group.children!.push(node)
        return []
      }
      const made = { id: `section ${at}`, layoutOptions: groupOptions(sections[at]!), children: [node] }
      groups.set(at, made)
      return [made]
    })
    const numbers = new Map(boxes.map(({ id }, i) => [id, i] as const))
    const ends = edges.map(({ from, to }, i): ElkExtendedEdge => {
      return { id: `edge ${i}`, sources: [`box ${numbers.get(from)!}`], targets: [`box ${numbers.get(to)!}`] }
    })
    const result = await this.solve({ id: "picture", layoutOptions: OPTIONS, children, edges: ends })
    const placed = new Map(allNodes(result).map((node) => [node.id, rectangleOf(node)] as const))
    const lined = new Map((result.edges ?? []).map((edge) => [edge.id, pointsOf(edge)] as const))
    return {
      width: Math.ceil(result.width ?? 0),
      height: Math.ceil(result.height ?? 0),
      sections: [...groups.keys()].map((at) => ({ section: sections[at]!, ...placed.get(`section ${at}`)! })),
      boxes: boxes.map((box, i) => ({ box, lines: lines[i]!, ...placed.get(`box ${i}`)! })),
      edges: edges.map((edge, i) => ({ edge, points: lined.get(`edge ${i}`)! })),
    }
  }

  private async solve(graph: ElkNode): Promise<ElkNode> {
    const asked = JSON.stringify(graph)
    const result = this.known.get(asked) ?? (await this.elk.layout(graph))
    this.known.set(asked, result)
    return result
  }
}

/** Whether each box is read by the next one and by nothing else, as in half of all blocks. */
const isChain = (boxes: readonly Box[], edges: readonly Edge[]): boolean =>
  edges.length === boxes.length - 1 &&
  boxes.slice(1).every(({ id }, i) => edges.some(({ from, to }) => from === boxes[i]!.id && to === id))

/** One below the other, as ELK would put them, in no time. */
function stacked(boxes: readonly Box[], edges: readonly Edge[], lines: readonly BoxLines[]): Layout {
  const sizes = boxes.map(({ view }, i) => sizeOf(lines[i]!, view !== null))
  const widest = Math.max(...sizes.map(({ width }) => width))
  const middle = MARGIN + widest / 2
  let below = MARGIN
  const placed = boxes.map((box, i) => {
    const { width, height } = sizes[i]!
    const y = below
    below += height + BETWEEN
    return { box, lines: lines[i]!, x: round(middle - width / 2), y, width, height }
  })
  const byId = new Map(placed.map((one) => [one.box.id, one] as const))
  return {
    width: widest + 2 * MARGIN,
    height: below - BETWEEN + MARGIN,
    sections: [],
    boxes: placed,
    edges: edges.map((edge) => {
      const from = byId.get(edge.from)!
      const [start, end] = [from.y + from.height, byId.get(edge.to)!.y]
      return {
        edge,
        points: [
          { x: middle, y: start },
          { x: middle, y: end },
        ],
      }
    }),
  }
}

const allNodes = ({ children = [] }: ElkNode): readonly ElkNode[] =>
  children.flatMap((node) => [node, ...allNodes(node)])

const round = (value: number): number => Math.round(10 * value) / 10

function rectangleOf({ x = 0, y = 0, width = 0, height = 0 }: ElkNode): Rectangle {
  return { x: round(x), y: round(y), width: round(width), height: round(height) }
}

function pointsOf({ sections = [] }: ElkExtendedEdge): readonly Point[] {
  return sections
    .flatMap(({ startPoint, bendPoints = [], endPoint }) => [startPoint, ...bendPoints, endPoint])
    .map(({ x, y }) => ({ x: round(x), y: round(y) }))
}
