/**
 * How much memory the values of a program take at its worst moment.
 *
 * Takes a program and the sizes of all symbols; gives bytes, by liveness: a value is there from the node that makes it to
 * the last one that reads it, nodes run in the order of the graph. Inputs, parameters and their moments are not counted:
 * they are there all the time. It is an estimate: TensorFlow runs what is ready, reuses some operands in place, and needs
 * workspace inside some kernels. It is made to compare programs of one model, before and after `rematerialise.ts`.
 */

import { evaluate, type Sizes } from "../ir/dims.js"
import type { DataType, Graph, GraphNode, ValueId } from "../ir/graph.js"
import type { OpName } from "../ops/names.js"
import type { Program } from "./pass.js"
import { wantedOf } from "./rewrite.js"

const BYTES: Readonly<Record<DataType, number>> = { f32: 4, bf16: 2, i32: 4, bool: 1 }

/** The result is the operand's own memory under another name. */
const VIEWS: ReadonlySet<OpName> = new Set<OpName>(["reshape", "after", "stop_gradient"])

/** The bytes of a value; a symbol without a size counts as 1. */
export function bytesOf(graph: Pick<Graph, "values">, value: ValueId, sizes: Sizes): number {
  const { dtype, shape } = graph.values[value]!.type
  return shape.reduce((bytes, dim) => bytes * (evaluate(dim, sizes) ?? 1), BYTES[dtype])
}

/** Sizes at which memory is counted: those of the graph, with a batch. */
export function withBatch(graph: Pick<Graph, "sizes">, batch: number): Sizes {
  return new Map([...graph.sizes, ["N", batch]])
}

/** The value whose memory `value` is. */
export function memoryOf(graph: Pick<Graph, "nodes" | "values">, value: ValueId): ValueId {
  for (let current = value; ;) {
    const node: GraphNode | undefined = graph.nodes[graph.values[current]!.node]
    if (!node || !VIEWS.has(node.op)) return current
    current = node.inputs[0]!
  }
}

/** The most bytes that are alive at once, in the order of the graph. */
export function peakBytes(program: Program, sizes: Sizes): number {
  const { graph } = program
  const last = new Int32Array(graph.values.length).fill(-1)
  const owner = graph.values.map((value) => memoryOf(graph, value.id))
  for (const node of graph.nodes) for (const value of node.inputs) last[owner[value]!] = node.id
  for (const value of wantedOf(program)) last[owner[value]!] = graph.nodes.length
  const ending = new Array<number>(graph.nodes.length + 1).fill(0)
  let alive = 0
  let peak = 0
  for (const node of graph.nodes) {
    for (const value of node.outputs) {
      if (owner[value] !== value || last[value]! < 0) continue
      const bytes = bytesOf(graph, value, sizes)
      alive += bytes
      ending[last[value]!]! += bytes
    }
    peak = Math.max(peak, alive)
    alive -= ending[node.id]!
  }
  return peak
}
