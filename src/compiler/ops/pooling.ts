/**
 * The maximum over windows of images, with its gradient; all records of pooling together.
 *
 * A padded position never is a maximum. TensorFlow's kernels know no dilation: a dilated maximum is that of the window's
 * taps, and its gradient goes to the first tap that has the maximum, as the kernels without dilation do it.
 */

import type { OnnxContext, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import { fromValues, zeros } from "./ndarray.js"
import { NotInInference } from "./not-in-inference.js"
import { adaptivePooling } from "./pooling-adaptive.js"
import { averagePooling } from "./pooling-average.js"
import { eachWindow, firstMaximum, maxPool } from "./pooling-reference.js"
import {
  AXES,
  CEIL_ATTRIBUTE,
  DILATION_ATTRIBUTE,
  distinctValues,
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
  type Setting,
} from "./pooling-windows.js"
import { booleanAttribute } from "./shapes.js"
import { imageBorders, paddedSize, sumOfTaps, tapSlices, type Windows } from "./window-taps.js"
import { expectRank, expectShape, tensorFlowPadding, windowCount } from "./windows.js"

const MAX_ATTRIBUTES = { ...WINDOW_ATTRIBUTES, dilation: DILATION_ATTRIBUTE, ceil_mode: CEIL_ATTRIBUTE }

// ------------------------------------------------------------------------------------------------------ TensorFlow

/** A number below all others, for padding in front of a maximum. */
const LOWEST = -Infinity

const isDilated = (windows: Windows): boolean => windows.some((window) => window.dilation > 1 && window.kernel > 1)

/** What each tap of the windows meets, [N, H', W', C], of an NHWC image with a border of -infinity. */
function paddedTaps(context: TensorFlowContext, x: string, shape: readonly number[], windows: Windows) {
  const float = context.type(context.float)
  const amounts = context.constant("i32", [4, 2], imageBorders(windows).flat())
  const lowest = context.constant(context.float, [], [LOWEST])
  const padded = context.node("PadV2", [x, amounts, lowest], { T: float, Tpaddings: context.type("i32") })
  const output = windows.map((window, axis) => windowCount(shape[axis + 1]!, window)) as [number, number]
  return tapSlices(context, padded, [shape[0]!], paddedSize(shape.slice(1, 3), windows), output, shape[3]!, windows)
}

function dilatedMaximum(context: TensorFlowContext, windows: Windows): string {
  const T = context.type(context.float)
  return paddedTaps(context, context.inputs[0]!, context.inputTypes[0]!.shape, windows).reduce((largest, tap) =>
    context.node("Maximum", [largest, tap], { T }),
  )
}

/** Each tap that equals the maximum takes what is left of dy, and leaves nothing. */
function dilatedGradient(context: TensorFlowContext, windows: Windows): string {
  const [x, y, dy] = context.inputs as readonly [string, string, string]
  const { shape } = context.inputTypes[0]!
  const T = context.type(context.float)
  const nothing = context.constant(context.float, [], [0])
  let left = dy
  const parts = paddedTaps(context, x, shape, windows).map((tap) => {
    const hit = context.node("Equal", [tap, y], { T })
    const part = context.node("SelectV2", [hit, left, nothing], { T })
    left = context.node("SelectV2", [hit, nothing, left], { T })
    return part
  })
  return sumOfTaps(context, parts, shape, windows)
}

/** The node of a TensorFlow kernel for maxima. */
function kernel(context: TensorFlowContext, op: string, windows: Windows): string {
  return context.node(op, context.inputs, {
    ...windowAttributes(context, windows),
    ...tensorFlowPadding(context.inputTypes[0]!.shape.slice(1, 3), windows),
  })
}

const windowsIn = (context: TensorFlowContext): Windows =>
  poolWindows(context.attributes, context.inputTypes[0]!.shape.slice(1, 3))

// ----------------------------------------------------------------------------------------------------------- cases

// prettier-ignore
const DILATED: readonly Setting[] = [
  { name: "dilation 2", x: [2, 2, 6, 7], attributes: { kernel: [2, 2], stride: [1, 1], padding: [0, 0], ceil_mode: false, dilation: [2, 2] } },
  { name: "dilation 3 by 2, padded, stride 2", x: [1, 3, 9, 8], attributes: { kernel: [3, 3], stride: [2, 2], padding: [1, 1], ceil_mode: false, dilation: [3, 2] } },
  { name: "dilation along one axis, stride 3, rounded up", x: [2, 1, 7, 9], attributes: { kernel: [2, 3], stride: [3, 3], padding: [0, 1], ceil_mode: true, dilation: [1, 2] } },
]

const MAX_SETTINGS: readonly Setting[] = [...SETTINGS, ...DILATED]

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

const TIED: readonly Setting[] = MAX_SETTINGS.filter(
  ({ name }) => name === "halving" || name.startsWith("overlapping") || name.startsWith("dilation"),
)

// --------------------------------------------------------------------------------------------------------- records

/** ONNX's maximum. The size of the image matters with `ceil_mode` only, and may else be open. */
function onnxMaximum(context: OnnxContext): readonly string[] {
  const { attributes } = context
  const isRounded = booleanAttribute(attributes, "ceil_mode")
  const windows = poolWindows(
    attributes,
    isRounded ? context.inputTypes[0]!.shape.slice(2).map((dim) => context.size(dim)) : [],
  )
  const dilations = { dilations: { ints: windows.map((window) => window.dilation) } }
  return context.node("MaxPool", context.inputs, { ...onnxWindow(windows), ...(isDilated(windows) && dilations) })
}

const maxPool2d: OpDefinition = {
  family: "images",
  doc: "The largest element of each window, as PyTorch's torch.nn.functional.max_pool2d.",
  inputs: [xSpec],
  attributes: MAX_ATTRIBUTES,
  infer: inferPool,
  gradient: ({ gradients: [dy], inputs: [x], outputs: [y], attributes, op }) => [
    op("max_pool2d_gradient", [x!, y!, dy!], attributes),
  ],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const windows = windowsIn(context)
    return [isDilated(windows) ? dilatedMaximum(context, windows) : kernel(context, "MaxPool", windows)]
  },
  onnx: onnxMaximum,
  reference: ([x], attributes, [y]) => [maxPool(x!, attributes, y!.shape)],
  cases: MAX_SETTINGS.map((setting) => ({
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
  attributes: MAX_ATTRIBUTES,
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
  tensorflow: (context) => {
    const windows = windowsIn(context)
    return [isDilated(windows) ? dilatedGradient(context, windows) : kernel(context, "MaxPoolGrad", windows)]
  },
  onnx: () => {
    throw new NotInInference("max_pool2d_gradient")
  },
  reference: ([x, , dy], attributes) => {
    const dx = zeros(x!.shape)
    eachWindow(x!.shape, attributes, (window) => (dx.data[firstMaximum(x!, window.x)]! += dy!.data[window.y]!))
    return [dx]
  },
  cases: [
    ...MAX_SETTINGS.map((setting) => maxGradientCase(setting, distinctValues(setting.x))),
    ...TIED.map((setting) => maxGradientCase({ ...setting, name: `${setting.name}, ties` }, tiedValues(setting.x))),
  ],
}

/** The records of pooling, for the registry. */
export const pooling = {
  max_pool2d: maxPool2d,
  max_pool2d_gradient: maxPool2dGradient,
  ...averagePooling,
  ...adaptivePooling,
}
