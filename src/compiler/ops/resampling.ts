/**
 * Enlarging images by a whole factor: nearest neighbour and bilinear, with their gradients.
 *
 * PyTorch's semantics (torch.nn.functional.interpolate with a whole `scale_factor`). Both are linear maps, described once
 * as axis maps; forward and gradient read the same description. For other sizes and modes there is `resizing.ts`.
 */

import { constant, divideExactly } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import { collectImage, linearAxis, mapImage, pickedAxis, type AxisMap, type ImageMap } from "./axis-maps.js"
import type { AttributeSpec, InferContext, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import { NotInInference } from "./not-in-inference.js"
import { bilinearGradientNode } from "./resizing.js"
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

/** What an axis of `size` elements becomes, by the factor of the node. */
type AxisRule = (size: number, attributes: Attributes) => AxisMap

/** Exact, unlike `nearestAxis` of any size: for a whole factor there is nothing to round. */
const repeatedAxis: AxisRule = (size, attributes) => {
  const scale = numberAttribute(attributes, "scale")
  return pickedAxis(Array.from({ length: size * scale }, (_, at) => Math.floor(at / scale)))
}

const bilinearAxis: AxisRule = (size, attributes) =>
  linearAxis(size, size * numberAttribute(attributes, "scale"), booleanAttribute(attributes, "align_corners"))

const mapsOf = (rule: AxisRule, shape: readonly number[], attributes: Attributes): ImageMap => [
  rule(shape[2]!, attributes),
  rule(shape[3]!, attributes),
]

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
  T: context.type(context.float),
  align_corners: { b: false },
  half_pixel_centers: { b: true },
})

const bilinearAttributes = (context: TensorFlowContext) => {
  const alignCorners = booleanAttribute(context.attributes, "align_corners")
  return {
    T: context.type(context.float),
    align_corners: { b: alignCorners },
    half_pixel_centers: { b: !alignCorners },
  }
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
  reference: ([x], attributes, [y]) => [mapImage(x!, mapsOf(repeatedAxis, x!.shape, attributes), y!.shape)],
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
  reference: ([dy], attributes, [x]) => [collectImage(dy!, mapsOf(repeatedAxis, x!.shape, attributes), x!.shape)],
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
  reference: ([x], attributes, [y]) => [mapImage(x!, mapsOf(bilinearAxis, x!.shape, attributes), y!.shape)],
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
  tensorflow: (context) => [bilinearGradientNode(context, context.inputs[0]!, bilinearAttributes(context))],
  onnx: () => {
    throw new NotInInference("upsample_bilinear2d_gradient")
  },
  reference: ([dy], attributes, [x]) => [collectImage(dy!, mapsOf(bilinearAxis, x!.shape, attributes), x!.shape)],
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
