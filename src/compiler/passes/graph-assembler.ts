/**
 * Putting a graph together from nodes whose types are already known.
 *
 * `GraphBuilder` infers every type, which is right for the language; a pass that changes how tensors are stored knows
 * the types better than inference does (a convolution on NHWC shapes would not type-check). This assembler takes types
 * as given, and `finish` leaves out what nobody asks for and renumbers the rest.
 */

import { equal, type Dim, type Sizes } from "../ir/dims.js"
import { neededNodes } from "../ir/graph.js"
import type {
  Attributes,
  Graph,
  GraphInput,
  GraphLoss,
  GraphNode,
  GraphOutput,
  Origin,
  Parameter,
  StateUpdate,
  TensorType,
  Value,
  ValueId,
} from "../ir/graph.js"
import type { OpName } from "../ops/names.js"

/** What a graph names: its inputs, parameters and results. */
export interface GraphInterface {
  readonly inputs: readonly GraphInput[]
  readonly parameters: readonly Parameter[]
  readonly outputs: readonly GraphOutput[]
  readonly losses: readonly GraphLoss[]
  readonly updates: readonly StateUpdate[]
}

export class GraphAssembler {
  private readonly nodes: GraphNode[] = []
  private readonly values: Value[] = []

  constructor(private readonly sizes: Sizes) {}

  /** A value without a producer: an input or a parameter. */
  feed(type: TensorType): ValueId {
    return this.value(-1, 0, type)
  }

  append(
    op: OpName,
    inputs: readonly ValueId[],
    attributes: Attributes,
    types: readonly TensorType[],
    origin: Origin,
  ): readonly ValueId[] {
    const id = this.nodes.length
    const outputs = types.map((type, index) => this.value(id, index, type))
    this.nodes.push({ id, op, inputs, attributes, outputs, origin })
    return outputs
  }

  /** A reshape, or the value itself when it has that shape already. */
  reshape(value: ValueId, shape: readonly Dim[], origin: Origin): ValueId {
    const type = this.values[value]!.type
    if (type.shape.length === shape.length && type.shape.every((dim, axis) => equal(dim, shape[axis]!))) return value
    return this.append("reshape", [value], { shape }, [{ dtype: type.dtype, shape }], origin)[0]!
  }

  /**
   * The graph, with only the nodes that its results and `wanted` depend on.
   *
   * @returns the graph and the new ids of `wanted`
   */
  finish(
    names: GraphInterface,
    wanted: readonly ValueId[],
  ): { readonly graph: Graph; readonly wanted: readonly ValueId[] } {
    const roots = [...[...names.outputs, ...names.losses, ...names.updates].map((result) => result.value), ...wanted]
    const needed = neededNodes({ nodes: this.nodes, values: this.values }, roots)
    const ids = new Array<ValueId>(this.values.length)
    const values: Value[] = []
    const keep = (old: ValueId, node: number): ValueId => {
      const id = values.length
      values.push({ ...this.values[old]!, id, node })
      ids[old] = id
      return id
    }
    for (const value of this.values) if (value.node < 0) keep(value.id, -1)
    const nodes: GraphNode[] = []
    for (const node of this.nodes) {
      if (!needed.has(node.id)) continue
      const id = nodes.length
      const inputs = node.inputs.map((value) => ids[value]!)
      nodes.push({ ...node, id, inputs, outputs: node.outputs.map((value) => keep(value, id)) })
    }
    const moved = (value: ValueId): ValueId => ids[value]!
    const rename = <T extends { readonly value: ValueId }>(items: readonly T[]): T[] =>
      items.map((item) => ({ ...item, value: moved(item.value) }))
    return {
      graph: {
        nodes,
        values,
        inputs: rename(names.inputs),
        parameters: rename(names.parameters),
        outputs: rename(names.outputs),
        losses: rename(names.losses),
        updates: names.updates.map(({ state, value }) => ({ state: moved(state), value: moved(value) })),
        sizes: this.sizes,
      },
      wanted: wanted.map(moved),
    }
  }

  private value(node: number, output: number, type: TensorType): ValueId {
    const id = this.values.length
    this.values.push({ id, node, output, type })
    return id
  }
}
