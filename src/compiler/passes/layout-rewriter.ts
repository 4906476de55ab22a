/**
 * The walk of the layout pass: node by node, which storage each operand must have and which the results get.
 *
 * Takes a graph of the language and the storage of its parameters; gives the graph on physical shapes. See `layout.ts`
 * for what the pass is for. Ops are told apart by their records' layout rule; only those whose attributes are shapes,
 * or that are themselves a matter of layout, are known here by name.
 */

import { constant, evaluate, type Dim } from "../ir/dims.js"
import { NOWHERE } from "../ir/builder.js"
import type { Attributes, AttributeValue, Graph, GraphNode, Origin, TensorType, ValueId } from "../ir/graph.js"
import { typeOf } from "../ir/graph.js"
import { opDefinition } from "../ops/registry.js"
import { booleanAttribute, integersAttribute, normalAxis } from "../ops/shapes.js"
import { dimList } from "../ops/sized-attributes.js"
import { GraphAssembler } from "./graph-assembler.js"
import type { LayoutRequest } from "./layout.js"
import {
  FILTER_STORAGE,
  identityPermutation,
  IMAGE_STORAGE,
  inverse,
  isIdentity,
  permuted,
  probeSizes,
  reshapedStorage,
  sameMemoryOrder,
  samePermutation,
  transposition,
  type Permutation,
} from "./permutations.js"

/** Where a value of the language lies in the new graph. */
interface Placed {
  readonly value: ValueId
  readonly storage: Permutation
}

/** Rewrites one graph; `run` once. */
export class LayoutRewriter {
  private readonly out: GraphAssembler
  private readonly placed: Placed[] = []
  /** other storages that were asked for, and forms of lower rank for broadcasting */
  private readonly converted = new Map<string, ValueId>()
  private origin: Origin = NOWHERE

  constructor(
    private readonly graph: Graph,
    private readonly storage: ReadonlyMap<string, Permutation>,
  ) {
    this.out = new GraphAssembler(graph.sizes)
  }

  run(wanted: readonly LayoutRequest[]): { graph: Graph; wanted: readonly ValueId[] } {
    const { graph, out } = this
    const inputs = graph.inputs.map((input) => {
      const storage = identityPermutation(this.shapeOf(input.value).length)
      return { ...input, value: this.feed(input.value, storage) }
    })
    const parameters = graph.parameters.map((parameter) => {
      const storage = this.storage.get(parameter.name) ?? identityPermutation(parameter.shape.length)
      return { ...parameter, value: this.feed(parameter.value, storage) }
    })
    const states = new Map(graph.parameters.map((parameter, index) => [parameter.value, parameters[index]!]))
    for (const node of graph.nodes) {
      this.origin = node.origin
      this.rewrite(node)
    }
    const plain = (value: ValueId): ValueId => this.take(value, identityPermutation(this.shapeOf(value).length))
    const outputs = graph.outputs.map((output) => ({ ...output, value: plain(output.value) }))
    const losses = graph.losses.map((loss) => ({ ...loss, value: plain(loss.value) }))
    const updates = graph.updates.map((update) => ({
      state: this.placed[update.state]!.value,
      value: this.take(update.value, this.storage.get(states.get(update.state)!.name) ?? this.plainOrder(update.value)),
    }))
    const requested = wanted.map(({ value, storage }) => this.take(value, storage ?? this.plainOrder(value)))
    return out.finish({ inputs, parameters, outputs, losses, updates }, requested)
  }

  private feed(value: ValueId, storage: Permutation): ValueId {
    const id = this.out.feed(this.typeIn(value, storage))
    this.placed[value] = { value: id, storage }
    return id
  }

  private shapeOf(value: ValueId): readonly Dim[] {
    return typeOf(this.graph, value).shape
  }

  private plainOrder(value: ValueId): Permutation {
    return identityPermutation(this.shapeOf(value).length)
  }

  private typeIn(value: ValueId, storage: Permutation): TensorType {
    const { dtype, shape } = typeOf(this.graph, value)
    return { dtype, shape: permuted(shape, storage) }
  }

  private storageOf(value: ValueId): Permutation {
    return this.placed[value]!.storage
  }

  // ------------------------------------------------------------------------------------------------ rewriting a node

  private rewrite(node: GraphNode): void {
    const { layout } = opDefinition(node.op)
    switch (node.op) {
      case "transpose":
        return this.relabel(node)
      case "reshape":
        return this.reshape(node)
      case "slice":
        return this.alongAxes(node, (storage) => ({
          starts: permuted(dimList(node.attributes, "starts"), storage),
          sizes: permuted(dimList(node.attributes, "sizes"), storage),
        }))
      case "pad":
        return this.alongAxes(node, (storage) => ({
          before: permuted(dimList(node.attributes, "before"), storage),
          after: permuted(dimList(node.attributes, "after"), storage),
        }))
      case "broadcast_to": {
        const storage = this.extended(node.inputs[0]!, this.shapeOf(node.outputs[0]!).length)
        return this.emit(node, [this.placed[node.inputs[0]!]!.value], [storage], {
          ...node.attributes,
          shape: this.typeIn(node.outputs[0]!, storage).shape,
        })
      }
      case "matmul":
        return this.matmul(node)
      case "after":
        return this.emit(
          node,
          node.inputs.map((value) => this.placed[value]!.value),
          [this.storageOf(node.inputs[0]!)],
        )
      default:
      // the others go by what their record says of layouts
    }
    if (layout.kind === "elementwise") return this.elementwise(node)
    if (layout.kind === "axes") return this.axes(node, layout.attribute, layout.reduces)
    this.images(node)
  }

  /** Convolutions, pools, normalisations: rank-4 operands as the record says; everything else, and `fixed` ops, plain. */
  private images(node: GraphNode): void {
    const { layout } = opDefinition(node.op)
    const rule = layout.kind === "spatial" ? layout : undefined
    const storageFor = (value: ValueId, index: number, images?: readonly number[], filters?: readonly number[]) => {
      if (this.shapeOf(value).length !== 4) return this.plainOrder(value)
      if (images?.includes(index)) return IMAGE_STORAGE
      return filters?.includes(index) ? FILTER_STORAGE : this.plainOrder(value)
    }
    this.emit(
      node,
      node.inputs.map((value, index) => this.take(value, storageFor(value, index, rule?.inputs, rule?.filters))),
      node.outputs.map((value, index) => storageFor(value, index, rule?.outputs, rule?.filterOutputs)),
    )
  }

  private emit(
    node: GraphNode,
    inputs: readonly ValueId[],
    storages: readonly Permutation[],
    attributes: Attributes = node.attributes,
  ): void {
    const types = node.outputs.map((value, index) => this.typeIn(value, storages[index]!))
    const values = this.out.append(node.op, inputs, attributes, types, node.origin)
    node.outputs.forEach((value, index) => {
      this.placed[value] = { value: values[index]!, storage: storages[index]! }
    })
  }

  /** A transpose of the language moves nothing: the same memory, other labels. */
  private relabel(node: GraphNode): void {
    const { value, storage } = this.placed[node.inputs[0]!]!
    const rank = storage.length
    const perm = integersAttribute(node.attributes, "perm").map((axis) => normalAxis(axis, rank))
    const label = inverse(perm)
    this.placed[node.outputs[0]!] = { value, storage: storage.map((axis) => label[axis]!) }
  }

  private reshape(node: GraphNode): void {
    const input = node.inputs[0]!
    const output = node.outputs[0]!
    const shape = this.shapeOf(output)
    const stored = reshapedStorage(this.shapeOf(input), this.storageOf(input), shape, this.graph.sizes)
    const storage = stored ?? identityPermutation(shape.length)
    const value = this.take(input, stored ? this.storageOf(input) : this.plainOrder(input))
    const target = permuted(shape, storage)
    this.placed[output] = { value: this.out.reshape(value, target, node.origin), storage }
  }

  /** One operand, attributes listed per axis. */
  private alongAxes(node: GraphNode, attributes: (storage: Permutation) => Record<string, AttributeValue>): void {
    const { value, storage } = this.placed[node.inputs[0]!]!
    this.emit(node, [value], [storage], { ...node.attributes, ...attributes(storage) })
  }

  private elementwise(node: GraphNode): void {
    const rank = this.shapeOf(node.outputs[0]!).length
    const storage = this.cheapest(node.inputs, rank)
    this.emit(
      node,
      node.inputs.map((value) => this.operand(value, storage, rank)),
      node.outputs.map(() => storage),
    )
  }

  /** Reductions, softmax, concatenation: the named axes are counted in the storage. */
  private axes(node: GraphNode, attribute: string, reduces: boolean): void {
    const rank = this.shapeOf(node.inputs[0]!).length
    const storage = this.cheapest(node.inputs, rank)
    const given = node.attributes[attribute]
    const places = inverse(storage)
    const language = (Array.isArray(given) ? (given as readonly number[]) : [given as number]).map((axis) =>
      normalAxis(axis, rank),
    )
    const physical = language.map((axis) => places[axis]!)
    let result = storage
    if (reduces && !booleanAttribute(node.attributes, "keep")) {
      // No axes means all of them.
      const gone = new Set(language.length > 0 ? language : storage)
      const left = identityPermutation(rank).filter((axis) => !gone.has(axis))
      result = storage.filter((axis) => !gone.has(axis)).map((axis) => left.indexOf(axis))
    }
    this.emit(
      node,
      node.inputs.map((value) => this.take(value, storage)),
      node.outputs.map(() => result),
      { ...node.attributes, [attribute]: Array.isArray(given) ? physical : physical[0]! },
    )
  }

  /** A matrix stored transposed is the same product with the flag turned. */
  private matmul(node: GraphNode): void {
    const attributes: Record<string, AttributeValue> = { ...node.attributes }
    const inputs = node.inputs.map((value, index) => {
      const plain = this.plainOrder(value)
      const swapped = [...plain.slice(0, -2), plain.length - 1, plain.length - 2]
      if (plain.length < 2 || !samePermutation(this.storageOf(value), swapped)) return this.take(value, plain)
      const flag = index === 0 ? "transpose_a" : "transpose_b"
      attributes[flag] = !booleanAttribute(node.attributes, flag)
      return this.take(value, swapped)
    })
    this.emit(
      node,
      inputs,
      node.outputs.map((value) => this.plainOrder(value)),
      attributes,
    )
  }

  // ----------------------------------------------------------------------------------------------------- conversions

  /** The storage of one of the full-rank operands for which the fewest elements have to be moved. */
  private cheapest(values: readonly ValueId[], rank: number): Permutation {
    const candidates = values.filter((value) => this.shapeOf(value).length === rank).map((v) => this.storageOf(v))
    const plain = identityPermutation(rank)
    let best: { storage: Permutation; cost: number; rank: number } | undefined
    for (const storage of candidates) {
      const cost = values.reduce((sum, value) => sum + this.costOf(value, storage, rank), 0)
      // On a draw an image goes to NHWC, where its consumers are; anything else to the language's order.
      const preference = samePermutation(storage, IMAGE_STORAGE) ? 2 : samePermutation(storage, plain) ? 1 : 0
      if (!best || cost < best.cost || (cost === best.cost && preference > best.rank)) {
        best = { storage, cost, rank: preference }
      }
    }
    return best?.storage ?? plain
  }

  /** Elements moved when `value` is brought to `storage` of rank `rank`. */
  private costOf(value: ValueId, storage: Permutation, rank: number): number {
    const shape = this.shapeOf(value)
    const target = restricted(storage, rank - shape.length)
    const current = this.storageOf(value)
    if (this.converted.has(key(value, target))) return 0
    if (sameMemoryOrder(shape, current, target, this.graph.sizes)) return 0
    const producer = this.producerOf(value)
    if (producer && isFill(producer)) return 0
    if (producer?.op === "broadcast_to") return this.costOf(producer.inputs[0]!, target, shape.length)
    const sizes = probeSizes(shape, this.graph.sizes)
    return shape.reduce((product, dim) => product * (evaluate(dim, sizes) ?? 1), 1)
  }

  /** `value` as an operand that broadcasts from the right against a tensor of rank `rank` stored as `storage`. */
  private operand(value: ValueId, storage: Permutation, rank: number): ValueId {
    const shape = this.shapeOf(value)
    const missing = rank - shape.length
    const own = this.take(value, restricted(storage, missing))
    if (missing === 0 || isIdentity(storage)) return own
    // The axes it does not have stand between those it has, as ones; leading ones may stay away.
    const dims = storage.map((axis) => (axis < missing ? undefined : shape[axis - missing]!))
    const first = dims.findIndex((dim) => dim !== undefined)
    return first < 0
      ? own
      : this.out.reshape(
          own,
          dims.slice(first).map((dim) => dim ?? constant(1)),
          this.origin,
        )
  }

  /** The storage of a value of lower rank that is broadcast to `rank` without moving. */
  private extended(value: ValueId, rank: number): Permutation {
    const storage = this.storageOf(value)
    const missing = rank - storage.length
    return [...identityPermutation(missing), ...storage.map((axis) => axis + missing)]
  }

  private producerOf(value: ValueId): GraphNode | undefined {
    return this.graph.nodes[this.graph.values[value]!.node]
  }

  /** `value` in `storage`: as it is, reshaped when only axes of size 1 move, made anew when that is cheaper, transposed. */
  private take(value: ValueId, storage: Permutation): ValueId {
    const { value: current, storage: from } = this.placed[value]!
    if (samePermutation(from, storage)) return current
    const cached = this.converted.get(key(value, storage))
    if (cached !== undefined) return cached
    const made = this.convert(value, storage, current, from)
    this.converted.set(key(value, storage), made)
    return made
  }

  private convert(value: ValueId, storage: Permutation, current: ValueId, from: Permutation): ValueId {
    const type = this.typeIn(value, storage)
    if (sameMemoryOrder(this.shapeOf(value), from, storage, this.graph.sizes)) {
      return this.out.reshape(current, type.shape, this.origin)
    }
    const producer = this.producerOf(value)
    if (producer && isFill(producer)) {
      const shape = permuted(integersAttribute(producer.attributes, "shape"), storage)
      return this.out.append("constant", [], { ...producer.attributes, shape }, [type], producer.origin)[0]!
    }
    if (producer?.op === "broadcast_to") {
      const source = this.operand(producer.inputs[0]!, storage, storage.length)
      return this.out.append("broadcast_to", [source], { shape: type.shape }, [type], producer.origin)[0]!
    }
    const perm = transposition(from, storage)
    return this.out.append("transpose", [current], { perm }, [type], producer?.origin ?? this.origin)[0]!
  }
}

const key = (value: ValueId, storage: Permutation): string => `${value}:${storage.join()}`

/** The order that the last axes have among themselves, when the first `missing` are left out. */
function restricted(storage: Permutation, missing: number): Permutation {
  return storage.filter((axis) => axis >= missing).map((axis) => axis - missing)
}

/** A constant of one repeated value, which any storage can have. */
function isFill(node: GraphNode): boolean {
  return node.op === "constant" && integersAttribute(node.attributes, "values").length === 1
}
