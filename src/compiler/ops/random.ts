/**
 * Random tensors, dropout and the gradient stop: what tells the training program from the inference program.
 *
 * Random ops are counter-based: what they give depends on (seed of the run, key, step) and on nothing else, so inserting
 * a line changes no other line's numbers. In the inference program nothing is random.
 */

import { constant as size } from "../ir/dims.js"
import type { InferContext, OpDefinition, ReferenceRandom, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import { sizeOf } from "./ndarray.js"
import { NotInInference } from "./not-in-inference.js"
import { numberAttribute, stringAttribute } from "./shapes.js"
import { dimList } from "./sized-attributes.js"

const KEY = { type: "string", doc: "what the numbers are keyed by, besides the run's seed and the step" } as const

const TRAINING_ONLY = "random ops stand in training programs only"

interface RandomParts {
  readonly name: string
  readonly doc: string
  readonly tensorflow: string
  /** names, documentation and defaults of the attributes that shift and stretch the standard numbers */
  readonly location: { readonly name: string; readonly doc: string; readonly default: number }
  readonly spread: { readonly name: string; readonly doc: string; readonly default: number }
  /** what the standard numbers are multiplied by */
  readonly scale: (location: number, spread: number) => number
  readonly draw: (random: ReferenceRandom, key: string, count: number) => Float64Array
  readonly check: (location: number, spread: number) => string | undefined
}

function randomOp(parts: RandomParts): OpDefinition {
  const { location, spread } = parts
  const shift = (attributes: InferContext["attributes"]): { offset: number; scale: number } => {
    const offset = numberAttribute(attributes, location.name)
    return { offset, scale: parts.scale(offset, numberAttribute(attributes, spread.name)) }
  }
  return {
    family: "random",
    doc: parts.doc,
    inputs: [],
    attributes: {
      shape: { type: "dims", doc: "shape of the result" },
      key: KEY,
      [location.name]: { type: "float", doc: location.doc, default: location.default },
      [spread.name]: { type: "float", doc: spread.doc, default: spread.default },
    },
    infer: ({ attributes, fail }) => {
      const from = numberAttribute(attributes, location.name)
      const problem = parts.check(from, numberAttribute(attributes, spread.name))
      if (problem !== undefined) fail({ kind: "attribute", name: spread.name, message: problem })
      return [{ dtype: "f32", shape: dimList(attributes, "shape") }]
    },
    gradient: { none: "random numbers depend on nothing" },
    cost: free,
    layout: { kind: "fixed" },
    precision: { kind: "full" },
    tensorflow: (context) => {
      const { offset, scale } = shift(context.attributes)
      return [rescale(context, standardNumbers(context, parts.tensorflow), scale, offset)]
    },
    onnx: () => {
      throw new NotInInference(parts.name)
    },
    reference: (_inputs, attributes, [type], random) => {
      const { offset, scale } = shift(attributes)
      const numbers = parts.draw(random, stringAttribute(attributes, "key"), sizeOf(type!.shape))
      return [{ shape: type!.shape, data: numbers.map((value) => value * scale + offset) }]
    },
    cases: [
      { name: "standard", inputs: [], attributes: { shape: [size(7)], key: "a" }, skip: { onnx: TRAINING_ONLY } },
      {
        name: "shifted and stretched",
        inputs: [],
        attributes: { shape: [2, 3, 5].map(size), key: "vision.mask", [location.name]: -0.5, [spread.name]: 2 },
        skip: { onnx: TRAINING_ONLY },
      },
    ],
  }
}

function standardNumbers(context: TensorFlowContext, op: string): string {
  const shape = context.ints(context.outputTypes[0]!.shape)
  return context.node(op, [shape, context.seed(stringAttribute(context.attributes, "key"))], {
    dtype: context.type("f32"),
    T: context.type("i32"),
    Tseed: { type: "DT_INT64" },
  })
}

function rescale(context: TensorFlowContext, numbers: string, scale: number, offset: number): string {
  const T = context.type("f32")
  const stretched = scale === 1 ? numbers : context.node("Mul", [numbers, context.constant("f32", [], [scale])], { T })
  return offset === 0 ? stretched : context.node("AddV2", [stretched, context.constant("f32", [], [offset])], { T })
}

const dropout: OpDefinition = {
  family: "random",
  doc:
    "Zeroes each element with probability `rate` and divides the others by 1 - rate, as `torch.nn.Dropout`, while " +
    "training; the identity in inference. What stands here is the inference form: a pass writes the training form out " +
    "(random_uniform, a comparison, a product) before that program is differentiated or lowered.",
  inputs: [{ name: "x", dtypes: ["f32"], doc: "operand, of any shape" }],
  attributes: { rate: { type: "float", doc: "probability of a zero, in [0, 1)" }, key: KEY },
  infer: ({ inputs, attributes, fail }) => {
    const rate = numberAttribute(attributes, "rate")
    if (!(rate >= 0 && rate < 1)) {
      fail({ kind: "attribute", name: "rate", message: `${rate} is not in [0, 1)`, hint: "1 would drop everything" })
    }
    return [inputs[0]!]
  },
  gradient: { none: "dropout is written out by a pass before a program is differentiated" },
  cost: free,
  layout: { kind: "elementwise" },
  precision: { kind: "follows" },
  tensorflow: (context) => [context.inputs[0]!],
  onnx: (context) => [context.inputs[0]!],
  reference: ([x]) => [x!],
  cases: [
    { name: "inference form", inputs: [{ dtype: "f32", shape: [2, 3] }], attributes: { rate: 0.5, key: "drop" } },
  ],
}

const stopGradient: OpDefinition = {
  family: "control of gradients",
  doc: "The operand itself, through which no gradient flows, as `torch.Tensor.detach`.",
  inputs: [{ name: "x", dtypes: ["f32", "i32", "bool"], doc: "operand, of any shape" }],
  attributes: {},
  infer: ({ inputs }) => [inputs[0]!],
  gradient: () => [undefined],
  cost: free,
  layout: { kind: "elementwise" },
  precision: { kind: "follows" },
  tensorflow: (context) => [context.inputs[0]!],
  onnx: (context) => [context.inputs[0]!],
  reference: ([x]) => [x!],
  cases: [{ name: "matrix", inputs: [{ dtype: "f32", shape: [2, 3] }] }],
}

export const random = {
  random_uniform: randomOp({
    name: "random_uniform",
    doc: "Uniform random numbers in [low, high), from Philox4x32-10 as `tf.random.stateless_uniform` draws them.",
    tensorflow: "StatelessRandomUniform",
    location: { name: "low", doc: "lower bound, included", default: 0 },
    spread: { name: "high", doc: "upper bound, excluded", default: 1 },
    scale: (low, high) => high - low,
    draw: (source, key, count) => source.uniform(key, count),
    check: (low, high) => (high > low ? undefined : `the upper bound ${high} is not above the lower bound ${low}`),
  }),
  random_normal: randomOp({
    name: "random_normal",
    doc: "Normal random numbers, from Philox4x32-10 as `tf.random.stateless_normal` draws them.",
    tensorflow: "StatelessRandomNormal",
    location: { name: "mean", doc: "mean", default: 0 },
    spread: { name: "deviation", doc: "standard deviation", default: 1 },
    scale: (_mean, deviation) => deviation,
    draw: (source, key, count) => source.normal(key, count),
    check: (_mean, deviation) => (deviation >= 0 ? undefined : `the standard deviation ${deviation} is negative`),
  }),
  dropout,
  stop_gradient: stopGradient,
} satisfies Record<string, OpDefinition>
