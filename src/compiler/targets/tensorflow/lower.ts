/**
 * Lowering one graph to TensorFlow nodes.
 *
 * Takes a graph whose values are in physical layout (see `passes/layout.ts`), the size of every symbol, and the tensors
 * that stand for inputs and parameters; appends nodes and gives the tensor of every wanted value. Dims are evaluated
 * here: TensorFlow sees concrete shapes only, so its kernels never have to infer one. Only what the wanted values need
 * is written, which is how one training graph and one inference graph share a definition.
 */

import { evaluate, formatShape, type Sizes } from "../../ir/dims.js"
import type { Graph, GraphNode, TensorType, ValueId } from "../../ir/graph.js"
import { neededNodes, typeOf } from "../../ir/graph.js"
import type { ConcreteType, TensorFlowContext } from "../../ops/definition.js"
import { opDefinition } from "../../ops/registry.js"
import { attributesAt } from "../../ops/sized-attributes.js"
import { elementType, nodeOfTensor, type GraphDefBuilder } from "./graphdef.js"

/** A graph cannot be written for TensorFlow; the message names the user's place. */
export class LoweringError extends Error {
  constructor(
    message: string,
    readonly node: GraphNode | undefined,
  ) {
    super(node ? `${node.op} in ${node.origin.scope || "the graph"}: ${message}` : message)
    this.name = "LoweringError"
  }
}

export interface LowerRequest {
  readonly graph: Graph
  /** sizes of all symbols, the batch included */
  readonly sizes: Sizes
  /** the tensors of inputs and parameters; others are made */
  readonly feeds: ReadonlyMap<ValueId, string>
  readonly wanted: readonly ValueId[]
  /** first part of every node name, e.g. `train` */
  readonly program: string
  /** the int64 pair [seed and key, step] for a random op */
  readonly seed: (key: string) => string
  /** told of each node before it is lowered */
  readonly onNode?: (node: GraphNode) => void
}

/**
 * Appends what `wanted` needs.
 *
 * @returns the tensor names of all values that were made or fed
 * @throws LoweringError when a size is unknown or fractional, a needed input is not fed, or an op cannot be lowered
 */
export function lowerGraph(builder: GraphDefBuilder, request: LowerRequest): ReadonlyMap<ValueId, string> {
  const { graph, sizes, feeds, wanted, program } = request
  const tensors = new Map<ValueId, string>(feeds)
  const needed = neededNodes(graph, wanted, (value) => feeds.has(value))
  const names = new Map([...graph.inputs, ...graph.parameters].map((feed) => [feed.value, feed.name] as const))
  const notFed = (value: ValueId): string =>
    `it needs ${names.get(value) ?? `value ${value}`}, which ${program} is not given`
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue
    request.onNode?.(node)
    const scope = node.origin.scope ? `${program}/${node.origin.scope}` : program
    const tensorOf = (value: ValueId): string => {
      const tensor = tensors.get(value)
      if (tensor === undefined) throw new LoweringError(notFed(value), node)
      return tensor
    }
    const inputs = node.inputs.map(tensorOf)
    const concrete = (value: ValueId): ConcreteType => concreteType(typeOf(graph, value), sizes, node)
    const context: TensorFlowContext = {
      inputs,
      inputTypes: node.inputs.map(concrete),
      outputTypes: node.outputs.map(concrete),
      attributes: attributesAt(node.attributes, sizes),
      float: [...node.inputs, ...node.outputs].some((value) => typeOf(graph, value).dtype === "bf16") ? "bf16" : "f32",
      siblingOutput: (input, output) => `${nodeOfTensor(inputs[input]!)}:${output}`,
      node: (op, operands, attributes) => builder.node(op, scope, operands, attributes),
      constant: (dtype, shape, values) => builder.constant(elementType(dtype), shape, values),
      ints: (values) => builder.ints(values),
      type: (dtype) => ({ type: elementType(dtype) }),
      seed: request.seed,
    }
    const outputs = lowerNode(node, context)
    node.outputs.forEach((value, index) => tensors.set(value, outputs[index]!))
  }
  for (const value of wanted) {
    if (!tensors.has(value)) throw new LoweringError(notFed(value), undefined)
  }
  return tensors
}

function lowerNode(node: GraphNode, context: TensorFlowContext): readonly string[] {
  let outputs: readonly string[]
  try {
    outputs = opDefinition(node.op).tensorflow(context)
  } catch (error) {
    if (error instanceof LoweringError) throw error
    const wrapped = new LoweringError(error instanceof Error ? error.message : String(error), node)
    wrapped.cause = error
    throw wrapped
  }
  if (outputs.length !== node.outputs.length) {
    throw new LoweringError(`its lowering gave ${outputs.length} tensors for ${node.outputs.length} outputs`, node)
  }
  return outputs
}

/** The type with every dim evaluated; throws `LoweringError` when one has no whole size. */
export function concreteType(type: TensorType, sizes: Sizes, node?: GraphNode): ConcreteType {
  const shape = type.shape.map((dim) => {
    const size = evaluate(dim, sizes)
    if (size === undefined || !Number.isSafeInteger(size) || size < 0) {
      throw new LoweringError(`shape ${formatShape(type.shape)} has no whole size at these sizes`, node)
    }
    return size
  })
  return { dtype: type.dtype, shape }
}
