/**
 * What the records of pooling share: the attributes that describe windows, the sizes that follow from them, and how the
 * same windows are written for TensorFlow and ONNX.
 *
 * PyTorch's semantics: sizes rounded down (or up with `ceil_mode`), the same padding at both ends of an axis, padding at
 * most half a kernel.
 */

import { constant, evaluate, type Dim } from "../ir/dims.js"
import type { Attributes, TensorType } from "../ir/graph.js"
import type {
  AttributeSpec,
  InferContext,
  OnnxAttribute,
  OpCase,
  TensorFlowAttribute,
  TensorFlowContext,
} from "./definition.js"
import { booleanAttribute, integersAttribute } from "./shapes.js"
import { expectRank, paddingAfter, perAxis, roundedUp, windowCount, windowCountDim, windowsOf } from "./windows.js"
import type { Windows } from "./window-taps.js"

export const AXES = "[N, C, H, W]"

export const WINDOW_ATTRIBUTES: Readonly<Record<string, AttributeSpec>> = {
  kernel: { type: "ints", doc: "height and width of the window" },
  stride: { type: "ints", doc: "step of the window, down and right; usually the kernel" },
  padding: { type: "ints", default: [0, 0], doc: "rows added above and below, columns added left and right" },
}

export const CEIL_ATTRIBUTE: AttributeSpec = {
  type: "bool",
  default: false,
  doc: "whether a last window that reaches over the end counts, as PyTorch's ceil_mode",
}

export const DILATION_ATTRIBUTE: AttributeSpec = {
  type: "ints",
  default: [1, 1],
  doc: "distance between the elements of a window, down and right",
}

export const xSpec = { name: "x", dtypes: ["f32"], doc: `images ${AXES}` } as const
export const dySpec = { name: "dy", dtypes: ["f32"], doc: "gradient by the result" } as const

// ------------------------------------------------------------------------------------------------------- inference

/** The shape of the pooled image; fails on windows that do not fit or lie in the padding alone. */
export function pooledShape(context: InferContext, x: readonly Dim[]): readonly Dim[] {
  const kernel = perAxis(context, "kernel", 2, 1)
  perAxis(context, "stride", 2, 1)
  if (context.attributes["dilation"] !== undefined) perAxis(context, "dilation", 2, 1)
  const padding = perAxis(context, "padding", 2, 0)
  padding.forEach((size, axis) => {
    if (2 * size <= kernel[axis]!) return
    context.fail({
      kind: "attribute",
      name: "padding",
      message: `padding ${size} is more than half of the kernel, ${kernel[axis]}`,
      hint: "a window must not lie in the padding alone",
    })
  })
  const spatial = windowsOf(context.attributes, kernel).map((window, axis) => {
    const dim = x[axis + 2]!
    const size = booleanAttribute(context.attributes, "ceil_mode") ? evaluate(dim, context.sizes) : undefined
    const fitted = size === undefined ? window : roundedUp(size, window)
    return windowCountDim(context, dim, fitted, { input: "x", axis: axis + 2 })
  })
  return [x[0]!, x[1]!, ...spatial]
}

/** The rule of a pool of its one input. */
export function inferPool(context: InferContext): readonly TensorType[] {
  expectRank(context, 0, 4, AXES)
  return [{ dtype: "f32", shape: pooledShape(context, context.inputs[0]!.shape) }]
}

/**
 * The windows of a pooling node, down and right; its attributes have passed inference.
 *
 * @param input height and width of the image
 */
export function poolWindows(attributes: Attributes, input: readonly number[]): Windows {
  const windows = windowsOf(attributes, integersAttribute(attributes, "kernel"))
  const [rows, columns] = booleanAttribute(attributes, "ceil_mode")
    ? windows.map((window, axis) => roundedUp(input[axis]!, window))
    : windows
  return [rows!, columns!]
}

// -------------------------------------------------------------------------------------------------------- lowering

/** What TensorFlow's pooling kernels have in common, but for the padding. */
export function windowAttributes(
  context: TensorFlowContext,
  [rows, columns]: Windows,
): Record<string, TensorFlowAttribute> {
  return {
    T: context.type(context.float),
    ksize: { ints: [1, rows.kernel, columns.kernel, 1] },
    strides: { ints: [1, rows.stride, columns.stride, 1] },
    data_format: { s: "NHWC" },
  }
}

/** What ONNX's pooling operators have in common. Padding says all, so `ceil_mode` is not needed. */
export function onnxWindow([rows, columns]: Windows): Record<string, OnnxAttribute> {
  return {
    kernel_shape: { ints: [rows.kernel, columns.kernel] },
    strides: { ints: [rows.stride, columns.stride] },
    pads: { ints: [rows.padding, columns.padding, paddingAfter(rows), paddingAfter(columns)] },
  }
}

// ----------------------------------------------------------------------------------------------------------- cases

export interface Setting {
  readonly name: string
  readonly x: readonly number[]
  readonly attributes: {
    kernel: number[]
    stride: number[]
    padding: number[]
    ceil_mode: boolean
    dilation?: number[]
  }
}

// prettier-ignore
export const SETTINGS: readonly Setting[] = [
  { name: "halving", x: [2, 3, 4, 6], attributes: { kernel: [2, 2], stride: [2, 2], padding: [0, 0], ceil_mode: false } },
  { name: "odd size", x: [1, 2, 5, 7], attributes: { kernel: [2, 2], stride: [2, 2], padding: [0, 0], ceil_mode: false } },
  { name: "overlapping, padded, even size", x: [1, 2, 6, 8], attributes: { kernel: [3, 3], stride: [2, 2], padding: [1, 1], ceil_mode: false } },
  { name: "overlapping, padded, odd size", x: [2, 1, 7, 5], attributes: { kernel: [3, 3], stride: [2, 2], padding: [1, 1], ceil_mode: false } },
  { name: "same size", x: [1, 2, 4, 5], attributes: { kernel: [3, 3], stride: [1, 1], padding: [1, 1], ceil_mode: false } },
  { name: "unlike in height and width", x: [1, 2, 7, 6], attributes: { kernel: [3, 2], stride: [2, 1], padding: [1, 0], ceil_mode: false } },
  { name: "gaps between windows", x: [1, 2, 7, 7], attributes: { kernel: [2, 1], stride: [3, 2], padding: [0, 0], ceil_mode: false } },
  { name: "odd size, rounded up", x: [2, 2, 5, 7], attributes: { kernel: [2, 2], stride: [2, 2], padding: [0, 0], ceil_mode: true } },
  { name: "padded, rounded up", x: [1, 2, 6, 7], attributes: { kernel: [3, 4], stride: [2, 3], padding: [1, 2], ceil_mode: true } },
  { name: "rounded up, last window in the padding", x: [1, 2, 4, 6], attributes: { kernel: [2, 2], stride: [3, 3], padding: [1, 1], ceil_mode: true } },
  { name: "rounded up, larger than the image", x: [1, 1, 2, 3], attributes: { kernel: [3, 3], stride: [2, 2], padding: [0, 0], ceil_mode: true } },
]

/** The shape of the result of a setting. */
export function pooledSize({ x, attributes }: Setting): number[] {
  const [rows, columns] = poolWindows(attributes, x.slice(2))
  return [x[0]!, x[1]!, windowCount(x[2]!, rows), windowCount(x[3]!, columns)]
}

export const gradientSkip = (op: string): Pick<OpCase, "skip"> => ({
  skip: { onnx: "gradients are part of training only", tfjs: `covered by the gradient of ${op}` },
})

export const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const

/** A shape as an attribute. */
export const asDims = (shape: readonly number[]): readonly Dim[] => shape.map(constant)

/** Pairwise different values, so that no window has two maxima; far enough apart for finite differences. */
export function distinctValues(shape: readonly number[]): number[] {
  const count = shape.reduce((product, size) => product * size, 1)
  // 89 is prime and no shape of a case has a multiple of it elements, so the values are a permutation
  return Array.from({ length: count }, (_, index) => (((index * 89) % count) / count) * 2 - 1)
}
