/**
 * Which tensors of one model fit another.
 *
 * Takes the names, types and shapes of what is there and of what is wanted; gives the names that are in both alike, and
 * those that are not. Everything goes by name, so `mdl diff`, `mdl weights` and `mdl train --weights` say the same.
 */

import type { LanguageType } from "../ir/graph.js"

export interface TensorOutline {
  readonly name: string
  readonly dtype: LanguageType
  readonly shape: readonly number[]
}

/** Names; `fits`, `misshaped` and `missing` in the order of what is wanted, `extra` in that of what is there. */
export interface TensorFit {
  readonly fits: readonly string[]
  /** in both, with another type or shape */
  readonly misshaped: readonly string[]
  readonly missing: readonly string[]
  readonly extra: readonly string[]
}

/** Compares what is stored with what is wanted. Names are unique in either. */
export function fitTensors(stored: readonly TensorOutline[], wanted: readonly TensorOutline[]): TensorFit {
  const old = new Map(stored.map((tensor) => [tensor.name, tensorType(tensor)] as const))
  const fresh = new Map(wanted.map((tensor) => [tensor.name, tensorType(tensor)] as const))
  const shared = [...fresh].filter(([name]) => old.has(name))
  const named = (entries: readonly (readonly [string, string])[]): readonly string[] => entries.map(([name]) => name)
  return {
    fits: named(shared.filter(([name, type]) => old.get(name) === type)),
    misshaped: named(shared.filter(([name, type]) => old.get(name) !== type)),
    missing: [...fresh.keys()].filter((name) => !old.has(name)),
    extra: [...old.keys()].filter((name) => !fresh.has(name)),
  }
}

/** `f32[8, 3]` */
export function tensorType({ dtype, shape }: Pick<TensorOutline, "dtype" | "shape">): string {
  return `${dtype}[${shape.join(", ")}]`
}
