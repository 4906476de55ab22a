/**
 * Permutations of axes, and reshapes of permuted tensors.
 *
 * A tensor of the language can lie in memory in another order of its axes. A permutation says which: physical axis `j`
 * holds the language's axis `perm[j]`, so `[0, 2, 3, 1]` is NHWC and `[2, 3, 1, 0]` is HWIO. These are the pure facts
 * the layout pass works with.
 */

import {
  asConstant,
  constant,
  equal,
  evaluate,
  multiply,
  substitute,
  symbolsOf,
  type Dim,
  type Sizes,
} from "../ir/dims.js"

export type Permutation = readonly number[]

/** images: NCHW in the language, NHWC in TensorFlow */
export const IMAGE_STORAGE: Permutation = [0, 2, 3, 1]
/** convolution filters: OIHW in the language, HWIO in TensorFlow */
export const FILTER_STORAGE: Permutation = [2, 3, 1, 0]

const identities: Permutation[] = []

/** The order of the language. */
export function identityPermutation(rank: number): Permutation {
  return (identities[rank] ??= Array.from({ length: rank }, (_, axis) => axis))
}

export function isIdentity(perm: Permutation): boolean {
  return perm.every((axis, position) => axis === position)
}

export function samePermutation(a: Permutation, b: Permutation): boolean {
  return a.length === b.length && a.every((axis, position) => axis === b[position])
}

/** The permutation that undoes `perm`. */
export function inverse(perm: Permutation): Permutation {
  const result = new Array<number>(perm.length)
  perm.forEach((axis, position) => (result[axis] = position))
  return result
}

/** Entries given per language axis, in physical order. */
export function permuted<T>(entries: readonly T[], perm: Permutation): T[] {
  return perm.map((axis) => entries[axis]!)
}

/** The `perm` of a transpose that brings a tensor stored as `from` to `to`. */
export function transposition(from: Permutation, to: Permutation): Permutation {
  const place = inverse(from)
  return to.map((axis) => place[axis]!)
}

/** Size 1 whatever the batch. */
export function isUnit(dim: Dim, sizes: Sizes): boolean {
  return asConstant(dim) === 1 || evaluate(dim, sizes) === 1
}

/** Whether a tensor of `shape` lies in memory in the same order of elements under both permutations. */
export function sameMemoryOrder(shape: readonly Dim[], a: Permutation, b: Permutation, sizes: Sizes): boolean {
  const telling = (perm: Permutation): Permutation => perm.filter((axis) => !isUnit(shape[axis]!, sizes))
  return samePermutation(telling(a), telling(b))
}

/**
 * How the result of a reshape from language shape `from` (stored as `perm`) to language shape `to` can be stored so that
 * the reshape moves nothing in memory; undefined when there is no such way.
 *
 * The axes of both shapes fall into smallest groups with equal products. A reshape within groups may be done on any
 * storage in which each input group is contiguous and in order: then the groups keep their places. So
 * `[N, C, H, W] -> [N, C, H*W]` is free on NHWC and gives `[N, H*W, C]`.
 */
export function reshapedStorage(
  from: readonly Dim[],
  perm: Permutation,
  to: readonly Dim[],
  sizes: Sizes,
): Permutation | undefined {
  if (isIdentity(perm)) return identityPermutation(to.length)
  const groups = axisGroups(from, to, sizes)
  if (!groups) return undefined
  const order = perm.filter((axis) => !isUnit(from[axis]!, sizes))
  const result: number[] = []
  let position = 0
  while (position < order.length) {
    const group = groups.find((candidate) => candidate.from[0] === order[position])
    if (!group || !group.from.every((axis, offset) => order[position + offset] === axis)) return undefined
    result.push(...group.to)
    position += group.from.length
  }
  // Axes of size 1 can stand anywhere: each follows the axis it follows in the language.
  for (let axis = 0; axis < to.length; axis++) {
    if (!result.includes(axis)) result.splice(axis === 0 ? 0 : result.indexOf(axis - 1) + 1, 0, axis)
  }
  return result
}

interface AxisGroup {
  readonly from: readonly number[]
  readonly to: readonly number[]
}

/** Smallest runs of axes (sizes of 1 left out) whose products agree; undefined when the products cannot be compared. */
function axisGroups(from: readonly Dim[], to: readonly Dim[], sizes: Sizes): AxisGroup[] | undefined {
  const known = new Map([...sizes].map(([name, size]) => [name, constant(size)] as const))
  const probe = probeSizes([...from, ...to], sizes)
  const telling = (shape: readonly Dim[]): { axis: number; dim: Dim }[] =>
    shape.flatMap((dim, axis) => (isUnit(dim, sizes) ? [] : [{ axis, dim: substitute(dim, known) }]))
  const left = telling(from)
  const right = telling(to)
  const groups: AxisGroup[] = []
  let i = 0
  let j = 0
  while (i < left.length && j < right.length) {
    const group = { from: [left[i]!.axis], to: [right[j]!.axis] }
    let a = left[i++]!.dim
    let b = right[j++]!.dim
    while (!equal(a, b)) {
      const sizeA = evaluate(a, probe)
      const sizeB = evaluate(b, probe)
      if (sizeA === undefined || sizeB === undefined || sizeA === sizeB) return undefined
      const next = sizeA < sizeB ? left[i++] : right[j++]
      if (!next) return undefined
      if (sizeA < sizeB) {
        a = multiply(a, next.dim)
        group.from.push(next.axis)
      } else {
        b = multiply(b, next.dim)
        group.to.push(next.axis)
      }
    }
    groups.push(group)
  }
  return i === left.length && j === right.length ? groups : undefined
}

/** Sizes for comparing products: symbols without a size get large ones, used only to see which side is behind. */
export function probeSizes(dims: readonly Dim[], sizes: Sizes): Sizes {
  const probe = new Map(sizes)
  for (const name of new Set(dims.flatMap(symbolsOf))) if (!probe.has(name)) probe.set(name, 7919 + 2 * probe.size)
  return probe
}
