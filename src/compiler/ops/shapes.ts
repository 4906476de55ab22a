/**
 * What several shape rules share: reading attributes with their types, normalising axes, broadcasting dims.
 */

import { asConstant, equal, evaluate, type Dim, type Sizes } from "../ir/dims.js"
import type { Attributes, TensorType } from "../ir/graph.js"
import type { InferContext } from "./definition.js"

/** Equal as polynomials, or equal at the known sizes. */
export function sameSize(a: Dim, b: Dim, sizes: Sizes): boolean {
  if (equal(a, b)) return true
  const left = evaluate(a, sizes)
  return left !== undefined && left === evaluate(b, sizes)
}

/** Of two dims of the same size, the one that says more: a symbolic one before a bare number. */
export function moreTelling(a: Dim, b: Dim): Dim {
  return asConstant(a) === undefined ? a : b
}

export function numberAttribute(attributes: Attributes, name: string): number {
  const value = attributes[name]
  if (typeof value !== "number") throw new TypeError(`attribute ${name} is not a number`)
  return value
}

export function booleanAttribute(attributes: Attributes, name: string): boolean {
  const value = attributes[name]
  if (typeof value !== "boolean") throw new TypeError(`attribute ${name} is not a boolean`)
  return value
}

export function stringAttribute(attributes: Attributes, name: string): string {
  const value = attributes[name]
  if (typeof value !== "string") throw new TypeError(`attribute ${name} is not a string`)
  return value
}

export function integersAttribute(attributes: Attributes, name: string): readonly number[] {
  const value = attributes[name]
  if (!Array.isArray(value) || value.some((v) => typeof v !== "number")) {
    throw new TypeError(`attribute ${name} is not a list of numbers`)
  }
  return value as readonly number[]
}

/** A non-negative axis; fails the inference when it is outside the rank. */
export function axisOf(context: InferContext, axis: number, rank: number, attribute = "axis"): number {
  const normal = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(axis) || normal < 0 || normal >= rank) {
    context.fail({
      kind: "attribute",
      name: attribute,
      message: `axis ${axis} is outside a tensor of rank ${rank}`,
      hint: `axes run from 0 to ${rank - 1}, or from -${rank} to -1 counted from the end`,
    })
  }
  return normal
}

/** A non-negative axis, for code that runs after inference has accepted it. */
export function normalAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}

/** NumPy broadcasting of two inputs' shapes, with the disagreeing axes reported. */
export function broadcastDims(context: InferContext, left = 0, right = 1): readonly Dim[] {
  return broadcastTypes(context, [left, right])
}

/** NumPy broadcasting of several inputs' shapes. */
export function broadcastTypes(context: InferContext, inputs: readonly number[]): readonly Dim[] {
  let result: { dim: Dim; input: number; axis: number }[] = []
  for (const input of inputs) {
    const shape = (context.inputs[input] as TensorType).shape
    const rank = Math.max(result.length, shape.length)
    const next: typeof result = []
    for (let position = 0; position < rank; position++) {
      const old = result[position - (rank - result.length)]
      const axis = position - (rank - shape.length)
      const dim = shape[axis]
      if (dim === undefined) next.push(old!)
      else if (old === undefined || (asConstant(old.dim) === 1 && asConstant(dim) !== 1))
        next.push({ dim, input, axis })
      else if (asConstant(dim) === 1) next.push(old)
      else if (context.same(old.dim, dim)) next.push({ ...old, dim: moreTelling(old.dim, dim) })
      else {
        context.fail({
          kind: "dims-differ",
          left: { input: old.input, axis: old.axis },
          right: { input, axis },
          what: "sizes must be equal, or one of them 1",
        })
      }
    }
    result = next
  }
  return result.map((entry) => entry.dim)
}

/** Fails unless the text attribute `name` is one of `allowed`. */
export function oneOf(context: InferContext, name: string, allowed: readonly string[]): void {
  const value = stringAttribute(context.attributes, name)
  if (allowed.includes(value)) return
  const listed = allowed.map((one) => `"${one}"`)
  context.fail({
    kind: "attribute",
    name,
    message: `"${value}" is none of ${listed.slice(0, -1).join(", ")} and ${listed.at(-1)!}`,
  })
}
