/**
 * Copying a graph while changing some of its nodes: what most passes are.
 *
 * Takes a graph, the values that are wanted, and a rule that may replace a node; gives a builder holding the copy, with
 * dead code left behind, and the map from old values to new ones. Inputs and parameters are kept, used or not, so that
 * programs made from one model agree about them.
 */

import { GraphBuilder } from "../ir/builder.js"
import { neededNodes, type Graph, type GraphNode, type ValueId } from "../ir/graph.js"
import type { Program } from "./pass.js"

/** Gives the new outputs of `node`, or undefined to copy it as it is. */
export type RewriteRule = (
  node: GraphNode,
  inputs: readonly ValueId[],
  builder: GraphBuilder,
  map: (old: ValueId) => ValueId,
) => readonly ValueId[] | undefined

export interface Rewritten {
  readonly builder: GraphBuilder
  /** the new id of an old value that was wanted or that something wanted depends on */
  readonly map: (old: ValueId) => ValueId
}

/** Copies what `wanted` depends on. Outputs, losses and updates are not copied: the caller names them anew. */
export function rewriteGraph(graph: Graph, wanted: readonly ValueId[], rule: RewriteRule = () => undefined): Rewritten {
  const builder = new GraphBuilder(graph.sizes)
  const renamed = new Array<ValueId | undefined>(graph.values.length)
  const map = (old: ValueId): ValueId => {
    const found = renamed[old]
    if (found === undefined) throw new Error(`value ${old} was not copied`)
    return found
  }
  copyFeeds(graph, builder, (old, value) => (renamed[old] = value))
  const live = neededNodes(graph, wanted)
  for (const node of graph.nodes) {
    if (!live.has(node.id)) continue
    builder.setOrigin(node.origin)
    const inputs = node.inputs.map(map)
    const outputs = rule(node, inputs, builder, map) ?? builder.copy(node, inputs, graph)
    node.outputs.forEach((old, index) => {
      const replacement = outputs[index]
      if (replacement !== undefined) renamed[old] = replacement
    })
  }
  return { builder, map }
}

/** Copies inputs and parameters, used or not. */
export function copyFeeds(graph: Graph, builder: GraphBuilder, made: (old: ValueId, value: ValueId) => void): void {
  for (const { name, role, doc, value } of graph.inputs) {
    made(value, builder.input(name, graph.values[value]!.type, role, doc))
  }
  for (const parameter of graph.parameters) made(parameter.value, builder.copyParameter(parameter, graph))
}

/** Everything a program asks of its graph. */
export function wantedOf({ graph, results }: Program): readonly ValueId[] {
  return [...results, ...[...graph.outputs, ...graph.losses, ...graph.updates].map((named) => named.value)]
}

/** Copies a program, changing nodes by `rule`; results, outputs, losses and updates are those of the copy. */
export function rewriteProgram(program: Program, rule?: RewriteRule): Program {
  const { builder, map } = rewriteGraph(program.graph, wantedOf(program), rule)
  return finishProgram(program, builder, map)
}

/** The program that `builder` holds a copy of; `map` gives the new id of each value that `program` asks for. */
export function finishProgram({ graph, results }: Program, builder: GraphBuilder, map: Rewritten["map"]): Program {
  for (const { name, value, doc } of graph.outputs) builder.output(name, map(value), doc)
  for (const { name, value, section } of graph.losses) builder.loss(name, map(value), section)
  for (const { state, value } of graph.updates) builder.update(map(state), map(value))
  return { graph: builder.finish(), results: results.map(map) }
}
