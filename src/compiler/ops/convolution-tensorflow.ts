/**
 * How a convolution and its two gradients are written in TensorFlow nodes.
 *
 * Takes tensors in TensorFlow's order (data NHWC, filters HWIO); gives one tensor. TensorFlow's kernels for CPUs do not
 * cover all that PyTorch's convolutions do: the gradients refuse groups and dilation (or take them only with some oneDNN
 * builds), and the depthwise kernels refuse dilation and unequal strides. So there are three routes, all of which were
 * run with and without oneDNN:
 * - plain (one group, no dilation in gradients): Conv2D, Conv2DBackpropInput, Conv2DBackpropFilter;
 * - depthwise (as many groups as channels, no dilation, equal strides): the DepthwiseConv2dNative family, because
 *   without oneDNN a grouped Conv2D is some fifty times slower there;
 * - the rest: forward by Conv2D, which takes groups and dilation everywhere; the input gradient as the forward
 *   convolution that it is (of the spread-out dy with the flipped filter); the filter gradient as one matrix product per
 *   filter tap, or one sum of products where each group is a single channel.
 */

import type { TensorFlowAttribute, TensorFlowContext } from "./definition.js"
import type { ConvolutionGeometry } from "./convolution-reference.js"
import { pad, reshape, slice, transpose } from "./tensorflow-movement.js"
import { imageBorders, paddedSize, spreadOut, tapSlices } from "./window-taps.js"
import { extent, tensorFlowPadding } from "./windows.js"

type Attributes = Record<string, TensorFlowAttribute>

const dilated = (g: ConvolutionGeometry): boolean => g.windows.some((window) => window.dilation > 1)

function isDepthwise(g: ConvolutionGeometry): boolean {
  const [rows, columns] = g.windows
  return g.groups > 1 && g.groups === g.channels && !dilated(g) && rows.stride === columns.stride
}

/** What Conv2D and DepthwiseConv2dNative, and the gradients of both, have in common. */
function attributesOf(context: TensorFlowContext, g: ConvolutionGeometry): Attributes {
  const [rows, columns] = g.windows
  return {
    T: context.type(context.float),
    strides: { ints: [1, rows.stride, columns.stride, 1] },
    dilations: { ints: [1, rows.dilation, columns.dilation, 1] },
    data_format: { s: "NHWC" },
    ...tensorFlowPadding(g.input, g.windows),
  }
}

function filterShape(g: ConvolutionGeometry): number[] {
  return [g.windows[0].kernel, g.windows[1].kernel, g.channels / g.groups, g.filters]
}

/** DepthwiseConv2dNative's filter: [kh, kw, channels, filters per channel], the same numbers in the same order. */
function depthwiseShape(g: ConvolutionGeometry): number[] {
  return [g.windows[0].kernel, g.windows[1].kernel, g.channels, g.filters / g.channels]
}

/** y [N, H', W', O] from x [N, H, W, C] and the filter [kh, kw, C/groups, O]. */
export function lowerConvolution(
  context: TensorFlowContext,
  g: ConvolutionGeometry,
  x: string,
  filter: string,
): string {
  const attributes = attributesOf(context, g)
  if (isDepthwise(g)) {
    return context.node("DepthwiseConv2dNative", [x, reshape(context, filter, depthwiseShape(g))], attributes)
  }
  return context.node("Conv2D", [x, filter], { ...attributes, use_cudnn_on_gpu: { b: true } })
}

/** The gradient by x [N, H, W, C] from dy [N, H', W', O] and the filter [kh, kw, C/groups, O]. */
export function lowerInputGradient(
  context: TensorFlowContext,
  g: ConvolutionGeometry,
  dy: string,
  filter: string,
): string {
  const attributes = attributesOf(context, g)
  const sizes = context.ints([g.batch, ...g.input, g.channels])
  if (isDepthwise(g)) {
    const depthwise = reshape(context, filter, depthwiseShape(g))
    return context.node("DepthwiseConv2dNativeBackpropInput", [sizes, depthwise, dy], attributes)
  }
  if (g.groups === 1 && !dilated(g)) {
    const all = { ...attributes, use_cudnn_on_gpu: { b: true } }
    return context.node("Conv2DBackpropInput", [sizes, filter, dy], all)
  }
  return inputGradientByConvolution(context, g, dy, filter)
}

/** The gradient by the filter [kh, kw, C/groups, O] from x [N, H, W, C] and dy [N, H', W', O]. */
export function lowerFilterGradient(context: TensorFlowContext, g: ConvolutionGeometry, x: string, dy: string): string {
  const attributes = attributesOf(context, g)
  if (isDepthwise(g)) {
    const sizes = context.ints(depthwiseShape(g))
    const gradient = context.node("DepthwiseConv2dNativeBackpropFilter", [x, sizes, dy], attributes)
    return reshape(context, gradient, filterShape(g))
  }
  if (g.groups === 1 && !dilated(g)) {
    const all = { ...attributes, use_cudnn_on_gpu: { b: true } }
    return context.node("Conv2DBackpropFilter", [x, context.ints(filterShape(g)), dy], all)
  }
  return g.groups === g.channels ? depthwiseGradientByTaps(context, g, x, dy) : filterGradientByTaps(context, g, x, dy)
}

/**
 * dx[h] = sum over taps i of dy[(h + padding - i*dilation) / stride] * filter[i]. With dy spread out (stride - 1 zeros
 * after each element) and the filter flipped this is a convolution of stride 1 whose padding in front is
 * `extent - 1 - padding`, and behind whatever makes the result as long as x. Either can be negative: then it crops.
 */
function inputGradientByConvolution(
  context: TensorFlowContext,
  g: ConvolutionGeometry,
  dy: string,
  filter: string,
): string {
  const spread = spreadOut(context, dy, [g.batch, ...g.output, g.filters], g.windows)
  const borders = g.windows.map((window, axis) => {
    const length = g.output[axis]! * window.stride
    return { length, before: extent(window) - 1 - window.padding, after: g.input[axis]! + window.padding - length }
  })
  const begin = [0, ...borders.map(({ before }) => Math.max(0, -before)), 0]
  const size = [
    g.batch,
    ...borders.map(({ length, before, after }) => length + Math.min(0, before) + Math.min(0, after)),
    g.filters,
  ]
  const spreadShape = [g.batch, ...borders.map(({ length }) => length), g.filters]
  const cropped = slice(context, spread, spreadShape, begin, size)
  const padded = pad(context, cropped, [
    [0, 0],
    ...borders.map(({ before, after }) => [Math.max(0, before), Math.max(0, after)] as const),
    [0, 0],
  ])
  return context.node("Conv2D", [padded, flipFilter(context, g, filter)], {
    T: context.type(context.float),
    strides: { ints: [1, 1, 1, 1] },
    dilations: { ints: [1, ...g.windows.map((window) => window.dilation), 1] },
    data_format: { s: "NHWC" },
    padding: { s: "VALID" },
    use_cudnn_on_gpu: { b: true },
  })
}

/** [kh, kw, C/groups, O] turned round in both directions, with the roles of C and O exchanged: [kh, kw, O/groups, C]. */
function flipFilter(context: TensorFlowContext, g: ConvolutionGeometry, filter: string): string {
  const [kh, kw, channels] = filterShape(g) as [number, number, number, number]
  const attributes = { T: context.type(context.float), Tidx: context.type("i32") }
  const flipped = context.node("ReverseV2", [filter, context.ints([0, 1])], attributes)
  if (g.groups === 1) return transpose(context, flipped, [0, 1, 3, 2])
  const grouped = reshape(context, flipped, [kh, kw, channels, g.groups, g.filters / g.groups])
  const exchanged = transpose(context, grouped, [0, 1, 4, 3, 2])
  return reshape(context, exchanged, [kh, kw, g.filters / g.groups, g.channels])
}

/**
 * For each tap (i, j), the elements of x that this tap meets form a strided slice of the padded image; the gradient of
 * the tap is the product of that slice, as a matrix [C/groups, N*H'*W'], with dy as [N*H'*W', O/groups], per group.
 */
function filterGradientByTaps(context: TensorFlowContext, g: ConvolutionGeometry, x: string, dy: string): string {
  const [outputHeight, outputWidth] = g.output
  const channels = g.channels / g.groups
  const filters = g.filters / g.groups
  const positions = g.batch * outputHeight * outputWidth
  const size = paddedSize(g.input, g.windows)
  const padded = pad(context, x, imageBorders(g.windows))
  const image = groupsFirst(context, padded, [g.batch, ...size], g.groups, channels)
  const gradient = reshape(context, groupsFirst(context, dy, [positions], g.groups, filters), [
    g.groups,
    positions,
    filters,
  ])
  const attributes = { T: context.type(context.float), adj_x: { b: true }, adj_y: { b: false } }
  const taps = tapSlices(context, image, [g.groups, g.batch], size, g.output, channels, g.windows).map((met) =>
    context.node("BatchMatMulV2", [reshape(context, met, [g.groups, positions, channels]), gradient], attributes),
  )
  const packed = context.node("Pack", taps, { T: context.type(context.float), N: { i: taps.length }, axis: { i: 0 } })
  // [taps, groups, C/groups, O/groups] to [kh, kw, C/groups, O]
  const ordered = g.groups === 1 ? packed : transpose(context, packed, [0, 2, 1, 3])
  return reshape(context, ordered, filterShape(g))
}

/**
 * The same where each group is one channel: a product of single rows and columns would be most of the work, so what a tap
 * meets is multiplied with dy element by element and summed over all positions, in f32.
 */
function depthwiseGradientByTaps(context: TensorFlowContext, g: ConvolutionGeometry, x: string, dy: string): string {
  const [float, wide] = [context.type(context.float), context.type("f32")]
  const widened = (tensor: string): string =>
    context.float === "f32" ? tensor : context.node("Cast", [tensor], { SrcT: float, DstT: wide })
  const positions = [g.batch, ...g.output]
  const each = g.filters / g.channels
  const gradient = reshape(context, widened(dy), [...positions, g.channels, each], "f32")
  const padded = pad(context, x, imageBorders(g.windows))
  const size = paddedSize(g.input, g.windows)
  const taps = tapSlices(context, padded, [g.batch], size, g.output, g.channels, g.windows).map((met) => {
    const column = reshape(context, widened(met), [...positions, g.channels, 1], "f32")
    const products = context.node("Mul", [column, gradient], { T: wide })
    return context.node("Sum", [products, context.ints([0, 1, 2])], {
      T: wide,
      Tidx: context.type("i32"),
      keep_dims: { b: false },
    })
  })
  const packed = context.node("Pack", taps, { T: wide, N: { i: taps.length }, axis: { i: 0 } })
  const filter = reshape(context, packed, filterShape(g), "f32")
  return context.float === "f32" ? filter : context.node("Cast", [filter], { SrcT: wide, DstT: float })
}

/** [...axes, groups * size] to [groups, ...axes, size]. */
function groupsFirst(
  context: TensorFlowContext,
  tensor: string,
  axes: readonly number[],
  groups: number,
  size: number,
): string {
  if (groups === 1) return reshape(context, tensor, [1, ...axes, size])
  const split = reshape(context, tensor, [...axes, groups, size])
  return transpose(context, split, [axes.length, ...axes.keys(), axes.length + 1])
}

/** A 1-D filter [O, I, K] to the form of a 2-D one, [1, K, I, O]. */
export function rowFilter(context: TensorFlowContext, filter: string, shape: readonly number[]): string {
  const [filters, channels, kernel] = shape as [number, number, number]
  return reshape(context, transpose(context, filter, [2, 1, 0]), [1, kernel, channels, filters])
}

/** [1, K, I, O] back to [O, I, K]; `shape` is the result's. */
export function rowFromFilter(context: TensorFlowContext, filter: string, shape: readonly number[]): string {
  const [filters, channels, kernel] = shape as [number, number, number]
  return transpose(context, reshape(context, filter, [kernel, channels, filters]), [2, 1, 0])
}
