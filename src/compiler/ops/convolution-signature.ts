/**
 * What all records of convolution share: attributes, checks of shapes, and the geometry of a node at concrete sizes.
 *
 * The semantics are PyTorch's: data [N, C, ...], filters [O, C/groups, ...], the same padding at both ends of an axis, sizes
 * rounded down. One and two spatial axes differ in the length of lists only.
 */

import { constant, evaluate, format, multiply, remainder, type Dim } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import { geometryOf, type ConvolutionGeometry } from "./convolution-reference.js"
import type { AttributeSpec, ConcreteType, InferContext } from "./definition.js"
import { sizeOf } from "./ndarray.js"
import { numberAttribute } from "./shapes.js"
import { perAxis, wholeNumbers, windowCountDim, windowsOf, type Window } from "./windows.js"

export type SpatialAxes = 1 | 2

export const AXES = { 1: "[N, C, L]", 2: "[N, C, H, W]" } as const
export const FILTER_AXES = { 1: "[O, C/groups, k]", 2: "[O, C/groups, kh, kw]" } as const

// ------------------------------------------------------------------------------------------------------- signature

export function attributeSpecs(axes: SpatialAxes): Record<string, AttributeSpec> {
  const each = (value: number): readonly number[] => new Array<number>(axes).fill(value)
  const per = axes === 1 ? "along the axis" : "along height and width"
  return {
    stride: { type: "ints", default: each(1), doc: `step of the window ${per}` },
    padding: { type: "ints", default: each(0), doc: `zeros added at both ends, ${per}` },
    dilation: { type: "ints", default: each(1), doc: `distance between filter elements, ${per}` },
    groups: { type: "int", default: 1, doc: "number of independent groups of channels; all channels: depthwise" },
  }
}

export const xSpec = (axes: SpatialAxes) => ({ name: "x", dtypes: ["f32"], doc: `data ${AXES[axes]}` }) as const
export const weightSpec = (axes: SpatialAxes) =>
  ({ name: "weight", dtypes: ["f32"], doc: `filters ${FILTER_AXES[axes]}` }) as const
export const dySpec = { name: "dy", dtypes: ["f32"], doc: "gradient by the convolution's result" } as const

// ------------------------------------------------------------------------------------------------------- inference

/** The kernel sizes of a filter, which must be known numbers. */
export function kernelOf(context: InferContext, filter: readonly Dim[]): readonly number[] {
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

export function windowsFrom(context: InferContext, axes: SpatialAxes, kernel: readonly number[]): readonly Window[] {
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

export function groupsOf(context: InferContext): number {
  const groups = numberAttribute(context.attributes, "groups")
  wholeNumbers(context, "groups", [groups], 1)
  return groups
}

/** The shape of the result of convolving `x` with `filter`; fails on windows that do not fit. */
export function resultShape(
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
export function checkChannels(context: InferContext, x: readonly Dim[], filter: readonly Dim[]): void {
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
export function geometryAt(
  attributes: Attributes,
  x: readonly number[],
  filter: readonly number[],
): ConvolutionGeometry {
  return geometryOf(x, filter, windowsOf(attributes, filter.slice(2)), numberAttribute(attributes, "groups"))
}

/** [N, H, W, C] to [N, C, H, W]. */
const channelsSecond = ([n, h, w, c]: readonly number[]): number[] => [n!, c!, h!, w!]
/** [kh, kw, I, O] to [O, I, kh, kw]. */
const filtersFirst = ([h, w, i, o]: readonly number[]): number[] => [o!, i!, h!, w!]

/** The geometry of a node in TensorFlow: 2-D data are NHWC and filters HWIO there, 1-D ones as in the language. */
export function physicalGeometry(
  axes: SpatialAxes,
  attributes: Attributes,
  x: ConcreteType,
  filter: ConcreteType,
): ConvolutionGeometry {
  return axes === 2
    ? geometryAt(attributes, channelsSecond(x.shape), filtersFirst(filter.shape))
    : geometryAt(attributes, x.shape, filter.shape)
}

/** Multiply-accumulates of a convolution, and of either gradient: one per element of y and of one filter. */
export function macs(y: readonly number[], filter: readonly number[]): number {
  return sizeOf(y) * sizeOf(filter.slice(1))
}
