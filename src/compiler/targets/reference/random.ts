/**
 * Counter-based random numbers, equal to TensorFlow's stateless ops (uniform numbers bit for bit).
 *
 * Takes a key (a name), a seed and a step; gives uniform or normal numbers. Everything random in a model (first values,
 * dropout, masks) is keyed by (seed, name, step) and by nothing else, which is what makes an ablation change only what it
 * says. The algorithm is Philox4x32-10 (Salmon et al., SC 2011) with the seed scrambling of TensorFlow's
 * `stateless_random_ops.cc`; having it here lets the reference target reproduce a training step exactly.
 */

import type { ReferenceRandom } from "../../ops/definition.js"

/** 32-bit FNV-1a of the UTF-8 bytes of `text`, as an unsigned number. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

type Words = readonly [number, number, number, number]

const MULTIPLIER_A = 0xd2511f53
const MULTIPLIER_B = 0xcd9e8d57
const WEYL_A = 0x9e3779b9
const WEYL_B = 0xbb67ae85

/** The high 32 bits of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  return Number((BigInt(a) * BigInt(b)) >> 32n)
}

/** One block of Philox4x32-10: four random words from a counter and a key. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const highA = multiplyHigh(MULTIPLIER_A, c0)
    const lowA = Math.imul(MULTIPLIER_A, c0) >>> 0
    const highB = multiplyHigh(MULTIPLIER_B, c2)
    const lowB = Math.imul(MULTIPLIER_B, c2) >>> 0
    c0 = (highB ^ c1 ^ k0) >>> 0
    c1 = lowB
    c2 = (highA ^ c3 ^ k1) >>> 0
    c3 = lowA
    k0 = (k0 + WEYL_A) >>> 0
    k1 = (k1 + WEYL_B) >>> 0
  }
  return [c0, c1, c2, c3]
}

/** The words that a stateless op with the int64 seed pair (first, second) draws, in order. */
function* words(first: bigint, second: bigint): Generator<number> {
  const low = (v: bigint): number => Number(v & 0xffffffffn)
  const high = (v: bigint): number => Number((v >> 32n) & 0xffffffffn)
  const mix = philox([low(first), high(first), low(second), high(second)], [0x3ec8f720, 0x02461e29])
  const key = [mix[0], mix[1]] as const
  for (let block = 0; ; block++) yield* philox([block >>> 0, 0, mix[2], mix[3]], key)
}

/** The seed pair of `key`: the run's seed in the high half, the name's hash in the low half; then the step. */
export function seedPair(seed: number, key: string, step: number): readonly [bigint, bigint] {
  return [BigInt(seed) * 4294967296n + BigInt(hash32(key)), BigInt(step)]
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** A float32 in [0, 1) from the low 23 bits, as TensorFlow's `Uint32ToFloat`. */
function toUnit(word: number): number {
  bits[0] = 0x3f800000 | (word & 0x7fffff)
  return float[0]! - 1
}

/** The numbers that random ops with this seed and step draw. `seed` is an integer below 2^31. */
export function statelessRandom(seed: number, step: number): ReferenceRandom {
  return {
    uniform(key, count) {
      const source = words(...seedPair(seed, key, step))
      return Float64Array.from({ length: count }, () => toUnit(source.next().value as number))
    },
    // Box-Muller as TensorFlow's BoxMullerFloat, rounded to float32 after every step as it is there. About one number in
    // a hundred still differs in its last bit, because the C library's logf, sinf and cosf are not exactly rounded.
    normal(key, count) {
      const source = words(...seedPair(seed, key, step))
      const result = new Float64Array(count)
      for (let index = 0; index < count; index += 2) {
        const u1 = Math.max(toUnit(source.next().value as number), 1.0e-7)
        const angle = Math.fround(2 * Math.PI * toUnit(source.next().value as number))
        const radius = Math.fround(Math.sqrt(-2 * Math.fround(Math.log(u1))))
        result[index] = Math.fround(Math.fround(Math.sin(angle)) * radius)
        if (index + 1 < count) result[index + 1] = Math.fround(Math.fround(Math.cos(angle)) * radius)
      }
      return result
    },
  }
}
