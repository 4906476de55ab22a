/**
 * Numbers of 16 bits (IEEE 754 binary16), which JavaScript has no arrays of.
 *
 * Takes bits and gives the number, and the other way.
 */

/** The greatest finite number that 16 bits hold. */
export const MOST_HALF = 65504

/** The number that 16 bits stand for. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** The 16 bits nearest to an f32 `value`, ties to even; infinity past `MOST_HALF`. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  // halfway between the greatest number and the one that would follow
  if (magnitude >= 65520) return sign | 0x7c00
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14)
  const steps = magnitude / 2 ** (exponent - 10)
  const below = Math.floor(steps)
  const [rest, odd] = [steps - below, below % 2 === 1]
  // The leading one of a normal number counts as one exponent more, so that rounding up carries by itself.
  return sign | (((exponent + 14) << 10) + below + (rest > 0.5 || (rest === 0.5 && odd) ? 1 : 0))
}
