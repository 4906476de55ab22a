/**
 * Reverse-mode differentiation, source to source: the gradient of a scalar is more nodes in the same graph.
 *
 * Takes a builder that holds the forward nodes, a scalar loss and the values to differentiate by; gives one gradient
 * value each, or undefined where the loss does not depend on the value. The rules stand in the op records; here is only
 * the walk: nodes backwards, contributions of all uses summed, and nothing computed for values nobody asked about.
 */

import { asConstant, formatShape } from "../ir/dims.js"
import type { GraphBuilder } from "../ir/builder.js"
import { neededNodes, type GraphNode, type TensorType, type ValueId } from "../ir/graph.js"
import type { GradientContext } from "../ops/definition.js"
import { opDefinition } from "../ops/registry.js"
import { sameSize } from "../ops/shapes.js"

/** An op that has no gradient stands between the loss and something trainable. */
export class NotDifferentiable extends Error {
  constructor(
    readonly node: GraphNode,
    readonly reason: string,
  ) {
    super(`the gradient cannot pass ${node.op} in ${node.origin.scope || "the graph"}: ${reason}`)
    this.name = "NotDifferentiable"
  }
}

/**
 * Appends the nodes that compute d(loss)/d(value) for each of `wrt`.
 *
 * @param loss a scalar f32
 * @throws NotDifferentiable when an op without a gradient rule lies on a path from `wrt` to `loss`
 */
export function differentiate(
  builder: GraphBuilder,
  loss: ValueId,
  wrt: readonly ValueId[],
): readonly (ValueId | undefined)[] {
  const lossType = builder.typeOf(loss)
  if (lossType.shape.length !== 0 || lossType.dtype !== "f32") {
    throw new Error(`a loss must be a scalar f32, not ${lossType.dtype}${formatShape(lossType.shape)}`)
  }
  const forward = builder.nodesSoFar.slice()
  const active = dependents(builder, forward, wrt)
  const needed = neededNodes(builder.finish(), [loss])
  const contributions = new Map<ValueId, ValueId[]>([[loss, [builder.scalar(1)]]])

  for (let index = forward.length - 1; index >= 0; index--) {
    const node = forward[index]!
    if (!needed.has(node.id) || !node.inputs.some((v) => active.has(v))) continue
    const gradients = node.outputs.map((output) => collect(builder, contributions, output))
    if (gradients.every((g) => g === undefined)) continue
    const { gradient } = opDefinition(node.op)
    // Gradient nodes belong to the place of the node they differentiate.
    builder.setOrigin({ ...node.origin, scope: `${node.origin.scope}.gradient` })
    if (typeof gradient !== "function") throw new NotDifferentiable(node, gradient.none)
    const context: GradientContext = {
      op: builder.op,
      all: builder.all,
      scalar: builder.scalar,
      typeOf: builder.typeOf,
      node,
      inputs: node.inputs,
      outputs: node.outputs,
      attributes: node.attributes,
      gradients,
      needs: node.inputs.map((v) => active.has(v)),
      unbroadcast: (value, target) => unbroadcast(builder, value, target),
    }
    gradient(context).forEach((contribution, position) => {
      const input = node.inputs[position]!
      if (contribution === undefined || !active.has(input)) return
      const list = contributions.get(input)
      if (list) list.push(contribution)
      else contributions.set(input, [contribution])
    })
  }
  return wrt.map((value) => collect(builder, contributions, value))
}

/** Sums what all uses of `value` contributed; remembers the sum. */
function collect(builder: GraphBuilder, contributions: Map<ValueId, ValueId[]>, value: ValueId): ValueId | undefined {
  const list = contributions.get(value)
  if (!list) return undefined
  const sum = list.reduce((a, b) => builder.op("add", [a, b]))
  contributions.set(value, [sum])
  return sum
}

/**
 * All values that depend differentiably on one of `roots`, the roots included. Integers and booleans are piecewise
 * constant in what they are made from, so nothing passes through a comparison or a rank.
 */
function dependents(
  builder: GraphBuilder,
  nodes: readonly GraphNode[],
  roots: readonly ValueId[],
): ReadonlySet<ValueId> {
  const active = new Set<ValueId>(roots)
  for (const node of nodes) {
    if (node.op === "stop_gradient" || !node.inputs.some((v) => active.has(v))) continue
    for (const output of node.outputs) if (builder.typeOf(output).dtype === "f32") active.add(output)
  }
  return active
}

/** Sums over broadcast axes, so that the gradient of an operand has the operand's shape. */
export function unbroadcast(builder: GraphBuilder, gradient: ValueId, target: TensorType): ValueId {
  const shape = builder.typeOf(gradient).shape
  const extra = shape.length - target.shape.length
  const axes: number[] = []
  shape.forEach((dim, axis) => {
    const wanted = target.shape[axis - extra]
    if (axis < extra) axes.push(axis)
    else if (asConstant(wanted!) === 1 && !sameSize(dim, wanted!, builder.sizes)) axes.push(axis)
  })
  if (axes.length === 0) return gradient
  if (extra === 0) return builder.op("sum", [gradient], { axes, keep: true })
  const summed = builder.op("sum", [gradient], { axes, keep: false })
  const flat = builder.typeOf(summed).shape
  return flat.length === target.shape.length ? summed : builder.op("reshape", [summed], { shape: target.shape })
}
