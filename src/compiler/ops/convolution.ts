/**
 * Convolutions of one and two spatial axes, and their gradients.
 *
 * One factory per role makes the records of both ranks. There is no bias, which the standard library adds. Shapes:
 * `convolution-signature.ts`; meaning: `convolution-reference.ts`; TensorFlow: `convolution-tensorflow.ts`; the transposed
 * convolutions, which are the input gradients read forwards: `convolution-transpose.ts`.
 */

import type { TensorType } from "../ir/graph.js"
import { filterGradientCases, forwardCases, inputGradientCases } from "./convolution-cases.js"
import { convolve, convolveFilterGradient, convolveInputGradient } from "./convolution-reference.js"
import {
  attributeSpecs,
  AXES,
  checkChannels,
  dySpec,
  FILTER_AXES,
  geometryAt,
  groupsOf,
  macs,
  physicalGeometry,
  resultShape,
  weightSpec,
  xSpec,
  type SpatialAxes,
} from "./convolution-signature.js"
import { lowerConvolution, lowerFilterGradient, rowFilter, rowFromFilter } from "./convolution-tensorflow.js"
import type { ConcreteType, OpCase, OpDefinition } from "./definition.js"
import { transposedConvolution, transposedInTensorFlow } from "./convolution-transpose.js"
import { NotInInference } from "./not-in-inference.js"
import { integersAttribute, numberAttribute } from "./shapes.js"
import { dimList } from "./sized-attributes.js"
import { rowFromImage, rowImage } from "./tensorflow-movement.js"
import { expectRank, expectShape } from "./windows.js"

const noSecondDerivative = { none: "second derivatives are not supported" } as const

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
    tensorflow: transposedInTensorFlow(axes),
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

/** The records of the convolutions, for the registry. */
export const convolution = {
  conv1d: forward(1, forwardCases(1)),
  conv1d_input_gradient: inputGradient(1, inputGradientCases(1)),
  conv1d_filter_gradient: filterGradient(1, filterGradientCases(1)),
  conv2d: forward(2, forwardCases(2)),
  conv2d_input_gradient: inputGradient(2, inputGradientCases(2)),
  conv2d_filter_gradient: filterGradient(2, filterGradientCases(2)),
  ...transposedConvolution,
}
