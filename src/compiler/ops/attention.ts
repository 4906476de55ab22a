/**
 * Normalisations along one axis: softmax, its logarithm, and layer normalisation, the non-linear parts of attention blocks.
 */

import { normalAxis, axisOf, numberAttribute } from "./shapes.js"
import type { ValueId } from "../ir/graph.js"
import type {
  GradientContext,
  NodeAppender,
  OnnxContext,
  OpCase,
  OpDefinition,
  TensorFlowContext,
} from "./definition.js"
import { free } from "./definition.js"
import { alongAxis, build } from "./ndarray.js"
import { onnxMean } from "./reductions.js"
import { exchangeWithLast } from "./tensorflow-movement.js"

type SoftmaxParts = Pick<OpDefinition, "doc" | "gradient"> & {
  readonly tensorflow: string
  readonly onnx: string
  /** the results along one line of the axis */
  readonly line: (values: readonly number[]) => readonly number[]
}

function softmaxOp(parts: SoftmaxParts): OpDefinition {
  return {
    family: "attention",
    doc: parts.doc,
    inputs: [{ name: "x", dtypes: ["f32"], doc: "scores, rank at least 1" }],
    attributes: { axis: { type: "axis", doc: "the axis to normalise along", default: -1 } },
    infer: (context) => {
      axisOf(context, numberAttribute(context.attributes, "axis"), context.inputs[0]!.shape.length)
      return [context.inputs[0]!]
    },
    gradient: parts.gradient,
    cost: free,
    layout: { kind: "axes", attribute: "axis", reduces: false },
    precision: { kind: "full" },
    tensorflow: (context) => [softmaxTensorFlow(context, parts.tensorflow)],
    onnx: (context) => {
      const axis = normalAxis(numberAttribute(context.attributes, "axis"), context.inputTypes[0]!.shape.length)
      return context.node(parts.onnx, context.inputs, { axis: { int: axis } })
    },
    reference: ([x], attributes) => [
      alongAxis(x!, normalAxis(numberAttribute(attributes, "axis"), x!.shape.length), parts.line),
    ],
    cases: softmaxCases,
  }
}

/** TensorFlow normalises along the last axis only; another one is brought there and back. */
function softmaxTensorFlow(context: TensorFlowContext, op: string): string {
  const rank = context.inputTypes[0]!.shape.length
  const axis = normalAxis(numberAttribute(context.attributes, "axis"), rank)
  const last = exchangeWithLast(context, context.inputs[0]!, axis, rank)
  return exchangeWithLast(context, context.node(op, [last], { T: context.type("f32") }), axis, rank)
}

const softmaxCases: readonly OpCase[] = [
  { name: "vector", inputs: [{ dtype: "f32", shape: [5], low: -3, high: 3 }] },
  { name: "attention", inputs: [{ dtype: "f32", shape: [2, 2, 3, 4], low: -3, high: 3 }] },
  { name: "channels", inputs: [{ dtype: "f32", shape: [2, 3, 2, 4], low: -3, high: 3 }], attributes: { axis: 1 } },
  { name: "first axis", inputs: [{ dtype: "f32", shape: [3, 4], low: -3, high: 3 }], attributes: { axis: 0 } },
  { name: "large scores", inputs: [{ dtype: "f32", shape: [2, 4], values: [90, 100, 80, 95, -200, -210, 0, -1] }] },
]

/** Shifted by the maximum, so that large scores do not overflow. */
function softmaxLine(values: readonly number[]): readonly number[] {
  const highest = Math.max(...values)
  const weights = values.map((value) => Math.exp(value - highest))
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((weight) => weight / sum)
}

function logSoftmaxLine(values: readonly number[]): readonly number[] {
  const highest = Math.max(...values)
  const sum = values.reduce((total, value) => total + Math.exp(value - highest), 0)
  return values.map((value) => value - highest - Math.log(sum))
}

/** The sum along the op's own axis, which stays. */
function sumAlongAxis(context: GradientContext, value: ValueId): ValueId {
  return context.op("sum", [value], { axes: [numberAttribute(context.attributes, "axis")], keep: true })
}

/** x with mean 0 and variance 1 along the last axis, and the factor that made the variance 1. */
function standardise(appender: NodeAppender, x: ValueId, epsilon: number): { xhat: ValueId; scale: ValueId } {
  const { op, scalar } = appender
  const centred = op("sub", [x, op("mean", [x], { axes: [-1], keep: true })])
  const variance = op("mean", [op("square", [centred])], { axes: [-1], keep: true })
  const scale = op("rsqrt", [op("add", [variance, scalar(epsilon)])])
  return { xhat: op("mul", [centred, scale]), scale }
}

function layerNormGradient(context: GradientContext): readonly (ValueId | undefined)[] {
  const { op, needs, typeOf, unbroadcast } = context
  const [x, gain, bias] = context.inputs as [ValueId, ValueId, ValueId]
  const dy = context.gradients[0]!
  const { xhat, scale } = standardise(context, x, numberAttribute(context.attributes, "epsilon"))
  const byInput = (): ValueId => {
    const g = op("mul", [dy, gain])
    const mean = (value: ValueId): ValueId => op("mean", [value], { axes: [-1], keep: true })
    const along = op("mul", [xhat, mean(op("mul", [g, xhat]))])
    return op("mul", [scale, op("sub", [op("sub", [g, mean(g)]), along])])
  }
  return [
    needs[0] ? byInput() : undefined,
    needs[1] ? unbroadcast(op("mul", [dy, xhat]), typeOf(gain)) : undefined,
    needs[2] ? unbroadcast(dy, typeOf(bias)) : undefined,
  ]
}

/** One node from opset 17 on; before, what it stands for. */
function layerNormOnnx(context: OnnxContext): readonly string[] {
  const [x, gain, bias] = context.inputs as [string, string, string]
  const epsilon = numberAttribute(context.attributes, "epsilon")
  if (context.opset >= 17) {
    return context.node("LayerNormalization", [x, gain, bias], { axis: { int: -1 }, epsilon: { float: epsilon } })
  }
  const node = (op: string, ...inputs: string[]): string => context.node(op, inputs)[0]!
  const last = [context.inputTypes[0]!.shape.length - 1]
  const centred = node("Sub", x, onnxMean(context, x, last))
  const variance = onnxMean(context, node("Mul", centred, centred), last)
  const deviation = node("Sqrt", node("Add", variance, context.constant("f32", [], [epsilon])))
  return [node("Add", node("Mul", node("Div", centred, deviation), gain), bias)]
}

function layerNormTensorFlow(context: TensorFlowContext): string {
  const [x, gain, bias] = context.inputs as [string, string, string]
  const T = context.type("f32")
  const node = (op: string, ...inputs: string[]): string => context.node(op, inputs, { T })
  const axes = context.ints([context.inputTypes[0]!.shape.length - 1])
  const mean = (value: string): string =>
    context.node("Mean", [value, axes], { T, Tidx: context.type("i32"), keep_dims: { b: true } })
  const centred = node("Sub", x, mean(x))
  const variance = mean(node("Square", centred))
  const epsilon = context.constant("f32", [], [numberAttribute(context.attributes, "epsilon")])
  const xhat = node("Mul", centred, node("Rsqrt", node("AddV2", variance, epsilon)))
  return node("AddV2", node("Mul", xhat, gain), bias)
}

function layerNormLine(values: readonly number[], epsilon: number): readonly number[] {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return values.map((value) => (value - mean) / Math.sqrt(variance + epsilon))
}

const layerNormInputs = (shape: readonly number[]): OpCase["inputs"] => [
  { dtype: "f32", shape, low: -2, high: 2 },
  { dtype: "f32", shape: shape.slice(-1), low: 0.5, high: 1.5 },
  { dtype: "f32", shape: shape.slice(-1) },
]

const layerNorm: OpDefinition = {
  family: "attention",
  doc:
    "Normalises the last axis to mean 0 and variance 1 (the biased variance), then scales and shifts it, as " +
    "`torch.nn.LayerNorm` over one axis.",
  inputs: [
    { name: "x", dtypes: ["f32"], doc: "operand, rank at least 1" },
    { name: "gain", dtypes: ["f32"], doc: "scale, [C] with C the size of the last axis" },
    { name: "bias", dtypes: ["f32"], doc: "shift, [C]" },
  ],
  attributes: { epsilon: { type: "float", doc: "added to the variance", default: 1e-5 } },
  infer: (context) => {
    const { shape } = context.inputs[0]!
    if (shape.length === 0) context.fail({ kind: "rank", input: 0, expected: "at least one axis" })
    for (const input of [1, 2]) {
      const vector = context.inputs[input]!.shape
      if (vector.length !== 1) context.fail({ kind: "rank", input, expected: "one axis" })
      if (context.same(shape.at(-1)!, vector[0]!)) continue
      context.fail({
        kind: "dims-differ",
        left: { input: 0, axis: shape.length - 1 },
        right: { input, axis: 0 },
        what: "gain and bias have one entry for each of the last axis",
      })
    }
    return [context.inputs[0]!]
  },
  gradient: layerNormGradient,
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "full" },
  tensorflow: (context) => [layerNormTensorFlow(context)],
  onnx: layerNormOnnx,
  reference: ([x, gain, bias], attributes) => {
    const epsilon = numberAttribute(attributes, "epsilon")
    const normal = alongAxis(x!, x!.shape.length - 1, (values) => layerNormLine(values, epsilon))
    let offset = 0
    return [
      build(x!.shape, (index) => normal.data[offset++]! * gain!.data[index.at(-1)!]! + bias!.data[index.at(-1)!]!),
    ]
  },
  cases: [
    { name: "tokens", inputs: layerNormInputs([2, 3, 8]) },
    { name: "vector", inputs: layerNormInputs([6]) },
    { name: "windows", inputs: layerNormInputs([2, 2, 3, 4]), attributes: { epsilon: 1e-3 } },
  ],
}

export const attention = {
  softmax: softmaxOp({
    doc: "Exponentials that sum to 1 along an axis, as `torch.softmax`.",
    tensorflow: "Softmax",
    onnx: "Softmax",
    line: softmaxLine,
    gradient: (context) => {
      const { op, gradients, outputs } = context
      const weighted = sumAlongAxis(context, op("mul", [gradients[0]!, outputs[0]!]))
      return [op("mul", [outputs[0]!, op("sub", [gradients[0]!, weighted])])]
    },
  }),
  log_softmax: softmaxOp({
    doc: "The logarithm of softmax, computed without forming it, as `torch.log_softmax`.",
    tensorflow: "LogSoftmax",
    onnx: "LogSoftmax",
    line: logSoftmaxLine,
    gradient: (context) => {
      const { op, gradients, outputs } = context
      const spread = op("mul", [op("exp", [outputs[0]!]), sumAlongAxis(context, gradients[0]!)])
      return [op("sub", [gradients[0]!, spread])]
    },
  }),
  layer_norm: layerNorm,
} satisfies Record<string, OpDefinition>
