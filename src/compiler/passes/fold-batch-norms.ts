/**
 * Batch-norm folding: normalising what a convolution gives is a convolution with other filters.
 *
 * Takes an inference program whose statistics and filters are parameters; gives one in which
 * `batch_norm(conv(x, w) + b)` is `conv(x, w * s) + ((b - mean) * s + bias)` with `s = gain / sqrt(variance + epsilon)`.
 * The new filters are expressions of parameters, which the ONNX target computes when it writes the file: the file then
 * holds one convolution with a bias and no normalisation. It is for ONNX alone: in TensorFlow the weights are variables,
 * so the filters would be scaled anew in every call, and its fused inference kernel costs next to nothing. Results may
 * round differently in the last place.
 */

import { constant } from "../ir/dims.js"
import type { GraphBuilder } from "../ir/builder.js"
import type { Graph, GraphNode, ValueId } from "../ir/graph.js"
import { booleanAttribute, numberAttribute } from "../ops/shapes.js"
import { isRandom } from "./fold-constants.js"
import type { Pass, Program } from "./pass.js"
import { rewriteProgram, wantedOf } from "./rewrite.js"

/** A batch norm and what it is folded into, in values of the graph before. */
interface Foldable {
  readonly product: GraphNode
  /** what is added to the product before it is normalised */
  readonly offset: ValueId | undefined
  /** the shape that brings one number per channel in line with the filters */
  readonly filterShape: readonly number[] | undefined
}

/** The batch norms that can be folded, by node. */
export function foldableBatchNorms(program: Program): ReadonlyMap<GraphNode, Foldable> {
  const { graph } = program
  const fixed = valuesFixedByParameters(graph)
  const uses = countUses(program)
  const found = new Map<GraphNode, Foldable>()
  const producer = (value: ValueId): GraphNode | undefined => graph.nodes[graph.values[value]!.node]
  for (const node of graph.nodes) {
    if (node.op !== "batch_norm" || !node.inputs.slice(1).every((value) => fixed.has(value))) continue
    const x = node.inputs[0]!
    const maker = producer(x)
    if (!maker || uses.get(x) !== 1) continue
    const [product, offset] = maker.op === "add" ? withOffset(maker, producer, fixed) : [maker, undefined]
    // A shared filter would be stored once for every batch norm it is folded with.
    if (!product || uses.get(product.outputs[0]!) !== 1) continue
    const filter = product.inputs[1]
    if (filter === undefined || !fixed.has(filter) || uses.get(filter) !== 1) continue
    const filterShape = scaleShape(product, graph)
    if (filterShape === "none") continue
    found.set(node, { product, offset, filterShape })
  }
  return found
}

/** The product and the fixed term of a sum, in either order. */
function withOffset(
  sum: GraphNode,
  producer: (value: ValueId) => GraphNode | undefined,
  fixed: ReadonlySet<ValueId>,
): [GraphNode | undefined, ValueId | undefined] {
  const [a, b] = sum.inputs as [ValueId, ValueId]
  if (fixed.has(b)) return [producer(a), b]
  return fixed.has(a) ? [producer(b), a] : [undefined, undefined]
}

/** How the scale is brought in line with the filters of `product`; undefined: as it is; none: it is no such product. */
function scaleShape(product: GraphNode, graph: Graph): readonly number[] | undefined | "none" {
  const rankOf = (value: ValueId): number => graph.values[value]!.type.shape.length
  switch (product.op) {
    case "conv2d":
      return [-1, 1, 1, 1]
    case "conv1d":
      return [-1, 1, 1]
    case "matmul":
      if (product.inputs.some((value) => rankOf(value) !== 2)) return "none"
      return booleanAttribute(product.attributes, "transpose_b") ? [-1, 1] : undefined
    default:
      return "none"
  }
}

/** Values that depend on parameters and constants alone. */
function valuesFixedByParameters(graph: Graph): ReadonlySet<ValueId> {
  const fixed = new Set<ValueId>(graph.parameters.map((parameter) => parameter.value))
  for (const node of graph.nodes) {
    if (isRandom(node)) continue
    if (node.inputs.every((value) => fixed.has(value))) for (const output of node.outputs) fixed.add(output)
  }
  return fixed
}

function countUses(program: Program): ReadonlyMap<ValueId, number> {
  const uses = new Map<ValueId, number>()
  const read = (value: ValueId): void => void uses.set(value, (uses.get(value) ?? 0) + 1)
  for (const node of program.graph.nodes) node.inputs.forEach(read)
  new Set(wantedOf(program)).forEach(read)
  return uses
}

export const foldBatchNorms: Pass = {
  name: "batch-norm folding",
  doc: "A normalisation with fixed statistics becomes part of the filters and the bias before it (ONNX only).",
  requires: ["typed", "no dead nodes"],
  ensures: ["no foldable batch norms"],
  destroys: ["constants folded", "simplified", "no repeated expressions", "no dead nodes"],
  run: (program) => {
    const foldable = foldableBatchNorms(program)
    const folded = rewriteProgram(program, (node, inputs, builder, map) => {
      const found = foldable.get(node)
      if (!found) return undefined
      const [, gain, bias, mean, variance] = inputs as [ValueId, ValueId, ValueId, ValueId, ValueId]
      const epsilon = builder.scalar(numberAttribute(node.attributes, "epsilon"))
      const scale = builder.op("div", [gain, builder.op("sqrt", [builder.op("add", [variance, epsilon])])])
      const { product, offset, filterShape } = found
      const [x, filter] = product.inputs.map(map) as [ValueId, ValueId]
      const scaled = builder.op("mul", [filter, along(builder, scale, filterShape)])
      const y = builder.op(product.op, [x, scaled], product.attributes)
      // One number per channel, next to data [N, C, ...].
      const rank = builder.typeOf(y).shape.length
      const channels = rank === 2 ? undefined : [-1, ...new Array<number>(rank - 2).fill(1)]
      const centre = along(builder, mean, channels)
      const shifted = offset === undefined ? builder.op("neg", [centre]) : builder.op("sub", [map(offset), centre])
      const term = builder.op("add", [
        builder.op("mul", [shifted, along(builder, scale, channels)]),
        along(builder, bias, channels),
      ])
      return [builder.op("add", [y, term])]
    })
    return { program: folded }
  },
}

/** `vector` with axes of size 1 around its own, which `shape` marks by -1. */
function along(builder: GraphBuilder, vector: ValueId, shape: readonly number[] | undefined): ValueId {
  if (!shape) return vector
  const own = builder.typeOf(vector).shape[0]!
  return builder.op("reshape", [vector], { shape: shape.map((size) => (size < 0 ? own : constant(size))) })
}
