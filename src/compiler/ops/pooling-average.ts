/**
 * The mean over windows of images, with its gradient.
 *
 * TensorFlow's kernel divides by the elements inside the image only, and ONNX's by all or none of the padding; PyTorch can
 * count the padding, and with `ceil_mode` counts just the part of it that was asked for. So the image is padded first
 * where it has to be, the kernel divides by whole windows, and a constant corrects the windows that have fewer elements.
 */

import type { AttributeSpec, ConcreteType, OnnxContext, OpDefinition, TensorFlowContext } from "./definition.js"
import type { Attributes } from "../ir/graph.js"
import { free } from "./definition.js"
import { zeros } from "./ndarray.js"
import { NotInInference } from "./not-in-inference.js"
import { divisor, eachWindow } from "./pooling-reference.js"
import {
  asDims,
  AXES,
  CEIL_ATTRIBUTE,
  dySpec,
  f32,
  gradientSkip,
  inferPool,
  onnxWindow,
  pooledShape,
  pooledSize,
  poolWindows,
  SETTINGS,
  WINDOW_ATTRIBUTES,
  windowAttributes,
  xSpec,
} from "./pooling-windows.js"
import { booleanAttribute } from "./shapes.js"
import { dimList } from "./sized-attributes.js"
import { pad, slice } from "./tensorflow-movement.js"
import { imageBorders } from "./window-taps.js"
import { expectShape, windowCount } from "./windows.js"

const COUNT_ATTRIBUTE: AttributeSpec = {
  type: "bool",
  default: true,
  doc: "whether padded zeros count as elements of the window (PyTorch's default)",
}

const AVERAGE_ATTRIBUTES = { ...WINDOW_ATTRIBUTES, ceil_mode: CEIL_ATTRIBUTE, count_include_pad: COUNT_ATTRIBUTE }

/**
 * For each window, down and right, the elements of a whole window / those by which it is divided; undefined when these
 * are the same everywhere.
 */
function countCorrection(attributes: Attributes, input: readonly number[]): readonly number[] | undefined {
  const [rows, columns] = poolWindows(attributes, input)
  const values: number[] = []
  eachWindow([1, 1, ...input], attributes, (window) => {
    values.push((rows.kernel * columns.kernel) / divisor(attributes, window))
  })
  return values.some((value) => value !== 1) ? values : undefined
}

/** An NHWC tensor of the size of the result, corrected for windows with fewer elements than the kernel has. */
function corrected(context: TensorFlowContext, tensor: string, input: readonly number[]): string {
  const correction = countCorrection(context.attributes, input)
  if (!correction) return tensor
  const [rows, columns] = poolWindows(context.attributes, input)
  const shape = [1, windowCount(input[0]!, rows), windowCount(input[1]!, columns), 1]
  const factors = context.constant(context.float, shape, correction)
  return context.node("Mul", [tensor, factors], { T: context.type(context.float) })
}

function lowerAverage(context: TensorFlowContext): readonly string[] {
  const input = context.inputTypes[0]!.shape.slice(1, 3)
  const windows = poolWindows(context.attributes, input)
  const padded = pad(context, context.inputs[0]!, imageBorders(windows))
  const attributes = { ...windowAttributes(context, windows), padding: { s: "VALID" } }
  return [corrected(context, context.node("AvgPool", [padded], attributes), input)]
}

function lowerAverageGradient(context: TensorFlowContext): readonly string[] {
  const shape = context.outputTypes[0]!.shape
  const input = shape.slice(1, 3)
  const windows = poolWindows(context.attributes, input)
  const borders = imageBorders(windows)
  const paddedShape = shape.map((size, axis) => size + borders[axis]![0] + borders[axis]![1])
  const gradient = context.node(
    "AvgPoolGrad",
    [context.ints(paddedShape), corrected(context, context.inputs[0]!, input)],
    { ...windowAttributes(context, windows), padding: { s: "VALID" } },
  )
  const begin = borders.map(([before]) => before)
  return [slice(context, gradient, paddedShape, begin, shape)]
}

/**
 * ONNX's operator divides by all positions of a window or by those in the image. Where a rounded-up size makes PyTorch
 * divide by something between, all are counted and the rest is corrected.
 */
function onnxAverage(context: OnnxContext): readonly string[] {
  const { attributes } = context
  const counted = booleanAttribute(attributes, "count_include_pad")
  // Without `ceil_mode` the windows do not depend on the size of the image, which may then be open.
  const isRounded = booleanAttribute(attributes, "ceil_mode")
  const input = isRounded ? context.inputTypes[0]!.shape.slice(2).map((dim) => context.size(dim)) : []
  const [average] = context.node("AveragePool", context.inputs, {
    ...onnxWindow(poolWindows(attributes, input)),
    count_include_pad: { int: counted ? 1 : 0 },
  })
  const correction = counted && isRounded ? countCorrection(attributes, input) : undefined
  if (!correction) return [average!]
  const output = context.outputTypes[0]!.shape.slice(2).map((dim) => context.size(dim))
  return context.node("Mul", [average!, context.constant("f32", [1, 1, ...output], correction)])
}

const averageSettings = SETTINGS.flatMap(({ name, x, attributes }) => [
  { name, x, attributes: { ...attributes, count_include_pad: true } },
  ...(attributes.padding.some((size) => size > 0) || attributes.ceil_mode
    ? [{ name: `${name}, padding not counted`, x, attributes: { ...attributes, count_include_pad: false } }]
    : []),
])

const avgPool2d: OpDefinition = {
  family: "images",
  doc: "The mean of each window, as PyTorch's torch.nn.functional.avg_pool2d.",
  inputs: [xSpec],
  attributes: AVERAGE_ATTRIBUTES,
  infer: inferPool,
  gradient: ({ gradients: [dy], inputs: [x], attributes, op, typeOf }) => [
    op("avg_pool2d_gradient", [dy!], { ...attributes, input_shape: typeOf(x!).shape }),
  ],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: lowerAverage,
  onnx: onnxAverage,
  reference: ([x], attributes, [y]) => {
    const result = zeros(y!.shape)
    eachWindow(x!.shape, attributes, (window) => {
      const sum = window.x.reduce((total, offset) => total + x!.data[offset]!, 0)
      result.data[window.y] = sum / divisor(attributes, window)
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
    ...AVERAGE_ATTRIBUTES,
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
      const share = dy!.data[window.y]! / divisor(attributes, window)
      for (const offset of window.x) dx.data[offset]! += share
    })
    return [dx]
  },
  cases: averageSettings.map((setting) => ({
    name: setting.name,
    inputs: [f32(pooledSize(setting))],
    attributes: { ...setting.attributes, input_shape: asDims(setting.x) },
    ...gradientSkip("avg_pool2d"),
  })),
}

/** The records of the mean over windows. */
export const averagePooling = { avg_pool2d: avgPool2d, avg_pool2d_gradient: avgPool2dGradient }
