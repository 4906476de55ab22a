/**
 * The cost of a model as the profiler of the papers counts it (thop), which is not quite our own convention.
 *
 * Takes an elaborated model; gives multiply-accumulates of one image in use. The profiler adds up layers by their class: a
 * convolution or linear layer by its products, a normalisation two for each element. It does not see products that belong
 * to no layer, such as queries times keys, nor what PyTorch computes inside of `nn.MultiheadAttention`. A transposed
 * convolution it counts as if every result had all taps of the filter.
 */

import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import { neededNodes, type GraphNode, type Parameter, type ValueId } from "../../src/compiler/ir/graph.js"
import { sizeOf } from "../../src/compiler/ops/ndarray.js"
import { opDefinition } from "../../src/compiler/ops/registry.js"
import { predictProgram } from "../../src/compiler/passes/programs.js"
import { concreteType } from "../../src/compiler/targets/reference/interpret.js"

/** @param unseen parameters of layers that PyTorch computes inside of another class */
export function profilerMacs(model: ElaboratedModel, unseen: (parameter: string) => boolean): number {
  const { graph } = predictProgram(model)
  const sizes = new Map(graph.sizes).set("N", 1)
  const parameters = new Map(graph.parameters.map((p) => [p.value, p] as const))
  const made = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  /** The parameter that a value is, or is laid out from. */
  const parameterOf = (value: ValueId): Parameter | undefined => {
    const node = made.get(value)
    if (!node) return parameters.get(value)
    return ["reshape", "transpose"].includes(node.op) ? parameterOf(node.inputs[0]!) : undefined
  }
  const typesOf = (values: readonly ValueId[]) => values.map((v) => concreteType(graph.values[v]!.type, sizes))
  const costOf = (node: GraphNode): number => {
    if (node.op === "batch_norm" || node.op === "layer_norm") return 2 * sizeOf(typesOf(node.outputs)[0]!.shape)
    const layer = node.inputs.map(parameterOf).find((parameter) => parameter !== undefined)
    if (layer === undefined || unseen(layer.name)) return 0
    const { macs } = opDefinition(node.op).cost(typesOf(node.inputs), typesOf(node.outputs), node.attributes)
    // The doubling of std/unet is a product with a filter of 2x2 taps, one for each result.
    const isTransposed = node.op === "matmul" && layer.shape.length === 4
    return isTransposed ? layer.shape[2]! * layer.shape[3]! * macs : macs
  }
  const live = neededNodes(
    graph,
    graph.outputs.map((o) => o.value),
  )
  return graph.nodes.reduce((sum, node) => sum + (live.has(node.id) ? costOf(node) : 0), 0)
}

/** RecLMIS: its text tower and its interaction use `nn.MultiheadAttention`, its text projection is no layer. */
export const unseenInRecLMIS = (parameter: string): boolean => /\.(attn|attention)\.|text_projection/.test(parameter)

/** LViT and the U-Net: nothing is hidden; LViT's attention is made of linear layers. */
export const nothingUnseen = (): boolean => false
