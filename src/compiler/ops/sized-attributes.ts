/**
 * Attributes that hold dims, and what becomes of them once sizes are known.
 *
 * Takes attributes as they stand on a node; gives lists of dims, or of integers. While a graph is built a `dims` attribute
 * may name symbols (`starts = [N, 0]`). A reference rule and a TensorFlow lowering work at concrete sizes but are not
 * told the sizes of symbols, so whoever calls them passes `attributesAt(node.attributes, sizes)`.
 */

import {
  asConstant,
  constant,
  evaluate,
  format,
  substitute,
  symbolsOf,
  toDim,
  type Dim,
  type Sizes,
} from "../ir/dims.js"
import type { Attributes, AttributeValue } from "../ir/graph.js"
import type { InferContext } from "./definition.js"

/** The entries of a `dims` attribute; plain integers are accepted too. */
export function dimList(attributes: Attributes, name: string): readonly Dim[] {
  const value = attributes[name]
  if (!Array.isArray(value)) throw new TypeError(`attribute ${name} is not a list of dims`)
  return (value as readonly (number | Dim)[]).map(toDim)
}

/** An attribute was to be a number and depends on a symbol. */
export class UnsizedAttribute extends Error {
  override readonly name = "UnsizedAttribute"
  constructor(
    attribute: string,
    readonly dim: string,
  ) {
    super(`attribute ${attribute} has the entry ${dim}, which has no size yet`)
  }
}

/** The entries of a `dims` attribute as integers. @throws UnsizedAttribute when one has no size (see `attributesAt`) */
export function sizeList(attributes: Attributes, name: string): readonly number[] {
  return dimList(attributes, name).map((dim) => {
    const size = asConstant(dim)
    if (size === undefined) throw new UnsizedAttribute(name, format(dim))
    return size
  })
}

/** The same attributes with every dim that has a size at `sizes` replaced by that integer. */
export function attributesAt(attributes: Attributes, sizes: Sizes): Attributes {
  const resolve = (entry: number | Dim): number | Dim => {
    if (typeof entry === "number") return entry
    const size = evaluate(entry, sizes)
    return size === undefined ? entry : constant(size)
  }
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name,
      Array.isArray(value) ? ((value as readonly (number | Dim)[]).map(resolve) as AttributeValue) : value,
    ]),
  )
}

/** `dim` with every symbol that has a size replaced by it, so that only unsized symbols (the batch) are left. */
export function atKnownSizes(dim: Dim, sizes: Sizes): Dim {
  return substitute(dim, new Map([...sizes].map(([name, size]) => [name, constant(size)])))
}

/** Fails when a size is negative, or a fraction at the known sizes. */
export function checkSizes(context: InferContext, name: string, shape: readonly Dim[]): void {
  for (const dim of shape) {
    const size = evaluate(dim, context.sizes)
    if (size === undefined || (Number.isInteger(size) && size >= 0)) continue
    context.fail({
      kind: "attribute",
      name,
      message: `${format(dim)} is ${size}, which is no size`,
      ...(size === -1 && { hint: "sizes are not inferred; write the dimension out, e.g. H*W/256" }),
    })
  }
}

/** Fails unless `list` has one entry for each axis of the first input. */
export function checkLength(context: InferContext, name: string, list: readonly unknown[]): void {
  const rank = context.inputs[0]!.shape.length
  if (list.length === rank) return
  context.fail({ kind: "attribute", name, message: `${list.length} entries for a tensor of rank ${rank}` })
}

/** The symbols that the sizes among `attributes` are made of. */
export function symbolsInAttributes(attributes: Attributes): string[] {
  const lists = Object.values(attributes).filter((value) => Array.isArray(value)) as (readonly (number | Dim)[])[]
  return lists.flat().flatMap((entry) => (typeof entry === "number" ? [] : symbolsOf(entry)))
}
