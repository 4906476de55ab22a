/**
 * What convolutions, pools, resampling and borders are in TensorFlow.js; see `tfjs-oracle.ts`.
 *
 * Takes tensors in the language's layout (NCHW, filters OIHW). Linear maps along rows and columns, which tfjs lacks or has
 * with wrong gradients, are matrix products whose weights are written down here by another formula than in the records.
 */

import * as tf from "@tensorflow/tfjs"
import type { Attributes } from "../../../src/compiler/ir/graph.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import { booleanAttribute, integersAttribute, normalAxis, numberAttribute } from "../../../src/compiler/ops/shapes.js"
import { sizeList } from "../../../src/compiler/ops/sized-attributes.js"
import type { Oracle } from "./tfjs-oracle.js"

type Tensors = readonly tf.Tensor[]

const pair = (attributes: Attributes, name: string): [number, number] => {
  const [rows, columns] = integersAttribute(attributes, name)
  return [rows!, columns!]
}

/** Puts zeros between the taps of an HWIO filter, which is what dilation is. */
function dilated(filter: tf.Tensor4D, [down, across]: readonly [number, number]): tf.Tensor4D {
  const [rows, columns, channels, results] = filter.shape
  const spaced = tf.pad(filter.reshape([rows, 1, columns, 1, channels, results]), [
    [0, 0],
    [0, down - 1],
    [0, 0],
    [0, across - 1],
    [0, 0],
    [0, 0],
  ])
  const size = [(rows - 1) * down + 1, (columns - 1) * across + 1, channels, results]
  return spaced.reshape([rows * down, columns * across, channels, results]).slice([0, 0, 0, 0], size) as tf.Tensor4D
}

const toNhwc = (x: tf.Tensor): tf.Tensor4D => tf.transpose(x as tf.Tensor4D, [0, 2, 3, 1])
const toNchw = (x: tf.Tensor): tf.Tensor4D => tf.transpose(x as tf.Tensor4D, [0, 3, 1, 2])

/** NHWC images with a border of `value`. */
function bordered(x: tf.Tensor4D, [rows, columns]: readonly number[], value = 0): tf.Tensor4D {
  return tf.pad(x, [[0, 0], [rows!, rows!], [columns!, columns!], [0, 0]], value) // prettier-ignore
}

function conv2d([x, weight]: Tensors, attributes: Attributes): tf.Tensor {
  const [padding, stride, dilation] = ["padding", "stride", "dilation"].map((name) =>
    integersAttribute(attributes, name),
  ) as [readonly number[], readonly number[], readonly number[]]
  const groups = numberAttribute(attributes, "groups")
  const image = bordered(toNhwc(x!), padding)
  // A split in one has no gradient in tfjs.
  const parts = groups === 1 ? [image] : tf.split(image, groups, 3)
  const filters = groups === 1 ? [weight!] : tf.split(weight!, groups, 0)
  const results = parts.map((part, group) => {
    const filter = tf.transpose(filters[group]! as tf.Tensor4D, [2, 3, 1, 0])
    const spread = dilated(filter, dilation as unknown as [number, number])
    return tf.conv2d(part as tf.Tensor4D, spread, [stride[0]!, stride[1]!], "valid")
  })
  return toNchw(groups === 1 ? results[0]! : tf.concat(results, 3))
}

/** A sequence is an image of height 1. */
function conv1d([x, weight]: Tensors, attributes: Attributes): tf.Tensor {
  const image = tf.expandDims(x!, 2)
  const filter = tf.expandDims(weight!, 2)
  const first = (name: string): number => integersAttribute(attributes, name)[0]!
  const result = conv2d([image, filter], {
    stride: [1, first("stride")],
    padding: [0, first("padding")],
    dilation: [1, first("dilation")],
    groups: numberAttribute(attributes, "groups"),
  })
  return tf.squeeze(result, [2])
}

/** Along one axis: zeros in the gaps of a stride, the window spread over each element, both ends cut, the far end grown. */
function convTranspose2d([x, weight]: Tensors, attributes: Attributes): tf.Tensor {
  const groups = numberAttribute(attributes, "groups")
  const [stride, padding, dilation, more] = ["stride", "padding", "dilation", "output_padding"].map((name) =>
    pair(attributes, name),
  ) as [[number, number], [number, number], [number, number], [number, number]]
  const image = toNhwc(x!)
  const parts = groups === 1 ? [image] : tf.split(image, groups, 3)
  const filters = groups === 1 ? [weight!] : tf.split(weight!, groups, 0)
  const results = parts.map((part, group) => {
    // [C_in, C_out, kh, kw] to tfjs's [kh, kw, C_out, C_in]
    const filter = dilated(tf.transpose(filters[group]! as tf.Tensor4D, [2, 3, 1, 0]), dilation)
    const [n, height, width] = part.shape as [number, number, number]
    const full = [height, width].map((size, axis) => (size - 1) * stride[axis]! + filter.shape[axis]!)
    const channels = filter.shape[2]
    const whole = tf.conv2dTranspose(part as tf.Tensor4D, filter, [n, full[0]!, full[1]!, channels], stride, "valid")
    const grown = tf.pad(whole, [[0, 0], [0, more[0]], [0, more[1]], [0, 0]]) // prettier-ignore
    const size = full.map((length, axis) => length + more[axis]! - 2 * padding[axis]!)
    return tf.slice(grown, [0, ...padding, 0], [n, ...size, channels])
  })
  return toNchw(groups === 1 ? results[0]! : tf.concat(results, 3))
}

/** A sequence is an image of height 1. */
function convTranspose1d([x, weight]: Tensors, attributes: Attributes): tf.Tensor {
  const first = (name: string): number => integersAttribute(attributes, name)[0]!
  const result = convTranspose2d([tf.expandDims(x!, 2), tf.expandDims(weight!, 2)], {
    stride: [1, first("stride")],
    padding: [0, first("padding")],
    dilation: [1, first("dilation")],
    output_padding: [0, first("output_padding")],
    groups: numberAttribute(attributes, "groups"),
  })
  return tf.squeeze(result, [2])
}

// ------------------------------------------------------------------------------------------------- windows of images

/** What PyTorch adds behind an axis so that a rounded-up last window is whole. */
function behind(attributes: Attributes, sizes: readonly number[], reach: readonly number[]): [number, number] {
  const [stride, padding] = [pair(attributes, "stride"), pair(attributes, "padding")]
  const [rows, columns] = sizes.map((size, axis) => {
    if (!booleanAttribute(attributes, "ceil_mode")) return padding[axis]!
    let first = 0
    while (first + reach[axis]! < size + 2 * padding[axis]!) first += stride[axis]!
    if (first >= size + padding[axis]!) first -= stride[axis]!
    return Math.max(padding[axis]!, first + reach[axis]! - size - padding[axis]!)
  })
  return [rows!, columns!]
}

/** The elements that one tap of a window meets, over all windows, of an NCHW image that is already padded. */
function tapOf(x: tf.Tensor, offset: readonly number[], stride: readonly number[], counts: readonly number[]) {
  return [0, 1].reduce((cut, axis) => picked(cut, axis + 2, (i) => i * stride[axis]! + offset[axis]!, counts[axis]!), x)
}

/** Row and column of each tap from the corner of its window. */
const tapsOf = ([rows, columns]: readonly number[], [down, across]: readonly number[]): [number, number][] =>
  Array.from({ length: rows! * columns! }, (_, tap) => [Math.floor(tap / columns!) * down!, (tap % columns!) * across!])

function maxPool([x]: Tensors, attributes: Attributes): tf.Tensor {
  const [kernel, stride, padding] = [
    pair(attributes, "kernel"),
    pair(attributes, "stride"),
    pair(attributes, "padding"),
  ]
  const dilation = pair(attributes, "dilation")
  const reach = kernel.map((size, axis) => (size - 1) * dilation[axis]! + 1)
  const after = behind(attributes, x!.shape.slice(2), reach)
  const image = tf.pad(x!, [[0, 0], [0, 0], [padding[0], after[0]], [padding[1], after[1]]], -1e30) // prettier-ignore
  if (dilation.every((step) => step === 1)) return toNchw(tf.maxPool(toNhwc(image), kernel, stride, "valid"))
  const counts = reach.map((length, axis) => Math.floor((image.shape[axis + 2]! - length) / stride[axis]!) + 1)
  return tapsOf(kernel, dilation)
    .map((offset) => tapOf(image, offset, stride, counts))
    .reduce((largest, tap) => tf.maximum(largest, tap))
}

/** The sum of a window divided by that of a mask of what counts. */
function avgPool([x]: Tensors, attributes: Attributes): tf.Tensor {
  const [kernel, stride, padding] = [
    pair(attributes, "kernel"),
    pair(attributes, "stride"),
    pair(attributes, "padding"),
  ]
  const after = behind(attributes, x!.shape.slice(2), kernel)
  const counted = booleanAttribute(attributes, "count_include_pad") ? 1 : 0
  const own = (of: tf.Tensor4D, value: number): tf.Tensor4D => bordered(of, padding, value)
  const mean = (of: tf.Tensor4D): tf.Tensor4D => {
    const more = after.map((width, axis) => width - padding[axis]!)
    return tf.avgPool(tf.pad(of, [[0, 0], [0, more[0]!], [0, more[1]!], [0, 0]]), kernel, stride, "valid") // prettier-ignore
  }
  const image = toNhwc(x!)
  return toNchw(tf.div(mean(own(image, 0)), mean(own(tf.onesLike(image), counted))))
}

function adaptiveMaxPool([x]: Tensors, attributes: Attributes): tf.Tensor {
  const [height, width] = sizeList(attributes, "size") as [number, number]
  const window = (axis: number, i: number, length: number): [number, number] => {
    const size = x!.shape[axis]!
    const start = Math.trunc((i * size) / length)
    return [start, Math.trunc(((i + 1) * size + length - 1) / length) - start]
  }
  const rows = Array.from({ length: height }, (_, i) => {
    const [top, tall] = window(2, i, height)
    const columns = Array.from({ length: width }, (_, j) => {
      const [left, wide] = window(3, j, width)
      return tf.max(tf.slice(x!, [0, 0, top, left], [-1, -1, tall, wide]), [2, 3], true)
    })
    return columns.length === 1 ? columns[0]! : tf.concat(columns, 3)
  })
  return rows.length === 1 ? rows[0]! : tf.concat(rows, 2)
}

/** y = rows * x * columns^T for each plane of x: [N, C, H, W] to [N, C, H', W']. */
function bothWays(x: tf.Tensor, rows: tf.Tensor2D, columns: tf.Tensor2D): tf.Tensor {
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const [height, width] = [rows.shape[0], columns.shape[0]]
  const across = tf.matMul(tf.reshape(x, [n * c * h, w]), columns, false, true)
  const turned = tf.reshape(tf.transpose(tf.reshape(across, [n * c, h, width]), [0, 2, 1]), [n * c * width, h])
  const down = tf.reshape(tf.matMul(turned, rows, false, true), [n * c, width, height])
  return tf.reshape(tf.transpose(down, [0, 2, 1]), [n, c, height, width])
}

const matrix = (rows: number, columns: number, weight: (i: number, j: number) => number): tf.Tensor2D =>
  tf.tensor2d(
    Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => weight(i, j))),
    [rows, columns],
  )

/** The tap of `offset` of each window picks an element: [windows, size], zero where it lies in the padding. */
const picks = (size: number, counts: number, stride: number, offset: number): tf.Tensor2D =>
  matrix(counts, size, (i, j) => (i * stride + offset === j ? 1 : 0))

function tapMatrices(attributes: Attributes, size: readonly number[], counts: readonly number[]) {
  const [stride, padding] = [pair(attributes, "stride"), pair(attributes, "padding")]
  return tapsOf(pair(attributes, "kernel"), pair(attributes, "dilation")).map((offset) =>
    [0, 1].map((axis) => picks(size[axis]!, counts[axis]!, stride[axis]!, offset[axis]! - padding[axis]!)),
  )
}

function unfold([x]: Tensors, attributes: Attributes): tf.Tensor {
  const size = x!.shape.slice(2)
  const [kernel, dilation] = [pair(attributes, "kernel"), pair(attributes, "dilation")]
  const [stride, padding] = [pair(attributes, "stride"), pair(attributes, "padding")]
  const counts = size.map((length, axis) => {
    const room = length + 2 * padding[axis]! - dilation[axis]! * (kernel[axis]! - 1) - 1
    return Math.floor(room / stride[axis]!) + 1
  })
  const parts = tapMatrices(attributes, size, counts).map(([rows, columns]) => bothWays(x!, rows!, columns!))
  return parts.length === 1 ? parts[0]! : tf.concat(parts, 1)
}

function fold([x]: Tensors, attributes: Attributes): tf.Tensor {
  const matrices = tapMatrices(attributes, sizeList(attributes, "size"), x!.shape.slice(2))
  const channels = x!.shape[1]! / matrices.length
  return matrices
    .map(([rows, columns], tap) => {
      const part = tf.slice(x!, [0, tap * channels, 0, 0], [-1, channels, -1, -1])
      return bothWays(part, tf.transpose(rows!), tf.transpose(columns!))
    })
    .reduce((sum, part) => tf.add(sum, part))
}

// ------------------------------------------------------------------------------------------------------- resampling

/** Every pixel repeated, by adding axes and broadcasting over them (the gradient of tfjs's tile stops at rank 4). */
function upsampleNearest([x]: Tensors, attributes: Attributes): tf.Tensor {
  const scale = numberAttribute(attributes, "scale")
  const [n, c, h, w] = x!.shape as [number, number, number, number]
  const spread = tf.mul(tf.reshape(x!, [n, c, h, 1, w, 1]), tf.ones([1, 1, 1, scale, 1, scale]))
  return tf.reshape(spread, [n, c, h * scale, w * scale])
}

/**
 * Interpolation by matrix products (tfjs's own resizeBilinear has a wrong gradient for half-pixel centres): the weight of
 * element j for result i is a kernel of their distance, elements outside standing for the outermost ones.
 */
function resampled(x: tf.Tensor, size: readonly number[], mode: string, aligned: boolean): tf.Tensor {
  const [rows, columns] = size.map((length, axis) => {
    const from = x.shape[axis + 2]!
    const ratio = aligned ? (length > 1 ? (from - 1) / (length - 1) : 0) : from / length
    const centre = (i: number): number => (aligned ? i * ratio : (i + 0.5) * ratio - 0.5)
    const spread = (kernel: (distance: number) => number) =>
      matrix(length, from, (i, j) => {
        let weight = 0
        for (let place = -3; place < from + 3; place++) {
          if (Math.min(Math.max(place, 0), from - 1) === j) weight += kernel(Math.abs(centre(i) - place))
        }
        return weight
      })
    switch (mode) {
      case "nearest":
        return matrix(length, from, (i, j) => (Math.min(Math.floor(Math.fround(i * Math.fround(ratio))), from - 1) === j ? 1 : 0)) // prettier-ignore
      case "area": {
        const [start, end] = [
          (i: number) => Math.floor(i * ratio + 1e-9),
          (i: number) => Math.ceil((i + 1) * ratio - 1e-9),
        ]
        return matrix(length, from, (i, j) => (j >= start(i) && j < end(i) ? 1 / (end(i) - start(i)) : 0))
      }
      case "bilinear":
        return spread((d) => Math.max(0, 1 - d))
      default:
        return spread((d) =>
          d <= 1 ? 1.25 * d ** 3 - 2.25 * d ** 2 + 1 : d < 2 ? -0.75 * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0,
        )
    }
  })
  return bothWays(x, rows!, columns!)
}

function resize([x]: Tensors, attributes: Attributes): tf.Tensor {
  const aligned = booleanAttribute(attributes, "align_corners")
  return resampled(x!, sizeList(attributes, "size"), attributes["mode"] as string, aligned)
}

function upsampleBilinear([x]: Tensors, attributes: Attributes): tf.Tensor {
  const scale = numberAttribute(attributes, "scale")
  const size = x!.shape.slice(2).map((length) => length * scale)
  return resampled(x!, size, "bilinear", booleanAttribute(attributes, "align_corners"))
}

// ------------------------------------------------------------------------------------------------- borders and orders

/** `count` elements of an axis, each taken from where `source` says. */
function picked(x: tf.Tensor, axis: number, source: (index: number) => number, count: number): tf.Tensor {
  const indices = Array.from({ length: count }, (_, index) => source(index))
  return tf.gather(x, tf.tensor1d(indices, "int32"), axis)
}

/** Repeating borders pick elements; the rest is tfjs's own padding. */
function padded([x]: Tensors, attributes: Attributes): tf.Tensor {
  const after = sizeList(attributes, "after")
  const borders = sizeList(attributes, "before").map((size, axis): [number, number] => [size, after[axis]!])
  const mode = attributes["mode"] as string
  if (mode === "constant") return tf.pad(x!, borders, numberAttribute(attributes, "value"))
  return borders.reduce((result, [front, back], axis) => {
    const size = x!.shape[axis]!
    const period = Math.max(1, 2 * (size - 1))
    const source = (index: number): number => {
      const own = index - front
      if (mode === "replicate") return own < 0 ? 0 : own >= size ? size - 1 : own
      if (mode === "circular") return (own + 2 * size) % size
      const place = (own + 2 * period) % period
      return place < size ? place : period - place
    }
    return front + back === 0 ? result : picked(result, axis, source, front + size + back)
  }, x!)
}

const picksOf = (run: (size: number, shift: number) => (index: number) => number): Oracle => ({
  run: ([x], attributes) => {
    const axes = integersAttribute(attributes, "axes").map((axis) => normalAxis(axis, x!.rank))
    const shifts = attributes["shifts"] === undefined ? [] : integersAttribute(attributes, "shifts")
    return axes.reduce((moved, axis, i) => {
      const size = x!.shape[axis]!
      return picked(moved, axis, run(size, shifts[i] ?? 0), size)
    }, x!)
  },
})

const INTERNAL = { none: "no counterpart of its own; compared through the gradient of the forward op" }

export const IMAGE_ORACLES = {
  pad: { run: padded },
  roll: picksOf((size, shift) => (index) => (((index - shift) % size) + size) % size),
  flip: picksOf((size) => (index) => size - 1 - index),
  conv1d: { run: conv1d },
  conv1d_input_gradient: INTERNAL,
  conv1d_filter_gradient: INTERNAL,
  conv2d: { run: conv2d },
  conv2d_input_gradient: INTERNAL,
  conv2d_filter_gradient: INTERNAL,
  conv_transpose1d: { run: convTranspose1d },
  conv_transpose2d: { run: convTranspose2d },
  max_pool2d: { run: maxPool },
  max_pool2d_gradient: INTERNAL,
  avg_pool2d: { run: avgPool },
  avg_pool2d_gradient: INTERNAL,
  adaptive_max_pool2d: { run: adaptiveMaxPool },
  adaptive_max_pool2d_gradient: INTERNAL,
  unfold2d: { run: unfold },
  fold2d: { run: fold },
  resize2d: { run: resize },
  resize2d_gradient: INTERNAL,
  upsample_nearest2d: { run: upsampleNearest },
  upsample_nearest2d_gradient: INTERNAL,
  upsample_bilinear2d: { run: upsampleBilinear },
  upsample_bilinear2d_gradient: INTERNAL,
} satisfies { readonly [name in OpName]?: Oracle }
