/**
 * The windows of an image as channels, and back.
 *
 * `unfold2d` puts what each tap of the kernel meets side by side: a convolution is then a matrix product over channels,
 * also one whose filters differ from image to image. `fold2d` adds the taps up again where they came from. Each is the
 * gradient of the other. The order of channels is taps first, [kh, kw, C], because that is a plain concatenation in
 * memory; torch.nn.functional.unfold has [C, kh, kw].
 */

import { add, constant, divideExactly, format, type Dim } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import type { AttributeSpec, InferContext, OnnxContext, OpCase, OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { zeros } from "./ndarray.js"
import { integersAttribute } from "./shapes.js"
import { concatenated, pad, slice } from "./tensorflow-movement.js"
import { imageBorders, paddedSize, sumOfTaps, tapOffsets, tapSlices, type Windows } from "./window-taps.js"
import { expectRank, imageSize, perAxis, scaled, windowCount, windowCountDim, windowsOf } from "./windows.js"

const AXES = "[N, C, H, W]"
const UNFOLDED_AXES = "[N, kh*kw*C, H', W']"

const WINDOW: Readonly<Record<string, AttributeSpec>> = {
  kernel: { type: "ints", doc: "height and width of the window" },
  stride: { type: "ints", default: [1, 1], doc: "step of the window, down and right" },
  padding: { type: "ints", default: [0, 0], doc: "zeros added above and below, left and right" },
  dilation: { type: "ints", default: [1, 1], doc: "distance between the elements of a window, down and right" },
}

// ------------------------------------------------------------------------------------------------------- inference

/** The number of windows, down and right, on an image of `spatial` size; the attributes are checked. */
function counts(context: InferContext, spatial: readonly Dim[], name: string): readonly Dim[] {
  const kernel = perAxis(context, "kernel", 2, 1)
  perAxis(context, "stride", 2, 1)
  perAxis(context, "padding", 2, 0)
  perAxis(context, "dilation", 2, 1)
  return windowsOf(context.attributes, kernel).map((window, axis) =>
    windowCountDim(context, spatial[axis]!, window, { input: name, axis: axis + 2 }),
  )
}

const taps = (attributes: Attributes): number =>
  integersAttribute(attributes, "kernel").reduce((product, size) => product * size, 1)

const windowsIn = (attributes: Attributes): Windows =>
  windowsOf(attributes, integersAttribute(attributes, "kernel")) as unknown as Windows

// -------------------------------------------------------------------------------------------------------- reference

/** Calls `visit` with the offsets of every element of an image [N, C, H, W] and of its place in the unfolded one. */
function eachTap(shape: readonly number[], windows: Windows, visit: (image: number, unfolded: number) => void): void {
  const [batch, channels, height, width] = shape as [number, number, number, number]
  const [rows, columns] = windows
  const [outputHeight, outputWidth] = [windowCount(height, rows), windowCount(width, columns)]
  let unfolded = 0
  for (let n = 0; n < batch; n++) {
    for (const [top, left] of tapOffsets(windows)) {
      for (let c = 0; c < channels; c++) {
        for (let i = 0; i < outputHeight; i++) {
          for (let j = 0; j < outputWidth; j++, unfolded++) {
            const row = i * rows.stride - rows.padding + top
            const column = j * columns.stride - columns.padding + left
            if (row < 0 || row >= height || column < 0 || column >= width) continue
            visit(((n * channels + c) * height + row) * width + column, unfolded)
          }
        }
      }
    }
  }
}

// ------------------------------------------------------------------------------------------------------------- ONNX

/** `tensor` with zeros around its last two axes; negative widths cut off. */
function onnxBorder(context: OnnxContext, tensor: string, before: readonly number[], after: readonly number[]): string {
  if ([...before, ...after].every((width) => width === 0)) return tensor
  return context.node("Pad", [tensor, context.int64s([0, 0, ...before, 0, 0, ...after])])[0]!
}

function onnxUnfold(context: OnnxContext): readonly string[] {
  const windows = windowsIn(context.attributes)
  const padding = windows.map((window) => window.padding)
  const padded = onnxBorder(context, context.inputs[0]!, padding, padding)
  const spatial = context.outputTypes[0]!.shape.slice(2)
  const [axes, steps] = [context.int64s([2, 3]), context.int64s(windows.map((window) => window.stride))]
  const parts = tapOffsets(windows).map((offsets) => {
    // As many as there are windows: (count - 1) * stride + 1 elements from the tap on.
    const ends = spatial.map((count, axis) => {
      const { stride } = windows[axis]!
      return add(scaled(count, stride), constant(offsets[axis]! + 1 - stride))
    })
    return context.node("Slice", [padded, context.int64s(offsets), context.shape(ends, "exact"), axes, steps])[0]!
  })
  return parts.length === 1 ? parts : context.node("Concat", parts, { axis: { int: 1 } })
}

/** Each tap's channels, spread out by the stride, shifted to their place on a padded canvas, and added. */
function onnxFold(context: OnnxContext): readonly string[] {
  const windows = windowsIn(context.attributes)
  const [batch, ...rest] = context.outputTypes[0]!.shape
  const [channels, height, width] = rest.map((dim) => context.size(dim)) as [number, number, number]
  const output = context.inputTypes[0]!.shape.slice(2).map((dim) => context.size(dim)) as [number, number]
  const parts = tapOffsets(windows).map((offsets, tap) => {
    const from = context.int64s([tap * channels])
    const to = context.int64s([(tap + 1) * channels])
    let [part] = context.node("Slice", [context.inputs[0]!, from, to, context.int64s([1])]) as [string]
    const spread = windows.map((window, axis) => window.stride * output[axis]!)
    if (windows.some((window) => window.stride > 1)) {
      const split = [batch!, ...[channels, output[0], 1, output[1], 1].map(constant)]
      const gaps = windows.map((window) => window.stride - 1)
      const [apart] = context.node("Reshape", [part, context.shape(split, "reshape")])
      const [filled] = context.node("Pad", [apart!, context.int64s([0, 0, 0, 0, 0, 0, 0, 0, 0, gaps[0]!, 0, gaps[1]!])])
      const joined = [batch!, ...[channels, ...spread].map(constant)]
      part = context.node("Reshape", [filled!, context.shape(joined, "reshape")])[0]!
    }
    const before = windows.map((window, axis) => offsets[axis]! - window.padding)
    const after = [height, width].map((size, axis) => size - before[axis]! - spread[axis]!)
    return onnxBorder(context, part, before, after)
  })
  return [parts.reduce((sum, part) => context.node("Add", [sum, part])[0]!)]
}

// --------------------------------------------------------------------------------------------------------- records

// prettier-ignore
const SETTINGS = [
  { name: "3x3, same size", x: [2, 2, 4, 5], attributes: { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] } },
  { name: "patches", x: [1, 3, 4, 6], attributes: { kernel: [2, 3], stride: [2, 3], padding: [0, 0], dilation: [1, 1] } },
  { name: "stride 2, odd size, padded", x: [2, 2, 5, 7], attributes: { kernel: [3, 2], stride: [2, 2], padding: [1, 1], dilation: [1, 1] } },
  { name: "dilation, unequal strides", x: [1, 2, 8, 7], attributes: { kernel: [2, 3], stride: [1, 3], padding: [1, 2], dilation: [3, 2] } },
  { name: "one tap", x: [2, 3, 2, 3], attributes: { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] } },
  { name: "elements that no window meets", x: [1, 2, 6, 7], attributes: { kernel: [2, 1], stride: [4, 3], padding: [0, 0], dilation: [1, 1] } },
]

const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const

const unfold: OpDefinition = {
  family: "images",
  doc:
    "Each window of an image as the channels of one pixel, [kh, kw, C] in this order: torch.nn.functional.unfold with the " +
    "taps before the channels and the windows on a grid.",
  inputs: [{ name: "x", dtypes: ["f32"], doc: `images ${AXES}` }],
  attributes: WINDOW,
  infer: (context) => {
    expectRank(context, 0, 4, AXES)
    const [n, c, ...spatial] = context.inputs[0]!.shape
    const grid = counts(context, spatial, "x")
    return [{ dtype: "f32", shape: [n!, scaled(c!, taps(context.attributes)), ...grid] }]
  },
  gradient: ({ gradients: [dy], inputs: [x], attributes, op, typeOf }) => [
    op("fold2d", [dy!], { ...attributes, size: typeOf(x!).shape.slice(2) }),
  ],
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const windows = windowsIn(context.attributes)
    const [batch, height, width] = context.outputTypes[0]!.shape as [number, number, number]
    const padded = pad(context, context.inputs[0]!, imageBorders(windows))
    const image = context.inputTypes[0]!.shape
    const size = paddedSize(image.slice(1, 3), windows)
    const taps = tapSlices(context, padded, [batch], size, [height, width], image[3]!, windows)
    return [concatenated(context, taps, 3)]
  },
  onnx: onnxUnfold,
  reference: ([x], attributes, [y]) => {
    const result = zeros(y!.shape)
    eachTap(x!.shape, windowsIn(attributes), (image, unfolded) => (result.data[unfolded] = x!.data[image]!))
    return [result]
  },
  cases: SETTINGS.map(({ name, x, attributes }) => ({ name, inputs: [f32(x)], attributes })),
}

const fold: OpDefinition = {
  family: "images",
  doc:
    "Windows as unfold2d gives them, added up to an image of height and width `size`: torch.nn.functional.fold with the " +
    "taps before the channels.",
  inputs: [{ name: "windows", dtypes: ["f32"], doc: `windows ${UNFOLDED_AXES}` }],
  attributes: { size: { type: "dims", doc: "height and width of the image" }, ...WINDOW },
  infer: (context) => {
    expectRank(context, 0, 4, UNFOLDED_AXES)
    const size = imageSize(context)
    const [n, channels, ...grid] = context.inputs[0]!.shape
    counts(context, size, "the image").forEach((count, at) => {
      if (context.same(count, grid[at]!)) return
      context.fail({
        kind: "other",
        message: `axis ${at + 2} has ${format(grid[at]!)} windows; an image of ${format(size[at]!)} has ${format(count)}`,
      })
    })
    const each = divideExactly(channels!, constant(taps(context.attributes)), context.sizes)
    if (each !== undefined) return [{ dtype: "f32", shape: [n!, each, ...size] }]
    return context.fail({
      kind: "not-divisible",
      input: 0,
      axis: 1,
      by: taps(context.attributes),
      what: "the channels must be those of an image for each element of the kernel",
    })
  },
  gradient: ({ gradients: [dy], attributes, op }) => {
    const { kernel, stride, padding, dilation } = attributes as Record<keyof typeof WINDOW, readonly number[]>
    return [op("unfold2d", [dy!], { kernel: kernel!, stride: stride!, padding: padding!, dilation: dilation! })]
  },
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const windows = windowsIn(context.attributes)
    const [from, to] = [context.inputTypes[0]!.shape, context.outputTypes[0]!.shape]
    const channels = to[3]!
    const parts = tapOffsets(windows).map((_, tap) =>
      slice(context, context.inputs[0]!, from, [0, 0, 0, tap * channels], [...from.slice(0, 3), channels]),
    )
    return [sumOfTaps(context, parts, to, windows)]
  },
  onnx: onnxFold,
  reference: ([x], attributes, [y]) => {
    const result = zeros(y!.shape)
    eachTap(y!.shape, windowsIn(attributes), (image, unfolded) => (result.data[image]! += x!.data[unfolded]!))
    return [result]
  },
  cases: SETTINGS.map(({ name, x, attributes }): OpCase => {
    const grid = windowsIn(attributes).map((window, axis) => windowCount(x[axis + 2]!, window))
    return {
      name,
      inputs: [f32([x[0]!, x[1]! * taps(attributes), ...grid])],
      attributes: { ...attributes, size: x.slice(2).map(constant) },
    }
  }),
}

/** The records of unfolding, for the registry. */
export const unfolding = { unfold2d: unfold, fold2d: fold }
