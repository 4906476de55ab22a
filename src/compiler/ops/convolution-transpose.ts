/**
 * Transposed convolutions of one and two spatial axes, as torch.nn.functional.conv_transpose1d and 2d.
 *
 * A transposed convolution is the gradient of a convolution by its data, read forwards: with the filters [C_in,
 * C_out/groups, ...] it takes what a convolution with these filters would give, and gives what that convolution takes.
 * So reference and TensorFlow are those of the input gradient, and its own gradients are a convolution and a filter
 * gradient with the roles of data and result exchanged.
 */

import { add, constant, evaluate, format, multiply, remainder, type Dim } from "../ir/dims.js"
import type { Attributes, TensorType } from "../ir/graph.js"
import { convolveInputGradient } from "./convolution-reference.js"
import {
  attributeSpecs,
  AXES,
  geometryAt,
  groupsOf,
  kernelOf,
  macs,
  physicalGeometry,
  windowsFrom,
  xSpec,
  type SpatialAxes,
} from "./convolution-signature.js"
import { lowerInputGradient, rowFilter } from "./convolution-tensorflow.js"
import type { ConcreteType, InferContext, OpCase, OpDefinition } from "./definition.js"
import { integersAttribute, numberAttribute } from "./shapes.js"
import { rowFromImage, rowImage } from "./tensorflow-movement.js"
import { expectRank, extent, perAxis, scaled } from "./windows.js"

const FILTER_AXES = { 1: "[C, O/groups, k]", 2: "[C, O/groups, kh, kw]" } as const

// ------------------------------------------------------------------------------------------------------- inference

/** Fails unless there is one filter for each channel of x, and these divide into the groups. */
function checkFilters(context: InferContext, x: readonly Dim[], filter: readonly Dim[]): number {
  const groups = groupsOf(context)
  if (!context.same(x[1]!, filter[0]!)) {
    context.fail({
      kind: "dims-differ",
      left: { input: 0, axis: 1 },
      right: { input: 1, axis: 0 },
      what: "a transposed convolution has one filter for each channel of x",
      hint: `x has ${format(x[1]!)} channels; the filters ${FILTER_AXES[x.length === 3 ? 1 : 2]} begin with ${format(filter[0]!)}`,
    })
  }
  if (groups > 1 && remainder(filter[0]!, groups, context.sizes) !== 0) {
    context.fail({
      kind: "not-divisible",
      input: 1,
      axis: 0,
      by: groups,
      what: "the channels must divide into the groups",
    })
  }
  return groups
}

/** `(size - 1)*stride - 2*padding + extent + output_padding` along each axis; fails where nothing is left. */
function spatialSizes(
  context: InferContext,
  axes: SpatialAxes,
  x: readonly Dim[],
  filter: readonly Dim[],
): readonly Dim[] {
  const windows = windowsFrom(context, axes, kernelOf(context, filter))
  const outputPadding = perAxis(context, "output_padding", axes, 0)
  return windows.map((window, axis) => {
    if (outputPadding[axis]! >= window.stride) {
      context.fail({
        kind: "attribute",
        name: "output_padding",
        message: `output_padding ${outputPadding[axis]} must be smaller than the stride, ${window.stride}`,
        hint: "it says which of the sizes that a convolution of this stride rounds down to x is meant",
      })
    }
    const surplus = extent(window) - window.stride - 2 * window.padding + outputPadding[axis]!
    const size = add(scaled(x[axis + 2]!, window.stride), constant(surplus))
    const known = evaluate(size, context.sizes)
    if (known === undefined || known >= 1) return size
    return context.fail({
      kind: "attribute",
      name: "padding",
      message: `padding ${window.padding} cuts off all of axis ${axis + 2}: its size would be ${known}`,
    })
  })
}

// --------------------------------------------------------------------------------------------------------- records

/** The attributes of the convolution whose input gradient this is. */
function convolutionAttributes({ stride, padding, dilation, groups }: Attributes): Attributes {
  return { stride: stride!, padding: padding!, dilation: dilation!, groups: groups! }
}

function transposed(axes: SpatialAxes, cases: readonly OpCase[]): OpDefinition {
  const name = `conv_transpose${axes}d` as const
  const none = new Array<number>(axes).fill(0)
  return {
    family: "products",
    doc:
      `The transposed ${axes}-D convolution, which spreads each element of x over a window, without bias; as PyTorch's ` +
      `torch.nn.functional.${name}: (size - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1.`,
    inputs: [xSpec(axes), { name: "weight", dtypes: ["f32"], doc: `filters ${FILTER_AXES[axes]}` }],
    attributes: {
      ...attributeSpecs(axes),
      padding: { type: "ints", default: none, doc: "elements cut off at both ends" },
      output_padding: { type: "ints", default: none, doc: "elements added at the far end, fewer than the stride" },
    },
    infer: (context) => {
      expectRank(context, 0, axes + 2, AXES[axes])
      expectRank(context, 1, axes + 2, FILTER_AXES[axes])
      const [x, filter] = context.inputs as readonly [TensorType, TensorType]
      const groups = checkFilters(context, x.shape, filter.shape)
      const spatial = spatialSizes(context, axes, x.shape, filter.shape)
      return [{ dtype: "f32", shape: [x.shape[0]!, multiply(filter.shape[1]!, constant(groups)), ...spatial] }]
    },
    gradient: ({ gradients: [dy], inputs: [x, filter], attributes, op, typeOf, needs }) => {
      const shared = convolutionAttributes(attributes)
      return [
        needs[0] ? op(`conv${axes}d`, [dy!, filter!], shared) : undefined,
        needs[1]
          ? op(`conv${axes}d_filter_gradient`, [dy!, x!], { ...shared, filter_shape: typeOf(filter!).shape })
          : undefined,
      ]
    },
    cost: ([x, filter]) => ({ macs: macs(x!.shape, filter!.shape) }),
    layout: axes === 2 ? { kind: "spatial", inputs: [0], outputs: [0], filters: [1] } : { kind: "fixed" },
    precision: { kind: "products" },
    tensorflow: transposedInTensorFlow(axes),
    onnx: (context) => {
      const padding = integersAttribute(context.attributes, "padding")
      return context.node("ConvTranspose", context.inputs, {
        kernel_shape: { ints: context.inputTypes[1]!.shape.slice(2).map((dim) => context.size(dim)) },
        strides: { ints: integersAttribute(context.attributes, "stride") },
        pads: { ints: [...padding, ...padding] },
        output_padding: { ints: integersAttribute(context.attributes, "output_padding") },
        dilations: { ints: integersAttribute(context.attributes, "dilation") },
        group: { int: numberAttribute(context.attributes, "groups") },
      })
    },
    reference: ([x, filter], attributes, [y]) => [
      convolveInputGradient(geometryAt(attributes, y!.shape, filter!.shape), x!, filter!, y!.shape),
    ],
    cases,
  }
}

// ----------------------------------------------------------------------------------------------------------- cases

type Numbers = readonly number[]

/** name, x, weight, stride, padding, output_padding, dilation, groups */
type Setting = readonly [string, Numbers, Numbers, Numbers, Numbers, Numbers, Numbers, number]

// prettier-ignore
const SETTINGS: Readonly<Record<SpatialAxes, readonly Setting[]>> = {
  1: [
    ["plain", [2, 3, 5], [3, 4, 3], [1], [0], [0], [1], 1],
    ["twice the length", [2, 3, 5], [3, 2, 2], [2], [0], [0], [1], 1],
    ["stride 3 with output padding", [1, 2, 4], [2, 3, 4], [3], [1], [2], [1], 1],
    ["dilation and groups", [1, 4, 5], [4, 3, 3], [2], [2], [1], [2], 2],
  ],
  2: [
    ["plain", [2, 3, 4, 5], [3, 2, 3, 3], [1, 1], [0, 0], [0, 0], [1, 1], 1],
    ["twice the size, no overlap", [2, 3, 3, 4], [3, 4, 2, 2], [2, 2], [0, 0], [0, 0], [1, 1], 1],
    ["twice the size, overlapping", [1, 3, 3, 4], [3, 2, 4, 4], [2, 2], [1, 1], [0, 0], [1, 1], 1],
    ["twice the size, odd kernel, output padding", [1, 3, 3, 4], [3, 2, 3, 3], [2, 2], [1, 1], [1, 1], [1, 1], 1],
    ["unlike in height and width", [1, 2, 4, 3], [2, 3, 1, 5], [2, 3], [0, 2], [1, 0], [1, 1], 1],
    ["padding cuts into what one window gives", [1, 2, 5, 4], [2, 2, 2, 3], [1, 1], [2, 1], [0, 0], [1, 1], 1],
    ["dilation", [2, 2, 4, 3], [2, 3, 3, 2], [1, 2], [2, 1], [0, 1], [2, 3], 1],
    ["two groups", [2, 4, 3, 4], [4, 3, 3, 3], [2, 1], [1, 1], [1, 0], [1, 1], 2],
    ["depthwise", [2, 3, 4, 3], [3, 1, 4, 4], [2, 2], [1, 1], [0, 0], [1, 1], 3],
    ["depthwise, two results per channel", [1, 3, 4, 3], [3, 2, 3, 3], [2, 2], [1, 1], [1, 1], [1, 1], 3],
    ["groups and dilation", [1, 4, 3, 4], [4, 1, 2, 3], [2, 1], [0, 1], [0, 0], [2, 2], 2],
  ],
}

const casesOf = (axes: SpatialAxes): readonly OpCase[] =>
  SETTINGS[axes].map(([name, x, weight, stride, padding, output_padding, dilation, groups]) => ({
    name,
    inputs: [
      { dtype: "f32", shape: x },
      { dtype: "f32", shape: weight },
    ],
    attributes: { stride, padding, output_padding, dilation, groups },
  }))

/** The records of the transposed convolutions. */
/**
 * The lowering of a transposed convolution, and of the gradient of a convolution by its input, which is the same thing: of
 * data and filter.
 */
export function transposedInTensorFlow(axes: SpatialAxes): OpDefinition["tensorflow"] {
  return (context) => {
    const [x, filter] = context.inputs as readonly [string, string]
    const [xType, filterType] = context.inputTypes as readonly [ConcreteType, ConcreteType]
    const yType = context.outputTypes[0]!
    const geometry = physicalGeometry(axes, context.attributes, yType, filterType)
    if (axes === 2) return [lowerInputGradient(context, geometry, x, filter)]
    const image = rowImage(context, x, xType.shape)
    const y = lowerInputGradient(context, geometry, image, rowFilter(context, filter, filterType.shape))
    return [rowFromImage(context, y, yType.shape)]
  }
}

export const transposedConvolution = {
  conv_transpose1d: transposed(1, casesOf(1)),
  conv_transpose2d: transposed(2, casesOf(2)),
}
