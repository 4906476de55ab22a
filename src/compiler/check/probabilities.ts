/**
 * Are probabilities made once? PyTorch has losses that take scores and losses that take probabilities, and shapes do not
 * tell the two apart.
 *
 * Takes an elaborated model; gives warnings where a loss of probabilities is given scores, and where what is a probability
 * already goes through a softmax or sigmoid again. Warnings, because both compute something.
 */

import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe } from "../diagnostics/facts.js"
import { isStandard } from "../elaborate/context.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import type { Graph, GraphNode, ValueId } from "../ir/graph.js"
import type { OpName } from "../ops/names.js"
import { userPlace, userSpan } from "./user-place.js"

/** Operations that only move elements. */
const MOVES: ReadonlySet<OpName> = new Set<OpName>(["reshape", "transpose", "slice"])
/** Sums of products: any number can come out. */
const SCORES: ReadonlySet<OpName> = new Set<OpName>(["matmul", "einsum", "conv1d", "conv2d", "conv_transpose2d"])
const SQUASHES: ReadonlySet<OpName> = new Set<OpName>(["softmax", "log_softmax", "sigmoid"])

/** Warnings about the losses and activations of a model. */
export function checkProbabilities({ graph }: ElaboratedModel): readonly Diagnostic[] {
  const found: Diagnostic[] = []
  for (const node of graph.nodes) {
    const source = sourceOf(graph, node.inputs[0])
    if (source === undefined) continue
    const made = userSpan(source.origin)
    if (node.op === "binary_cross_entropy" && isScore(graph, source)) {
      found.push(
        describe({ kind: "loss-of-scores", ...userPlace(node.origin), operation: scoreOf(graph, source), made }),
      )
    }
    // What the library does twice is what a paper does, and is named as a setting there.
    const isOwn = !isStandard(node.origin.span)
    if (isOwn && SQUASHES.has(node.op) && SQUASHES.has(source.op) && made !== undefined) {
      found.push(
        describe({ kind: "squashed-twice", ...userPlace(node.origin), operation: node.op, first: source.op, made }),
      )
    }
  }
  return found
}

/** The node that computed a value, behind those that moved its elements. */
function sourceOf(graph: Graph, value: ValueId | undefined): GraphNode | undefined {
  const producer = value === undefined ? undefined : graph.values[value]?.node
  const node = producer === undefined ? undefined : graph.nodes[producer]
  return node !== undefined && MOVES.has(node.op) ? sourceOf(graph, node.inputs[0]) : node
}

/** A product, or one with a bias added. */
function isScore(graph: Graph, node: GraphNode): boolean {
  if (SCORES.has(node.op)) return true
  const [first] = node.inputs
  const summand = node.op === "add" ? sourceOf(graph, first) : undefined
  return summand !== undefined && SCORES.has(summand.op)
}

function scoreOf(graph: Graph, node: GraphNode): OpName {
  return SCORES.has(node.op) ? node.op : (sourceOf(graph, node.inputs[0])?.op ?? node.op)
}
