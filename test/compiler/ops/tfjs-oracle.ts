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
import { parseEquation } from "../../../src/compiler/ops/einsum.js"
import {
  booleanAttribute,
  integersAttribute,
  normalAxis,
  numberAttribute,
  stringAttribute,
} from "../../../src/compiler/ops/shapes.js"
import { sizeList } from "../../../src/compiler/ops/sized-attributes.js"
import { IMAGE_ORACLES } from "./images-oracle.js"

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
const alongLast = (run: (x: tf.Tensor, attributes: Attributes) => tf.Tensor): Oracle => ({
  run: ([x], attributes) => {
    const rank = x!.rank
    const axis = normalAxis(numberAttribute(attributes, "axis"), rank)
    const swap = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i))
    return tf.transpose(run(tf.transpose(x!, swap), attributes), swap)
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

/** A one-hot weight for each index, in a new last axis: products and sums have gradients in tfjs. */
const oneHotWeights = (indices: tf.Tensor, extent: number): tf.Tensor =>
  tf.cast(tf.oneHot(indices as tf.Tensor1D, extent), "float32")

function takeAlongAxis([x, indices]: Tensors, attributes: Attributes): tf.Tensor {
  const axis = normalAxis(numberAttribute(attributes, "axis"), x!.rank)
  const weights = oneHotWeights(indices!, x!.shape[axis]!)
  const all = Array.from({ length: x!.rank }, (_, i) => i)
  const others = all.filter((i) => i !== axis)
  // [..., extent] with a place for m where the axis was
  const last = tf.expandDims(tf.transpose(x!, [...others, axis]), axis)
  return tf.cast(tf.sum(tf.mul(last, weights), -1), x!.dtype)
}

function scatterAlongAxis([updates, indices]: Tensors, attributes: Attributes): tf.Tensor {
  const axis = normalAxis(numberAttribute(attributes, "axis"), updates!.rank)
  const [extent] = sizeList(attributes, "size") as [number]
  const summed = tf.sum(tf.mul(tf.expandDims(updates!, -1), oneHotWeights(indices!, extent)), axis)
  const others = Array.from({ length: updates!.rank - 1 }, (_, i) => i)
  return tf.transpose(summed, [...others.slice(0, axis), updates!.rank - 1, ...others.slice(axis)])
}

function topK([x]: Tensors, attributes: Attributes): tf.Tensor {
  const axis = normalAxis(numberAttribute(attributes, "axis"), x!.rank)
  const swap = Array.from({ length: x!.rank }, (_, i) => (i === axis ? x!.rank - 1 : i === x!.rank - 1 ? axis : i))
  const sign = booleanAttribute(attributes, "largest") ? 1 : -1
  const { values } = tf.topk(tf.mul(tf.transpose(x!, swap), sign), numberAttribute(attributes, "k"), true)
  return tf.transpose(tf.mul(values, sign), swap)
}

const position = (run: (x: tf.Tensor, axis: number) => tf.Tensor): Oracle => ({
  run: ([x], attributes) => {
    const axis = normalAxis(numberAttribute(attributes, "axis"), x!.rank)
    const found = run(x!, axis)
    return booleanAttribute(attributes, "keep") ? tf.expandDims(found, axis) : found
  },
})

/** All operands spread over all letters, multiplied, and summed over those that the result does not have. */
function einsum(operands: Tensors, attributes: Attributes): tf.Tensor {
  const equation = parseEquation(stringAttribute(attributes, "equation"))
  if (typeof equation === "string") throw new Error(equation)
  const summed = [...new Set(equation.operands.join(""))].filter((letter) => !equation.result.includes(letter))
  const letters = [...equation.result, ...summed]
  const spread = operands.map((operand, index) => {
    const own = equation.operands[index]!
    const present = letters.filter((letter) => own.includes(letter))
    const ordered = tf.transpose(
      operand,
      present.map((letter) => own.indexOf(letter)),
    )
    return tf.reshape(
      ordered,
      letters.map((letter) => (own.includes(letter) ? operand.shape[own.indexOf(letter)]! : 1)),
    )
  })
  const product = spread.reduce((a, b) => tf.mul(a, b))
  return tf.sum(
    product,
    summed.map((_, i) => equation.result.length + i),
  )
}

const hardSigmoid = (x: tf.Tensor): tf.Tensor => tf.div(tf.clipByValue(tf.add(x, 3), 0, 6), 6)

function gelu([x]: Tensors, attributes: Attributes): tf.Tensor {
  const inner =
    stringAttribute(attributes, "approximate") === "none"
      ? tf.erf(tf.div(x!, Math.SQRT2))
      : tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), tf.add(x!, tf.mul(0.044715, tf.pow(x!, 3)))))
  return tf.mul(tf.mul(x!, 0.5), tf.add(inner, 1))
}

function groupNorm([x, gain, bias]: Tensors, attributes: Attributes): tf.Tensor {
  const grouped = tf.reshape(x!, [x!.shape[0], numberAttribute(attributes, "groups"), -1])
  const { mean, variance } = tf.moments(grouped, 2, true)
  const deviation = tf.sqrt(tf.add(variance, numberAttribute(attributes, "epsilon")))
  const normal = tf.reshape(tf.div(tf.sub(grouped, mean), deviation), x!.shape)
  return tf.add(tf.mul(normal, perChannel(gain!, x!.rank)), perChannel(bias!, x!.rank))
}

const INTERNAL = "no counterpart of its own; compared through the gradient of the forward op"
const RANDOM = "tfjs draws other numbers; compared with TensorFlow bit for bit by the TensorFlow conformance tests"

export const ORACLES = {
  ...IMAGE_ORACLES,
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
  ceil: { run: ([x]) => tf.ceil(x!), noGradient: "ceil has none here, tfjs says 0" },
  round: { run: ([x]) => tf.round(x!), noGradient: "round has none here, tfjs says 0" },
  sign: { run: ([x]) => tf.sign(x!), noGradient: "zero everywhere, which the rule says by leaving it out" },
  sin: unary(tf.sin),
  cos: unary(tf.cos),
  log1p: unary(tf.log1p),
  expm1: unary(tf.expm1),
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
  gelu: { run: gelu },
  silu: unary((x) => tf.mul(x, tf.sigmoid(x))),
  quick_gelu: unary((x) => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)))),
  softplus: unary(tf.softplus),
  leaky_relu: { run: ([x], attributes) => tf.leakyRelu(x!, numberAttribute(attributes, "slope")) },
  elu: unary(tf.elu),
  hardsigmoid: unary(hardSigmoid),
  hardswish: unary((x) => tf.mul(x, hardSigmoid(x))),
  tanh_gradient: { none: INTERNAL },
  elu_gradient: { none: INTERNAL },
  softplus_gradient: { none: INTERNAL },
  leaky_relu_gradient: { none: INTERNAL },
  swish_gradient: { none: INTERNAL },
  gelu_gradient: { none: INTERNAL },
  add: binary(tf.add),
  sub: binary(tf.sub),
  mul: binary(tf.mul),
  div: {
    // tfjs rounds integer quotients down, so integers are divided as floats and truncated by the cast.
    run: ([a, b]) => (a!.dtype === "int32" ? tf.cast(tf.div(tf.cast(a!, "float32"), b!), "int32") : tf.div(a!, b!)),
  },
  floor_div: binary(tf.floorDiv),
  remainder: binary(tf.mod),
  pow: binary(tf.pow),
  maximum: spreadBinary(tf.maximum),
  minimum: spreadBinary(tf.minimum),
  equal: binary(tf.equal),
  not_equal: binary(tf.notEqual),
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
  log_sum_exp: reduction(tf.logSumExp),
  any: reduction(tf.any),
  all: reduction(tf.all),
  reshape: { run: ([x], attributes) => tf.reshape(x!, [...sizeList(attributes, "shape")]) },
  transpose: { run: ([x], attributes) => tf.transpose(x!, [...integersAttribute(attributes, "perm")]) },
  concat: { run: (parts, attributes) => tf.concat([...parts], numberAttribute(attributes, "axis")) },
  slice: {
    run: ([x], attributes) => tf.slice(x!, [...sizeList(attributes, "starts")], [...sizeList(attributes, "sizes")]),
  },
  broadcast_to: { run: ([x], attributes) => tf.broadcastTo(x!, [...sizeList(attributes, "shape")]) },
  constant: { none: "its values are its meaning" },
  iota: { none: "its values are its meaning" },
  random_uniform: { none: RANDOM },
  random_normal: { none: RANDOM },
  dropout: { none: "its inference form is the identity" },
  matmul: { run: matmul },
  einsum: { run: einsum },
  relu_gradient: { none: INTERNAL },
  sigmoid_gradient: { none: INTERNAL },
  softmax: alongLast((x) => tf.softmax(x)),
  log_softmax: alongLast((x) => tf.logSoftmax(x)),
  batch_norm: { run: batchNorm, constants: [3, 4] },
  batch_norm_training: { none: "tfjs has no batch normalisation that takes its own statistics" },
  batch_norm_training_gradient: { none: INTERNAL },
  layer_norm: { run: layerNorm },
  group_norm: { run: groupNorm },
  group_norm_gradient: { none: INTERNAL },
  gather: {
    run: ([table, indices], attributes) => tf.gather(table!, indices!, numberAttribute(attributes, "axis")),
  },
  scatter_add: { run: scatterAdd },
  one_hot: { run: ([indices], attributes) => tf.oneHot(indices!, numberAttribute(attributes, "depth")) },
  rank_descending: { run: rankDescending },
  take_along_axis: { run: takeAlongAxis },
  scatter_along_axis: { run: scatterAlongAxis },
  top_k: { run: topK, noGradient: "tfjs has none for topk; compared with PyTorch and finite differences" },
  argmax: position(tf.argMax),
  argmin: position(tf.argMin),
  // the gradient of tfjs's cumsum is right along the last axis only
  cumsum: alongLast((x, attributes) =>
    tf.cumsum(x, x.rank - 1, booleanAttribute(attributes, "exclusive"), booleanAttribute(attributes, "reverse")),
  ),
  after: { none: "the identity, too; when it runs is seen in TensorFlow alone" },
  stop_gradient: { none: "the identity; that its gradient stops is a test of its own" },
} satisfies Record<OpName, Oracle>
