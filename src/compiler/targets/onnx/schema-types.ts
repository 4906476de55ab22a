/**
 * What an ONNX operator is to this exporter: the shape of an entry in the operator table, and what entries share.
 *
 * Takes nothing; gives the types and the helpers that the tables (`schema-*.ts`) are written with. The table holds the
 * operators that lowerings may emit and no others. Each entry states arity, attributes and how the result's type follows
 * from the inputs, as ONNX's own OpSchema does. It is read twice: when a node is appended, to give every value a shape,
 * and by the checker on the finished bytes, so that a lowering that breaks an operator's contract is found at export.
 */

import {
  asConstant,
  constant,
  divideExactly,
  equal,
  format,
  formatShape,
  product,
  type Dim,
  type Sizes,
} from "../../ir/dims.js"
import type { OnnxAttribute } from "../../ops/definition.js"
import type { OnnxDataType, OnnxType } from "./tensors.js"

/** Which kind of attribute; `tensor` is a vector of 64-bit integers. */
export type OnnxAttributeKind = "int" | "float" | "string" | "ints" | "floats" | "tensor"

export interface OnnxAttributeSchema {
  readonly kind: OnnxAttributeKind
  readonly required?: boolean
  /** first and last opset that has it, where that is not all of 15 to 18 */
  readonly from?: number
  readonly until?: number
}

/** What is known about a value: its type and, for small ones that shapes are made from, its contents. */
export interface Known {
  readonly type: OnnxType
  /** contents of a constant of at most `MOST_KNOWN_ELEMENTS` elements */
  readonly numbers?: readonly number[]
  /** contents of an integer scalar or vector that holds sizes, constant or not */
  readonly elements?: readonly Dim[]
}

/** Contents of constants beyond this many elements are not followed: nothing that decides a shape is longer. */
export const MOST_KNOWN_ELEMENTS = 64

export interface SchemaContext {
  readonly op: string
  readonly opset: number
  /** undefined for an optional input that is left out */
  readonly inputs: readonly (Known | undefined)[]
  readonly outputs: number
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
  /** sizes that symbols left open in the file had when the model was compiled: they say what divides and how it rounds */
  readonly sizes: Sizes
  /** Stops with a sentence about what is wrong with the node. */
  fail(message: string): never
}

export interface OnnxOperator {
  /** least and largest number of inputs */
  readonly inputs: readonly [number, number]
  /** by opset, where the number of inputs grew after opset 15 */
  readonly inputsFrom?: { readonly opset: number; readonly most: number }
  readonly outputs?: readonly [number, number]
  /** first opset with this operator, where later than 15 */
  readonly since?: number
  readonly attributes: Readonly<Record<string, OnnxAttributeSchema>>
  /** one entry per output */
  readonly infer: (context: SchemaContext) => readonly Known[]
}

export const ANY_NUMBER = Number.POSITIVE_INFINITY

/** The kind of an attribute's value. */
export function kindOf(attribute: OnnxAttribute): OnnxAttributeKind {
  if ("int" in attribute) return "int"
  if ("float" in attribute) return "float"
  if ("string" in attribute) return "string"
  if ("ints" in attribute) return "ints"
  if ("floats" in attribute) return "floats"
  return "tensor"
}

export function intAttribute(context: Pick<SchemaContext, "attributes">, name: string, fallback: number): number {
  const attribute = context.attributes[name]
  return attribute && "int" in attribute ? attribute.int : fallback
}

export function stringAttribute(context: Pick<SchemaContext, "attributes">, name: string, fallback: string): string {
  const attribute = context.attributes[name]
  return attribute && "string" in attribute ? attribute.string : fallback
}

export function intsAttribute(context: SchemaContext, name: string): readonly number[] | undefined {
  const attribute = context.attributes[name]
  return attribute && "ints" in attribute ? attribute.ints : undefined
}

/** The input at `index`, which the arity check has made sure of. */
export function input(context: SchemaContext, index: number): Known {
  return context.inputs[index] ?? context.fail(`input ${index + 1} is missing`)
}

export function typeOfInput(context: SchemaContext, index: number): OnnxType {
  return input(context, index).type
}

/** Contents of an input that must be a constant. */
export function numbersOfInput(context: SchemaContext, index: number): readonly number[] {
  return input(context, index).numbers ?? context.fail(`input ${index + 1} must be a small constant`)
}

/** Contents of an input that holds sizes. */
export function sizesOfInput(context: SchemaContext, index: number): readonly Dim[] {
  return input(context, index).elements ?? context.fail(`input ${index + 1} must hold sizes that can be followed`)
}

/** Element types must be among `allowed` and equal. */
export function sameDataType(
  context: SchemaContext,
  indices: readonly number[],
  allowed: readonly OnnxDataType[],
): OnnxDataType {
  const first = typeOfInput(context, indices[0]!).dtype
  for (const index of indices) {
    const { dtype } = typeOfInput(context, index)
    if (!allowed.includes(dtype)) {
      context.fail(`input ${index + 1} has element type ${dtype}, allowed are ${allowed.join(", ")}`)
    }
    if (dtype !== first) context.fail(`inputs ${indices[0]! + 1} and ${index + 1} are ${first} and ${dtype}`)
  }
  return first
}

export const NUMERIC: readonly OnnxDataType[] = ["f32", "i32", "i64"]
export const FLOAT: readonly OnnxDataType[] = ["f32"]
export const INTEGER: readonly OnnxDataType[] = ["i32", "i64"]
export const ANY: readonly OnnxDataType[] = ["f32", "i32", "i64", "bool"]

/** NumPy broadcasting over dims that may be symbolic. */
export function broadcast(context: SchemaContext, shapes: readonly (readonly Dim[])[]): readonly Dim[] {
  const rank = Math.max(...shapes.map((shape) => shape.length))
  return Array.from({ length: rank }, (_, position) => {
    let result = constant(1)
    for (const shape of shapes) {
      const dim = shape[position - (rank - shape.length)]
      if (dim === undefined || asConstant(dim) === 1 || equal(dim, result)) continue
      if (asConstant(result) !== 1) context.fail(`shapes ${shapes.map(formatShape).join(" and ")} do not broadcast`)
      result = dim
    }
    return result
  })
}

export function axisIn(context: SchemaContext, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis
  if (normal < 0 || normal >= rank) context.fail(`axis ${axis} is outside a tensor of rank ${rank}`)
  return normal
}

export function axesIn(context: SchemaContext, axes: readonly number[], rank: number): readonly number[] {
  const normal = axes.map((axis) => axisIn(context, axis, rank))
  if (new Set(normal).size !== normal.length) context.fail(`axes [${axes.join(", ")}] name one axis twice`)
  return normal
}

export function wantRank(context: SchemaContext, index: number, rank: number): readonly Dim[] {
  const { shape } = typeOfInput(context, index)
  if (shape.length !== rank) context.fail(`input ${index + 1} has shape ${formatShape(shape)}, wanted rank ${rank}`)
  return shape
}

export function wantEqual(context: SchemaContext, a: Dim, b: Dim, what: string): void {
  if (!equal(a, b)) context.fail(`${what} differ: ${format(a)} and ${format(b)}`)
}

/** The target of a Reshape, with 0 (copy) and -1 (the rest) resolved; the number of elements must agree. */
export function reshapeTarget(context: SchemaContext, from: readonly Dim[], target: readonly Dim[]): readonly Dim[] {
  const copied = target.map((dim, axis) => (asConstant(dim) === 0 ? (from[axis] ?? dim) : dim))
  const total = product(from)
  const open = copied.flatMap((dim, axis) => (asConstant(dim) === -1 ? [axis] : []))
  if (open.length > 1) context.fail("more than one size is -1")
  if (open.length === 1) {
    const rest = product(copied.filter((_, axis) => axis !== open[0]))
    const size = divideExactly(total, rest, context.sizes)
    if (!size) context.fail(`${formatShape(from)} cannot be divided into ${formatShape(target)}`)
    return copied.map((dim, axis) => (axis === open[0] ? size : dim))
  }
  if (!equal(product(copied), total))
    context.fail(`${formatShape(from)} does not have the size of ${formatShape(target)}`)
  return copied
}
