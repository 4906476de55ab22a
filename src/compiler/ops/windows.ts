/**
 * Arithmetic of sliding windows, shared by convolution and pooling.
 *
 * Takes kernel, stride, padding and dilation per spatial axis; gives output sizes (PyTorch's formula, rounded down) and
 * TensorFlow's way of writing the same padding. TensorFlow has three: VALID and SAME, for which every kernel has its
 * fast form, and EXPLICIT, which some kernels serve by a slower path; hence a padding is written as VALID or SAME
 * whenever these mean exactly the same windows.
 */

import type { Dim } from "../ir/dims.js"
import { add, constant, evaluate, floorDivide, format, multiply } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import type { InferContext, TensorFlowAttribute } from "./definition.js"
import { integersAttribute } from "./shapes.js"
import { checkSizes, dimList } from "./sized-attributes.js"

/** The window along one spatial axis. */
export interface Window {
  readonly kernel: number
  readonly stride: number
  /** added in front, and behind too unless `after` says otherwise */
  readonly padding: number
  /** added behind, where that is not as much as in front */
  readonly after?: number
  readonly dilation: number
}

/** What is added behind an axis. */
export function paddingAfter(window: Window): number {
  return window.after ?? window.padding
}

/** What is added to an axis at both ends together. */
export function paddingOf(window: Window): number {
  return window.padding + paddingAfter(window)
}

/** How far a window reaches: the kernel with its gaps. */
export function extent(window: Window): number {
  return window.dilation * (window.kernel - 1) + 1
}

/** The number of windows that fit, `floor((size + 2*padding - extent) / stride) + 1`; below 1 when none does. */
export function windowCount(size: number, window: Window): number {
  return Math.floor((size + paddingOf(window) - extent(window)) / window.stride) + 1
}

/**
 * PyTorch's `ceil_mode`: the window with as much padding behind that a last window which reaches over the end counts too,
 * unless it would begin behind the image and its own padding.
 */
export function roundedUp(size: number, window: Window): Window {
  const room = size + 2 * window.padding - extent(window)
  const count = Math.ceil(room / window.stride) + 1
  const last = (count - 1) * window.stride >= size + window.padding ? count - 2 : count - 1
  const after = last * window.stride + extent(window) - size - window.padding
  return { ...window, after: Math.max(window.padding, after) }
}

/**
 * The output size along `axis` of input `input`, as a dimension. Fails the inference when no window fits, or when an
 * unsized symbol would have to be rounded.
 */
export function windowCountDim(
  context: InferContext,
  size: Dim,
  window: Window,
  place: { readonly input: string; readonly axis: number },
): Dim {
  const room = add(size, constant(paddingOf(window) - extent(window)))
  const quotient = floorDivide(room, window.stride, context.sizes)
  if (quotient === undefined) {
    return context.fail({
      kind: "other",
      message:
        `the number of windows along axis ${place.axis} of ${place.input} depends on the size of ` +
        `${format(size)}, which is not known`,
      hint: `give the symbols in ${format(size)} sizes, or use stride 1`,
    })
  }
  const count = add(quotient, constant(1))
  const known = evaluate(count, context.sizes)
  if (known !== undefined && known < 1) {
    const padded = evaluate(add(size, constant(paddingOf(window))), context.sizes) as number
    return context.fail({
      kind: "other",
      message:
        `a window of ${extent(window)} does not fit into axis ${place.axis} of ${place.input}, ` +
        `which has ${padded} with its padding`,
      hint: "use a smaller kernel or dilation, more padding, or a larger image",
    })
  }
  return count
}

/**
 * An attribute that holds one whole number of at least `least` per spatial axis. Fails the inference with the name of
 * the attribute otherwise.
 */
export function perAxis(context: InferContext, name: string, axes: number, least: number): readonly number[] {
  const values = integersAttribute(context.attributes, name)
  if (values.length !== axes) {
    context.fail({
      kind: "attribute",
      name,
      message: `${name} needs ${axes === 1 ? "one number" : `${axes} numbers`}, one per spatial axis; it has ${values.length}`,
      hint: `write ${name} = [${new Array(axes).fill(values[0] ?? least).join(", ")}]`,
    })
  }
  wholeNumbers(context, name, values, least)
  return values
}

/** Fails the inference unless all of `values` are whole numbers of at least `least`. */
export function wholeNumbers(context: InferContext, name: string, values: readonly number[], least: number): void {
  const wrong = values.find((value) => !Number.isInteger(value) || value < least)
  if (wrong === undefined) return
  context.fail({
    kind: "attribute",
    name,
    message: `${name} must be ${least === 0 ? "a whole number that is not negative" : "a positive whole number"}, not ${wrong}`,
  })
}

/** Fails the inference unless input `input` has the given rank. */
export function expectRank(context: InferContext, input: number, rank: number, axes: string): void {
  if (context.inputs[input]!.shape.length === rank) return
  context.fail({ kind: "rank", input, expected: `${rank} axes ${axes}` })
}

/** The attribute `size`, height and width of an image; fails the inference unless there are two, of at least one pixel. */
export function imageSize(context: InferContext): readonly Dim[] {
  const size = dimList(context.attributes, "size")
  const refuse = (message: string, hint?: string): never =>
    context.fail({ kind: "attribute", name: "size", message, ...(hint !== undefined && { hint }) })
  if (size.length !== 2) refuse(`${size.length} sizes; height and width are wanted`, "write size = [H, W]")
  checkSizes(context, "size", size)
  const none = size.find((dim) => evaluate(dim, context.sizes) === 0)
  if (none) refuse(`${format(none)} is 0; an image has pixels`)
  return size
}

/** Fails the inference unless input `input` has exactly the shape `expected`. */
export function expectShape(context: InferContext, input: number, expected: readonly Dim[], what: string): void {
  const shape = context.inputs[input]!.shape
  if (shape.length !== expected.length) {
    context.fail({ kind: "rank", input, expected: `${expected.length} axes, as ${what}` })
  }
  const axis = expected.findIndex((dim, at) => !context.same(dim, shape[at]!))
  if (axis < 0) return
  context.fail({
    kind: "other",
    message: `axis ${axis} of input ${input} is ${format(shape[axis]!)}; ${what} has ${format(expected[axis]!)}`,
  })
}

/** The windows of a node whose attributes inference has accepted; kernel sizes come from the filter or an attribute. */
export function windowsOf(attributes: Attributes, kernel: readonly number[]): readonly Window[] {
  const stride = integersAttribute(attributes, "stride")
  const padding = integersAttribute(attributes, "padding")
  const dilation = attributes["dilation"] === undefined ? undefined : integersAttribute(attributes, "dilation")
  return kernel.map((size, axis) => ({
    kernel: size,
    stride: stride[axis]!,
    padding: padding[axis]!,
    dilation: dilation?.[axis] ?? 1,
  }))
}

/** `scale * dim`. */
export function scaled(dim: Dim, scale: number): Dim {
  return multiply(constant(scale), dim)
}

/**
 * TensorFlow's `padding` attribute (and `explicit_paddings` where needed) for NHWC data.
 *
 * SAME pads `total = (ceil(size/stride) - 1)*stride + extent - size` (at least 0), of which `floor(total/2)` comes
 * first. The windows are ours exactly when their number and the padding in front agree; what follows the last window
 * is never read.
 */
export function tensorFlowPadding(
  sizes: readonly number[],
  windows: readonly Window[],
): Record<string, TensorFlowAttribute> {
  if (windows.every((window) => paddingOf(window) === 0)) return { padding: { s: "VALID" } }
  const isSame = windows.every((window, axis) => {
    const size = sizes[axis]!
    const count = Math.ceil(size / window.stride)
    const total = Math.max(0, (count - 1) * window.stride + extent(window) - size)
    return windowCount(size, window) === count && Math.floor(total / 2) === window.padding
  })
  if (isSame) return { padding: { s: "SAME" } }
  const pairs = windows.flatMap((window) => [window.padding, paddingAfter(window)])
  return { padding: { s: "EXPLICIT" }, explicit_paddings: { ints: [0, 0, ...pairs, 0, 0] } }
}
