/**
 * What pooling means, in float64 and plain loops.
 *
 * `eachWindow` enumerates the windows of an image once; maximum, average and their gradients differ only in what they do
 * with one window.
 */

import type { Attributes } from "../ir/graph.js"
import { zeros, type NdArray } from "./ndarray.js"
import { booleanAttribute, integersAttribute } from "./shapes.js"
import { windowCount, windowsOf, type Window } from "./windows.js"

type Visit = (window: { readonly y: number; readonly x: readonly number[] }) => void

/**
 * Calls `visit` once per element of y (row-major) with the offsets of the elements of x in its window, row by row;
 * positions in the padding are left out.
 */
export function eachWindow(shape: readonly number[], attributes: Attributes, visit: Visit): void {
  const [batch, channels, height, width] = shape as [number, number, number, number]
  const [rows, columns] = poolWindows(attributes)
  const [outputHeight, outputWidth] = [windowCount(height, rows), windowCount(width, columns)]
  let y = 0
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let outputRow = 0; outputRow < outputHeight; outputRow++) {
      for (let outputColumn = 0; outputColumn < outputWidth; outputColumn++) {
        const x: number[] = []
        for (let i = 0; i < rows.kernel; i++) {
          const row = outputRow * rows.stride - rows.padding + i
          if (row < 0 || row >= height) continue
          for (let j = 0; j < columns.kernel; j++) {
            const column = outputColumn * columns.stride - columns.padding + j
            if (column >= 0 && column < width) x.push((plane * height + row) * width + column)
          }
        }
        visit({ y: y++, x })
      }
    }
  }
}

/** The windows of a pooling node, down and right; its attributes have passed inference. */
export function poolWindows(attributes: Attributes): readonly [Window, Window] {
  const [rows, columns] = windowsOf(attributes, integersAttribute(attributes, "kernel"))
  return [rows!, columns!]
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

/** By how much the elements of one window are divided. */
export function divisor(attributes: Attributes, elements: number): number {
  const [rows, columns] = poolWindows(attributes)
  return booleanAttribute(attributes, "count_include_pad") ? rows.kernel * columns.kernel : elements
}
