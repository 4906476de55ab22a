/**
 * Linear maps of images that treat height and width apart: every kind of interpolation, and means over uneven windows.
 *
 * Takes sizes known when compiling; gives, for each position along an axis of the result, what it takes from the axis of
 * the image. The same description is read three ways: in plain loops (reference), as two matrix products with constant
 * matrices (TensorFlow and ONNX, where no kernel means exactly the same), and turned round (gradients).
 */

import type { OnnxContext, TensorFlowContext } from "./definition.js"
import { zeros, type NdArray } from "./ndarray.js"
import { reshape } from "./tensorflow-movement.js"

/** One element of the result takes `weight` of the element `source`; positions run along one axis. */
export interface Contribution {
  readonly source: number
  readonly weight: number
}

/** For each position along an axis of the result, what it takes from the same axis of the image. */
export type AxisMap = readonly (readonly Contribution[])[]

/** The maps of both axes of an image, down and right. */
export type ImageMap = readonly [rows: AxisMap, columns: AxisMap]

// -------------------------------------------------------------------------------------------------------- the maps

/**
 * Nearest neighbour, PyTorch's mode "nearest": element floor(i * size / length), the quotient and the product being
 * rounded to float32, which decides where the exact number is whole.
 */
export function nearestAxis(size: number, length: number): AxisMap {
  const scale = Math.fround(size / length)
  return Array.from({ length }, (_, i) => [
    { source: Math.min(Math.floor(Math.fround(i * scale)), size - 1), weight: 1 },
  ])
}

/**
 * Where the centre of the result's element `i` lies on the axis of the image.
 *
 * @param alignCorners whether the centres of first and last elements coincide; else the outer edges do
 */
function placeOf(i: number, size: number, length: number, alignCorners: boolean): number {
  if (alignCorners) return length > 1 ? (i * (size - 1)) / (length - 1) : 0
  return ((i + 0.5) * size) / length - 0.5
}

/** Linear interpolation between the two nearest elements, PyTorch's mode "bilinear"; the outermost reach outwards. */
export function linearAxis(size: number, length: number, alignCorners: boolean): AxisMap {
  return Array.from({ length }, (_, i) => {
    const place = Math.max(0, placeOf(i, size, length, alignCorners))
    const lower = Math.min(Math.floor(place), size - 1)
    const upper = Math.min(lower + 1, size - 1)
    return [
      { source: lower, weight: 1 - (place - lower) },
      { source: upper, weight: place - lower },
    ]
  })
}

/** Keys's cubic kernel with a = -0.75, PyTorch's and OpenCV's. */
function cubicWeight(distance: number): number {
  const a = -0.75
  const x = Math.abs(distance)
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0
}

/** Cubic convolution over four elements, PyTorch's mode "bicubic"; beyond the ends the outermost element repeats. */
export function cubicAxis(size: number, length: number, alignCorners: boolean): AxisMap {
  return Array.from({ length }, (_, i) => {
    const place = placeOf(i, size, length, alignCorners)
    const first = Math.floor(place) - 1
    return [0, 1, 2, 3].map((k) => ({
      source: Math.min(Math.max(first + k, 0), size - 1),
      weight: cubicWeight(place - (first + k)),
    }))
  })
}

/** PyTorch's adaptive windows: `length` of them over `size` elements, overlapping where they do not come out even. */
export function adaptiveWindows(
  size: number,
  length: number,
): readonly { readonly start: number; readonly end: number }[] {
  return Array.from({ length }, (_, i) => ({
    start: Math.floor((i * size) / length),
    end: Math.ceil(((i + 1) * size) / length),
  }))
}

/** The mean of adaptive windows, PyTorch's adaptive_avg_pool and mode "area". */
export function meanAxis(size: number, length: number): AxisMap {
  return adaptiveWindows(size, length).map(({ start, end }) =>
    Array.from({ length: end - start }, (_, k) => ({ source: start + k, weight: 1 / (end - start) })),
  )
}

/** Elements picked by index. */
export function pickedAxis(sources: readonly number[]): AxisMap {
  return sources.map((source) => [{ source, weight: 1 }])
}

// -------------------------------------------------------------------------------------------------------- reference

/** Calls `visit` for every pair of an element of y and one of x that it takes `weight` of (offsets, row-major). */
function eachContribution(
  shape: readonly number[],
  [rows, columns]: ImageMap,
  visit: (y: number, x: number, weight: number) => void,
): void {
  const [batch, channels, height, width] = shape as [number, number, number, number]
  let y = 0
  for (let plane = 0; plane < batch * channels; plane++) {
    for (const row of rows) {
      for (const column of columns) {
        for (const vertical of row) {
          for (const horizontal of column) {
            const x = (plane * height + vertical.source) * width + horizontal.source
            visit(y, x, vertical.weight * horizontal.weight)
          }
        }
        y++
      }
    }
  }
}

/** The image `x` [N, C, H, W] mapped; `shape` is the result's. */
export function mapImage(x: NdArray, maps: ImageMap, shape: readonly number[]): NdArray {
  const result = zeros(shape)
  eachContribution(x.shape, maps, (y, at, weight) => (result.data[y]! += weight * x.data[at]!))
  return result
}

/** The gradient of `mapImage` by its image: each element collects what was taken from it. `shape` is the image's. */
export function collectImage(dy: NdArray, maps: ImageMap, shape: readonly number[]): NdArray {
  const result = zeros(shape)
  eachContribution(shape, maps, (y, at, weight) => (result.data[at]! += weight * dy.data[y]!))
  return result
}

// --------------------------------------------------------------------------------------------------------- lowering

/** Row-major [length, size]: row i holds the weights of what position i takes. */
function matrixOf(map: AxisMap, size: number): number[] {
  const values = new Array<number>(map.length * size).fill(0)
  map.forEach((taken, i) => taken.forEach(({ source, weight }) => (values[i * size + source]! += weight)))
  return values
}

const isIdentity = (map: AxisMap, size: number): boolean =>
  map.length === size && matrixOf(map, size).every((value, at) => value === (at % (size + 1) === 0 ? 1 : 0))

/** [N, H', rest] from [N, H, rest] by the matrix of a map (or back, by the transposed one), for each of N alike. */
function alongAxis(
  context: TensorFlowContext,
  tensor: string,
  [leading, size, rest]: readonly [number, number, number],
  map: AxisMap,
  transposed: boolean,
): string {
  const matrix = context.constant(context.float, [map.length, size], matrixOf(map, size))
  const flat = reshape(context, tensor, [leading, transposed ? map.length : size, rest])
  const T = context.type(context.float)
  return context.node("BatchMatMulV2", [matrix, flat], { T, adj_x: { b: transposed }, adj_y: { b: false } })
}

/**
 * TensorFlow: an NHWC image mapped by two products, or collected (the gradient) with the matrices transposed.
 *
 * @param image shape of the image [N, H, W, C], which is the result's shape when collecting
 */
export function lowerMaps(
  context: TensorFlowContext,
  tensor: string,
  image: readonly number[],
  [rows, columns]: ImageMap,
  direction: "map" | "collect",
): string {
  const [batch, height, width, channels] = image as [number, number, number, number]
  const collects = direction === "collect"
  const from = collects ? [rows.length, columns.length] : [height, width]
  const to = collects ? [height, width] : [rows.length, columns.length]
  let result = tensor
  if (!isIdentity(rows, height)) {
    result = alongAxis(context, result, [batch, height, from[1]! * channels], rows, collects)
  }
  if (!isIdentity(columns, width)) {
    result = alongAxis(context, result, [batch * to[0]!, width, channels], columns, collects)
  }
  return reshape(context, result, [batch, to[0]!, to[1]!, channels])
}

/** ONNX: an NCHW image [N, C, H, W] mapped by two products. */
export function onnxMaps(
  context: OnnxContext,
  tensor: string,
  [height, width]: readonly [number, number],
  [rows, columns]: ImageMap,
): string {
  let result = tensor
  if (!isIdentity(columns, width)) {
    const values = matrixOf(columns, width)
    const turned = Array.from(
      values,
      (_, at) => values[(at % columns.length) * width + Math.floor(at / columns.length)]!,
    )
    result = context.node("MatMul", [result, context.constant("f32", [width, columns.length], turned)])[0]!
  }
  if (!isIdentity(rows, height)) {
    const matrix = context.constant("f32", [rows.length, height], matrixOf(rows, height))
    result = context.node("MatMul", [matrix, result])[0]!
  }
  return result
}
