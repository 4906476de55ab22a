/**
 * Rematerialisation: what the backward pass reads is computed a second time instead of being kept.
 *
 * Takes a training program and a limit; gives one that computes the same bits with less memory alive at its worst moment,
 * by the estimate of `memory-estimate.ts`, at as little extra work as gets below the limit (Chen et al. 2016, "Training
 * deep nets with sublinear memory cost"; keeping products and recomputing the rest is JAX's policy `dots_saveable`).
 *
 * The forward pass is cut into segments. What a segment hands on is kept, and so are small values and masks of one
 * byte; what only its own backward part reads is dropped and recomputed when the first gradient that needs it arrives.
 * That moment is said by `after`: the recomputed nodes read kept values behind it, so that they cannot run earlier and are
 * not merged with the nodes they repeat. Losses, statistics and whatever else is not a gradient read the first results, so
 * that a statistic is updated once.
 */

import { evaluate, type Sizes } from "../ir/dims.js"
import { GraphBuilder } from "../ir/builder.js"
import { neededNodes, type Graph, type GraphNode, type NodeSet, type ValueId } from "../ir/graph.js"
import { opDefinition } from "../ops/registry.js"
import { attributesAt } from "../ops/sized-attributes.js"
import { isRandom } from "./fold-constants.js"
import { bytesOf, memoryOf, peakBytes, withBatch } from "./memory-estimate.js"
import type { Pass, PassOptions, Program } from "./pass.js"
import { copyFeeds, finishProgram } from "./rewrite.js"

type MemoryOptions = NonNullable<PassOptions["memory"]>

/** Values below this part of all that is kept for the backward pass stay: recomputing them saves nothing. */
const SMALL_PART = 1 / 2000
/** How many segments are tried. */
const SEGMENTS = [2, 3, 4, 6, 8, 12, 16, 24, 32] as const

/** What a limit did to a program: bytes that are alive at once, as estimated, and what it costs. */
export interface MemoryReport {
  readonly limit: number
  readonly before: number
  readonly after: number
  /** nodes that run twice, and their multiply-accumulates */
  readonly recomputed: number
  readonly macs: number
}

/** Recomputing everything that can be recomputed does not get a program below the limit. */
export class MemoryLimitError extends Error {
  override readonly name = "MemoryLimitError"

  constructor(
    readonly limit: number,
    /** the least that it gets down to, in bytes */
    readonly least: number,
  ) {
    super(`the step needs ${least} bytes for its activations, however much is recomputed; the limit is ${limit}`)
  }
}

/** One way to trade time for memory. */
export interface Plan {
  readonly segments: number
  /** whether results of convolutions and matrix products are dropped, too */
  readonly products: boolean
}

/** A program and what it costs. */
export interface Rematerialised {
  readonly program: Program
  /** absent: the program as it was */
  readonly plan: Plan | undefined
  readonly peak: number
  /** nodes that run twice, and their multiply-accumulates */
  readonly recomputed: number
  readonly macs: number
}

/**
 * The cheapest program whose peak is within the limit; the one with the lowest peak where none is.
 *
 * @param memory its `gradients` are the results that may wait for the backward pass, by position
 */
export function fitMemory(program: Program, memory: MemoryOptions): Rematerialised {
  const sizes = withBatch(program.graph, memory.batch)
  const asItWas = { program, plan: undefined, peak: peakBytes(program, sizes), recomputed: 0, macs: 0 }
  if (asItWas.peak <= memory.limit) return asItWas
  const parts = splitProgram(program, memory, sizes)
  const tried: Rematerialised[] = [asItWas]
  for (const products of [false, true]) {
    for (const segments of SEGMENTS) tried.push(applyPlan(program, parts, { segments, products }, sizes))
    const fitting = tried.filter((one) => one.peak <= memory.limit)
    if (fitting.length > 0) return fitting.reduce(byCost)
  }
  return tried.reduce((a, b) => (b.peak < a.peak ? b : a))
}

/** The program under one plan, whether that helps or not. */
export function underPlan(program: Program, memory: Omit<MemoryOptions, "limit">, plan: Plan): Rematerialised {
  const sizes = withBatch(program.graph, memory.batch)
  return applyPlan(program, splitProgram(program, memory, sizes), plan, sizes)
}

/** Less arithmetic first; of equal ones, fewer nodes. */
function byCost(a: Rematerialised, b: Rematerialised): Rematerialised {
  return (b.macs - a.macs || b.recomputed - a.recomputed) < 0 ? b : a
}

// ------------------------------------------------------------------------------------------------ what there is

/** What of a program is forward, and what of that its gradients read. */
interface Parts {
  readonly forward: NodeSet
  readonly backward: NodeSet
  /** values of the forward pass that gradients read */
  readonly read: ReadonlySet<ValueId>
  readonly fromData: ReadonlySet<ValueId>
  /** the last result that is no gradient: the end of the forward pass */
  readonly end: ValueId
  /** never dropped: small, of one byte, or made of parameters alone */
  readonly cheapToKeep: (value: ValueId) => boolean
  /** bytes of the forward values, in the order of nodes, up to and including each node */
  readonly weight: Float64Array
  /** bytes that are read after each node by later forward nodes */
  readonly handedOn: Float64Array
  macsOf(node: GraphNode): number
}

function splitProgram({ graph, results }: Program, memory: Omit<MemoryOptions, "limit">, sizes: Sizes): Parts {
  const own = results.filter((_, index) => !memory.gradients.has(index))
  const named = [...graph.outputs, ...graph.losses, ...graph.updates].map((one) => one.value)
  const forward = neededNodes(graph, [...own, ...named])
  const all = neededNodes(graph, [...results, ...named])
  const backward = { has: (id: number) => all.has(id) && !forward.has(id), size: all.size - forward.size }
  const fromData = dependOnData(graph)
  const read = new Set<ValueId>()
  for (const node of graph.nodes) {
    if (!backward.has(node.id)) continue
    for (const value of node.inputs) if (forward.has(graph.values[value]!.node)) read.add(value)
  }
  const bytes = (value: ValueId): number => bytesOf(graph, value, sizes)
  const total = [...new Set([...read].map((value) => memoryOf(graph, value)))].reduce((sum, v) => sum + bytes(v), 0)
  const weight = new Float64Array(graph.nodes.length)
  let sum = 0
  for (const node of graph.nodes) {
    if (forward.has(node.id)) for (const value of node.outputs) sum += bytes(value)
    weight[node.id] = sum
  }
  const concrete = (value: ValueId) => ({
    dtype: graph.values[value]!.type.dtype,
    shape: graph.values[value]!.type.shape.map((dim) => evaluate(dim, sizes) ?? 1),
  })
  return {
    forward,
    backward,
    read,
    fromData,
    end: latest(graph, own)!,
    weight,
    handedOn: bytesHandedOn(graph, forward, bytes),
    cheapToKeep: (value) =>
      graph.values[value]!.type.dtype === "bool" || bytes(value) < total * SMALL_PART || !fromData.has(value),
    macsOf: (node) =>
      opDefinition(node.op).cost(
        node.inputs.map(concrete),
        node.outputs.map(concrete),
        attributesAt(node.attributes, sizes),
      ).macs,
  }
}

/**
 * Values that depend on an input or on what is drawn. The others are parameters and what is made of them: nothing would
 * make their recomputation wait.
 */
function dependOnData(graph: Graph): ReadonlySet<ValueId> {
  const found = new Set<ValueId>(graph.inputs.map((input) => input.value))
  for (const node of graph.nodes) {
    if (isRandom(node) || node.inputs.some((value) => found.has(value)))
      node.outputs.forEach((value) => found.add(value))
  }
  return found
}

/** The latest in the order of the graph; undefined for none. */
function latest(graph: Graph, values: readonly ValueId[]): ValueId | undefined {
  return values.reduce<ValueId | undefined>(
    (a, b) => (a === undefined || graph.values[b]!.node > graph.values[a]!.node ? b : a),
    undefined,
  )
}

// ------------------------------------------------------------------------------------------------------- choosing

/** The segment of each forward node: parts of about equal bytes, cut where the least is handed on. */
function cut(graph: Graph, { forward, weight, handedOn }: Parts, segments: number): Int32Array {
  const total = weight.at(-1) ?? 0
  const result = new Int32Array(graph.nodes.length)
  const cuts: number[] = []
  for (let index = 1; index < segments; index++) {
    const around = (part: number): boolean => Math.abs(part - (total * index) / segments) < total / segments / 3
    let best: number | undefined
    for (let node = 0; node < graph.nodes.length; node++) {
      if (!forward.has(node) || !around(weight[node]!)) continue
      if (best === undefined || handedOn[node]! < handedOn[best]!) best = node
    }
    if (best !== undefined) cuts.push(best)
  }
  let segment = 0
  for (let node = 0; node < graph.nodes.length; node++) {
    result[node] = segment
    if (node === cuts[segment]) segment++
  }
  return result
}

/** Bytes of forward values that nodes up to each one make and later forward nodes read. */
function bytesHandedOn(graph: Graph, forward: NodeSet, bytes: (value: ValueId) => number): Float64Array {
  const last = new Int32Array(graph.values.length).fill(-1)
  for (const node of graph.nodes) {
    if (forward.has(node.id)) for (const value of node.inputs) last[memoryOf(graph, value)] = node.id
  }
  const change = new Float64Array(graph.nodes.length + 1)
  for (const value of graph.values) {
    if (value.node < 0 || !forward.has(value.node) || last[value.id]! <= value.node) continue
    change[value.node]! += bytes(value.id)
    change[last[value.id]!]! -= bytes(value.id)
  }
  let alive = 0
  return change.map((bytesMore) => (alive += bytesMore))
}

/** Whether a forward value is kept under `plan`; a view is kept with what it is a view of. */
function keeping(graph: Graph, parts: Parts, plan: Plan, segmentOf: Int32Array): (value: ValueId) => boolean {
  const lastSegment = segmentOf.at(-1) ?? 0
  const kept = new Set<ValueId>()
  for (const node of graph.nodes) {
    if (!parts.forward.has(node.id)) continue
    // Right after the last segment comes its backward part: keeping it costs nothing.
    const stays = segmentOf[node.id] === lastSegment || isRandom(node) || (!plan.products && parts.macsOf(node) > 0)
    for (const value of node.outputs) if (stays || parts.cheapToKeep(value)) kept.add(memoryOf(graph, value))
    for (const value of node.inputs) {
      const maker = graph.values[value]!.node
      if (maker >= 0 && segmentOf[maker]! < segmentOf[node.id]!) kept.add(memoryOf(graph, value))
    }
  }
  return (value) => graph.values[value]!.node < 0 || kept.has(memoryOf(graph, value))
}

/** The nodes that run twice, by segment, in order. */
function nodesToRepeat(
  graph: Graph,
  parts: Parts,
  isKept: (value: ValueId) => boolean,
  segmentOf: Int32Array,
): ReadonlyMap<number, readonly GraphNode[]> {
  const again = new Set<number>()
  const open = [...parts.read]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    const node = graph.nodes[graph.values[value]!.node]
    if (!node || isKept(value) || again.has(node.id)) continue
    again.add(node.id)
    open.push(...node.inputs)
  }
  const bySegment = new Map<number, GraphNode[]>()
  for (const id of [...again].sort((a, b) => a - b)) {
    const segment = segmentOf[id]!
    bySegment.set(segment, [...(bySegment.get(segment) ?? []), graph.nodes[id]!])
  }
  return bySegment
}

// --------------------------------------------------------------------------------------------------- what is done

/** The program under `plan`. */
function applyPlan(program: Program, parts: Parts, plan: Plan, sizes: Sizes): Rematerialised {
  const { graph } = program
  const segmentOf = cut(graph, parts, plan.segments)
  const repeated = nodesToRepeat(graph, parts, keeping(graph, parts, plan, segmentOf), segmentOf)
  const builder = new GraphBuilder(graph.sizes)
  /** by old value: where it is the first time, and where it is recomputed by now */
  const first = new Array<ValueId>(graph.values.length)
  const second = new Map<ValueId, ValueId>()
  copyFeeds(graph, builder, (old, value) => (first[old] = value))
  const copy = (node: GraphNode, inputs: readonly ValueId[], keep: (old: ValueId, made: ValueId) => void): void =>
    builder.copy(node, inputs, graph).forEach((value, index) => keep(node.outputs[index]!, value))

  for (const node of graph.nodes) {
    if (!parts.forward.has(node.id)) continue
    builder.setOrigin(node.origin)
    copy(
      node,
      node.inputs.map((value) => first[value]!),
      (old, made) => (first[old] = made),
    )
  }
  const segmentDropped = new Map(
    [...repeated].flatMap(([segment, nodes]) =>
      nodes.flatMap((node) => node.outputs.map((value): [ValueId, number] => [value, segment])),
    ),
  )
  const repeat = (segment: number, gate: ValueId): void => {
    const waiting = new Map<ValueId, ValueId>()
    const behindGate = (value: ValueId): ValueId => {
      const known = waiting.get(value)
      if (known !== undefined) return known
      const [made] = builder.append("after", [first[value]!, gate], {}, [graph.values[value]!.type])
      waiting.set(value, made!)
      return made!
    }
    for (const node of repeated.get(segment)!) {
      builder.setOrigin({ ...node.origin, scope: `${node.origin.scope}.again` })
      const inputs = node.inputs.map(
        (value) => second.get(value) ?? (parts.fromData.has(value) ? behindGate(value) : first[value]!),
      )
      copy(node, inputs, (old, made) => second.set(old, made))
    }
  }
  const done = new Set<number>()
  for (const node of graph.nodes) {
    if (!parts.backward.has(node.id)) continue
    for (const value of node.inputs) {
      const segment = segmentDropped.get(value)
      if (segment === undefined || done.has(segment)) continue
      done.add(segment)
      const arriving = node.inputs.filter((input) => parts.backward.has(graph.values[input]!.node))
      repeat(segment, first[latest(graph, arriving) ?? parts.end]!)
    }
    builder.setOrigin(node.origin)
    copy(
      node,
      node.inputs.map((value) => second.get(value) ?? first[value]!),
      (old, made) => (first[old] = made),
    )
  }
  const made = finishProgram(program, builder, (value) => first[value]!)
  const nodes = [...repeated.values()].flat()
  return {
    program: made,
    plan,
    peak: peakBytes(made, sizes),
    recomputed: nodes.length,
    macs: nodes.reduce((sum, node) => sum + parts.macsOf(node), 0),
  }
}

export const rematerialise: Pass = {
  name: "rematerialisation",
  doc: "Above a memory limit, what the backward pass reads is recomputed when its gradient arrives instead of kept.",
  requires: ["no dead nodes"],
  ensures: ["only gradients wait"],
  destroys: [],
  run: (program, { memory }) => {
    if (!memory) throw new Error("rematerialisation must be told the limit and which results are gradients")
    const before = peakBytes(program, withBatch(program.graph, memory.batch))
    const { program: fitted, peak, recomputed, macs } = fitMemory(program, memory)
    return { program: fitted, counts: { before, after: peak, recomputed, macs } }
  },
}

/** Results other than gradients that wait for the backward pass, which none should. */
export function waitingResults({ graph, results }: Program, { memory }: PassOptions): readonly string[] {
  const own = results.filter((_, index) => !memory?.gradients.has(index))
  const forward = neededNodes(graph, own)
  return graph.nodes
    .filter((node) => node.op === "after" && forward.has(node.id))
    .map((node) => `node ${node.id} (after): a result that is no gradient waits for it`)
}
