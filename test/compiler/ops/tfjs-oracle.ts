/**
 * What each primitive op is in TensorFlow.js: a second, independent statement of its meaning, with tfjs's own gradient.
 *
 * Takes tensors in the language's layout (NCHW, filters OIHW); gives tfjs results. An op that tfjs cannot express has a
 * reason instead. Written for clarity: what tfjs lacks (groups, dilation with stride, padding) is composed from ops whose
 * gradients tfjs knows.
 */

import * as tf from "@tensorflow/tfjs"
import type { Attributes } from "../../../src/compiler/ir/graph.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import { booleanAttribute, integersAttribute, normalAxis, numberAttribute } from "../../../src/compiler/ops/shapes.js"
import { sizeList } from "../../../src/compiler/ops/sized-attributes.js"

type Tensors = readonly tf.Tensor[]
export type OracleRule = (inputs: Tensors, attributes: Attributes) => tf.Tensor

export type Oracle =
  | {
      readonly run: OracleRule
      /** why tfjs's gradient is not compared */
      readonly noGradient?: string
      /** inputs that count as constants, e.g. running statistics */
      readonly constants?: readonly number[]
    }
  | { readonly none: string }

const unary = (run: (x: tf.Tensor) => tf.Tensor): Oracle => ({ run: ([x]) => run(x!) })
const binary = (run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Oracle => ({ run: ([a, b]) => run(a!, b!) })

/** Operands broadcast first: the gradients of tfjs's maximum and minimum do not sum over broadcast axes. */
const spreadBinary = (run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Oracle => ({
  run: ([a, b]) => {
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a!.shape, b!.shape)
    return run(tf.broadcastTo(a!, shape), tf.broadcastTo(b!, shape))
  },
})

const reduction = (run: (x: tf.Tensor, axes: number[] | undefined, keep: boolean) => tf.Tensor): Oracle => ({
  run: ([x], attributes) => {
    const axes = integersAttribute(attributes, "axes")
    return run(x!, axes.length === 0 ? undefined : [...axes], booleanAttribute(attributes, "keep"))
  },
})

/** Exchanges an axis with the last one, runs, and exchanges back: tfjs normalises along the last axis only. */
const alongLast = (run: (x: tf.Tensor) => tf.Tensor): Oracle => ({
  run: ([x], attributes) => {
    const rank = x!.rank
    const axis = normalAxis(numberAttribute(attributes, "axis"), rank)
    const swap = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i))
    return tf.transpose(run(tf.transpose(x!, swap)), swap)
  },
})

// ------------------------------------------------------------------------------------------------------------ products

/** Broadcast by hand: the gradient of tfjs's matMul does not sum over leading axes that were broadcast. */
function matmul([a, b]: Tensors, attributes: Attributes): tf.Tensor {
  const leading = tf.broadcast_util.assertAndGetBroadcastShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2))
  const spread = (x: tf.Tensor): tf.Tensor => tf.broadcastTo(x, [...leading, ...x.shape.slice(-2)])
  return tf.matMul(
    spread(a!),
    spread(b!),
    booleanAttribute(attributes, "transpose_a"),
    booleanAttribute(attributes, "transpose_b"),
  )
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

// ------------------------------------------------------------------------------------------------------------- images

const pair = (attributes: Attributes, name: string): [number, number] => {
  const [rows, columns] = integersAttribute(attributes, name)
  return [rows!, columns!]
}

function maxPool([x]: Tensors, attributes: Attributes): tf.Tensor {
  const image = bordered(toNhwc(x!), pair(attributes, "padding"), -1e30)
  return toNchw(tf.maxPool(image, pair(attributes, "kernel"), pair(attributes, "stride"), "valid"))
}

/** The mean of a padded window; divided by the covered share of it when the border does not count. */
function avgPool([x]: Tensors, attributes: Attributes): tf.Tensor {
  const image = toNhwc(x!)
  const mean = (of: tf.Tensor4D): tf.Tensor4D =>
    tf.avgPool(
      bordered(of, pair(attributes, "padding")),
      pair(attributes, "kernel"),
      pair(attributes, "stride"),
      "valid",
    )
  const result = mean(image)
  return toNchw(booleanAttribute(attributes, "count_include_pad") ? result : tf.div(result, mean(tf.onesLike(image))))
}

/** Every pixel repeated, by adding axes and broadcasting over them (the gradient of tfjs's tile stops at rank 4). */
function upsampleNearest([x]: Tensors, attributes: Attributes): tf.Tensor {
  const scale = numberAttribute(attributes, "scale")
  const [n, c, h, w] = x!.shape as [number, number, number, number]
  const spread = tf.mul(tf.reshape(x!, [n, c, h, 1, w, 1]), tf.ones([1, 1, 1, scale, 1, scale]))
  return tf.reshape(spread, [n, c, h * scale, w * scale])
}

/**
 * Interpolation as two matrix products: row i of the matrix holds the weights of the pixels that result i is made of.
 * (tfjs's own resizeBilinear has a wrong gradient for half-pixel centres.)
 */
function upsampleBilinear([x]: Tensors, attributes: Attributes): tf.Tensor {
  const scale = numberAttribute(attributes, "scale")
  const aligned = booleanAttribute(attributes, "align_corners")
  const weights = (size: number): tf.Tensor2D => {
    const ratio = aligned ? (size * scale > 1 ? (size - 1) / (size * scale - 1) : 0) : 1 / scale
    const rows = Array.from({ length: size * scale }, (_, i) => {
      const source = aligned ? i * ratio : Math.max((i + 0.5) * ratio - 0.5, 0)
      return Array.from({ length: size }, (_, j) => Math.max(0, 1 - Math.abs(Math.min(source, size - 1) - j)))
    })
    return tf.tensor2d(rows)
  }
  const [n, c, h, w] = x!.shape as [number, number, number, number]
  const acrossRows = tf.matMul(tf.reshape(x!, [n * c * h, w]), weights(w), false, true)
  const columns = tf.transpose(tf.reshape(acrossRows, [n * c, h, w * scale]), [0, 2, 1])
  const down = tf.matMul(tf.reshape(columns, [n * c * w * scale, h]), weights(h), false, true)
  return tf.reshape(tf.transpose(tf.reshape(down, [n * c, w * scale, h * scale]), [0, 2, 1]), [
    n,
    c,
    h * scale,
    w * scale,
  ])
}

// ---------------------------------------------------------------------------------------------- normalisation, indexing

/** Per-channel values, shaped so that they broadcast over [N, C, ...]. */
const perChannel = (vector: tf.Tensor, rank: number): tf.Tensor =>
  tf.reshape(vector, [vector.size, ...new Array<number>(rank - 2).fill(1)])

function batchNorm([x, gain, bias, mean, variance]: Tensors, attributes: Attributes): tf.Tensor {
  const channel = (vector: tf.Tensor): tf.Tensor => perChannel(vector, x!.rank)
  const deviation = tf.sqrt(tf.add(channel(variance!), numberAttribute(attributes, "epsilon")))
  return tf.add(tf.mul(tf.div(tf.sub(x!, channel(mean!)), deviation), channel(gain!)), channel(bias!))
}

function layerNorm([x, gain, bias]: Tensors, attributes: Attributes): tf.Tensor {
  const { mean, variance } = tf.moments(x!, -1, true)
  const deviation = tf.sqrt(tf.add(variance, numberAttribute(attributes, "epsilon")))
  return tf.add(tf.mul(tf.div(tf.sub(x!, mean), deviation), gain!), bias!)
}

/** tfjs sums segments along the first axis, with a vector of indices: the rest is transposes and reshapes. */
function scatterAdd([updates, indices]: Tensors, attributes: Attributes): tf.Tensor {
  const count = indices!.rank
  const axis = normalAxis(numberAttribute(attributes, "axis"), updates!.rank - count + 1)
  const all = Array.from({ length: updates!.rank }, (_, i) => i)
  const others = [...all.slice(0, axis), ...all.slice(axis + count)]
  const fronted = tf.transpose(updates!, [...all.slice(axis, axis + count), ...others])
  const rest = others.map((i) => updates!.shape[i]!)
  const [extent] = sizeList(attributes, "size") as [number]
  const rows = tf.reshape(fronted, [indices!.size, ...rest])
  const summed = tf.unsortedSegmentSum(rows, tf.reshape<tf.Rank.R1>(indices!, [indices!.size]), extent)
  const back = others.map((_, i) => i + 1)
  return tf.transpose(summed, [...back.slice(0, axis), 0, ...back.slice(axis)])
}

function rankDescending([x]: Tensors): tf.Tensor {
  const k = x!.shape.at(-1)!
  const order = tf.topk(x!, k, true).indices
  return tf.topk(tf.neg(order), k, true).indices
}

const INTERNAL = "no counterpart of its own; compared through the gradient of the forward op"
const RANDOM = "tfjs draws other numbers; compared with TensorFlow bit for bit by the TensorFlow conformance tests"

export const ORACLES = {
  neg: unary(tf.neg),
  abs: unary(tf.abs),
  exp: unary(tf.exp),
  log: unary(tf.log),
  sqrt: unary(tf.sqrt),
  rsqrt: unary(tf.rsqrt),
  square: unary(tf.square),
  reciprocal: unary(tf.reciprocal),
  relu: unary(tf.relu),
  sigmoid: unary(tf.sigmoid),
  tanh: unary(tf.tanh),
  erf: unary(tf.erf),
  floor: { run: ([x]) => tf.floor(x!), noGradient: "floor has none here, tfjs says 0" },
  logical_not: unary(tf.logicalNot),
  clamp: {
    run: ([x], attributes) =>
      tf.clipByValue(x!, numberAttribute(attributes, "min"), numberAttribute(attributes, "max")),
  },
  cast: {
    run: ([x], attributes) => {
      const to = attributes["to"]
      return tf.cast(x!, to === "f32" ? "float32" : to === "i32" ? "int32" : "bool")
    },
  },
  add: binary(tf.add),
  sub: binary(tf.sub),
  mul: binary(tf.mul),
  div: {
    // tfjs rounds integer quotients down, so integers are divided as floats and truncated by the cast.
    run: ([a, b]) => (a!.dtype === "int32" ? tf.cast(tf.div(tf.cast(a!, "float32"), b!), "int32") : tf.div(a!, b!)),
  },
  pow: binary(tf.pow),
  maximum: spreadBinary(tf.maximum),
  minimum: spreadBinary(tf.minimum),
  equal: binary(tf.equal),
  less: binary(tf.less),
  less_equal: binary(tf.lessEqual),
  greater: binary(tf.greater),
  greater_equal: binary(tf.greaterEqual),
  logical_and: binary(tf.logicalAnd),
  logical_or: binary(tf.logicalOr),
  select: { run: ([condition, a, b]) => tf.where(condition!, a!, b!) },
  binary_cross_entropy: {
    run: ([p, t]) => {
      const positive = tf.mul(t!, tf.log(p!))
      const negative = tf.mul(tf.sub(1, t!), tf.log(tf.sub(1, p!)))
      return tf.neg(tf.add(positive, negative))
    },
  },
  sum: reduction(tf.sum),
  mean: reduction(tf.mean),
  max: reduction(tf.max),
  min: reduction(tf.min),
  reshape: { run: ([x], attributes) => tf.reshape(x!, [...sizeList(attributes, "shape")]) },
  transpose: { run: ([x], attributes) => tf.transpose(x!, [...integersAttribute(attributes, "perm")]) },
  concat: { run: (parts, attributes) => tf.concat([...parts], numberAttribute(attributes, "axis")) },
  slice: {
    run: ([x], attributes) => tf.slice(x!, [...sizeList(attributes, "starts")], [...sizeList(attributes, "sizes")]),
  },
  pad: {
    run: ([x], attributes) => {
      const after = sizeList(attributes, "after")
      const borders = sizeList(attributes, "before").map((size, axis): [number, number] => [size, after[axis]!])
      return tf.pad(x!, borders, numberAttribute(attributes, "value"))
    },
  },
  broadcast_to: { run: ([x], attributes) => tf.broadcastTo(x!, [...sizeList(attributes, "shape")]) },
  constant: { none: "its values are its meaning" },
  iota: { none: "its values are its meaning" },
  random_uniform: { none: RANDOM },
  random_normal: { none: RANDOM },
  dropout: { none: "its inference form is the identity" },
  matmul: { run: matmul },
  conv1d: { run: conv1d },
  relu_gradient: { none: INTERNAL },
  sigmoid_gradient: { none: INTERNAL },
  conv1d_input_gradient: { none: INTERNAL },
  conv1d_filter_gradient: { none: INTERNAL },
  conv2d: { run: conv2d },
  conv2d_input_gradient: { none: INTERNAL },
  conv2d_filter_gradient: { none: INTERNAL },
  softmax: alongLast((x) => tf.softmax(x)),
  log_softmax: alongLast((x) => tf.logSoftmax(x)),
  batch_norm: { run: batchNorm, constants: [3, 4] },
  batch_norm_training: { none: "tfjs has no batch normalisation that takes its own statistics" },
  batch_norm_training_gradient: { none: INTERNAL },
  layer_norm: { run: layerNorm },
  max_pool2d: { run: maxPool },
  max_pool2d_gradient: { none: INTERNAL },
  avg_pool2d: { run: avgPool },
  avg_pool2d_gradient: { none: INTERNAL },
  upsample_nearest2d: { run: upsampleNearest },
  upsample_nearest2d_gradient: { none: INTERNAL },
  upsample_bilinear2d: { run: upsampleBilinear },
  upsample_bilinear2d_gradient: { none: INTERNAL },
  gather: {
    run: ([table, indices], attributes) => tf.gather(table!, indices!, numberAttribute(attributes, "axis")),
  },
  scatter_add: { run: scatterAdd },
  one_hot: { run: ([indices], attributes) => tf.oneHot(indices!, numberAttribute(attributes, "depth")) },
  rank_descending: { run: rankDescending },
  stop_gradient: { none: "the identity; that its gradient stops is a test of its own" },
} satisfies Record<OpName, Oracle>
