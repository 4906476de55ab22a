/**
 * A small segmentation network with everything that layout and training have to get right: strided and 1x1
 * convolutions, batch normalisation with running statistics, dropout by a keyed random mask, pooling, upsampling,
 * a skip connection, and image tokens that meet a text vector.
 *
 * Gives the three programs of a trainer, and a float64 trainer (reference interpreter and Adam in TypeScript) to compare
 * with.
 */

import { differentiate } from "../../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder, NOWHERE } from "../../../../src/compiler/ir/builder.js"
import { constant, multiply, symbol } from "../../../../src/compiler/ir/dims.js"
import type { Graph, Initializer, Parameter, ValueId } from "../../../../src/compiler/ir/graph.js"
import { fromValues, sizeOf, type NdArray } from "../../../../src/compiler/ops/ndarray.js"
import { interpret } from "../../../../src/compiler/targets/reference/interpret.js"
import { statelessRandom } from "../../../../src/compiler/targets/reference/random.js"
import type { SavedModelSpec } from "../../../../src/compiler/targets/tensorflow/saved-model.js"
import type { RateSpec } from "../../../../src/compiler/targets/tensorflow/schedule.js"
import type { UpdateSpec } from "../../../../src/compiler/targets/tensorflow/update.js"
import type { Feeds } from "../../../../src/runtime/session.js"
import { seededUniform } from "../../ops/case-values.js"
import { hostTensor } from "./case-model.js"

export const BATCH = 2
export const SIZE = 8
export const ADAM = { kind: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 } as const
export const SGD = { kind: "sgd", momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 } as const
/** What the steps of these tests use. */
export const RATE = 0.01

/** A rate that never changes. */
export const constantRate = (rate: number): RateSpec => ({ rate, schedule: { kind: "constant" }, per: "epoch" })

const WIDTH = 4
const TEXT = 3

interface Network {
  readonly builder: GraphBuilder
  readonly outputs: { readonly name: string; readonly value: ValueId }[]
  readonly losses: { readonly name: string; readonly value: ValueId }[]
  readonly updates: { readonly parameter: string; readonly value: ValueId }[]
  readonly total: ValueId
}

function network(training: boolean): Network {
  const builder = new GraphBuilder(
    new Map([
      ["H", SIZE],
      ["W", SIZE],
    ]),
  )
  const { op } = builder
  const [N, H, W] = [symbol("N"), symbol("H"), symbol("W")]
  const updates: Network["updates"][number][] = []
  const at = (scope: string): void => {
    const section = scope.split(".")[0]!
    builder.setOrigin({ ...NOWHERE, section, scope })
  }
  const parameter = (name: string, shape: number[], initializer: Initializer, role: "param" | "state" = "param") =>
    builder.parameter({ name, role, shape, dtype: "f32", initializer, section: name.split(".")[0]!, frozen: false })
  const uniform = (bound: number): Initializer => ({ kind: "uniform", low: -bound, high: bound })
  const filled = (value: number): Initializer => ({ kind: "constant", value })

  const image = builder.input("image", { dtype: "f32", shape: [N, constant(3), H, W] }, "input")
  const note = builder.input("note", { dtype: "f32", shape: [N, constant(TEXT)] }, "input")
  const mask = builder.input("mask", { dtype: "f32", shape: [N, constant(1), H, W] }, "target")

  /** Without a bias in front of a normalisation, where it would have no effect and a gradient of pure rounding noise. */
  const conv = (name: string, x: ValueId, from: number, to: number, kernel: number, biased = false): ValueId => {
    at(name)
    const bound = 1 / Math.sqrt(from * kernel * kernel)
    const weight = parameter(`${name}.weight`, [to, from, kernel, kernel], uniform(bound))
    const padding = [(kernel - 1) / 2, (kernel - 1) / 2]
    const y = op("conv2d", [x, weight], { padding })
    if (!biased) return y
    const bias = parameter(`${name}.bias`, [to], uniform(0.1))
    return op("add", [y, op("reshape", [bias], { shape: [1, to, 1, 1].map(constant) })])
  }
  const norm = (name: string, x: ValueId): ValueId => {
    at(name)
    const gain = parameter(`${name}.gain`, [WIDTH], filled(1))
    const bias = parameter(`${name}.bias`, [WIDTH], filled(0))
    const mean = parameter(`${name}.mean`, [WIDTH], filled(0), "state")
    const variance = parameter(`${name}.variance`, [WIDTH], filled(1), "state")
    if (!training) return op("batch_norm", [x, gain, bias, mean, variance])
    const [y, batchMean, batchVariance] = builder.all("batch_norm_training", [x, gain, bias])
    const running = (old: ValueId, now: ValueId): ValueId =>
      op("add", [op("mul", [old, builder.scalar(0.9)]), op("mul", [now, builder.scalar(0.1)])])
    updates.push({ parameter: `${name}.mean`, value: running(mean, batchMean!) })
    updates.push({ parameter: `${name}.variance`, value: running(variance, batchVariance!) })
    return y!
  }

  const first = op("relu", [norm("vision.down1.norm", conv("vision.down1.conv", image, 3, WIDTH, 3))])
  at("vision.pool")
  const pooled = op("max_pool2d", [first], { kernel: [2, 2], stride: [2, 2] })
  const second = op("relu", [norm("vision.down2.norm", conv("vision.down2.conv", pooled, WIDTH, WIDTH, 3))])

  at("interaction.drop")
  let dropped = second
  if (training) {
    const drawn = op("random_uniform", [], { shape: builder.typeOf(second).shape, key: "interaction.drop" })
    const kept = op("cast", [op("greater_equal", [drawn, builder.scalar(0.25)])], { to: "f32" })
    dropped = op("mul", [second, op("mul", [kept, builder.scalar(1 / 0.75)])])
  }
  at("interaction.attend")
  const cells = multiply(constant(SIZE / 2), constant(SIZE / 2))
  const flat = op("reshape", [dropped], { shape: [N, constant(WIDTH), cells] })
  const tokens = op("transpose", [flat], { perm: [0, 2, 1] })
  const project = parameter("interaction.project", [WIDTH, TEXT], uniform(0.5))
  const query = op("matmul", [note, project], { transpose_b: true })
  const column = op("reshape", [query], { shape: [N, constant(WIDTH), constant(1)] })
  const scores = op("softmax", [op("matmul", [tokens, column])], { axis: 1 })
  const attended = op("mul", [tokens, op("add", [scores, builder.scalar(1)])])
  const grid = op("reshape", [op("transpose", [attended], { perm: [0, 2, 1] })], {
    shape: [N, constant(WIDTH), constant(SIZE / 2), constant(SIZE / 2)],
  })

  at("decoder.up")
  const up = op("upsample_bilinear2d", [grid], { scale: 2 })
  const joined = op("concat", [up, first], { axis: 1 })
  const hidden = op("relu", [norm("decoder.norm", conv("decoder.conv", joined, 2 * WIDTH, WIDTH, 3))])
  const probability = op("sigmoid", [conv("decoder.head", hidden, WIDTH, 1, 1, true)])

  at("segmentation")
  const bce = op("mean", [op("binary_cross_entropy", [probability, mask])])
  at("sparsity")
  const sparse = op("mul", [op("mean", [op("square", [op("mean", [grid], { axes: [2, 3] })])]), builder.scalar(0.1)])
  const total = op("add", [bce, sparse])
  return {
    builder,
    outputs: [
      { name: "probability", value: probability },
      { name: "poi", value: scores },
    ],
    losses: [
      { name: "segmentation", value: bce },
      { name: "sparsity", value: sparse },
    ],
    updates,
    total,
  }
}

/** The training graph with its gradients, apart from the specification that names them. */
export interface SmallNetwork {
  readonly graph: Graph
  readonly parameters: readonly Parameter[]
  readonly spec: SavedModelSpec & { readonly train: NonNullable<SavedModelSpec["train"]> }
}

export function smallNetwork(update: Partial<UpdateSpec> = {}): SmallNetwork {
  const train = network(true)
  const inference = network(false)
  const { parameters } = train.builder.finish()
  const trainable = parameters.filter((parameter) => parameter.role === "param")
  const found = differentiate(
    train.builder,
    train.total,
    trainable.map((parameter) => parameter.value),
  )
  const gradients = trainable.map(({ name }, index) => ({ parameter: name, value: found[index]! }))
  const graph = train.builder.finish()
  const { losses, total, updates } = train
  return {
    graph,
    parameters,
    spec: {
      parameters,
      train: {
        graph,
        batch: BATCH,
        outputs: [],
        losses,
        total,
        gradients,
        updates,
        update: { optimizer: ADAM, rate: constantRate(RATE), ...update },
      },
      evaluate: {
        graph: inference.builder.finish(),
        batch: BATCH,
        outputs: inference.outputs,
        losses: inference.losses,
      },
      predict: { graph: inference.builder.finish(), batch: BATCH, outputs: inference.outputs },
    },
  }
}

/** The numbers of batch `index`; an input by name. */
export function batch(index: number): Record<"image" | "note" | "mask", NdArray> {
  const draw = (name: string, shape: number[], map: (u: number) => number): NdArray => {
    const uniform = seededUniform(`batch ${index} ${name}`)
    return fromValues(
      shape,
      Array.from({ length: sizeOf(shape) }, () => Math.fround(map(uniform()))),
    )
  }
  return {
    image: draw("image", [BATCH, 3, SIZE, SIZE], (u) => 2 * u - 1),
    note: draw("note", [BATCH, TEXT], (u) => 2 * u - 1),
    mask: draw("mask", [BATCH, 1, SIZE, SIZE], (u) => (u < 0.3 ? 1 : 0)),
  }
}

export function feedsOf(arrays: Readonly<Record<string, NdArray>>): Feeds {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, hostTensor("f32", array)]))
}

/** The value that `init` gives a parameter. */
export function initialValue({ name, shape, initializer }: Parameter, seed: number): NdArray {
  const count = sizeOf(shape)
  const random = statelessRandom(seed, 0)
  switch (initializer.kind) {
    case "constant":
      return fromValues(shape, new Float64Array(count).fill(initializer.value))
    case "uniform": {
      const { low, high } = initializer
      return fromValues(
        shape,
        random.uniform(`init:${name}`, count).map((u) => Math.fround(low + u * (high - low))),
      )
    }
    case "normal": {
      const { mean, deviation } = initializer
      return fromValues(
        shape,
        random.normal(`init:${name}`, count).map((z) => Math.fround(mean + deviation * z)),
      )
    }
    case "values":
      return fromValues(shape, initializer.values)
    case "loaded":
      throw new Error(`${name} stands in a file, and this network has no such constant`)
  }
}

/** torch.optim.Adam in float64: one step in place. `t` counts from 1. */
export function adamStep(
  parameter: Float64Array,
  gradient: Float64Array,
  slots: { readonly m: Float64Array; readonly v: Float64Array },
  t: number,
  rate: number,
): void {
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]!
    slots.m[i] = ADAM.beta1 * slots.m[i]! + (1 - ADAM.beta1) * g
    slots.v[i] = ADAM.beta2 * slots.v[i]! + (1 - ADAM.beta2) * g * g
    const first = slots.m[i]! / (1 - ADAM.beta1 ** t)
    const second = slots.v[i]! / (1 - ADAM.beta2 ** t)
    parameter[i]! -= (rate * first) / (Math.sqrt(second) + ADAM.epsilon)
  }
}

/** Trains with the reference interpreter, in float64. */
export class ReferenceTrainer {
  readonly values = new Map<string, NdArray>()
  private readonly slots = new Map<string, { m: Float64Array; v: Float64Array }>()
  private steps = 0

  constructor(
    private readonly net: SmallNetwork,
    private readonly seed: number,
  ) {
    for (const parameter of net.parameters) this.values.set(parameter.name, initialValue(parameter, seed))
  }

  step(inputs: Readonly<Record<string, NdArray>>, rate: number): Record<string, number> {
    const { graph, spec } = this.net
    const { losses, total, gradients, updates } = spec.train
    const t = ++this.steps
    const feeds = new Map<ValueId, NdArray>([
      ...graph.inputs.map((input) => [input.value, inputs[input.name]!] as const),
      ...graph.parameters.map((parameter) => [parameter.value, this.values.get(parameter.name)!] as const),
    ])
    const wanted = [...losses.map((loss) => loss.value), total, ...[...gradients, ...updates].map((g) => g.value)]
    const sizes = new Map([...graph.sizes, ["N", BATCH]])
    const results = interpret(graph, wanted, feeds, { sizes, seed: this.seed, step: t })
    let square = 0
    gradients.forEach(({ parameter }, index) => {
      const gradient = results[losses.length + 1 + index]!.data
      const { data, shape } = this.values.get(parameter)!
      const slots = this.slots.get(parameter) ?? { m: new Float64Array(data.length), v: new Float64Array(data.length) }
      this.slots.set(parameter, slots)
      const next = data.slice()
      adamStep(next, gradient, slots, t, rate)
      this.values.set(parameter, { shape, data: next })
      for (const g of gradient) square += g * g
    })
    updates.forEach(({ parameter }, index) => {
      this.values.set(parameter, results[losses.length + 1 + gradients.length + index]!)
    })
    return {
      ...Object.fromEntries(losses.map(({ name }, index) => [name, results[index]!.data[0]!])),
      total: results[losses.length]!.data[0]!,
      step: t,
      learning_rate: Math.fround(rate),
      gradient_norm: Math.sqrt(square),
    }
  }
}
