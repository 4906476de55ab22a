/**
 * What batch normalisation means, in float64 and plain loops.
 *
 * Channels are axis 1, as everywhere in the language; all other axes, however many, are summed over.
 */

import { build, zeros, type NdArray } from "./ndarray.js"

/** Elements per channel. */
export function countOf(x: NdArray): number {
  return x.data.length / x.shape[1]!
}

/** The sum over all axes but the channels of `term(value at the same place, channel)`. */
function sumPerChannel(x: NdArray, term: (offset: number, channel: number) => number): NdArray {
  const channels = x.shape[1]!
  const inner = x.data.length / (x.shape[0]! * channels)
  const result = zeros([channels])
  for (let offset = 0; offset < x.data.length; offset++) {
    const channel = Math.floor(offset / inner) % channels
    result.data[channel]! += term(offset, channel)
  }
  return result
}

/** `x` with every element changed. */
export const mapped = (x: NdArray, change: (value: number) => number): NdArray => ({ ...x, data: x.data.map(change) })

/** (x - mean) / sqrt(variance + epsilon) * gain + bias, per channel (axis 1). */
export function normalise(
  x: NdArray,
  gain: NdArray,
  bias: NdArray,
  mean: NdArray,
  variance: NdArray,
  epsilon: number,
): NdArray {
  let offset = 0
  return build(x.shape, (index) => {
    const c = index[1]!
    const centred = x.data[offset++]! - mean.data[c]!
    return (centred / Math.sqrt(variance.data[c]! + epsilon)) * gain.data[c]! + bias.data[c]!
  })
}

/** Mean and biased variance of each channel. */
export function statistics(x: NdArray): { readonly mean: NdArray; readonly variance: NdArray } {
  const count = countOf(x)
  const mean = mapped(
    sumPerChannel(x, (offset) => x.data[offset]!),
    (sum) => sum / count,
  )
  const variance = mapped(
    sumPerChannel(x, (offset, channel) => (x.data[offset]! - mean.data[channel]!) ** 2),
    (sum) => sum / count,
  )
  return { mean, variance }
}

/** n / (n - 1), which makes a biased variance unbiased; one element alone stays as it is, as in TensorFlow. */
export function besselFactor(count: number): number {
  return count / Math.max(count - 1, 1)
}

/**
 * The gradients by x, gain and bias when mean and biased variance are those of x.
 *
 * With h = (x - mean) / sqrt(variance + epsilon) and n elements per channel: dbias = sum dy, dgain = sum dy*h,
 * dx = gain / sqrt(variance + epsilon) * (dy - dbias/n - h*dgain/n).
 */
export function normaliseGradient(
  dy: NdArray,
  x: NdArray,
  gain: NdArray,
  mean: NdArray,
  variance: NdArray,
  epsilon: number,
): readonly [NdArray, NdArray, NdArray] {
  const count = countOf(x)
  const inverse = mapped(variance, (value) => 1 / Math.sqrt(value + epsilon))
  const normal = (offset: number, c: number): number => (x.data[offset]! - mean.data[c]!) * inverse.data[c]!
  const dBias = sumPerChannel(dy, (offset) => dy.data[offset]!)
  const dGain = sumPerChannel(dy, (offset, c) => dy.data[offset]! * normal(offset, c))
  let next = 0
  const dx = build(x.shape, (index) => {
    const c = index[1]!
    const offset = next++
    const projected = (dBias.data[c]! + normal(offset, c) * dGain.data[c]!) / count
    return gain.data[c]! * inverse.data[c]! * (dy.data[offset]! - projected)
  })
  return [dx, dGain, dBias]
}
