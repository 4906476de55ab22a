/**
 * What a model consists of, as people wrote it: statements, in them calls of blocks and functions, in those statements
 * again, down to what has nothing more to show.
 *
 * Takes the nodes of a graph; gives a tree. A node belongs where its origin says: the chain of calls around it names one
 * statement for each level. What adds nothing is left out: a call that is the whole of a statement is that statement, a
 * `return` is what it returns, and layers of the prelude are not taken apart.
 */

import type { Span, Statement } from "../../../grammar/ast.js"
import type { GraphNode, ValueId } from "../ir/graph.js"
import { PRELUDE } from "../resolve/modules.js"
import { type Holder, type Place, type Places, namesOf } from "./places.js"

export interface Part {
  readonly kind: "statement" | "call" | "operation"
  /** of a statement; of a call or operation that stands alone in one */
  readonly statement: Statement | undefined
  /** the block or function that is called */
  readonly callee: Holder | undefined
  /** which turn of a loop it is: `layer.3` */
  readonly turn: string | undefined
  readonly span: Span
  /** all that is in it, in the order of the graph */
  readonly nodes: readonly GraphNode[]
  /** empty where there is nothing more to show */
  readonly children: readonly Part[]
  /** of a loss: what it is multiplied with, as far as that is written as numbers */
  readonly weight: number | undefined
}

/** The parts of a model, outermost first. */
export function partsOf(nodes: readonly GraphNode[], places: Places): readonly Part[] {
  const numbers = new Map<ValueId, number>()
  for (const { op, outputs, attributes } of nodes) {
    const values = op === "constant" ? (attributes["values"] as readonly number[]) : []
    if (values.length === 1) numbers.set(outputs[0]!, values[0]!)
  }
  return rawParts(nodes, 0, 0, places).map((part) => simplified(withWeight(part, numbers), places))
}

/** A loss without the operations that only weigh it. */
function withWeight(part: Part, numbers: ReadonlyMap<ValueId, number>): Part {
  if (part.statement?.kind !== "loss") return part
  const factorOf = ({ kind, nodes: [node] }: Part): number | undefined => {
    if (kind !== "operation" || !node) return undefined
    const [a, b] = node.inputs.map((value) => numbers.get(value))
    if (node.op === "mul") return a ?? b
    return node.op === "div" && b !== undefined ? 1 / b : undefined
  }
  const factors = part.children.flatMap((child) => factorOf(child) ?? [])
  const children = part.children.filter((child) => factorOf(child) === undefined)
  if (factors.length === 0 || children.every(isConstant)) return part
  return { ...part, children, weight: factors.reduce((product, factor) => product * factor, 1) }
}

/** The span that places `node` at `level`: of the call there, or its own. */
const spanAt = ({ origin }: GraphNode, level: number): Span => origin.chain[level] ?? origin.span

const keyOf = ({ file, start, end }: Span): string => `${file}:${start}:${end}`

/** One part for each statement, each call and each operation, at a level of calls and of statements within statements. */
function rawParts(nodes: readonly GraphNode[], level: number, nesting: number, places: Places): Part[] {
  const groups = grouped(nodes, (node) => {
    const span = spanAt(node, level)
    const statement = places.at(span)?.statements[nesting]
    if (statement) return `statement ${keyOf(statement.span)}`
    return level < node.origin.chain.length ? `call ${keyOf(span)}` : `operation ${node.id}`
  })
  return groups.flatMap((group): Part[] => {
    const first = group[0]!
    const span = spanAt(first, level)
    const place = places.at(span)
    const statement = place?.statements[nesting]
    const common = { callee: undefined, turn: undefined, weight: undefined }
    if (statement) {
      const children = rawParts(group, level, nesting + 1, places)
      return [{ ...common, kind: "statement", statement, span: statement.span, nodes: group, children }]
    }
    if (level >= first.origin.chain.length) {
      return [{ ...common, kind: "operation", statement: undefined, span, nodes: group, children: [] }]
    }
    return turnsOf(group, place).map(({ turn, nodes: own }): Part => {
      const children = rawParts(own, level + 1, 0, places)
      const callee = places.at(spanAt(own[0]!, level + 1))?.holder
      return { ...common, kind: "call", callee, turn, span, nodes: own, children, statement: undefined }
    })
  })
}

function grouped(nodes: readonly GraphNode[], keyOfNode: (node: GraphNode) => string): readonly GraphNode[][] {
  const groups = new Map<string, GraphNode[]>()
  for (const node of nodes) {
    const key = keyOfNode(node)
    const group = groups.get(key)
    if (group) group.push(node)
    else groups.set(key, [node])
  }
  return [...groups.values()]
}

/** One call in a loop runs many times: the number of each turn is the first in which the names of its nodes differ. */
function turnsOf(
  nodes: readonly GraphNode[],
  place: Place | undefined,
): { readonly turn: string | undefined; readonly nodes: readonly GraphNode[] }[] {
  const scopes = nodes.map(({ origin }) => origin.scope.split(".").slice(0, -1))
  if (!place || place.loops === 0) return [{ turn: undefined, nodes }]
  const [first = []] = scopes
  let shared = 0
  while (shared < first.length && scopes.every((scope) => scope[shared] === first[shared])) shared++
  if (!scopes.every((scope) => /^\d+$/.test(scope[shared] ?? ""))) return [{ turn: undefined, nodes }]
  const numberOf = ({ origin }: GraphNode): string => origin.scope.split(".")[shared]!
  return grouped(nodes, numberOf).map((own) => {
    const number = numberOf(own[0]!)
    return { turn: shared > 0 ? `${first[shared - 1]!}.${number}` : number, nodes: own }
  })
}

/** The part without levels that add nothing. */
function simplified(part: Part, places: Places): Part {
  if (part.kind === "operation") return part
  const children = part.children
    .filter((child) => !isConstant(child))
    .map((child) => simplified(child, places))
    .flatMap((child) => (isOnlyReturned(child) ? child.children : [child]))
  const [only] = children
  if (children.length === 1 && only) {
    if (part.kind === "statement" && only.kind === "call") {
      return { ...part, callee: only.callee, turn: only.turn, children: only.children }
    }
    return { ...part, children: isLibraryLayer(part, places) ? [] : only.children }
  }
  const isPlain = children.every(({ kind }) => kind === "operation")
  return { ...part, children: isPlain || isLibraryLayer(part, places) ? [] : children }
}

/** A `return` of several things has no name of its own. */
const isOnlyReturned = ({ statement, callee, children }: Part): boolean =>
  statement?.kind === "return" && callee === undefined && children.length > 0

const isConstant = ({ kind, nodes }: Part): boolean => kind === "operation" && nodes[0]!.op === "constant"

/** A call of the prelude in which nothing from elsewhere is called. */
function isLibraryLayer({ kind, callee, nodes }: Part, places: Places): boolean {
  if (kind !== "call" || callee?.span.file !== PRELUDE) return false
  return nodes.every(({ origin }) =>
    [...origin.chain, origin.span]
      .slice(origin.chain.findIndex((span) => places.at(span)?.holder.span.file === PRELUDE))
      .every((span) => span.file === PRELUDE),
  )
}

/** What it is called in its surroundings. */
export function nameOf(part: Part): string {
  const { kind, statement, turn } = part
  if (kind === "statement" && statement) {
    const names = namesOf(statement)
    if (names.length > 0) return names.join(", ")
  }
  return turn ?? whatOf(part)
}

/** Longer lists of what is in a part are cut. */
const MOST_WORDS = 3

/** What it is: the block, function or operations, as in the text. */
export function whatOf({ weight, ...part }: Part): string {
  if (weight !== undefined) {
    const weighed = whatOf({ ...part, weight: undefined })
    return `${Number(weight.toPrecision(6))} × ${weighed.includes(" ") ? `(${weighed})` : weighed}`
  }
  const { kind, callee, nodes, children } = part
  if (kind === "operation") return nodes[0]!.op
  if (callee) return callee.name.text
  const words = children.length > 0 ? children.map(whatOf) : nodes.map(({ op }) => op).filter((op) => op !== "constant")
  const runs: { readonly word: string; count: number }[] = []
  for (const word of words) {
    const last = runs.at(-1)
    if (last?.word === word) last.count++
    else runs.push({ word, count: 1 })
  }
  const shown = runs.map(({ word, count }) => (count === 1 ? word : `${word} × ${count}`))
  if (shown.length <= MOST_WORDS) return shown.join(" → ")
  return [...shown.slice(0, MOST_WORDS - 1), "…", shown.at(-1)!].join(" → ")
}
