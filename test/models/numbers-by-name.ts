/**
 * Numbers made from a name and a shape, the same here and in Python: fixtures then need no weights.
 *
 * Takes names; gives arrays. A name's 32-bit FNV-1a hash starts a Weyl sequence, MurmurHash3's finaliser scrambles it. Only
 * integer arithmetic and one division by a power of two happen, so both sides get the same float64 to the last bit. The
 * twin is scripts/fixtures/numbers_by_name.py.
 */

import { sizeOf, type NdArray } from "../../src/compiler/ops/ndarray.js"
import { hash32 } from "../../src/compiler/targets/reference/random.js"

/** Float64 numbers in [-1, 1). */
export function uniform(name: string, shape: readonly number[]): NdArray {
  const start = hash32(name)
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, index) => {
    let x = (start + Math.imul(index, 0x9e3779b9)) >>> 0
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1
  })
  return { shape, data }
}

/** A value for the parameter `name`; see the twin for the choice of scales. */
export function parameterValue(name: string, shape: readonly number[]): NdArray {
  const { data } = uniform(name, shape)
  return { shape, data: data.map(scaleFor(name, shape)) }
}

function scaleFor(name: string, shape: readonly number[]): (number: number) => number {
  if (shape.length > 1) {
    const bound = Math.sqrt((shape.length === 4 ? 4.5 : 6) / sizeOf(shape.slice(1)))
    return (number) => bound * number
  }
  if (name.endsWith("running_var")) return (number) => 1 + 0.5 * number
  return name.endsWith("weight") ? (number) => 1 + 0.3 * number : (number) => 0.2 * number
}
