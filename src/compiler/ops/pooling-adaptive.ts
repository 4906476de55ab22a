/**
 * The maximum over adaptive windows: an image of any size brought to a given one, as PyTorch's adaptive_max_pool2d.
 *
 * Where the sizes divide this is an ordinary pool. Where they do not, windows overlap and differ in length, which no
 * kernel knows: then the rows and columns of each window are laid out side by side, short windows with their last element
 * repeated, and pooled without overlap. A repeated element comes after its original, so the first maximum stays the same
 * one, and the gradient goes where PyTorch sends it. (The mean over adaptive windows is linear: `resize2d`, mode "area".)
 */

import { evaluate, format, type Dim } from "../ir/dims.js"
import { adaptiveWindows, lowerMaps, pickedAxis } from "./axis-maps.js"
import type { InferContext, OnnxContext, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import { fromValues, zeros, type NdArray } from "./ndarray.js"
import { NotInInference } from "./not-in-inference.js"
import { firstMaximum } from "./pooling-reference.js"
import { AXES, asDims, distinctValues, dySpec, f32, gradientSkip, windowAttributes, xSpec } from "./pooling-windows.js"
import type { Windows } from "./window-taps.js"
import { expectRank, expectShape, imageSize, type Window } from "./windows.js"

/** One axis laid out: the element at each place, and how many places make a window. */
interface LaidOut {
  readonly sources: readonly number[]
  readonly window: number
}

/** The windows of an axis side by side, all as long as the longest. */
function laidOut(size: number, length: number): LaidOut {
  const windows = adaptiveWindows(size, length)
  const longest = Math.max(...windows.map(({ start, end }) => end - start))
  const sources = windows.flatMap(({ start, end }) =>
    Array.from({ length: longest }, (_, i) => Math.min(start + i, end - 1)),
  )
  return { sources, window: longest }
}

const moves = ({ sources }: LaidOut, size: number): boolean =>
  sources.length !== size || sources.some((source, place) => source !== place)

const poolOf = (axes: readonly LaidOut[]): Windows =>
  axes.map(({ window }): Window => ({ kernel: window, stride: window, padding: 0, dilation: 1 })) as unknown as Windows

/** Calls `visit` once per element of y (row-major) with the offsets of its window in x [N, C, H, W], row by row. */
function eachAdaptiveWindow(
  shape: readonly number[],
  [height, width]: readonly number[],
  visit: (y: number, x: readonly number[]) => void,
): void {
  let y = 0
  for (let plane = 0; plane < shape[0]! * shape[1]!; plane++) {
    for (const rows of adaptiveWindows(shape[2]!, height!)) {
      for (const columns of adaptiveWindows(shape[3]!, width!)) {
        const offsets: number[] = []
        for (let row = rows.start; row < rows.end; row++) {
          for (let column = columns.start; column < columns.end; column++) {
            offsets.push((plane * shape[2]! + row) * shape[3]! + column)
          }
        }
        visit(y++, offsets)
      }
    }
  }
}

function adaptiveMaximum(x: NdArray, shape: readonly number[]): NdArray {
  const result = zeros(shape)
  eachAdaptiveWindow(x.shape, shape.slice(2), (y, offsets) => (result.data[y] = x.data[firstMaximum(x, offsets)]!))
  return result
}

// ------------------------------------------------------------------------------------------------------- inference

const SIZE = { type: "dims", doc: "height and width of the result" } as const

/** The shape of the result; fails unless the image has a known size and the result one of at least one pixel. */
function adaptiveShape(context: InferContext): readonly Dim[] {
  expectRank(context, 0, 4, AXES)
  const [n, c, ...spatial] = context.inputs[0]!.shape
  const size = imageSize(context)
  const open = size.find((dim) => evaluate(dim, context.sizes) === undefined)
  if (open) context.fail({ kind: "attribute", name: "size", message: `${format(open)} is not known` })
  spatial.forEach((dim, at) => {
    if (evaluate(dim, context.sizes) !== undefined) return
    context.fail({
      kind: "other",
      message: `the windows along axis ${at + 2} of x depend on the size of ${format(dim)}, which is not known`,
      hint: `give the symbols in ${format(dim)} sizes`,
    })
  })
  return [n!, c!, ...size]
}

// -------------------------------------------------------------------------------------------------------- lowering

/** The image [N, H, W, C] with its windows side by side. */
function layOut(context: TensorFlowContext, x: string, axes: readonly LaidOut[], shape: readonly number[]): string {
  return axes.reduce((tensor, axis, at) => {
    if (!moves(axis, shape[at + 1]!)) return tensor
    return context.node("GatherV2", [tensor, context.ints(axis.sources), context.constant("i32", [], [at + 1])], {
      Tparams: context.type(context.float),
      Tindices: context.type("i32"),
      Taxis: context.type("i32"),
    })
  }, x)
}

function axesOf(image: readonly number[], result: readonly number[]): readonly LaidOut[] {
  return image.map((size, at) => laidOut(size, result[at]!))
}

const spatialOf = (shape: readonly number[]): readonly number[] => shape.slice(1, 3)

function lowerMaximum(context: TensorFlowContext): string {
  const { shape } = context.inputTypes[0]!
  const axes = axesOf(spatialOf(shape), spatialOf(context.outputTypes[0]!.shape))
  const image = layOut(context, context.inputs[0]!, axes, shape)
  return context.node("MaxPool", [image], { ...windowAttributes(context, poolOf(axes)), padding: { s: "VALID" } })
}

function lowerGradient(context: TensorFlowContext): string {
  const [x, y, dy] = context.inputs as readonly [string, string, string]
  const { shape } = context.inputTypes[0]!
  const axes = axesOf(spatialOf(shape), spatialOf(context.inputTypes[1]!.shape))
  const image = layOut(context, x, axes, shape)
  const attributes = { ...windowAttributes(context, poolOf(axes)), padding: { s: "VALID" } }
  const gradient = context.node("MaxPoolGrad", [image, y, dy], attributes)
  if (!axes.some((axis, at) => moves(axis, shape[at + 1]!))) return gradient
  const [rows, columns] = axes.map(({ sources }) => pickedAxis(sources))
  return lowerMaps(context, gradient, shape, [rows!, columns!], "collect")
}

function onnxMaximum(context: OnnxContext): readonly string[] {
  const sizes = (shape: readonly Dim[]): number[] => shape.slice(2).map((dim) => context.size(dim))
  const from = sizes(context.inputTypes[0]!.shape)
  const axes = axesOf(from, sizes(context.outputTypes[0]!.shape))
  const image = axes.reduce((tensor, axis, at) => {
    if (!moves(axis, from[at]!)) return tensor
    return context.node("Gather", [tensor, context.int64s(axis.sources)], { axis: { int: at + 2 } })[0]!
  }, context.inputs[0]!)
  const kernel = { ints: axes.map(({ window }) => window) }
  return context.node("MaxPool", [image], { kernel_shape: kernel, strides: kernel })
}

// --------------------------------------------------------------------------------------------------------- records

// prettier-ignore
const SETTINGS = [
  { name: "even windows", x: [2, 3, 6, 4], size: [3, 2] },
  { name: "one pixel", x: [2, 2, 5, 3], size: [1, 1] },
  { name: "windows that overlap", x: [1, 2, 7, 10], size: [3, 4] },
  { name: "uneven along one axis", x: [2, 1, 6, 5], size: [2, 3] },
  { name: "larger than the image", x: [1, 2, 2, 3], size: [5, 4] },
]

const adaptiveMaxPool2d: OpDefinition = {
  family: "images",
  doc:
    "The largest element of each of height x width windows that cover the image, as PyTorch's " +
    "torch.nn.functional.adaptive_max_pool2d.",
  inputs: [xSpec],
  attributes: { size: SIZE },
  infer: (context) => [{ dtype: "f32", shape: adaptiveShape(context) }],
  gradient: ({ gradients: [dy], inputs: [x], outputs: [y], attributes, op }) => [
    op("adaptive_max_pool2d_gradient", [x!, y!, dy!], attributes),
  ],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: (context) => [lowerMaximum(context)],
  onnx: onnxMaximum,
  reference: ([x], _, [y]) => [adaptiveMaximum(x!, y!.shape)],
  cases: SETTINGS.map(({ name, x, size }) => ({
    name,
    inputs: [{ ...f32(x), values: distinctValues(x) }],
    attributes: { size: asDims(size) },
  })),
}

const adaptiveMaxPool2dGradient: OpDefinition = {
  family: "images",
  doc: "The gradient of adaptive_max_pool2d by its images: what reaches a window goes to its first maximum.",
  internal: true,
  inputs: [xSpec, { name: "y", dtypes: ["f32"], doc: "the result of adaptive_max_pool2d" }, dySpec],
  attributes: { size: SIZE },
  infer: (context) => {
    const shape = adaptiveShape(context)
    expectShape(context, 1, shape, "the result of adaptive_max_pool2d")
    expectShape(context, 2, shape, "the result of adaptive_max_pool2d")
    return [context.inputs[0]!]
  },
  gradient: { none: "second derivatives are not supported" },
  cost: free,
  layout: { kind: "spatial", inputs: [0, 1, 2], outputs: [0] },
  precision: { kind: "full" },
  tensorflow: (context) => [lowerGradient(context)],
  onnx: () => {
    throw new NotInInference("adaptive_max_pool2d_gradient")
  },
  reference: ([x, y, dy]) => {
    const dx = zeros(x!.shape)
    eachAdaptiveWindow(x!.shape, y!.shape.slice(2), (at, offsets) => {
      dx.data[firstMaximum(x!, offsets)]! += dy!.data[at]!
    })
    return [dx]
  },
  cases: SETTINGS.flatMap(({ name, x, size }): OpCase[] => {
    const shape = [...x.slice(0, 2), ...size]
    const caseOf = (suffix: string, values: readonly number[]): OpCase => ({
      name: name + suffix,
      inputs: [
        { ...f32(x), values },
        { ...f32(shape), values: [...adaptiveMaximum(fromValues(x, values), shape).data] },
        f32(shape),
      ],
      attributes: { size: asDims(size) },
      ...gradientSkip("adaptive_max_pool2d"),
    })
    const values = distinctValues(x)
    return [caseOf("", values), caseOf(", ties", values.map((value) => Math.round(value)))] // prettier-ignore
  }),
}

/** The records of pooling over adaptive windows. */
export const adaptivePooling = {
  adaptive_max_pool2d: adaptiveMaxPool2d,
  adaptive_max_pool2d_gradient: adaptiveMaxPool2dGradient,
}
