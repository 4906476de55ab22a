/**
 * Random numbers that are a pure function of a key and a counter.
 *
 * Takes: a key (text such as `order/seed=3/epoch=7`), hashed to 128 bits.
 * Gives: a stream of uniform 32-bit numbers in which the i-th is computed from (key, i) alone, and the draws made of them.
 *
 * Why so: order, augmentation and phantoms must depend on (seed, epoch, sample) only and never on which worker did the
 * work or on what was drawn before. `Math.random` has no seed and one shared sequential generator would tie every draw to
 * all the earlier ones. Not for cryptography.
 */

const GOLDEN = 0x9e3779b9

/** Murmur3's 32-bit finaliser: a bijection in which every input bit flips each output bit with probability about 1/2. */
function mix(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Four 32-bit words of a text: four FNV-like lanes with different multipliers, finalised and crossed. */
function hashText(text: string): [number, number, number, number] {
  let a = 0x243f6a88
  let b = 0x85a308d3
  let c = 0x13198a2e
  let d = 0x03707344
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    a = Math.imul(a ^ unit, 0x01000193)
    b = Math.imul(b ^ unit, 0x27d4eb2f)
    c = Math.imul(c ^ unit, 0x165667b1)
    d = Math.imul(d ^ unit, GOLDEN | 1)
  }
  a = mix(a ^ text.length)
  b = mix(b ^ a)
  c = mix(c ^ b)
  d = mix(d ^ c)
  return [mix(a ^ d), b, c, d]
}

/** A stream of random numbers named by its key. Two streams with one key are equal, draw by draw. */
export class RandomStream {
  private readonly words: [number, number, number, number]
  private counter = 0
  private spareNormal: number | undefined

  constructor(readonly key: string) {
    this.words = hashText(key)
  }

  /** A stream of its own under this one's key; it does not depend on how much was drawn here. */
  fork(name: string): RandomStream {
    return new RandomStream(`${this.key}/${name}`)
  }

  /** Uniform integer in [0, 2^32). */
  bits(): number {
    const i = this.counter++
    const [a, b, c, d] = this.words
    let h = mix(Math.imul(i, GOLDEN) + a)
    h = mix((h ^ b) + Math.floor(i / 2 ** 32))
    h = mix((h ^ c) + d)
    return h
  }

  /** Uniform number in [low, high), with 32 random bits. */
  uniform(low = 0, high = 1): number {
    return low + (this.bits() / 2 ** 32) * (high - low)
  }

  /** Uniform integer in [0, count), without modulo bias. `count` is 1 to 2^32. */
  integer(count: number): number {
    if (!Number.isInteger(count) || count < 1 || count > 2 ** 32) throw new RangeError(`integer(${count}): 1 to 2^32`)
    const limit = 2 ** 32 - (2 ** 32 % count)
    for (;;) {
      const value = this.bits()
      if (value < limit) return value % count
    }
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability
  }

  /** Standard normal number (Box-Muller; the second of each pair is kept for the next call). */
  normal(): number {
    if (this.spareNormal !== undefined) {
      const value = this.spareNormal
      this.spareNormal = undefined
      return value
    }
    const radius = Math.sqrt(-2 * Math.log((this.bits() + 1) / (2 ** 32 + 1)))
    const angle = 2 * Math.PI * this.uniform()
    this.spareNormal = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  /** A uniform permutation of 0..count-1 (Fisher-Yates). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i)
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      const held = order[i] as number
      order[i] = order[j] as number
      order[j] = held
    }
    return order
  }
}
