/**
 * The conformance cases of the convolutions and of their gradients: every attribute, alone and together, at sizes that
 * divide and sizes that do not.
 */

import { constant } from "../ir/dims.js"
import { geometryAt, type SpatialAxes } from "./convolution-signature.js"
import type { OpCase } from "./definition.js"

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

export function forwardCases(axes: SpatialAxes): readonly OpCase[] {
  return SETTINGS[axes].map((setting) => ({
    name: setting.name,
    inputs: [f32(setting.x), f32(setting.weight)],
    attributes: setting.attributes,
  }))
}

export function inputGradientCases(axes: SpatialAxes): readonly OpCase[] {
  return SETTINGS[axes].map((setting) => ({
    name: setting.name,
    inputs: [f32(resultSize(setting)), f32(setting.weight)],
    attributes: { ...setting.attributes, input_shape: setting.x.map(constant) },
    ...gradientOps(axes),
  }))
}

export function filterGradientCases(axes: SpatialAxes): readonly OpCase[] {
  return SETTINGS[axes].map((setting) => ({
    name: setting.name,
    inputs: [f32(setting.x), f32(resultSize(setting))],
    attributes: { ...setting.attributes, filter_shape: setting.weight.map(constant) },
    ...gradientOps(axes),
  }))
}
