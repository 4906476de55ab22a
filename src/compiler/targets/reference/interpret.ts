/**
 * The reference target: runs a graph in float64 with the plain implementations of the op records.
 *
 * Takes a graph, the values wanted, and feeds for inputs and parameters; gives arrays. It is slow and obvious on purpose:
 * it defines what a graph means, the fast targets are proved against it, and it works where no native backend does.
 */

import { evaluate, format, type Sizes } from "../../ir/dims.js"
import { neededNodes, type Graph, type TensorType, type ValueId } from "../../ir/graph.js"
import type { ConcreteType } from "../../ops/definition.js"
import { sizeOf, type NdArray } from "../../ops/ndarray.js"
import { opDefinition } from "../../ops/registry.js"
import { attributesAt } from "../../ops/sized-attributes.js"
import { statelessRandom } from "./random.js"

export interface InterpretOptions {
  /** sizes of all symbols, the batch included */
  readonly sizes: Sizes
  readonly seed: number
  readonly step: number
}

/** The sizes of `type` as integers; throws when a symbol has no size or the result is no natural number. */
export function concreteType(type: TensorType, sizes: Sizes): ConcreteType {
  const shape = type.shape.map((dim) => {
    const size = evaluate(dim, sizes)
    if (size === undefined || !Number.isInteger(size) || size < 0) {
      throw new Error(`dimension ${format(dim)} is ${size ?? "unknown"} at the given sizes`)
    }
    return size
  })
  return { dtype: type.dtype, shape }
}

/**
 * Evaluates `wanted` and what they depend on, nothing else.
 *
 * @param feeds arrays for graph inputs and parameters, by value id
 * @throws Error naming the node when its rule fails or gives a shape that inference did not promise
 */
export function interpret(
  graph: Graph,
  wanted: readonly ValueId[],
  feeds: ReadonlyMap<ValueId, NdArray>,
  options: InterpretOptions,
): readonly NdArray[] {
  const random = statelessRandom(options.seed, options.step)
  const computed = new Map<ValueId, NdArray>(feeds)
  const names = new Map([...graph.inputs, ...graph.parameters].map((v) => [v.value, v.name] as const))

  const read = (value: ValueId): NdArray => {
    const array = computed.get(value)
    if (!array) throw new Error(`no value was given for ${names.get(value) ?? `value ${value}`}`)
    return array
  }

  const needed = neededNodes(graph, wanted)
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue
    const types = node.outputs.map((v) => concreteType(graph.values[v]!.type, options.sizes))
    const results = opDefinition(node.op).reference(
      node.inputs.map(read),
      attributesAt(node.attributes, options.sizes),
      types,
      random,
    )
    node.outputs.forEach((output, index) => {
      const result = results[index]
      const expected = types[index]!.shape
      if (!result || result.shape.join() !== expected.join() || result.data.length !== sizeOf(expected)) {
        throw new Error(
          `${node.op} in ${node.origin.scope || "the graph"}: the reference gave [${result?.shape.join(", ")}], inference promised [${expected.join(", ")}]`,
        )
      }
      computed.set(output, result)
    })
  }
  return wanted.map(read)
}
