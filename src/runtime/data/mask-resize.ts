/**
 * A mask at another size as the published loaders make it: OpenCV's `resize` (INTER_LINEAR), then everything above 0.
 *
 * Takes grey values; gives 0 and 1. When shrinking, OpenCV looks only at the 2x2 pixels around the sampled place and skips
 * the others, where Pillow's and libvips' filters widen to take in all. With "above 0" the difference is large: masks of
 * nuclei that cover 22 % at 1000x1000 cover 24 % of 224x224 in this way, and 41 % behind a widened filter.
 *
 * The arithmetic is that of OpenCV's 8-bit kernel, with weights of 11 bits and its rounding, because a pixel with a small
 * share of foreground is foreground exactly when its rounded value is not 0.
 */

import type { Size } from "./formats/format.js"

interface Sample {
  /** the two source positions; equal at the border */
  readonly low: number
  readonly high: number
  /** of `low` and `high`, in 1/2048 */
  readonly weightLow: number
  readonly weightHigh: number
}

const SCALE = 2048

/** The sampled place of every target position along one axis. */
function samples(from: number, to: number): readonly Sample[] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.fround((i + 0.5) * (from / to) - 0.5)
    let low = Math.floor(at)
    let part = Math.fround(at - low)
    if (low < 0) [low, part] = [0, 0]
    if (low >= from - 1) [low, part] = [from - 1, 0]
    const weightHigh = roundHalfEven(part * SCALE)
    const weightLow = roundHalfEven((1 - part) * SCALE)
    return { low, high: Math.min(low + 1, from - 1), weightLow, weightHigh }
  })
}

/** As the processor rounds, which is what OpenCV's `saturate_cast` does. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value)
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

/**
 * Where the resized mask is above 0.
 * @param grey [height * width], 0 to 255
 * @returns [size.height * size.width], 0 or 1
 */
export function resizedForeground(grey: Uint8Array, own: Size, size: Size): Uint8Array {
  const columns = samples(own.width, size.width)
  const result = new Uint8Array(size.height * size.width)
  let at = 0
  for (const { low: top, high: bottom, weightLow: above, weightHigh: below } of samples(own.height, size.height)) {
    const rowAbove = top * own.width
    const rowBelow = bottom * own.width
    for (const { low, high, weightLow, weightHigh } of columns) {
      const first = grey[rowAbove + low]! * weightLow + grey[rowAbove + high]! * weightHigh
      const second = grey[rowBelow + low]! * weightLow + grey[rowBelow + high]! * weightHigh
      const value = (((above * (first >> 4)) >> 16) + ((below * (second >> 4)) >> 16) + 2) >> 2
      result[at++] = value > 0 ? 1 : 0
    }
  }
  return result
}
