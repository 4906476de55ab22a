/**
 * Convolutions of one and two spatial axes, and their gradients.
 *
 * One factory per role makes the records of both ranks. The semantics are PyTorch's (data [N, C, ...], filters
 * [O, C/groups, ...], the same padding at both ends of an axis, sizes rounded down); there is no bias, which the
 * standard library adds. Meaning: `convolution-reference.ts`; TensorFlow: `convolution-tensorflow.ts`.
 */

import { constant, evaluate, format, multiply, remainder, type Dim } from "../ir/dims.js"
import type { Attributes, TensorType } from "../ir/graph.js"
import { convolve, convolveFilterGradient, convolveInputGradient, geometryOf } from "./convolution-reference.js"
import type { ConvolutionGeometry } from "./convolution-reference.js"
import {
  lowerConvolution,
  lowerFilterGradient,
  lowerInputGradient,
  rowFilter,
  rowFromFilter,
} from "./convolution-tensorflow.js"
import type { AttributeSpec, ConcreteType, InferContext, OpCase, OpDefinition } from "./definition.js"
import { NotInInference } from "./not-in-inference.js"
import { integersAttribute, numberAttribute } from "./shapes.js"
import { dimList } from "./sized-attributes.js"
import { rowFromImage, rowImage } from "./tensorflow-movement.js"
import { expectRank, expectShape, perAxis, wholeNumbers, windowCountDim, windowsOf, type Window } from "./windows.js"

type SpatialAxes = 1 | 2

const AXES = { 1: "[N, C, L]", 2: "[N, C, H, W]" } as const
const FILTER_AXES = { 1: "[O, C/groups, k]", 2: "[O, C/groups, kh, kw]" } as const

// ------------------------------------------------------------------------------------------------------- signature

function attributeSpecs(axes: SpatialAxes): Record<string, AttributeSpec> {
  const each = (value: number): readonly number[] => new Array<number>(axes).fill(value)
  const per = axes === 1 ? "along the axis" : "along height and width"
  return {
    stride: { type: "ints", default: each(1), doc: `step of the window ${per}` },
    padding: { type: "ints", default: each(0), doc: `zeros added at both ends, ${per}` },
    dilation: { type: "ints", default: each(1), doc: `distance between filter elements, ${per}` },
    groups: { type: "int", default: 1, doc: "number of independent groups of channels; all channels: depthwise" },
  }
}

const xSpec = (axes: SpatialAxes) => ({ name: "x", dtypes: ["f32"], doc: `data ${AXES[axes]}` }) as const
const weightSpec = (axes: SpatialAxes) =>
  ({ name: "weight", dtypes: ["f32"], doc: `filters ${FILTER_AXES[axes]}` }) as const
const dySpec = { name: "dy", dtypes: ["f32"], doc: "gradient by the convolution's result" } as const

// ------------------------------------------------------------------------------------------------------- inference

/** The kernel sizes of a filter, which must be known numbers. */
function kernelOf(context: InferContext, filter: readonly Dim[]): readonly number[] {
  return filter.slice(2).map((dim) => {
    const size = evaluate(dim, context.sizes)
    if (size !== undefined) return size
    return context.fail({
      kind: "other",
      message: `the kernel size ${format(dim)} has to be a known number`,
      hint: "only the batch may be of unknown size",
    })
  })
}

function windowsFrom(context: InferContext, axes: SpatialAxes, kernel: readonly number[]): readonly Window[] {
  const stride = perAxis(context, "stride", axes, 1)
  const padding = perAxis(context, "padding", axes, 0)
  const dilation = perAxis(context, "dilation", axes, 1)
  return kernel.map((size, axis) => ({
    kernel: size,
    stride: stride[axis]!,
    padding: padding[axis]!,
    dilation: dilation[axis]!,
  }))
}

function groupsOf(context: InferContext): number {
  const groups = numberAttribute(context.attributes, "groups")
  wholeNumbers(context, "groups", [groups], 1)
  return groups
}

/** The shape of the result of convolving `x` with `filter`; fails on windows that do not fit. */
function resultShape(
  context: InferContext,
  axes: SpatialAxes,
  x: readonly Dim[],
  filter: readonly Dim[],
): readonly Dim[] {
  const windows = windowsFrom(context, axes, kernelOf(context, filter))
  const spatial = windows.map((window, axis) =>
    windowCountDim(context, x[axis + 2]!, window, { input: "x", axis: axis + 2 }),
  )
  return [x[0]!, filter[0]!, ...spatial]
}

/** Fails unless the filter's channels, times groups, are those of x, and the filters divide into the groups. */
function checkChannels(context: InferContext, x: readonly Dim[], filter: readonly Dim[]): void {
  const groups = groupsOf(context)
  if (!context.same(x[1]!, multiply(constant(groups), filter[1]!))) {
    const wanted = format(filter[1]!)
    context.fail({
      kind: "dims-differ",
      left: { input: 0, axis: 1 },
      right: { input: 1, axis: 1 },
      what:
        groups === 1
          ? "the channels of x must be those the filters were made for"
          : `the channels of x must be ${groups} (groups) times those of one filter`,
      hint:
        groups === 1
          ? `x has ${format(x[1]!)} channels, the filters ${wanted}`
          : `x has ${format(x[1]!)} channels; ${groups} groups of ${wanted} are wanted`,
    })
  }
  if (groups > 1 && remainder(filter[0]!, groups, context.sizes) !== 0) {
    context.fail({
      kind: "not-divisible",
      input: 1,
      axis: 0,
      by: groups,
      what: "the number of filters must divide into the groups",
    })
  }
}

// -------------------------------------------------------------------------------------------------------- lowering

/** The geometry of a node at concrete sizes, all in the language's order. */
function geometryAt(attributes: Attributes, x: readonly number[], filter: readonly number[]): ConvolutionGeometry {
  return geometryOf(x, filter, windowsOf(attributes, filter.slice(2)), numberAttribute(attributes, "groups"))
}

/** [N, H, W, C] to [N, C, H, W]. */
const channelsSecond = ([n, h, w, c]: readonly number[]): number[] => [n!, c!, h!, w!]
/** [kh, kw, I, O] to [O, I, kh, kw]. */
const filtersFirst = ([h, w, i, o]: readonly number[]): number[] => [o!, i!, h!, w!]

/** The geometry of a node in TensorFlow: 2-D data are NHWC and filters HWIO there, 1-D ones as in the language. */
function physicalGeometry(
  axes: SpatialAxes,
  attributes: Attributes,
  x: ConcreteType,
  filter: ConcreteType,
): ConvolutionGeometry {
  return axes === 2
    ? geometryAt(attributes, channelsSecond(x.shape), filtersFirst(filter.shape))
    : geometryAt(attributes, x.shape, filter.shape)
}

function product(values: readonly number[]): number {
  return values.reduce((all, value) => all * value, 1)
}

/** Multiply-accumulates of a convolution, and of either gradient: one per element of y and of one filter. */
function macs(y: readonly number[], filter: readonly number[]): number {
  return product(y) * product(filter.slice(1))
}

const noSecondDerivative = { none: "second derivatives are not supported" } as const

// --------------------------------------------------------------------------------------------------------- records

function forward(axes: SpatialAxes, cases: readonly OpCase[]): OpDefinition {
  const name = `conv${axes}d` as const
  return {
    family: "products",
    doc:
      `The ${axes}-D convolution of data with filters, without bias; sizes as in PyTorch's ` +
      `torch.nn.functional.${name}: floor((size + 2*padding - dilation*(kernel - 1) - 1) / stride) + 1.`,
    inputs: [xSpec(axes), weightSpec(axes)],
    attributes: attributeSpecs(axes),
    infer: (context) => {
      expectRank(context, 0, axes + 2, AXES[axes])
      expectRank(context, 1, axes + 2, FILTER_AXES[axes])
      const [x, filter] = context.inputs as readonly [TensorType, TensorType]
      checkChannels(context, x.shape, filter.shape)
      return [{ dtype: "f32", shape: resultShape(context, axes, x.shape, filter.shape) }]
    },
    gradient: ({ gradients: [dy], inputs: [x, filter], attributes, op, typeOf, needs }) => [
      needs[0]
        ? op(`${name}_input_gradient`, [dy!, filter!], { ...attributes, input_shape: typeOf(x!).shape })
        : undefined,
      needs[1]
        ? op(`${name}_filter_gradient`, [x!, dy!], { ...attributes, filter_shape: typeOf(filter!).shape })
        : undefined,
    ],
    cost: ([, filter], [y]) => ({ macs: macs(y!.shape, filter!.shape) }),
    layout: axes === 2 ? { kind: "spatial", inputs: [0], outputs: [0], filters: [1] } : { kind: "fixed" },
    precision: { kind: "products" },
    tensorflow: (context) => {
      const [x, filter] = context.inputs as readonly [string, string]
      const [xType, filterType] = context.inputTypes as readonly [ConcreteType, ConcreteType]
      const geometry = physicalGeometry(axes, context.attributes, xType, filterType)
      if (axes === 2) return [lowerConvolution(context, geometry, x, filter)]
      const image = rowImage(context, x, xType.shape)
      const y = lowerConvolution(context, geometry, image, rowFilter(context, filter, filterType.shape))
      return [rowFromImage(context, y, context.outputTypes[0]!.shape)]
    },
    onnx: (context) => {
      const padding = integersAttribute(context.attributes, "padding")
      return context.node("Conv", context.inputs, {
        kernel_shape: { ints: context.inputTypes[1]!.shape.slice(2).map((dim) => context.size(dim)) },
        strides: { ints: integersAttribute(context.attributes, "stride") },
        pads: { ints: [...padding, ...padding] },
        dilations: { ints: integersAttribute(context.attributes, "dilation") },
        group: { int: numberAttribute(context.attributes, "groups") },
      })
    },
    reference: ([x, filter], attributes, [y]) => [
      convolve(geometryAt(attributes, x!.shape, filter!.shape), x!, filter!, y!.shape),
    ],
    cases,
  }
}

function inputGradient(axes: SpatialAxes, cases: readonly OpCase[]): OpDefinition {
  const name = `conv${axes}d_input_gradient` as const
  return {
    family: "products",
    doc: `The gradient of conv${axes}d by its data, from the gradient by its result.`,
    internal: true,
    inputs: [dySpec, weightSpec(axes)],
    attributes: {
      ...attributeSpecs(axes),
      input_shape: { type: "dims", doc: `shape of the data, ${AXES[axes]}` },
    },
    infer: (context) => {
      expectRank(context, 1, axes + 2, FILTER_AXES[axes])
      const filter = context.inputs[1]!.shape
      const shape = dimList(context.attributes, "input_shape")
      groupsOf(context)
      expectShape(context, 0, resultShape(context, axes, shape, filter), "the convolution's result")
      return [{ dtype: "f32", shape }]
    },
    gradient: noSecondDerivative,
    cost: ([dy, filter]) => ({ macs: macs(dy!.shape, filter!.shape) }),
    layout: axes === 2 ? { kind: "spatial", inputs: [0], outputs: [0], filters: [1] } : { kind: "fixed" },
    precision: { kind: "products" },
    tensorflow: (context) => {
      const [dy, filter] = context.inputs as readonly [string, string]
      const [dyType, filterType] = context.inputTypes as readonly [ConcreteType, ConcreteType]
      const xType = context.outputTypes[0]!
      const geometry = physicalGeometry(axes, context.attributes, xType, filterType)
      if (axes === 2) return [lowerInputGradient(context, geometry, dy, filter)]
      const image = rowImage(context, dy, dyType.shape)
      const dx = lowerInputGradient(context, geometry, image, rowFilter(context, filter, filterType.shape))
      return [rowFromImage(context, dx, xType.shape)]
    },
    onnx: () => {
      throw new NotInInference(name)
    },
    reference: ([dy, filter], attributes, [x]) => [
      convolveInputGradient(geometryAt(attributes, x!.shape, filter!.shape), dy!, filter!, x!.shape),
    ],
    cases,
  }
}

function filterGradient(axes: SpatialAxes, cases: readonly OpCase[]): OpDefinition {
  const name = `conv${axes}d_filter_gradient` as const
  return {
    family: "products",
    doc: `The gradient of conv${axes}d by its filters, from its data and the gradient by its result.`,
    internal: true,
    inputs: [xSpec(axes), dySpec],
    attributes: {
      ...attributeSpecs(axes),
      filter_shape: { type: "dims", doc: `shape of the filters, ${FILTER_AXES[axes]}` },
    },
    infer: (context) => {
      expectRank(context, 0, axes + 2, AXES[axes])
      const shape = dimList(context.attributes, "filter_shape")
      groupsOf(context)
      const result = resultShape(context, axes, context.inputs[0]!.shape, shape)
      expectShape(context, 1, result, "the convolution's result")
      return [{ dtype: "f32", shape }]
    },
    gradient: noSecondDerivative,
    cost: ([, dy], [filter]) => ({ macs: macs(dy!.shape, filter!.shape) }),
    layout: axes === 2 ? { kind: "spatial", inputs: [0, 1], outputs: [], filterOutputs: [0] } : { kind: "fixed" },
    precision: { kind: "products" },
    tensorflow: (context) => {
      const [x, dy] = context.inputs as readonly [string, string]
      const [xType, dyType] = context.inputTypes as readonly [ConcreteType, ConcreteType]
      const filterType = context.outputTypes[0]!
      const geometry = physicalGeometry(axes, context.attributes, xType, filterType)
      if (axes === 2) return [lowerFilterGradient(context, geometry, x, dy)]
      const image = rowImage(context, x, xType.shape)
      const gradient = lowerFilterGradient(context, geometry, image, rowImage(context, dy, dyType.shape))
      return [rowFromFilter(context, gradient, filterType.shape)]
    },
    onnx: () => {
      throw new NotInInference(name)
    },
    reference: ([x, dy], attributes, [filter]) => [
      convolveFilterGradient(geometryAt(attributes, x!.shape, filter!.shape), x!, dy!, filter!.shape),
    ],
    cases,
  }
}

// ----------------------------------------------------------------------------------------------------------- cases

interface Setting {
  readonly name: string
  readonly x: readonly number[]
  readonly weight: readonly number[]
  readonly attributes: { stride: number[]; padding: number[]; dilation: number[]; groups: number }
}

// prettier-ignore
const SETTINGS: Readonly<Record<SpatialAxes, readonly Setting[]>> = {
  1: [
    { name: "plain", x: [2, 3, 7], weight: [4, 3, 3], attributes: { stride: [1], padding: [0], dilation: [1], groups: 1 } },
    { name: "same size", x: [2, 3, 6], weight: [4, 3, 3], attributes: { stride: [1], padding: [1], dilation: [1], groups: 1 } },
    { name: "kernel 1", x: [2, 5, 4], weight: [3, 5, 1], attributes: { stride: [1], padding: [0], dilation: [1], groups: 1 } },
    { name: "stride 2, even length", x: [1, 2, 8], weight: [3, 2, 3], attributes: { stride: [2], padding: [1], dilation: [1], groups: 1 } },
    { name: "dilation 2", x: [2, 2, 9], weight: [3, 2, 3], attributes: { stride: [1], padding: [2], dilation: [2], groups: 1 } },
    { name: "two groups", x: [2, 4, 7], weight: [6, 2, 3], attributes: { stride: [2], padding: [1], dilation: [1], groups: 2 } },
    { name: "depthwise", x: [2, 3, 7], weight: [3, 1, 3], attributes: { stride: [1], padding: [1], dilation: [1], groups: 3 } },
  ],
  2: [
    { name: "plain", x: [2, 3, 5, 6], weight: [4, 3, 3, 3], attributes: { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 } },
    { name: "same size", x: [2, 3, 5, 6], weight: [4, 3, 3, 3], attributes: { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 } },
    { name: "1x1", x: [2, 5, 3, 4], weight: [3, 5, 1, 1], attributes: { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 } },
    { name: "stride 2, odd size", x: [1, 3, 7, 9], weight: [2, 3, 3, 3], attributes: { stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 1 } },
    { name: "stride 2, even size", x: [1, 3, 8, 6], weight: [2, 3, 3, 3], attributes: { stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 1 } },
    { name: "patches", x: [2, 3, 8, 8], weight: [5, 3, 4, 4], attributes: { stride: [4, 4], padding: [0, 0], dilation: [1, 1], groups: 1 } },
    { name: "1x1, stride 2", x: [2, 3, 5, 6], weight: [4, 3, 1, 1], attributes: { stride: [2, 2], padding: [0, 0], dilation: [1, 1], groups: 1 } },
    { name: "even kernel, more padding than needed", x: [1, 2, 5, 4], weight: [3, 2, 2, 2], attributes: { stride: [1, 1], padding: [3, 2], dilation: [1, 1], groups: 1 } },
    { name: "unlike in height and width", x: [1, 2, 6, 9], weight: [3, 2, 1, 5], attributes: { stride: [2, 3], padding: [0, 2], dilation: [1, 1], groups: 1 } },
    { name: "dilation 2, same size", x: [2, 3, 6, 7], weight: [4, 3, 3, 3], attributes: { stride: [1, 1], padding: [2, 2], dilation: [2, 2], groups: 1 } },
    { name: "dilation 3 by 2 with stride, no padding", x: [1, 2, 9, 10], weight: [3, 2, 3, 2], attributes: { stride: [2, 3], padding: [0, 0], dilation: [3, 2], groups: 1 } },
    { name: "dilation 2, more padding than the kernel reaches", x: [1, 2, 4, 5], weight: [2, 2, 2, 2], attributes: { stride: [1, 2], padding: [4, 3], dilation: [2, 2], groups: 1 } },
    { name: "two groups", x: [2, 4, 5, 6], weight: [6, 2, 3, 3], attributes: { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 2 } },
    { name: "two groups, stride 2", x: [2, 4, 7, 6], weight: [6, 2, 3, 3], attributes: { stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 2 } },
    { name: "depthwise", x: [2, 3, 5, 6], weight: [3, 1, 3, 3], attributes: { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 3 } },
    { name: "depthwise, two filters per channel, stride 2", x: [2, 3, 7, 6], weight: [6, 1, 3, 3], attributes: { stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 3 } },
    { name: "depthwise, dilation 2, unequal strides", x: [1, 3, 8, 9], weight: [6, 1, 3, 3], attributes: { stride: [1, 2], padding: [2, 1], dilation: [2, 2], groups: 3 } },
  ],
}

const gradientOps = (axes: SpatialAxes): Pick<OpCase, "skip"> => ({
  skip: {
    onnx: "gradients are part of training only",
    tfjs: `covered by the gradient of conv${axes}d`,
  },
})

/** The shape of the result of a setting. */
function resultSize({ x, weight, attributes }: Setting): number[] {
  const { output } = geometryAt(attributes, x, weight)
  return [x[0]!, weight[0]!, ...output.slice(2 - (x.length - 2))]
}

const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const

function forwardCases(axes: SpatialAxes): readonly OpCase[] {
  return SETTINGS[axes].map((setting) => ({
    name: setting.name,
    inputs: [f32(setting.x), f32(setting.weight)],
    attributes: setting.attributes,
  }))
}

function inputGradientCases(axes: SpatialAxes): readonly OpCase[] {
  return SETTINGS[axes].map((setting) => ({
    name: setting.name,
    inputs: [f32(resultSize(setting)), f32(setting.weight)],
    attributes: { ...setting.attributes, input_shape: setting.x.map(constant) },
    ...gradientOps(axes),
  }))
}

function filterGradientCases(axes: SpatialAxes): readonly OpCase[] {
  return SETTINGS[axes].map((setting) => ({
    name: setting.name,
    inputs: [f32(setting.x), f32(resultSize(setting))],
    attributes: { ...setting.attributes, filter_shape: setting.weight.map(constant) },
    ...gradientOps(axes),
  }))
}

/** The records of the convolutions, for the registry. */
export const convolution = {
  conv1d: forward(1, forwardCases(1)),
  conv1d_input_gradient: inputGradient(1, inputGradientCases(1)),
  conv1d_filter_gradient: filterGradient(1, filterGradientCases(1)),
  conv2d: forward(2, forwardCases(2)),
  conv2d_input_gradient: inputGradient(2, inputGradientCases(2)),
  conv2d_filter_gradient: filterGradient(2, filterGradientCases(2)),
}
