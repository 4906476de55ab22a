/**
 * Enlarging images by a whole factor: nearest neighbour and bilinear, with their gradients.
 *
 * PyTorch's semantics (torch.nn.functional.interpolate with a whole `scale_factor`). Both are linear maps, described once
 * as weights between elements of y and elements of x along one axis; forward and gradient read the same description.
 */

import { constant, divideExactly } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import type { AttributeSpec, InferContext, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import { zeros, type NdArray } from "./ndarray.js"
import { NotInInference } from "./not-in-inference.js"
import { booleanAttribute, numberAttribute } from "./shapes.js"
import { expectRank, scaled, wholeNumbers } from "./windows.js"

const AXES = "[N, C, H, W]"

const SCALE: AttributeSpec = { type: "int", doc: "factor for height and width, a positive whole number" }
const ALIGN: AttributeSpec = {
  type: "bool",
  default: false,
  doc: "whether the centres of the corner pixels stay in the corners (PyTorch's align_corners)",
}

const xSpec = { name: "x", dtypes: ["f32"], doc: `images ${AXES}` } as const
const dySpec = { name: "dy", dtypes: ["f32"], doc: "gradient by the enlarged images" } as const

// ------------------------------------------------------------------------------------------------------- inference

function scaleOf(context: InferContext): number {
  const scale = numberAttribute(context.attributes, "scale")
  wholeNumbers(context, "scale", [scale], 1)
  return scale
}

const inferEnlarged: OpDefinition["infer"] = (context) => {
  expectRank(context, 0, 4, AXES)
  const scale = scaleOf(context)
  const [n, c, ...spatial] = context.inputs[0]!.shape
  return [{ dtype: "f32", shape: [n!, c!, ...spatial.map((dim) => scaled(dim, scale))] }]
}

const inferReduced: OpDefinition["infer"] = (context) => {
  expectRank(context, 0, 4, AXES)
  const scale = scaleOf(context)
  const [n, c, ...spatial] = context.inputs[0]!.shape
  const reduced = spatial.map((dim, at) => {
    const quotient = divideExactly(dim, constant(scale), context.sizes)
    if (quotient !== undefined) return quotient
    return context.fail({
      kind: "not-divisible",
      input: 0,
      axis: at + 2,
      by: scale,
      what: "the gradient of an image enlarged by that factor",
    })
  })
  return [{ dtype: "f32", shape: [n!, c!, ...reduced] }]
}

// ------------------------------------------------------------------------------------------------------- reference

/** y[position] takes `weight` of x[source]; positions run along one axis. */
interface Contribution {
  readonly source: number
  readonly weight: number
}

/** For each position along an axis of the enlarged image, what it takes from an axis of `size` elements. */
type AxisRule = (size: number, attributes: Attributes) => readonly (readonly Contribution[])[]

const nearestAxis: AxisRule = (size, attributes) => {
  const scale = numberAttribute(attributes, "scale")
  return Array.from({ length: size * scale }, (_, at) => [{ source: Math.floor(at / scale), weight: 1 }])
}

const bilinearAxis: AxisRule = (size, attributes) => {
  const scale = numberAttribute(attributes, "scale")
  const length = size * scale
  const step = length > 1 ? (size - 1) / (length - 1) : 0
  return Array.from({ length }, (_, at) => {
    const place = booleanAttribute(attributes, "align_corners") ? at * step : Math.max(0, (at + 0.5) / scale - 0.5)
    const lower = Math.min(Math.floor(place), size - 1)
    const upper = Math.min(lower + 1, size - 1)
    return [
      { source: lower, weight: 1 - (place - lower) },
      { source: upper, weight: place - lower },
    ]
  })
}

/** Calls `visit` for every pair of an element of y and one of x that it takes `weight` of (offsets, row-major). */
function eachContribution(
  shape: readonly number[],
  attributes: Attributes,
  rule: AxisRule,
  visit: (y: number, x: number, weight: number) => void,
): void {
  const [batch, channels, height, width] = shape as [number, number, number, number]
  const rows = rule(height, attributes)
  const columns = rule(width, attributes)
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

function enlarge(x: NdArray, attributes: Attributes, rule: AxisRule, shape: readonly number[]): NdArray {
  const result = zeros(shape)
  eachContribution(x.shape, attributes, rule, (y, at, weight) => (result.data[y]! += weight * x.data[at]!))
  return result
}

function reduce(dy: NdArray, attributes: Attributes, rule: AxisRule, shape: readonly number[]): NdArray {
  const result = zeros(shape)
  eachContribution(shape, attributes, rule, (y, at, weight) => (result.data[at]! += weight * dy.data[y]!))
  return result
}

// ------------------------------------------------------------------------------------------------------ TensorFlow

/** Height and width of an NHWC image, as TensorFlow's resize ops want them. */
function spatialSize(context: TensorFlowContext, shape: readonly number[]): string {
  return context.ints(shape.slice(1, 3))
}

/**
 * Nearest neighbour with half-pixel centres: for a whole factor it takes element floor((i + 0.5) / scale), which is
 * PyTorch's floor(i / scale); without them the same quotient is computed at its very jumps, where float32 may round it
 * to the wrong side.
 */
const nearestAttributes = (context: TensorFlowContext) => ({
  T: context.type("f32"),
  align_corners: { b: false },
  half_pixel_centers: { b: true },
})

const bilinearAttributes = (context: TensorFlowContext) => {
  const alignCorners = booleanAttribute(context.attributes, "align_corners")
  return { T: context.type("f32"), align_corners: { b: alignCorners }, half_pixel_centers: { b: !alignCorners } }
}

// ----------------------------------------------------------------------------------------------------------- cases

const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const

const gradientSkip = (op: string): Pick<OpCase, "skip"> => ({
  skip: { onnx: "gradients are part of training only", tfjs: `covered by the gradient of ${op}` },
})

// prettier-ignore
const SETTINGS = [
  { name: "twice", x: [2, 3, 2, 4], attributes: { scale: 2 } },
  { name: "three times, odd size", x: [1, 2, 3, 5], attributes: { scale: 3 } },
  { name: "sixteen times", x: [1, 1, 2, 3], attributes: { scale: 16 } },
  { name: "once", x: [1, 2, 3, 2], attributes: { scale: 1 } },
  { name: "a single pixel", x: [2, 2, 1, 1], attributes: { scale: 5 } },
]

const enlargedSize = (x: readonly number[], scale: number): number[] => [x[0]!, x[1]!, x[2]! * scale, x[3]! * scale]

const bilinearSettings = SETTINGS.flatMap(({ name, x, attributes }) => [
  { name, x, attributes: { ...attributes, align_corners: false } },
  { name: `${name}, corners aligned`, x, attributes: { ...attributes, align_corners: true } },
])

// --------------------------------------------------------------------------------------------------------- records

const nearest: OpDefinition = {
  family: "images",
  doc:
    "Images enlarged by a whole factor, each pixel repeated, as PyTorch's torch.nn.functional.interpolate with mode " +
    '"nearest".',
  inputs: [xSpec],
  attributes: { scale: SCALE },
  infer: inferEnlarged,
  gradient: ({ gradients: [dy], attributes, op }) => [op("upsample_nearest2d_gradient", [dy!], attributes)],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const size = spatialSize(context, context.outputTypes[0]!.shape)
    return [context.node("ResizeNearestNeighbor", [context.inputs[0]!, size], nearestAttributes(context))]
  },
  onnx: (context) => {
    const scale = numberAttribute(context.attributes, "scale")
    return context.node("Resize", [context.inputs[0]!, "", context.constant("f32", [4], [1, 1, scale, scale])], {
      mode: { string: "nearest" },
      coordinate_transformation_mode: { string: "asymmetric" },
      nearest_mode: { string: "floor" },
    })
  },
  reference: ([x], attributes, [y]) => [enlarge(x!, attributes, nearestAxis, y!.shape)],
  cases: SETTINGS.map(({ name, x, attributes }) => ({ name, inputs: [f32(x)], attributes })),
}

const nearestGradient: OpDefinition = {
  family: "images",
  doc: "The gradient of upsample_nearest2d by its images: the sum over the copies of each pixel.",
  internal: true,
  inputs: [dySpec],
  attributes: { scale: SCALE },
  infer: inferReduced,
  gradient: { none: "second derivatives are not supported" },
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const size = spatialSize(context, context.outputTypes[0]!.shape)
    return [context.node("ResizeNearestNeighborGrad", [context.inputs[0]!, size], nearestAttributes(context))]
  },
  onnx: () => {
    throw new NotInInference("upsample_nearest2d_gradient")
  },
  reference: ([dy], attributes, [x]) => [reduce(dy!, attributes, nearestAxis, x!.shape)],
  cases: SETTINGS.map(({ name, x, attributes }) => ({
    name,
    inputs: [f32(enlargedSize(x, attributes.scale))],
    attributes,
    ...gradientSkip("upsample_nearest2d"),
  })),
}

const bilinear: OpDefinition = {
  family: "images",
  doc:
    "Images enlarged by a whole factor with bilinear interpolation, as PyTorch's torch.nn.functional.interpolate with " +
    'mode "bilinear".',
  inputs: [xSpec],
  attributes: { scale: SCALE, align_corners: ALIGN },
  infer: inferEnlarged,
  gradient: ({ gradients: [dy], attributes, op }) => [op("upsample_bilinear2d_gradient", [dy!], attributes)],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const size = spatialSize(context, context.outputTypes[0]!.shape)
    return [context.node("ResizeBilinear", [context.inputs[0]!, size], bilinearAttributes(context))]
  },
  onnx: (context) => {
    const scale = numberAttribute(context.attributes, "scale")
    const alignCorners = booleanAttribute(context.attributes, "align_corners")
    return context.node("Resize", [context.inputs[0]!, "", context.constant("f32", [4], [1, 1, scale, scale])], {
      mode: { string: "linear" },
      coordinate_transformation_mode: { string: alignCorners ? "align_corners" : "half_pixel" },
    })
  },
  reference: ([x], attributes, [y]) => [enlarge(x!, attributes, bilinearAxis, y!.shape)],
  cases: bilinearSettings.map(({ name, x, attributes }) => ({ name, inputs: [f32(x)], attributes })),
}

const bilinearGradient: OpDefinition = {
  family: "images",
  doc: "The gradient of upsample_bilinear2d by its images: each pixel collects what was taken from it, by weight.",
  internal: true,
  inputs: [dySpec],
  attributes: { scale: SCALE, align_corners: ALIGN },
  infer: inferReduced,
  gradient: { none: "second derivatives are not supported" },
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "full" },
  tensorflow: (context) => {
    // the kernel asks for the original image but reads only its size: memory that nobody touches will do
    const shape = context.ints(context.outputTypes[0]!.shape)
    const original = context.node("Empty", [shape], { dtype: context.type("f32"), init: { b: false } })
    return [context.node("ResizeBilinearGrad", [context.inputs[0]!, original], bilinearAttributes(context))]
  },
  onnx: () => {
    throw new NotInInference("upsample_bilinear2d_gradient")
  },
  reference: ([dy], attributes, [x]) => [reduce(dy!, attributes, bilinearAxis, x!.shape)],
  cases: bilinearSettings.map(({ name, x, attributes }) => ({
    name,
    inputs: [f32(enlargedSize(x, attributes.scale))],
    attributes,
    ...gradientSkip("upsample_bilinear2d"),
  })),
}

/** The records of resampling, for the registry. */
export const resampling = {
  upsample_nearest2d: nearest,
  upsample_nearest2d_gradient: nearestGradient,
  upsample_bilinear2d: bilinear,
  upsample_bilinear2d_gradient: bilinearGradient,
}
