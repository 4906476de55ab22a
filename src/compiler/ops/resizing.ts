/**
 * Images brought to any size, larger or smaller, as torch.nn.functional.interpolate does with a `size`.
 *
 * The meaning of each mode is an axis map (`axis-maps.ts`). A target's own kernel is used where it means exactly the same:
 * TensorFlow's nearest neighbour without half-pixel centres has PyTorch's arithmetic to the bit, its bilinear kernels have
 * PyTorch's conventions, its bicubic ones do not (another `a`, weights from a table). ONNX's Resize has all of them, but
 * finds nearest neighbours by a quotient of its own, which is computed here to see whether it picks the same elements.
 */

import { asConstant, constant, type Dim } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import {
  collectImage,
  cubicAxis,
  linearAxis,
  lowerMaps,
  mapImage,
  meanAxis,
  nearestAxis,
  onnxMaps,
  type AxisMap,
  type ImageMap,
} from "./axis-maps.js"
import type {
  AttributeSpec,
  InferContext,
  OnnxAttribute,
  OnnxContext,
  OpCase,
  OpDefinition,
  TensorFlowContext,
} from "./definition.js"
import { free } from "./definition.js"
import { NotInInference } from "./not-in-inference.js"
import { booleanAttribute, oneOf, stringAttribute } from "./shapes.js"
import { checkLength, dimList } from "./sized-attributes.js"
import { expectRank, imageSize } from "./windows.js"

const AXES = "[N, C, H, W]"

type Mode = "nearest" | "bilinear" | "bicubic" | "area"

const MODES: Readonly<Record<Mode, (size: number, length: number, alignCorners: boolean) => AxisMap>> = {
  nearest: nearestAxis,
  bilinear: linearAxis,
  bicubic: cubicAxis,
  area: meanAxis,
}

const modeOf = (attributes: Attributes): Mode => stringAttribute(attributes, "mode") as Mode
const isAligned = (attributes: Attributes): boolean => booleanAttribute(attributes, "align_corners")

/** The maps of a node. @param from height and width of the image; @param to those of the resized one */
function mapsOf(attributes: Attributes, from: readonly number[], to: readonly number[]): ImageMap {
  const axis = (at: number): AxisMap => MODES[modeOf(attributes)](from[at]!, to[at]!, isAligned(attributes))
  return [axis(0), axis(1)]
}

const MODE_ATTRIBUTES: Readonly<Record<string, AttributeSpec>> = {
  mode: {
    type: "string",
    default: "nearest",
    doc: '"nearest", "bilinear", "bicubic" (a = -0.75), or "area" (the mean of what a pixel covers)',
  },
  align_corners: {
    type: "bool",
    default: false,
    doc: "whether the centres of the corner pixels stay in the corners; bilinear and bicubic only",
  },
}

function checkMode(context: InferContext): void {
  oneOf(context, "mode", Object.keys(MODES))
  const mode = modeOf(context.attributes)
  if (!isAligned(context.attributes) || mode === "bilinear" || mode === "bicubic") return
  context.fail({
    kind: "attribute",
    name: "align_corners",
    message: `mode "${mode}" knows no corners to align`,
    hint: 'leave align_corners out, or use mode = "bilinear" or "bicubic"',
  })
}

// ------------------------------------------------------------------------------------------------------ TensorFlow

/** The step of even windows: how many elements of the image are one of the result; undefined when they are not even. */
function evenSteps(from: readonly number[], to: readonly number[]): readonly [number, number] | undefined {
  const [rows, columns] = [from[0]! / to[0]!, from[1]! / to[1]!]
  return Number.isInteger(rows) && Number.isInteger(columns) ? [rows, columns] : undefined
}

/** Attributes of TensorFlow's own resizing kernels. */
const kernelAttributes = (context: TensorFlowContext, halfPixelCentres: boolean) => ({
  T: context.type(context.float),
  align_corners: { b: isAligned(context.attributes) },
  half_pixel_centers: { b: halfPixelCentres },
})

const meanAttributes = (context: TensorFlowContext, [rows, columns]: readonly [number, number]) => ({
  T: context.type(context.float),
  ksize: { ints: [1, rows, columns, 1] },
  strides: { ints: [1, rows, columns, 1] },
  padding: { s: "VALID" },
  data_format: { s: "NHWC" },
})

function lowerResize(context: TensorFlowContext): string {
  const [x] = context.inputs as readonly [string]
  const image = context.inputTypes[0]!.shape
  const [from, to] = [image.slice(1, 3), context.outputTypes[0]!.shape.slice(1, 3)]
  const steps = evenSteps(from, to)
  switch (modeOf(context.attributes)) {
    case "nearest":
      return context.node("ResizeNearestNeighbor", [x, context.ints(to)], kernelAttributes(context, false))
    case "bilinear": {
      const attributes = kernelAttributes(context, !isAligned(context.attributes))
      return context.node("ResizeBilinear", [x, context.ints(to)], attributes)
    }
    case "area":
      if (steps) return context.node("AvgPool", [x], meanAttributes(context, steps))
      break
    case "bicubic":
  }
  return lowerMaps(context, x, image, mapsOf(context.attributes, from, to), "map")
}

function lowerResizeGradient(context: TensorFlowContext): string {
  const [dy] = context.inputs as readonly [string]
  const image = context.outputTypes[0]!.shape
  const [from, to] = [image.slice(1, 3), context.inputTypes[0]!.shape.slice(1, 3)]
  const steps = evenSteps(from, to)
  switch (modeOf(context.attributes)) {
    case "nearest":
      return context.node("ResizeNearestNeighborGrad", [dy, context.ints(from)], kernelAttributes(context, false))
    case "bilinear":
      return bilinearGradientNode(context, dy, kernelAttributes(context, !isAligned(context.attributes)))
    case "area":
      if (steps) return context.node("AvgPoolGrad", [context.ints(image), dy], meanAttributes(context, steps))
      break
    case "bicubic":
  }
  return lowerMaps(context, dy, image, mapsOf(context.attributes, from, to), "collect")
}

/** ResizeBilinearGrad asks for the original image but reads only its size: memory that nobody touches will do. */
export function bilinearGradientNode(
  context: TensorFlowContext,
  dy: string,
  attributes: Parameters<TensorFlowContext["node"]>[2],
): string {
  const float = context.type(context.float)
  const shape = context.ints(context.outputTypes[0]!.shape)
  const original = context.node("Empty", [shape], { dtype: float, init: { b: false } })
  return context.node("ResizeBilinearGrad", [dy, original], attributes)
}

// ------------------------------------------------------------------------------------------------------------- ONNX

/** The smallest float32 that is at least `value`. */
function float32AtLeast(value: number): number {
  const rounded = Math.fround(value)
  if (rounded >= value) return rounded
  const bits = new Uint32Array(Float32Array.of(rounded).buffer)
  bits[0] = bits[0]! + 1
  return new Float32Array(bits.buffer)[0]!
}

/** Whether ONNX Runtime's way of finding nearest neighbours, floor(i / scale) in float32, picks the same elements. */
function picksTheSame(map: AxisMap, scale: number): boolean {
  return map.every(([taken], i) => Math.floor(Math.fround(i / scale)) === taken!.source)
}

function onnxResize(context: OnnxContext): readonly string[] {
  const centres = { string: isAligned(context.attributes) ? "align_corners" : "half_pixel" }
  const mode = modeOf(context.attributes)
  const interpolation = {
    bilinear: { mode: { string: "linear" }, coordinate_transformation_mode: centres },
    bicubic: { mode: { string: "cubic" }, coordinate_transformation_mode: centres, cubic_coeff_a: { float: -0.75 } },
  }
  const result = context.outputTypes[0]!.shape
  const spatial = [...context.inputTypes[0]!.shape.slice(2), ...result.slice(2)]
  if ((mode === "bilinear" || mode === "bicubic") && spatial.some((dim) => asConstant(dim) === undefined)) {
    // With sizes left open, ONNX Runtime finds the scales from those that it is given.
    const inputs = [context.inputs[0]!, "", "", context.shape(result, "exact")]
    return context.node("Resize", inputs, interpolation[mode])
  }
  const sizes = (shape: readonly Dim[]): [number, number] => [context.size(shape[2]!), context.size(shape[3]!)]
  const from = sizes(context.inputTypes[0]!.shape)
  const to = sizes(context.outputTypes[0]!.shape)
  const maps = mapsOf(context.attributes, from, to)
  const steps = evenSteps(from, to)
  // Rounded up, so that size times scale, rounded down, is the size wanted; scales leave the batch open.
  const scales = to.map((size, axis) => float32AtLeast(size / from[axis]!))
  const resized = (attributes: Readonly<Record<string, OnnxAttribute>>): readonly string[] =>
    context.node("Resize", [context.inputs[0]!, "", context.constant("f32", [4], [1, 1, ...scales])], attributes)
  switch (mode) {
    case "nearest":
      if (!maps.every((map, axis) => picksTheSame(map, scales[axis]!))) break
      return resized({
        mode: { string: "nearest" },
        coordinate_transformation_mode: { string: "asymmetric" },
        nearest_mode: { string: "floor" },
      })
    case "bilinear":
    case "bicubic":
      return resized(interpolation[mode])
    case "area":
      if (!steps) break
      return context.node("AveragePool", context.inputs, { kernel_shape: { ints: steps }, strides: { ints: steps } })
  }
  return [onnxMaps(context, context.inputs[0]!, from, maps)]
}

// ----------------------------------------------------------------------------------------------------------- cases

// prettier-ignore
const SHAPES = [
  { name: "larger, odd sizes", x: [2, 3, 3, 5], size: [7, 8] },
  { name: "smaller", x: [1, 2, 9, 7], size: [4, 5] },
  { name: "larger one way, smaller the other", x: [1, 3, 4, 9], size: [11, 2] },
  { name: "twice", x: [1, 2, 3, 4], size: [6, 8] },
  { name: "half", x: [2, 2, 6, 4], size: [3, 2] },
  { name: "one pixel from many", x: [1, 2, 4, 5], size: [1, 1] },
  { name: "many from one pixel", x: [2, 1, 1, 1], size: [3, 4] },
  { name: "the same size", x: [1, 2, 3, 4], size: [3, 4] },
  { name: "height alone", x: [1, 2, 3, 4], size: [5, 4] },
]

/** A ratio at which float32 picks another neighbour than exact arithmetic would. */
const ROUNDED = { name: "a neighbour decided by rounding", x: [1, 1, 2, 14], size: [82, 4] }

interface Setting {
  readonly name: string
  readonly x: readonly number[]
  readonly size: readonly number[]
  readonly mode: Mode
  readonly align_corners: boolean
}

const settings: readonly Setting[] = [
  ...(Object.keys(MODES) as Mode[]).flatMap((mode) =>
    (mode === "bilinear" || mode === "bicubic" ? [false, true] : [false]).flatMap((align_corners) =>
      SHAPES.map(({ name, x, size }) => ({
        name: `${mode}${align_corners ? ", corners aligned" : ""}: ${name}`,
        x,
        size,
        mode,
        align_corners,
      })),
    ),
  ),
  { ...ROUNDED, name: `nearest: ${ROUNDED.name}`, mode: "nearest", align_corners: false },
]

const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const

// --------------------------------------------------------------------------------------------------------- records

const resize: OpDefinition = {
  family: "images",
  doc:
    "Images brought to another size, as torch.nn.functional.interpolate with a `size` and without antialiasing; mode " +
    '"area" is also torch.nn.functional.adaptive_avg_pool2d.',
  inputs: [{ name: "x", dtypes: ["f32"], doc: `images ${AXES}` }],
  attributes: { size: { type: "dims", doc: "height and width of the result" }, ...MODE_ATTRIBUTES },
  infer: (context) => {
    expectRank(context, 0, 4, AXES)
    checkMode(context)
    const [n, c] = context.inputs[0]!.shape
    return [{ dtype: "f32", shape: [n!, c!, ...imageSize(context)] }]
  },
  gradient: ({ gradients: [dy], inputs: [x], attributes: { mode, align_corners }, op, typeOf }) => [
    op("resize2d_gradient", [dy!], {
      mode: mode!,
      align_corners: align_corners!,
      input_shape: typeOf(x!).shape,
    }),
  ],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "full" },
  tensorflow: (context) => [lowerResize(context)],
  onnx: onnxResize,
  reference: ([x], attributes, [y]) => [
    mapImage(x!, mapsOf(attributes, x!.shape.slice(2), y!.shape.slice(2)), y!.shape),
  ],
  cases: settings.map(({ name, x, size, mode, align_corners }) => ({
    name,
    inputs: [f32(x)],
    attributes: { size: size.map(constant), mode, align_corners },
  })),
}

const resizeGradient: OpDefinition = {
  family: "images",
  doc: "The gradient of resize2d by its images: each pixel collects what was taken from it, by weight.",
  internal: true,
  inputs: [{ name: "dy", dtypes: ["f32"], doc: "gradient by the resized images" }],
  attributes: { ...MODE_ATTRIBUTES, input_shape: { type: "dims", doc: `shape of the images, ${AXES}` } },
  infer: (context) => {
    expectRank(context, 0, 4, AXES)
    checkMode(context)
    checkLength(context, "input_shape", dimList(context.attributes, "input_shape"))
    return [{ dtype: "f32", shape: dimList(context.attributes, "input_shape") }]
  },
  gradient: { none: "second derivatives are not supported" },
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "full" },
  tensorflow: (context) => [lowerResizeGradient(context)],
  onnx: () => {
    throw new NotInInference("resize2d_gradient")
  },
  reference: ([dy], attributes, [x]) => [
    collectImage(dy!, mapsOf(attributes, x!.shape.slice(2), dy!.shape.slice(2)), x!.shape),
  ],
  cases: settings.map(({ name, x, size, mode, align_corners }): OpCase => ({
    name,
    inputs: [f32([...x.slice(0, 2), ...size])],
    attributes: { mode, align_corners, input_shape: x.map(constant) },
    skip: { onnx: "gradients are part of training only", tfjs: "covered by the gradient of resize2d" },
  })),
}

/** The records of resizing, for the registry. */
export const resizing = { resize2d: resize, resize2d_gradient: resizeGradient }
