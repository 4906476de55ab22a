/**
 * The graph: straight-line, typed, single-assignment code over tensors.
 *
 * Takes nothing; gives the data types that elaboration builds, passes rewrite and targets read, and `GraphBuilder`, the
 * one way to append a node. A node may have several outputs (batch normalisation gives a result and statistics); a
 * `Value` is one of them. Nodes are stored in topological order. Every node keeps where it came from (span, section,
 * name, chain of block instances), because a runtime error, a profile row, an ONNX node or a diff line must be able to
 * say so.
 */

import type { Span } from "../../../grammar/ast.js"
import type { OpName } from "../ops/names.js"
import type { Dim, Sizes } from "./dims.js"

/** Element types of the language, of files, and of what a program is fed and gives. */
export type LanguageType = "f32" | "i32" | "bool"

/** Element types of values. `bf16` is made by the precision pass alone: no input, parameter or result has it. */
export type DataType = LanguageType | "bf16"

export interface TensorType {
  readonly dtype: DataType
  readonly shape: readonly Dim[]
}

/** Index into `Graph.values`. */
export type ValueId = number & { readonly __brand?: "value" }
/** Index into `Graph.nodes`. */
export type NodeId = number & { readonly __brand?: "node" }

export type AttributeValue = number | string | boolean | readonly number[] | readonly Dim[]
export type Attributes = Readonly<Record<string, AttributeValue>>

/** Where a node came from. */
export interface Origin {
  readonly span: Span
  /** name of the section, or "" outside any */
  readonly section: string
  /** dotted name of the statement the node was written in, e.g. `vision.down1.conv` */
  readonly scope: string
  /** call sites of the blocks and functions around the node, outermost first */
  readonly chain: readonly Span[]
}

export interface Value {
  readonly id: ValueId
  readonly node: NodeId
  /** which output of the node */
  readonly output: number
  readonly type: TensorType
}

export interface GraphNode {
  readonly id: NodeId
  readonly op: OpName
  readonly inputs: readonly ValueId[]
  readonly attributes: Attributes
  readonly outputs: readonly ValueId[]
  readonly origin: Origin
}

/** How a parameter's first value is made; keyed by (seed, name), so the same text gives the same start. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  | { readonly kind: "normal"; readonly mean: number; readonly deviation: number }
  /** explicit values, row-major */
  | { readonly kind: "values"; readonly values: readonly number[] }
  | LoadedValues

/** Values of a constant, row-major, that stand in a file. */
export interface LoadedValues {
  readonly kind: "loaded"
  /** path of the file, and the name of the tensor in it */
  readonly file: string
  readonly tensor: string | undefined
  /** of the tensor's bytes, in hexadecimal */
  readonly sha256: string
  /** absent in a model compiled from what a run keeps: the run's checkpoints hold the values */
  readonly values: ArrayLike<number> | undefined
}

/** The values of a constant from a file. @throws Error for a model that was compiled without them */
export function loadedValues({ file, values }: LoadedValues): ArrayLike<number> {
  if (values === undefined) throw new Error(`the values of ${file} are in the run's checkpoints, not in its model`)
  return values
}

/** A trainable parameter, state (normalisation statistics), or a constant that nothing ever changes. */
export type ParameterRole = "param" | "state" | "const"

/** A tensor that lives between steps. */
export interface Parameter {
  readonly name: string
  readonly role: ParameterRole
  /** concrete sizes, in the layout of the language (that of PyTorch) */
  readonly shape: readonly number[]
  readonly dtype: LanguageType
  readonly initializer: Initializer
  readonly section: string
  /** in a frozen section: no gradient, no update, statistics fixed */
  readonly frozen: boolean
  readonly value: ValueId
  readonly origin: Origin
}

/** A tensor fed from outside. `role` "note_ids" and "note_valid" come from one `tokens` input. */
export interface GraphInput {
  readonly name: string
  readonly role: "input" | "target"
  readonly value: ValueId
  readonly doc: string | undefined
}

export interface GraphLoss {
  /** `cvr.t2v` */
  readonly name: string
  /** a scalar, already weighted */
  readonly value: ValueId
  readonly section: string
}

export interface GraphOutput {
  readonly name: string
  readonly value: ValueId
  readonly doc: string | undefined
}

/** A state tensor's new value after a training step. */
export interface StateUpdate {
  readonly state: ValueId
  readonly value: ValueId
}

export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly values: readonly Value[]
  readonly inputs: readonly GraphInput[]
  readonly parameters: readonly Parameter[]
  readonly outputs: readonly GraphOutput[]
  readonly losses: readonly GraphLoss[]
  readonly updates: readonly StateUpdate[]
  /** the sizes at which rounding was resolved; the batch symbol is absent */
  readonly sizes: Sizes
}

/** `dtype`, where only a type of the language can be. @throws Error for bf16, which must not get that far */
export function languageType(dtype: DataType): LanguageType {
  if (dtype === "bf16") throw new Error("a value in bf16 has left the program that the precision pass made it in")
  return dtype
}

/** The type of `value`. */
export function typeOf(graph: Pick<Graph, "values">, value: ValueId): TensorType {
  const v = graph.values[value]
  if (!v) throw new Error(`value ${value} is not in the graph`)
  return v.type
}

/** Some of the nodes of a graph, by id. */
export type NodeSet = Pick<ReadonlySet<NodeId>, "has" | "size">

/**
 * The nodes that `wanted` depend on, by id.
 *
 * @param isGiven values that come from outside, so that what makes them is not needed
 */
export function neededNodes(
  graph: Pick<Graph, "nodes" | "values">,
  wanted: readonly ValueId[],
  isGiven: (value: ValueId) => boolean = () => false,
): NodeSet {
  const needed = new Uint8Array(graph.nodes.length)
  let size = 0
  const open = [...wanted]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (isGiven(value)) continue
    const node = graph.nodes[graph.values[value]?.node ?? -1]
    if (!node || needed[node.id] === 1) continue
    needed[node.id] = 1
    size++
    for (const input of node.inputs) open.push(input)
  }
  return { size, has: (node) => needed[node] === 1 }
}

/** The nodes that the outputs depend on: what is left of a graph in use. */
export const inferenceNodes = (graph: Pick<Graph, "nodes" | "values" | "outputs">): NodeSet =>
  neededNodes(
    graph,
    graph.outputs.map(({ value }) => value),
  )
