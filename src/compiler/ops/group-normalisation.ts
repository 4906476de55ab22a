/**
 * Group normalisation, and instance normalisation as the case of one channel for each group.
 *
 * Takes data with channels on axis 1. The result is written as x * scale + shift with one scale and shift for each image
 * and channel, and the gradient likewise from sums over the pixels: two and seven passes over the data, where the
 * definition written out and differentiated op by op has twice as many. PyTorch's CPU kernels do the same.
 */

import { asConstant, constant, multiply, product } from "../ir/dims.js"
import type { TensorType } from "../ir/graph.js"
import type {
  ConcreteType,
  InferContext,
  OpCase,
  OpDefinition,
  TensorFlowAttribute,
  TensorFlowContext,
} from "./definition.js"
import { free } from "./definition.js"
import { build, sizeOf, zeros, type NdArray } from "./ndarray.js"
import { asImage, EPSILON, expectData, expectEpsilon, expectPerChannel, fromImage, xSpec } from "./normalisation.js"
import { NotInInference } from "./not-in-inference.js"
import { numberAttribute } from "./shapes.js"
import { reshape } from "./tensorflow-movement.js"

const GROUPS = { type: "int", doc: "groups of consecutive channels, each normalised by itself" } as const
const gain = { name: "gain", dtypes: ["f32"], doc: "factor, [C]" } as const

function checkGroups(context: InferContext, data: number): TensorType {
  const type = expectData(context, data)
  const groups = numberAttribute(context.attributes, "groups")
  if (!Number.isInteger(groups) || groups < 1) {
    context.fail({ kind: "attribute", name: "groups", message: `${groups} is no number of groups` })
  }
  const channels = asConstant(type.shape[1]!)
  if (channels !== undefined && channels % groups !== 0) {
    context.fail({
      kind: "not-divisible",
      input: data,
      axis: 1,
      by: groups,
      what: "the channels are divided into groups of equal size",
    })
  }
  const rest = product(type.shape.slice(2))
  if (channels === groups && asConstant(rest) === 1) {
    context.fail({ kind: "other", message: "one value alone cannot be normalised", hint: "use fewer groups" })
  }
  expectEpsilon(context)
  return type
}

// ---------------------------------------------------------------------------------------------------------- TensorFlow

/** Short names for the ops of a lowering, and the data as [N, pixels, C] in f32. */
class Lowering {
  readonly batch: number
  readonly pixels: number
  readonly channels: number
  readonly groups: number
  private readonly T: TensorFlowAttribute

  constructor(
    private readonly context: TensorFlowContext,
    /** the data as they lie in TensorFlow */
    private readonly type: ConcreteType,
  ) {
    const { shape } = type
    this.T = context.type("f32")
    this.batch = shape[0]!
    this.channels = shape.length === 4 ? shape[3]! : shape[1]!
    this.pixels = sizeOf(shape) / (this.batch * this.channels)
    this.groups = numberAttribute(context.attributes, "groups")
  }

  op(name: string, ...operands: readonly string[]): string {
    return this.context.node(name, operands, { T: this.T })
  }

  number(value: number): string {
    return this.context.constant("f32", [], [value])
  }

  reduced(name: "Sum" | "Mean", value: string, axis: number, keep = true): string {
    const attributes = { T: this.T, Tidx: this.context.type("i32"), keep_dims: { b: keep } }
    return this.context.node(name, [value, this.context.ints([axis])], attributes)
  }

  shaped(value: string, shape: readonly number[]): string {
    return reshape(this.context, value, shape, "f32")
  }

  /** An operand as [N, pixels, C]. */
  data(input: number): string {
    const { context } = this
    const image = asImage(context, context.inputs[input]!, context.inputTypes[input]!.shape)
    const wide =
      context.inputTypes[input]!.dtype === "bf16"
        ? context.node("Cast", [image], { SrcT: context.type("bf16"), DstT: this.T })
        : image
    return this.shaped(wide, [this.batch, this.pixels, this.channels])
  }

  /** [N, pixels, C] as the result has it. */
  result(value: string): string {
    const { context, type } = this
    const narrow =
      context.outputTypes[0]!.dtype === "bf16"
        ? context.node("Cast", [value], { SrcT: this.T, DstT: context.type("bf16") })
        : value
    const { shape } = type
    const image = shape.length === 4 ? shape : [this.batch, 1, this.pixels, this.channels]
    return fromImage(context, reshape(context, narrow, image), shape)
  }

  /** [N, 1, C] as its mean or sum over each group, for each channel again. */
  perGroup(name: "Sum" | "Mean", value: string): string {
    const size = this.channels / this.groups
    if (size === 1) return value
    const grouped = this.reduced(name, this.shaped(value, [this.batch, this.groups, size]), 2)
    const shape = this.context.ints([this.batch, this.groups, size])
    const attributes = { T: this.T, Tidx: this.context.type("i32") }
    const spread = this.context.node("BroadcastTo", [grouped, shape], attributes)
    return this.shaped(spread, [this.batch, 1, this.channels])
  }

  /** Mean, and reciprocal of the standard deviation, of each group, [N, 1, C]. */
  statistics(x: string): { mean: string; inverse: string } {
    const mean = this.perGroup("Mean", this.reduced("Mean", x, 1))
    const squares = this.op("SquaredDifference", x, mean)
    const variance = this.perGroup("Mean", this.reduced("Mean", squares, 1))
    const epsilon = this.number(numberAttribute(this.context.attributes, "epsilon"))
    return { mean, inverse: this.op("Rsqrt", this.op("AddV2", variance, epsilon)) }
  }
}

function lowerForward(context: TensorFlowContext): readonly string[] {
  const l = new Lowering(context, context.inputTypes[0]!)
  const x = l.data(0)
  const { mean, inverse } = l.statistics(x)
  const scale = l.op("Mul", inverse, context.inputs[1]!)
  const shift = l.op("Sub", context.inputs[2]!, l.op("Mul", mean, scale))
  return [l.result(l.op("AddV2", l.op("Mul", x, scale), shift))]
}

/**
 * With r = 1 / deviation, h = (x - mean) r and M elements in a group: dx = r (gain dy - mean(gain dy) - h mean(gain dy h)),
 * multiplied out so that only sums of dy and dy * x over the pixels are needed.
 */
function lowerGradient(context: TensorFlowContext): readonly string[] {
  const l = new Lowering(context, context.inputTypes[1]!)
  const [dy, x, factor] = [l.data(0), l.data(1), context.inputs[2]!]
  const { mean, inverse } = l.statistics(x)
  const sumDy = l.reduced("Sum", dy, 1)
  const sumDyNormal = l.op(
    "Mul",
    inverse,
    l.op("Sub", l.reduced("Sum", l.op("Mul", dy, x), 1), l.op("Mul", mean, sumDy)),
  )
  const share = l.number(1 / ((l.pixels * l.channels) / l.groups))
  const ofGroup = (perChannel: string): string => l.op("Mul", l.perGroup("Sum", l.op("Mul", perChannel, factor)), share)
  const slope = l.op("Neg", l.op("Mul", l.op("Square", inverse), ofGroup(sumDyNormal)))
  const offset = l.op("Neg", l.op("AddV2", l.op("Mul", mean, slope), l.op("Mul", inverse, ofGroup(sumDy))))
  const direct = l.op("Mul", dy, l.op("Mul", inverse, factor))
  const dx = l.op("AddV2", l.op("AddV2", direct, l.op("Mul", x, slope)), offset)
  const perChannel = (value: string): string => l.shaped(l.reduced("Sum", value, 0), [l.channels])
  return [l.result(dx), perChannel(sumDyNormal), perChannel(sumDy)]
}

// ----------------------------------------------------------------------------------------------------------- reference

/** (x - mean) / deviation of each group, and the reciprocal of the deviation. */
function normalised(x: NdArray, groups: number, epsilon: number): { normal: NdArray; inverse: Float64Array } {
  const size = x.data.length / (x.shape[0]! * groups)
  const normal = zeros(x.shape)
  const inverse = new Float64Array(x.shape[0]! * groups)
  inverse.forEach((_, group) => {
    const values = x.data.subarray(group * size, (group + 1) * size)
    const mean = values.reduce((a, b) => a + b, 0) / size
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size
    inverse[group] = 1 / Math.sqrt(variance + epsilon)
    values.forEach((value, i) => (normal.data[group * size + i] = (value - mean) * inverse[group]!))
  })
  return { normal, inverse }
}

function gradientReference(dy: NdArray, x: NdArray, factor: NdArray, groups: number, epsilon: number): NdArray[] {
  const { normal, inverse } = normalised(x, groups, epsilon)
  const size = x.data.length / inverse.length
  const dGain = zeros(factor.shape)
  const dBias = zeros(factor.shape)
  const scaled = zeros(x.shape)
  let next = 0
  build(x.shape, (index) => {
    const offset = next++
    const c = index[1]!
    dGain.data[c]! += dy.data[offset]! * normal.data[offset]!
    dBias.data[c]! += dy.data[offset]!
    scaled.data[offset] = dy.data[offset]! * factor.data[c]!
    return 0
  })
  const dx = zeros(x.shape)
  inverse.forEach((reciprocal, group) => {
    const first = group * size
    const places = Array.from({ length: size }, (_, i) => first + i)
    const mean = places.reduce((sum, i) => sum + scaled.data[i]!, 0) / size
    const along = places.reduce((sum, i) => sum + scaled.data[i]! * normal.data[i]!, 0) / size
    for (const i of places) dx.data[i] = reciprocal * (scaled.data[i]! - mean - normal.data[i]! * along)
  })
  return [dx, dGain, dBias]
}

// ------------------------------------------------------------------------------------------------------------- records

const f32 = (shape: readonly number[], low = -1, high = 1) => ({ dtype: "f32", shape, low, high }) as const

const CASES = [
  { name: "images", x: [2, 6, 3, 4], groups: 3 },
  { name: "one group", x: [2, 3, 2, 3], groups: 1 },
  { name: "instances", x: [2, 3, 4, 5], groups: 3 },
  { name: "sequences", x: [2, 4, 7], groups: 2 },
  { name: "instances of sequences", x: [2, 3, 5], groups: 3 },
  { name: "vectors", x: [3, 8], groups: 2 },
]

const groupNorm: OpDefinition = {
  family: "normalisation",
  doc:
    "Normalises groups of channels of each image to mean 0 and variance 1 (the biased variance), then scales and shifts " +
    "each channel, as `torch.nn.functional.group_norm` (Wu and He 2018). With as many groups as channels it is instance " +
    "normalisation (Ulyanov et al. 2016).",
  inputs: [xSpec, gain, { name: "bias", dtypes: ["f32"], doc: "summand, [C]" }],
  attributes: { groups: GROUPS, epsilon: EPSILON },
  infer: (context) => {
    const type = checkGroups(context, 0)
    expectPerChannel(context, 0, [1, 2])
    return [type]
  },
  gradient: ({ gradients: [dy], inputs: [x, factor], attributes, all, needs }) =>
    all("group_norm_gradient", [dy!, x!, factor!], attributes).map((g, input) => (needs[input] ? g : undefined)),
  cost: free,
  layout: { kind: "spatial", inputs: [0], outputs: [0] },
  precision: { kind: "mixed", inputs: [0], outputs: [0] },
  tensorflow: lowerForward,
  onnx: (context) => {
    const [x, factor, summand] = context.inputs as [string, string, string]
    const { shape } = context.inputTypes[0]!
    const groups = numberAttribute(context.attributes, "groups")
    const epsilon = { epsilon: { float: numberAttribute(context.attributes, "epsilon") } }
    if (context.size(shape[1]!) === groups) return context.node("InstanceNormalization", [x, factor, summand], epsilon)
    const perGroup = multiply(product(shape.slice(2)), constant(context.size(shape[1]!) / groups))
    const grouped = [shape[0]!, constant(groups), perGroup]
    const [flat] = context.node("Reshape", [x, context.shape(grouped, "reshape")])
    const [ones, none] = [1, 0].map((value) => context.constant("f32", [groups], new Array<number>(groups).fill(value)))
    const normal = context.node("InstanceNormalization", [flat!, ones!, none!], epsilon)
    const [back] = context.node("Reshape", [normal[0]!, context.shape(shape, "reshape")])
    const axes = shape.slice(2).map((_, axis) => axis + 1)
    const spread = (vector: string): string =>
      axes.length === 0 ? vector : context.node("Unsqueeze", [vector, context.int64s(axes)])[0]!
    return context.node("Add", [context.node("Mul", [back!, spread(factor)])[0]!, spread(summand)])
  },
  reference: ([x, factor, summand], attributes) => {
    const { normal } = normalised(x!, numberAttribute(attributes, "groups"), numberAttribute(attributes, "epsilon"))
    let next = 0
    return [build(x!.shape, ([, c]) => normal.data[next++]! * factor!.data[c!]! + summand!.data[c!]!)]
  },
  cases: [
    ...CASES.map(({ name, x, groups }): OpCase => {
      return { name, inputs: [f32(x, -2, 2), f32([x[1]!], 0.5, 1.5), f32([x[1]!])], attributes: { groups } }
    }),
    {
      name: "far from 0, large epsilon",
      inputs: [f32([2, 4, 3, 3], 4, 6), f32([4]), f32([4])],
      attributes: { groups: 2, epsilon: 0.1 },
    },
  ],
}

const groupNormGradient: OpDefinition = {
  family: "normalisation",
  doc: "The gradient of group_norm by data, gain and bias; the statistics are computed again, which is cheap.",
  internal: true,
  inputs: [{ name: "dy", dtypes: ["f32"], doc: "gradient by the result" }, xSpec, gain],
  attributes: { groups: GROUPS, epsilon: EPSILON },
  infer: (context) => {
    const type = checkGroups(context, 1)
    expectPerChannel(context, 1, [2])
    return [type, context.inputs[2]!, context.inputs[2]!]
  },
  gradient: { none: "second derivatives are not supported" },
  cost: free,
  layout: { kind: "spatial", inputs: [0, 1], outputs: [0] },
  precision: { kind: "mixed", inputs: [0, 1], outputs: [0] },
  tensorflow: lowerGradient,
  onnx: () => {
    throw new NotInInference("group_norm_gradient")
  },
  reference: ([dy, x, factor], attributes) =>
    gradientReference(dy!, x!, factor!, numberAttribute(attributes, "groups"), numberAttribute(attributes, "epsilon")),
  cases: CASES.map(({ name, x, groups }) => ({
    name,
    inputs: [f32(x), f32(x, -2, 2), f32([x[1]!], 0.5, 1.5)],
    attributes: { groups },
    skip: { onnx: "gradients are part of training only", tfjs: "covered by the gradient of group_norm" },
  })),
}

/** The records, for the registry. */
export const groupNormalisation = {
  group_norm: groupNorm,
  group_norm_gradient: groupNormGradient,
} satisfies Record<string, OpDefinition>
