/**
 * Pooling over windows of images: maximum and average, with their gradients.
 *
 * PyTorch's semantics: sizes rounded down, the same padding at both ends of an axis, padding at most half a kernel. A
 * padded position never is a maximum. In TensorFlow the maximum takes any padding; the average does not (and would leave
 * padded positions out of its count), so there the image is padded first.
 */

import { constant, type Dim } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import type {
  AttributeSpec,
  ConcreteType,
  InferContext,
  OpCase,
  OpDefinition,
  TensorFlowAttribute,
  TensorFlowContext,
} from "./definition.js"
import { free } from "./definition.js"
import { fromValues, zeros } from "./ndarray.js"
import { NotInInference } from "./not-in-inference.js"
import { divisor, eachWindow, firstMaximum, maxPool, poolWindows } from "./pooling-reference.js"
import { booleanAttribute, integersAttribute } from "./shapes.js"
import { dimList } from "./sized-attributes.js"
import { pad, slice } from "./tensorflow-movement.js"
import {
  expectRank,
  expectShape,
  perAxis,
  tensorFlowPadding,
  windowCount,
  windowCountDim,
  windowsOf,
} from "./windows.js"

const AXES = "[N, C, H, W]"

const WINDOW_ATTRIBUTES: Readonly<Record<string, AttributeSpec>> = {
  kernel: { type: "ints", doc: "height and width of the window" },
  stride: { type: "ints", doc: "step of the window, down and right; usually the kernel" },
  padding: { type: "ints", default: [0, 0], doc: "rows added above and below, columns added left and right" },
}

const COUNT_ATTRIBUTE: AttributeSpec = {
  type: "bool",
  default: true,
  doc: "whether padded zeros count as elements of the window (PyTorch's default)",
}

const xSpec = { name: "x", dtypes: ["f32"], doc: `images ${AXES}` } as const
const dySpec = { name: "dy", dtypes: ["f32"], doc: "gradient by the result" } as const

// ------------------------------------------------------------------------------------------------------- inference

/** The shape of the pooled image; fails on windows that do not fit or lie in the padding alone. */
function pooledShape(context: InferContext, x: readonly Dim[]): readonly Dim[] {
  const kernel = perAxis(context, "kernel", 2, 1)
  perAxis(context, "stride", 2, 1)
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
  const spatial = windowsOf(context.attributes, kernel).map((window, axis) =>
    windowCountDim(context, x[axis + 2]!, window, { input: "x", axis: axis + 2 }),
  )
  return [x[0]!, x[1]!, ...spatial]
}

function inferPool(context: InferContext) {
  expectRank(context, 0, 4, AXES)
  return [{ dtype: "f32", shape: pooledShape(context, context.inputs[0]!.shape) } as const]
}

// ------------------------------------------------------------------------------------------------------ TensorFlow

function windowAttributes(context: TensorFlowContext): Record<string, TensorFlowAttribute> {
  const [rows, columns] = poolWindows(context.attributes)
  return {
    T: context.type("f32"),
    ksize: { ints: [1, rows.kernel, columns.kernel, 1] },
    strides: { ints: [1, rows.stride, columns.stride, 1] },
    data_format: { s: "NHWC" },
  }
}

/**
 * For each position of y, kernel elements / elements inside the image, as a constant [1, H', W', 1]; undefined when
 * padded positions count, or there are none.
 */
function countCorrection(context: TensorFlowContext, x: readonly number[]): string | undefined {
  const [rows, columns] = poolWindows(context.attributes)
  const isPadded = rows.padding > 0 || columns.padding > 0
  if (booleanAttribute(context.attributes, "count_include_pad") || !isPadded) return undefined
  const values: number[] = []
  eachWindow([1, 1, x[1]!, x[2]!], context.attributes, (window) => {
    values.push((rows.kernel * columns.kernel) / window.x.length)
  })
  return context.constant("f32", [1, windowCount(x[1]!, rows), windowCount(x[2]!, columns), 1], values)
}

/** The zeros to put round an NHWC image before TensorFlow's AvgPool, which itself then runs without padding. */
function averagePadding(context: TensorFlowContext): readonly (readonly [number, number])[] {
  const [rows, columns] = poolWindows(context.attributes)
  return [
    [0, 0],
    [rows.padding, rows.padding],
    [columns.padding, columns.padding],
    [0, 0],
  ]
}

function lowerAverage(context: TensorFlowContext): readonly string[] {
  const padded = pad(context, context.inputs[0]!, averagePadding(context))
  const attributes = { ...windowAttributes(context), padding: { s: "VALID" } }
  const average = context.node("AvgPool", [padded], attributes)
  const correction = countCorrection(context, context.inputTypes[0]!.shape)
  return [correction === undefined ? average : context.node("Mul", [average, correction], { T: context.type("f32") })]
}

function lowerAverageGradient(context: TensorFlowContext): readonly string[] {
  const shape = context.outputTypes[0]!.shape
  const pairs = averagePadding(context)
  const correction = countCorrection(context, shape)
  const dy =
    correction === undefined
      ? context.inputs[0]!
      : context.node("Mul", [context.inputs[0]!, correction], { T: context.type("f32") })
  const paddedShape = shape.map((size, axis) => size + pairs[axis]![0] + pairs[axis]![1])
  const attributes = { ...windowAttributes(context), padding: { s: "VALID" } }
  const gradient = context.node("AvgPoolGrad", [context.ints(paddedShape), dy], attributes)
  const begin = pairs.map(([before]) => before)
  return [slice(context, gradient, paddedShape, begin, shape)]
}

// ----------------------------------------------------------------------------------------------------------- cases

interface Setting {
  readonly name: string
  readonly x: readonly number[]
  readonly attributes: { kernel: number[]; stride: number[]; padding: number[] }
}

// prettier-ignore
const SETTINGS: readonly Setting[] = [
  { name: "halving", x: [2, 3, 4, 6], attributes: { kernel: [2, 2], stride: [2, 2], padding: [0, 0] } },
  { name: "odd size", x: [1, 2, 5, 7], attributes: { kernel: [2, 2], stride: [2, 2], padding: [0, 0] } },
  { name: "overlapping, padded, even size", x: [1, 2, 6, 8], attributes: { kernel: [3, 3], stride: [2, 2], padding: [1, 1] } },
  { name: "overlapping, padded, odd size", x: [2, 1, 7, 5], attributes: { kernel: [3, 3], stride: [2, 2], padding: [1, 1] } },
  { name: "same size", x: [1, 2, 4, 5], attributes: { kernel: [3, 3], stride: [1, 1], padding: [1, 1] } },
  { name: "unlike in height and width", x: [1, 2, 7, 6], attributes: { kernel: [3, 2], stride: [2, 1], padding: [1, 0] } },
  { name: "gaps between windows", x: [1, 2, 7, 7], attributes: { kernel: [2, 1], stride: [3, 2], padding: [0, 0] } },
]

const gradientSkip = (op: string): Pick<OpCase, "skip"> => ({
  skip: { onnx: "gradients are part of training only", tfjs: `covered by the gradient of ${op}` },
})

function pooledSize({ x, attributes }: Setting): number[] {
  const [rows, columns] = poolWindows(attributes)
  return [x[0]!, x[1]!, windowCount(x[2]!, rows), windowCount(x[3]!, columns)]
}

const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const

/** Pairwise different values, so that no window has two maxima; far enough apart for finite differences. */
function distinctValues(shape: readonly number[]): number[] {
  const count = shape.reduce((product, size) => product * size, 1)
  // 89 is prime and no shape of a case has a multiple of it elements, so the values are a permutation
  return Array.from({ length: count }, (_, index) => (((index * 89) % count) / count) * 2 - 1)
}

/** A case of the gradient of the maximum: y must belong to x, because some kernels find the maxima by comparing both. */
function maxGradientCase(setting: Setting, values: readonly number[]): OpCase {
  const shape = pooledSize(setting)
  const y = maxPool(fromValues(setting.x, values), setting.attributes, shape)
  return {
    name: setting.name,
    inputs: [{ ...f32(setting.x), values }, { ...f32(shape), values: [...y.data] }, f32(shape)],
    attributes: setting.attributes,
    ...gradientSkip("max_pool2d"),
  }
}

/** Few different values, as after a ReLU: nearly every window has several maxima. */
function tiedValues(shape: readonly number[]): number[] {
  const count = shape.reduce((product, size) => product * size, 1)
  return Array.from({ length: count }, (_, index) => ((index * index * 7) % 11) % 2)
}

const TIED: readonly Setting[] = SETTINGS.filter(({ name }) => name === "halving" || name.startsWith("overlapping"))

const averageSettings = SETTINGS.flatMap(({ name, x, attributes }) => [
  { name, x, attributes: { ...attributes, count_include_pad: true } },
  ...(attributes.padding.some((size) => size > 0)
    ? [{ name: `${name}, padding not counted`, x, attributes: { ...attributes, count_include_pad: false } }]
    : []),
])

// --------------------------------------------------------------------------------------------------------- records

const onnxWindow = (attributes: Attributes) => {
  const padding = integersAttribute(attributes, "padding")
  return {
    kernel_shape: { ints: integersAttribute(attributes, "kernel") },
    strides: { ints: integersAttribute(attributes, "stride") },
    pads: { ints: [...padding, ...padding] },
  }
}

const maxPool2d: OpDefinition = {
  family: "images",
  doc: "The largest element of each window, as PyTorch's torch.nn.functional.max_pool2d (sizes rounded down).",
  inputs: [xSpec],
  attributes: WINDOW_ATTRIBUTES,
  infer: inferPool,
  gradient: ({ gradients: [dy], inputs: [x], outputs: [y], attributes, op }) => [
    op("max_pool2d_gradient", [x!, y!, dy!], attributes),
  ],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: (context) => [
    context.node("MaxPool", context.inputs, {
      ...windowAttributes(context),
      ...tensorFlowPadding(context.inputTypes[0]!.shape.slice(1, 3), poolWindows(context.attributes)),
    }),
  ],
  onnx: (context) => context.node("MaxPool", context.inputs, onnxWindow(context.attributes)),
  reference: ([x], attributes, [y]) => [maxPool(x!, attributes, y!.shape)],
  cases: SETTINGS.map((setting) => ({
    name: setting.name,
    inputs: [{ ...f32(setting.x), values: distinctValues(setting.x) }],
    attributes: setting.attributes,
  })),
}

const maxPool2dGradient: OpDefinition = {
  family: "images",
  doc:
    "The gradient of max_pool2d by its images: what reaches a window goes to its maximum, of several equal ones to the " +
    "first (row by row), as in PyTorch and TensorFlow.",
  internal: true,
  inputs: [xSpec, { name: "y", dtypes: ["f32"], doc: "the result of max_pool2d" }, dySpec],
  attributes: WINDOW_ATTRIBUTES,
  infer: (context) => {
    expectRank(context, 0, 4, AXES)
    const x = context.inputs[0]!
    const shape = pooledShape(context, x.shape)
    expectShape(context, 1, shape, "the result of max_pool2d")
    expectShape(context, 2, shape, "the result of max_pool2d")
    return [x]
  },
  gradient: { none: "second derivatives are not supported" },
  cost: free,
  layout: { kind: "spatial", inputs: [0, 1, 2], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: (context) => [
    context.node("MaxPoolGrad", context.inputs, {
      ...windowAttributes(context),
      ...tensorFlowPadding(context.inputTypes[0]!.shape.slice(1, 3), poolWindows(context.attributes)),
    }),
  ],
  onnx: () => {
    throw new NotInInference("max_pool2d_gradient")
  },
  reference: ([x, , dy], attributes) => {
    const dx = zeros(x!.shape)
    eachWindow(x!.shape, attributes, (window) => (dx.data[firstMaximum(x!, window.x)]! += dy!.data[window.y]!))
    return [dx]
  },
  cases: [
    ...SETTINGS.map((setting) => maxGradientCase(setting, distinctValues(setting.x))),
    ...TIED.map((setting) => maxGradientCase({ ...setting, name: `${setting.name}, ties` }, tiedValues(setting.x))),
  ],
}

const avgPool2d: OpDefinition = {
  family: "images",
  doc: "The mean of each window, as PyTorch's torch.nn.functional.avg_pool2d (sizes rounded down).",
  inputs: [xSpec],
  attributes: { ...WINDOW_ATTRIBUTES, count_include_pad: COUNT_ATTRIBUTE },
  infer: inferPool,
  gradient: ({ gradients: [dy], inputs: [x], attributes, op, typeOf }) => [
    op("avg_pool2d_gradient", [dy!], { ...attributes, input_shape: typeOf(x!).shape }),
  ],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: lowerAverage,
  onnx: (context) =>
    context.node("AveragePool", context.inputs, {
      ...onnxWindow(context.attributes),
      count_include_pad: { int: booleanAttribute(context.attributes, "count_include_pad") ? 1 : 0 },
    }),
  reference: ([x], attributes, [y]) => {
    const result = zeros(y!.shape)
    eachWindow(x!.shape, attributes, (window) => {
      const sum = window.x.reduce((total, offset) => total + x!.data[offset]!, 0)
      result.data[window.y] = sum / divisor(attributes, window.x.length)
    })
    return [result]
  },
  cases: averageSettings.map(({ name, x, attributes }) => ({ name, inputs: [f32(x)], attributes })),
}

const avgPool2dGradient: OpDefinition = {
  family: "images",
  doc: "The gradient of avg_pool2d by its images: what reaches a window is shared by its elements.",
  internal: true,
  inputs: [dySpec],
  attributes: {
    ...WINDOW_ATTRIBUTES,
    count_include_pad: COUNT_ATTRIBUTE,
    input_shape: { type: "dims", doc: `shape of the images, ${AXES}` },
  },
  infer: (context) => {
    const shape = dimList(context.attributes, "input_shape")
    expectShape(context, 0, pooledShape(context, shape), "the result of avg_pool2d")
    return [{ dtype: "f32", shape }]
  },
  gradient: { none: "second derivatives are not supported" },
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: lowerAverageGradient,
  onnx: () => {
    throw new NotInInference("avg_pool2d_gradient")
  },
  reference: ([dy], attributes, [x]: readonly ConcreteType[]) => {
    const dx = zeros(x!.shape)
    eachWindow(x!.shape, attributes, (window) => {
      const share = dy!.data[window.y]! / divisor(attributes, window.x.length)
      for (const offset of window.x) dx.data[offset]! += share
    })
    return [dx]
  },
  cases: averageSettings.map((setting) => ({
    name: setting.name,
    inputs: [f32(pooledSize(setting))],
    attributes: { ...setting.attributes, input_shape: setting.x.map(constant) },
    ...gradientSkip("avg_pool2d"),
  })),
}

/** The records of pooling, for the registry. */
export const pooling = {
  max_pool2d: maxPool2d,
  max_pool2d_gradient: maxPool2dGradient,
  avg_pool2d: avgPool2d,
  avg_pool2d_gradient: avgPool2dGradient,
}
