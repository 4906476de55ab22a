/**
 * What pooling means, in float64 and plain loops.
 *
 * `eachWindow` enumerates the windows of an image once; maximum, average and their gradients differ only in what they do
 * with one window.
 */

import type { Attributes } from "../ir/graph.js"
import { zeros, type NdArray } from "./ndarray.js"
import { poolWindows } from "./pooling-windows.js"
import { booleanAttribute } from "./shapes.js"
import { windowCount, type Window } from "./windows.js"

interface PoolWindow {
  /** offset of the element of y */
  readonly y: number
  /** offsets of the elements of x in the window, row by row; positions in the padding are left out */
  readonly x: readonly number[]
  /** positions in the image and in the padding that `padding` asks for (not in what `ceil_mode` adds) */
  readonly covered: number
}

/** Calls `visit` once per element of y, row-major. */
export function eachWindow(
  shape: readonly number[],
  attributes: Attributes,
  visit: (window: PoolWindow) => void,
): void {
  const [batch, channels, height, width] = shape as [number, number, number, number]
  const [rows, columns] = poolWindows(attributes, [height, width])
  const [outputHeight, outputWidth] = [windowCount(height, rows), windowCount(width, columns)]
  let y = 0
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let outputRow = 0; outputRow < outputHeight; outputRow++) {
      for (let outputColumn = 0; outputColumn < outputWidth; outputColumn++) {
        const x: number[] = []
        let covered = 0
        for (const row of positions(rows, outputRow, height)) {
          for (const column of positions(columns, outputColumn, width)) {
            covered++
            const isInside = row >= 0 && row < height && column >= 0 && column < width
            if (isInside) x.push((plane * height + row) * width + column)
          }
        }
        visit({ y: y++, x, covered })
      }
    }
  }
}

/** Where the elements of the window number `index` lie along an axis of `size`, within the image and its padding. */
function positions(window: Window, index: number, size: number): number[] {
  const first = index * window.stride - window.padding
  return Array.from({ length: window.kernel }, (_, i) => first + i * window.dilation).filter(
    (position) => position < size + window.padding,
  )
}

/** The first of `offsets` at which `x` is largest. */
export function firstMaximum(x: NdArray, offsets: readonly number[]): number {
  return offsets.reduce((best, offset) => (x.data[offset]! > x.data[best]! ? offset : best))
}

/** The largest element of each window of `x` [N, C, H, W]; `shape` is the result's. */
export function maxPool(x: NdArray, attributes: Attributes, shape: readonly number[]): NdArray {
  const result = zeros(shape)
  eachWindow(x.shape, attributes, (window) => (result.data[window.y] = x.data[firstMaximum(x, window.x)]!))
  return result
}

/** By how much the sum of one window is divided. */
export function divisor(attributes: Attributes, window: PoolWindow): number {
  return booleanAttribute(attributes, "count_include_pad") ? window.covered : window.x.length
}
