/**
 * Windows taken apart into their taps, in TensorFlow nodes on images stored NHWC.
 *
 * A tap is one position of the kernel. What it meets, over all windows, is a regular grid of the padded image; what it
 * sends back is the same grid of a canvas of zeros. What TensorFlow has no kernel for (dilated pooling, gradients of
 * dilated convolution, unfolding) is written with these two.
 */

import type { TensorFlowContext } from "./definition.js"
import { pad, reshape, slice } from "./tensorflow-movement.js"
import { extent, paddingAfter, paddingOf, windowCount, type Window } from "./windows.js"

export type Windows = readonly [Window, Window]

/** Offsets of the taps from the corner of a window, row by row. */
export function tapOffsets([rows, columns]: Windows): readonly (readonly [top: number, left: number])[] {
  return Array.from({ length: rows.kernel * columns.kernel }, (_, tap) => [
    Math.floor(tap / columns.kernel) * rows.dilation,
    (tap % columns.kernel) * columns.dilation,
  ])
}

/** The borders of an NHWC image that its windows ask for. */
export function imageBorders([rows, columns]: Windows): readonly (readonly [before: number, after: number])[] {
  return [
    [0, 0],
    [rows.padding, paddingAfter(rows)],
    [columns.padding, paddingAfter(columns)],
    [0, 0],
  ]
}

/** Height and width of an image with the padding that its windows ask for. */
export function paddedSize(input: readonly number[], windows: Windows): readonly [number, number] {
  return [input[0]! + paddingOf(windows[0]), input[1]! + paddingOf(windows[1])]
}

/**
 * What each tap meets: [...leading, H', W', C], cut from the padded image [...leading, H, W, C].
 *
 * With a stride, rows and columns are first counted in steps and within a step, [..., H/s, s, W/s, s, C]: then a tap meets a
 * plain block, which TensorFlow copies several times as fast as a slice with gaps.
 *
 * @param size height and width of the padded image
 * @param output the number of windows, down and right
 */
export function tapSlices(
  context: TensorFlowContext,
  padded: string,
  leading: readonly number[],
  size: readonly [number, number],
  output: readonly [number, number],
  channels: number,
  windows: Windows,
): readonly string[] {
  const strides = windows.map((window) => window.stride) as [number, number]
  const steps = windows.map((window, axis) => {
    const needed = Math.max(size[axis]!, extent(window) - 1 + output[axis]! * window.stride)
    return Math.ceil(needed / window.stride)
  }) as [number, number]
  const none = leading.map(() => 0)
  const grown = pad(context, padded, [
    ...leading.map(() => [0, 0] as const),
    [0, steps[0] * strides[0] - size[0]],
    [0, steps[1] * strides[1] - size[1]],
    [0, 0],
  ])
  const shape = [...leading, steps[0], strides[0], steps[1], strides[1], channels]
  const isSplit = strides.some((stride) => stride > 1)
  const split = isSplit ? reshape(context, grown, shape) : grown
  return tapOffsets(windows).map(([top, left]) => {
    if (!isSplit) {
      const whole = [...leading, ...steps, channels]
      return slice(context, split, whole, [...none, top, left, 0], [...leading, ...output, channels])
    }
    const [down, across] = [Math.floor(top / strides[0]), Math.floor(left / strides[1])]
    const begin = [...none, down, top % strides[0], across, left % strides[1], 0]
    const block = slice(context, split, shape, begin, [...leading, output[0], 1, output[1], 1, channels])
    return reshape(context, block, [...leading, ...output, channels])
  })
}

/**
 * The sum of what the taps send back: [N, H, W, C] from one [N, H', W', C] for each tap.
 *
 * @param shape of the result
 */
export function sumOfTaps(
  context: TensorFlowContext,
  parts: readonly string[],
  shape: readonly number[],
  windows: Windows,
): string {
  const [batch, height, width, channels] = shape as [number, number, number, number]
  const output = windows.map((window, axis) => windowCount([height, width][axis]!, window)) as [number, number]
  // Spread out, a part is a little longer than what it reaches; the canvas has room for that.
  const canvas = windows.map((window, axis) =>
    Math.max([height, width][axis]! + window.padding, extent(window) - 1 + output[axis]! * window.stride),
  ) as [number, number]
  const offsets = tapOffsets(windows)
  const placed = parts.map((part, tap) => {
    const [top, left] = offsets[tap]!
    return pad(context, spreadOut(context, part, [batch, ...output, channels], windows), [
      [0, 0],
      [top, canvas[0] - top - output[0] * windows[0].stride],
      [left, canvas[1] - left - output[1] * windows[1].stride],
      [0, 0],
    ])
  })
  const T = context.type(context.float)
  const sum = placed.length === 1 ? placed[0]! : context.node("AddN", placed, { T, N: { i: placed.length } })
  return slice(context, sum, [batch, ...canvas, channels], [0, windows[0].padding, windows[1].padding, 0], shape)
}

/** `stride - 1` zeros after every row and column of an image of `shape` [N, H, W, C]. */
export function spreadOut(
  context: TensorFlowContext,
  image: string,
  shape: readonly number[],
  [{ stride: rows }, { stride: columns }]: Windows,
): string {
  if (rows === 1 && columns === 1) return image
  const [batch, height, width, channels] = shape as [number, number, number, number]
  const split = reshape(context, image, [batch * height, 1, width, 1, channels])
  const gaps = [
    [0, 0],
    [0, rows - 1],
    [0, 0],
    [0, columns - 1],
    [0, 0],
  ] as const
  return reshape(context, pad(context, split, gaps), [batch, height * rows, width * columns, channels])
}
