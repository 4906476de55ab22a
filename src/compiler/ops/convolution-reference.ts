/**
 * What a convolution means, in float64 and plain loops.
 *
 * A convolution is a list of products: which element of x meets which element of the filter for which element of y.
 * `eachProduct` enumerates that list once; forward, input gradient and filter gradient differ only in which of the three
 * they add to. A 1-D convolution is the 2-D one with images of height 1.
 */

import { zeros, type NdArray } from "./ndarray.js"
import { windowCount, type Window } from "./windows.js"

/** Sizes of one convolution, two spatial axes. */
export interface ConvolutionGeometry {
  readonly batch: number
  /** channels of x */
  readonly channels: number
  /** channels of y */
  readonly filters: number
  readonly groups: number
  /** height and width of x */
  readonly input: readonly [number, number]
  /** height and width of y */
  readonly output: readonly [number, number]
  readonly windows: readonly [Window, Window]
}

/**
 * The geometry of `x` [N, C, ...] with `filter` [O, C/groups, ...], one or two spatial axes each.
 *
 * @param windows one per spatial axis, as many as x has
 */
export function geometryOf(
  x: readonly number[],
  filter: readonly number[],
  windows: readonly Window[],
  groups: number,
): ConvolutionGeometry {
  const flat: Window = { kernel: 1, stride: 1, padding: 0, dilation: 1 }
  const [rows, columns] = windows.length === 1 ? [flat, windows[0]!] : [windows[0]!, windows[1]!]
  const height = windows.length === 1 ? 1 : x[2]!
  const width = x[x.length - 1]!
  return {
    batch: x[0]!,
    channels: x[1]!,
    filters: filter[0]!,
    groups,
    input: [height, width],
    output: [windowCount(height, rows), windowCount(width, columns)],
    windows: [rows, columns],
  }
}

/** Calls `visit` with the offsets (row-major, in elements) of every x, filter and y that belong together. */
function eachProduct(g: ConvolutionGeometry, visit: (x: number, filter: number, y: number) => void): void {
  const [rows, columns] = g.windows
  const [height, width] = g.input
  const [outputHeight, outputWidth] = g.output
  const channelsPerGroup = g.channels / g.groups
  const filtersPerGroup = g.filters / g.groups
  for (let n = 0; n < g.batch; n++) {
    for (let o = 0; o < g.filters; o++) {
      const firstChannel = Math.floor(o / filtersPerGroup) * channelsPerGroup
      for (let outputRow = 0; outputRow < outputHeight; outputRow++) {
        for (let outputColumn = 0; outputColumn < outputWidth; outputColumn++) {
          const y = ((n * g.filters + o) * outputHeight + outputRow) * outputWidth + outputColumn
          for (let c = 0; c < channelsPerGroup; c++) {
            for (let i = 0; i < rows.kernel; i++) {
              const row = outputRow * rows.stride - rows.padding + i * rows.dilation
              if (row < 0 || row >= height) continue
              for (let j = 0; j < columns.kernel; j++) {
                const column = outputColumn * columns.stride - columns.padding + j * columns.dilation
                if (column < 0 || column >= width) continue
                const x = ((n * g.channels + firstChannel + c) * height + row) * width + column
                const filter = ((o * channelsPerGroup + c) * rows.kernel + i) * columns.kernel + j
                visit(x, filter, y)
              }
            }
          }
        }
      }
    }
  }
}

/** y from x and filter; `shape` is the shape of y. */
export function convolve(g: ConvolutionGeometry, x: NdArray, filter: NdArray, shape: readonly number[]): NdArray {
  const y = zeros(shape)
  eachProduct(g, (atX, atFilter, atY) => (y.data[atY]! += x.data[atX]! * filter.data[atFilter]!))
  return y
}

/** The gradient by x from that by y; `shape` is the shape of x. */
export function convolveInputGradient(
  g: ConvolutionGeometry,
  dy: NdArray,
  filter: NdArray,
  shape: readonly number[],
): NdArray {
  const dx = zeros(shape)
  eachProduct(g, (atX, atFilter, atY) => (dx.data[atX]! += dy.data[atY]! * filter.data[atFilter]!))
  return dx
}

/** The gradient by the filter from x and the gradient by y; `shape` is the shape of the filter. */
export function convolveFilterGradient(
  g: ConvolutionGeometry,
  x: NdArray,
  dy: NdArray,
  shape: readonly number[],
): NdArray {
  const dFilter = zeros(shape)
  eachProduct(g, (atX, atFilter, atY) => (dFilter.data[atFilter]! += x.data[atX]! * dy.data[atY]!))
  return dFilter
}
