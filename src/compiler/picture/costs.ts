/**
 * What the parts of a picture cost: parameters and multiply-accumulates, by the nodes that are in them.
 *
 * Takes an elaborated model; gives a sum over nodes. A parameter counts where it is first read, so that no two boxes count
 * the same one; the convention for MACs is that of `summarise`: one image, in inference.
 */

import type { ElaboratedModel } from "../elaborate/model.js"
import { type GraphNode, inferenceNodes } from "../ir/graph.js"
import { sizeOf } from "../ops/ndarray.js"
import { nodeMacs } from "../summary.js"

export interface PartCosts {
  /** learned values, frozen ones among them */
  readonly parameters: number
  readonly frozenParameters: number
  /** of inference with one image */
  readonly macs: number
  /** nothing of it is left in inference */
  readonly trainingOnly: boolean
}

/** Costs of any nodes of `model`. */
export function costsOf({ graph }: ElaboratedModel): (nodes: readonly GraphNode[]) => PartCosts {
  const inference = inferenceNodes(graph)
  const macsOf = nodeMacs(graph)
  const [learned, frozen, macs] = [0, 1, 2].map(() => new Float64Array(graph.nodes.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const unread = new Map(graph.parameters.filter(({ role }) => role === "param").map((one) => [one.value, one]))
  for (const node of graph.nodes) {
    const { id } = node
    for (const input of node.inputs) {
      const parameter = unread.get(input)
      if (!parameter) continue
      unread.delete(input)
      const size = sizeOf(parameter.shape)
      learned[id]! += size
      if (parameter.frozen) frozen[id]! += size
    }
    if (inference.has(id)) macs[id] = macsOf(node)
  }
  return (nodes) => {
    const sum = (of: Float64Array): number => nodes.reduce((total, { id }) => total + of[id]!, 0)
    return {
      parameters: sum(learned),
      frozenParameters: sum(frozen),
      macs: sum(macs),
      trainingOnly: nodes.length > 0 && !nodes.some(({ id }) => inference.has(id)),
    }
  }
}
