/**
 * Batch normalisation: the op of the language, which is also the inference form, and the training form with its gradient.
 *
 * In the language `batch_norm` takes running statistics. A training program replaces it, outside frozen sections, by
 * `batch_norm_training`, which takes the statistics of the batch and gives what the running ones are updated with.
 * TensorFlow has fused kernels for images; sequences and vectors are brought into that form (one row, one pixel).
 */

import { asConstant, constant, product } from "../ir/dims.js"
import type { TensorType } from "../ir/graph.js"
import type {
  AttributeSpec,
  ConcreteType,
  GradientContext,
  InferContext,
  OpCase,
  OpDefinition,
  TensorFlowContext,
} from "./definition.js"
import { free } from "./definition.js"
import { besselFactor, countOf, mapped, normalise, normaliseGradient, statistics } from "./normalisation-reference.js"
import { NotInInference } from "./not-in-inference.js"
import { numberAttribute } from "./shapes.js"
import { reshape, rowFromImage, rowImage } from "./tensorflow-movement.js"

/** The attribute that all normalisations have. */
export const EPSILON: AttributeSpec = { type: "float", default: 1e-5, doc: "added to the variance before the root" }

/** The data of all normalisations by channel. */
export const xSpec = { name: "x", dtypes: ["f32"], doc: "data [N, C], [N, C, L] or [N, C, H, W]" } as const
const perChannel = (name: string, doc: string) => ({ name, dtypes: ["f32"], doc: `${doc}, [C]` }) as const

// ------------------------------------------------------------------------------------------------------- inference

/** The type of input `input`, which must have channels on axis 1. */
export function expectData(context: InferContext, input: number): TensorType {
  const type = context.inputs[input]!
  if (type.shape.length < 2 || type.shape.length > 4) {
    context.fail({ kind: "rank", input, expected: "2 to 4 axes [N, C, ...]" })
  }
  return type
}

/** Fails unless the inputs `inputs` are vectors with one entry per channel of input `data`. */
export function expectPerChannel(context: InferContext, data: number, inputs: readonly number[]): void {
  const channels = context.inputs[data]!.shape[1]!
  for (const input of inputs) {
    const shape = context.inputs[input]!.shape
    if (shape.length !== 1) context.fail({ kind: "rank", input, expected: "one axis [C]" })
    if (context.same(shape[0]!, channels)) continue
    context.fail({
      kind: "dims-differ",
      left: { input: data, axis: 1 },
      right: { input, axis: 0 },
      what: "one number per channel is wanted",
    })
  }
}

/** Fails unless the attribute `epsilon` is positive. */
export function expectEpsilon(context: InferContext): void {
  const epsilon = numberAttribute(context.attributes, "epsilon")
  if (epsilon > 0) return
  context.fail({ kind: "attribute", name: "epsilon", message: `epsilon must be positive, not ${epsilon}` })
}

function expectMomentum(context: InferContext): void {
  const momentum = numberAttribute(context.attributes, "momentum")
  if (momentum >= 0 && momentum <= 1) return
  context.fail({
    kind: "attribute",
    name: "momentum",
    message: `momentum must be between 0 and 1, not ${momentum}`,
    hint: "it is the weight of the batch, as in PyTorch; TensorFlow and Keras mean 1 - momentum by that name",
  })
}

// -------------------------------------------------------------------------------------------------------- gradient

/** The shape that a per-channel vector needs to broadcast against x: [C], [C, 1] or [C, 1, 1]. */
function alongChannels(context: GradientContext, vector: number, rank: number): number {
  const channels = context.typeOf(vector).shape[0]!
  const shape = [channels, ...new Array<number>(rank - 2).fill(1).map(constant)]
  return rank === 2 ? vector : context.op("reshape", [vector], { shape })
}

/** All axes but the channels. */
function otherAxes(rank: number): readonly number[] {
  return Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1)
}

/** The gradient of the inference form by all five inputs; the statistics are inputs like any other here. */
function inferenceGradient(context: GradientContext): readonly (number | undefined)[] {
  const { op, needs, attributes } = context
  const [x, gain, , mean, variance] = context.inputs as readonly [number, number, number, number, number]
  const dy = context.gradients[0]!
  const rank = context.typeOf(x).shape.length
  const axes = otherAxes(rank)
  const spread = (vector: number): number => alongChannels(context, vector, rank)
  const epsilon = context.scalar(numberAttribute(attributes, "epsilon"))
  const inverse = op("rsqrt", [op("add", [variance, epsilon])])
  const factor = op("mul", [gain, inverse])
  const sumDy = needs[2] || needs[3] ? op("sum", [dy], { axes }) : undefined
  const sumDyCentred =
    needs[1] || needs[4] ? op("sum", [op("mul", [dy, op("sub", [x, spread(mean)])])], { axes }) : undefined
  return [
    needs[0] ? op("mul", [dy, spread(factor)]) : undefined,
    needs[1] ? op("mul", [sumDyCentred!, inverse]) : undefined,
    needs[2] ? sumDy : undefined,
    needs[3] ? op("neg", [op("mul", [sumDy!, factor])]) : undefined,
    needs[4]
      ? op("mul", [context.scalar(-0.5), op("mul", [sumDyCentred!, op("mul", [factor, op("square", [inverse])])])])
      : undefined,
  ]
}

// ------------------------------------------------------------------------------------------------------ TensorFlow

function fusedAttributes(context: TensorFlowContext, isTraining: boolean) {
  return {
    T: context.type(context.float),
    // statistics and parameters stay in f32 whatever the type of the data
    U: { type: "DT_FLOAT" },
    epsilon: { f: numberAttribute(context.attributes, "epsilon") },
    data_format: { s: "NHWC" },
    is_training: { b: isTraining },
  } as const
}

/** [N, C] as [N, 1, 1, C] and [N, C, L] as [N, 1, L, C]; rank 4 is NHWC already. */
export function asImage(context: TensorFlowContext, tensor: string, shape: readonly number[]): string {
  if (shape.length === 4) return tensor
  if (shape.length === 3) return rowImage(context, tensor, shape)
  return reshape(context, tensor, [shape[0]!, 1, 1, shape[1]!])
}

/** The reverse of `asImage`; `shape` is the result's. */
export function fromImage(context: TensorFlowContext, image: string, shape: readonly number[]): string {
  if (shape.length === 4) return image
  return shape.length === 3 ? rowFromImage(context, image, shape) : reshape(context, image, shape)
}

function lowerInference(context: TensorFlowContext): readonly string[] {
  const type = context.inputTypes[0]!
  const image = asImage(context, context.inputs[0]!, type.shape)
  const inputs = [image, ...context.inputs.slice(1)]
  const y = context.node("FusedBatchNormV3", inputs, fusedAttributes(context, false))
  return [fromImage(context, y, type.shape)]
}

function lowerTraining(context: TensorFlowContext): readonly string[] {
  const type = context.inputTypes[0]!
  const image = asImage(context, context.inputs[0]!, type.shape)
  // with averaging factor 1, the default, the kernel wants the running statistics empty
  const none = context.constant("f32", [0], [])
  const inputs = [image, context.inputs[1]!, context.inputs[2]!, none, none]
  const node = context.node("FusedBatchNormV3", inputs, fusedAttributes(context, true))
  return [fromImage(context, node, type.shape), `${node}:1`, `${node}:2`, `${node}:3`, `${node}:4`]
}

function lowerTrainingGradient(context: TensorFlowContext): readonly string[] {
  const [dy, x, gain, savedMean, savedVariance] = context.inputs as readonly [string, string, string, string, string]
  const [dyType, xType] = context.inputTypes as readonly [ConcreteType, ConcreteType]
  const inputs = [
    asImage(context, dy, dyType.shape),
    asImage(context, x, xType.shape),
    gain,
    savedMean,
    savedVariance,
    // what cuDNN keeps from the forward pass, output 5 of the fused node
    context.siblingOutput(3, 5),
  ]
  const node = context.node("FusedBatchNormGradV3", inputs, fusedAttributes(context, true))
  return [fromImage(context, node, xType.shape), `${node}:1`, `${node}:2`]
}

// ----------------------------------------------------------------------------------------------------------- cases

const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const
const positive = (shape: readonly number[]) => ({ ...f32(shape), low: 0.25, high: 2 }) as const

const SHAPES = [
  { name: "images", x: [2, 3, 4, 5] },
  { name: "one image", x: [1, 4, 3, 3] },
  { name: "sequences", x: [2, 3, 7] },
  { name: "vectors", x: [6, 4] },
]

const trainingSkip: OpCase["skip"] = {
  onnx: "batch statistics are part of training only",
  tfjs: "tfjs has no batch normalisation that takes its own statistics",
}

// --------------------------------------------------------------------------------------------------------- records

const inference: OpDefinition = {
  family: "normalisation",
  doc:
    "Batch normalisation with running statistics: (x - mean) / sqrt(variance + epsilon) * gain + bias, per channel, as " +
    "PyTorch's torch.nn.functional.batch_norm (Ioffe and Szegedy 2015). A training program takes the statistics of the " +
    "batch instead, outside frozen sections, and moves the running ones towards them by `momentum`.",
  inputs: [
    xSpec,
    perChannel("gain", "factor"),
    perChannel("bias", "summand"),
    perChannel("mean", "running mean"),
    perChannel("variance", "running variance"),
  ],
  attributes: {
    epsilon: EPSILON,
    momentum: {
      type: "float",
      default: 0.1,
      doc: "weight of the batch in the running statistics (PyTorch's sense); has no effect on the result",
    },
  },
  infer: (context) => {
    const type = expectData(context, 0)
    expectPerChannel(context, 0, [1, 2, 3, 4])
    expectEpsilon(context)
    expectMomentum(context)
    return [type]
  },
  gradient: inferenceGradient,
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "mixed", inputs: [0], outputs: [0] },
  tensorflow: lowerInference,
  onnx: (context) =>
    context.node("BatchNormalization", context.inputs, {
      epsilon: { float: numberAttribute(context.attributes, "epsilon") },
    }),
  reference: ([x, gain, bias, mean, variance], attributes) => [
    normalise(x!, gain!, bias!, mean!, variance!, numberAttribute(attributes, "epsilon")),
  ],
  cases: [
    ...SHAPES.map(({ name, x }) => ({
      name,
      inputs: [f32(x), f32([x[1]!]), f32([x[1]!]), f32([x[1]!]), positive([x[1]!])],
    })),
    {
      name: "large epsilon",
      inputs: [f32([2, 3, 2, 2]), f32([3]), f32([3]), f32([3]), positive([3])],
      attributes: { epsilon: 0.1 },
    },
  ],
}

const training: OpDefinition = {
  family: "normalisation",
  doc:
    "Batch normalisation with the statistics of the batch, over all axes but the channels. Besides the result it gives " +
    "mean and unbiased variance (what PyTorch moves the running statistics towards), and two tensors for the gradient's " +
    "kernel alone: on CPUs mean and biased variance, on GPUs whatever cuDNN keeps.",
  internal: true,
  inputs: [xSpec, perChannel("gain", "factor"), perChannel("bias", "summand")],
  attributes: { epsilon: EPSILON },
  infer: (context) => {
    const type = expectData(context, 0)
    expectPerChannel(context, 0, [1, 2])
    expectEpsilon(context)
    const count = product(otherAxes(type.shape.length).map((axis) => type.shape[axis]!))
    if (asConstant(count) === 1) {
      context.fail({
        kind: "other",
        message: "batch normalisation in training needs more than one value per channel",
        hint: "use a larger batch, or another normalisation",
      })
    }
    const vector: TensorType = { dtype: "f32", shape: [type.shape[1]!] }
    return [type, vector, vector, vector, vector]
  },
  gradient: ({ gradients, inputs: [x, gain], outputs: [, , , mean, variance], attributes, all, needs }) => {
    const [dy, ...ofStatistics] = gradients
    if (dy === undefined || ofStatistics.some((gradient) => gradient !== undefined)) {
      throw new Error("the statistics that batch_norm_training gives have no gradient; only its result has")
    }
    const result = all("batch_norm_training_gradient", [dy, x!, gain!, mean!, variance!], attributes)
    return result.map((gradient, input) => (needs[input] ? gradient : undefined))
  },
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "mixed", inputs: [0], outputs: [0] },
  tensorflow: lowerTraining,
  onnx: () => {
    throw new NotInInference("batch_norm_training")
  },
  reference: ([x, gain, bias], attributes) => {
    const { mean, variance } = statistics(x!)
    const y = normalise(x!, gain!, bias!, mean, variance, numberAttribute(attributes, "epsilon"))
    const unbiased = mapped(variance, (value) => value * besselFactor(countOf(x!)))
    return [y, mean, unbiased, mean, variance]
  },
  cases: SHAPES.map(({ name, x }) => ({
    name,
    inputs: [f32(x), f32([x[1]!]), f32([x[1]!])],
    skip: {
      ...trainingSkip,
      gradient: "its statistics have no gradient; that of its result is checked against PyTorch's",
    },
  })),
}

const trainingGradient: OpDefinition = {
  family: "normalisation",
  doc: "The gradient of batch_norm_training by data, gain and bias; the statistics are functions of the data.",
  internal: true,
  inputs: [
    { name: "dy", dtypes: ["f32"], doc: "gradient by the result" },
    xSpec,
    perChannel("gain", "factor"),
    perChannel("saved_mean", "output 3 of batch_norm_training"),
    perChannel("saved_variance", "output 4 of batch_norm_training"),
  ],
  attributes: { epsilon: EPSILON },
  infer: (context) => {
    const type = expectData(context, 1)
    const dy = context.inputs[0]!.shape
    if (dy.length !== type.shape.length) {
      context.fail({ kind: "rank", input: 0, expected: `${type.shape.length} axes, as x` })
    }
    dy.forEach((dim, axis) => {
      if (context.same(dim, type.shape[axis]!)) return
      context.fail({
        kind: "dims-differ",
        left: { input: 0, axis },
        right: { input: 1, axis },
        what: "the gradient has the shape of the data",
      })
    })
    expectPerChannel(context, 1, [2, 3, 4])
    return [type, context.inputs[2]!, context.inputs[2]!]
  },
  gradient: { none: "second derivatives are not supported" },
  cost: free,
  layout: { kind: "spatial", inputs: [0, 1], outputs: [0] },
  precision: { kind: "mixed", inputs: [0, 1], outputs: [0] },
  tensorflow: lowerTrainingGradient,
  onnx: () => {
    throw new NotInInference("batch_norm_training_gradient")
  },
  reference: ([dy, x, gain, mean, variance], attributes) =>
    normaliseGradient(dy!, x!, gain!, mean!, variance!, numberAttribute(attributes, "epsilon")),
  cases: SHAPES.map(({ name, x }) => ({
    name,
    inputs: [f32(x), f32(x), f32([x[1]!]), f32([x[1]!]), positive([x[1]!])],
    skip: { ...trainingSkip, tensorflow: "the kernel needs what its forward node kept; checked together with it" },
  })),
}

/** The records of batch normalisation, for the registry. */
export const normalisation = {
  batch_norm: inference,
  batch_norm_training: training,
  batch_norm_training_gradient: trainingGradient,
}
