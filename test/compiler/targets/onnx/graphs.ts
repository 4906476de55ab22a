/**
 * What the tests of the ONNX target share: opsets, tensors for the runtime, drawn parameters, a composite model by hand.
 */

import { expect } from "vitest"
import { constant, symbol, type Dim } from "../../../../src/compiler/ir/dims.js"
import { GraphBuilder } from "../../../../src/compiler/ir/builder.js"
import type { Graph, ValueId } from "../../../../src/compiler/ir/graph.js"
import { fromValues, sizeOf, type NdArray } from "../../../../src/compiler/ops/ndarray.js"
import type { ExportedModel } from "../../../../src/compiler/targets/onnx/export.js"
import type { ParameterValues } from "../../../../src/compiler/targets/onnx/plan.js"
import { interpret } from "../../../../src/compiler/targets/reference/interpret.js"
import { runOnnx, type RuntimeTensor } from "../../../../src/runtime/onnx/run.js"
import { seededUniform } from "../../ops/case-values.js"

export const OPSETS = [15, 16, 17, 18] as const

/** A reference array as a runtime is fed it. */
export function runtimeTensor(dtype: RuntimeTensor["dtype"], { shape, data }: NdArray): RuntimeTensor {
  switch (dtype) {
    case "f32":
      return { dtype, shape, data: Float32Array.from(data) }
    case "i32":
      return { dtype, shape, data: Int32Array.from(data) }
    case "i64":
      return { dtype, shape, data: BigInt64Array.from(data, BigInt) }
    case "bool":
      return { dtype, shape, data: Uint8Array.from(data) }
  }
}

/** f32 numbers in [low, high), the same for the same label. */
export function drawn(label: string, shape: readonly number[], low = -1, high = 1): NdArray {
  const uniform = seededUniform(label)
  return fromValues(
    shape,
    Array.from({ length: sizeOf(shape) }, () => Math.fround(low + uniform() * (high - low))),
  )
}

/** Values for every parameter of `graph`; those named `...variance` are positive. */
export function parameterValues(graph: Graph): ReadonlyMap<string, Float32Array> {
  return new Map(
    graph.parameters.map(({ name, shape }) => {
      const positive = name.endsWith("variance")
      return [name, Float32Array.from(drawn(name, shape, positive ? 0.5 : -0.5, positive ? 1.5 : 0.5).data)] as const
    }),
  )
}

/** A builder with the helpers that hand-made models are written with. */
export class ModelBuilder extends GraphBuilder {
  private section = ""

  /** Statements from here on are written at `scope`, as line `line` of a file. */
  at(scope: string, line: number): this {
    this.section = scope.split(".")[0]!
    const span = { file: "composite.mdl", start: line * 10, end: line * 10 + 9 }
    this.setOrigin({ span, section: this.section, scope, chain: [] })
    return this
  }

  weight(name: string, shape: number[], role: "param" | "state" = "param"): ValueId {
    return this.parameter({
      name,
      role,
      shape,
      dtype: "f32",
      initializer: { kind: "constant", value: 0 },
      section: this.section,
      frozen: false,
    })
  }
}

const dims = (...sizes: (number | Dim)[]): Dim[] =>
  sizes.map((size) => (typeof size === "number" ? constant(size) : size))

/**
 * A small segmentation model with everything that real ones have: convolution with bias, batch normalisation, ReLU,
 * pooling, up-sampling, concatenation, tokens, attention over them with dropout, a folded constant. N stays open.
 */
export function compositeModel(): Graph {
  const [N, H, W] = [symbol("N"), 8, 12]
  const b = new ModelBuilder(new Map([["T", 5]]))
  const T = symbol("T")
  const image = b.input("image", { dtype: "f32", shape: dims(N, 3, H, W) }, "input", "RGB, scaled to [0, 1]")
  const note = b.input("note", { dtype: "f32", shape: dims(N, T, 8) }, "input")
  const valid = b.input("valid", { dtype: "bool", shape: dims(N, T) }, "input")
  const mask = b.input("mask", { dtype: "f32", shape: dims(N, 1, H, W) }, "target")

  b.at("vision.conv", 1)
  const bias = b.weight("vision.conv.bias", [8])
  const filtered = b.op("conv2d", [image, b.weight("vision.conv.weight", [8, 3, 3, 3])], { padding: [1, 1] })
  const biased = b.op("add", [filtered, b.op("reshape", [bias], { shape: dims(1, 8, 1, 1) })])
  b.at("vision.norm", 2)
  const statistics = [b.weight("vision.norm.mean", [8], "state"), b.weight("vision.norm.variance", [8], "state")]
  const affine = [b.weight("vision.norm.gain", [8]), b.weight("vision.norm.bias", [8])]
  const skip = b.op("relu", [b.op("batch_norm", [biased, ...affine, ...statistics])])
  b.at("vision.pool", 3)
  const pooled = b.op("max_pool2d", [skip], { kernel: [2, 2], stride: [2, 2] })

  b.at("fusion.tokens", 4)
  const tokens = b.op("transpose", [b.op("reshape", [pooled], { shape: dims(N, 8, (H * W) / 4) })], { perm: [0, 2, 1] })
  b.at("fusion.attention", 5)
  const query = b.op("matmul", [tokens, b.weight("fusion.attention.query", [8, 8])], { transpose_b: true })
  const scores = b.op("matmul", [query, note], { transpose_b: true })
  const scaled = b.op("mul", [scores, b.scalar(8 ** -0.5)])
  const open = b.op("reshape", [valid], { shape: dims(N, 1, T) })
  const blocked = b.op("broadcast_to", [b.scalar(-1e4)], { shape: dims(N, (H * W) / 4, T) })
  const weights = b.op("softmax", [b.op("select", [open, scaled, blocked])])
  const read = b.op("matmul", [b.op("dropout", [weights], { rate: 0.1, key: "fusion.attention" }), note])
  const [gain, shift] = [b.weight("fusion.norm.gain", [8]), b.weight("fusion.norm.bias", [8])]
  b.at("fusion.norm", 6)
  const joined = b.op("layer_norm", [b.op("add", [tokens, read]), gain, shift])

  b.at("decoder.up", 7)
  const grid = b.op("transpose", [joined], { perm: [0, 2, 1] })
  const map = b.op("reshape", [grid], { shape: dims(N, 8, H / 2, W / 2) })
  const up = b.op("concat", [b.op("upsample_bilinear2d", [map], { scale: 2 }), skip], { axis: 1 })
  b.at("decoder.head", 8)
  // exp(temperature) depends on a parameter alone and is computed at export
  const temperature = b.op("exp", [b.weight("decoder.head.temperature", [1])])
  const logits = b.op("conv2d", [up, b.weight("decoder.head.weight", [1, 16, 1, 1])])
  const probability = b.op("sigmoid", [b.op("mul", [logits, temperature])])
  b.output("probability", probability, "of the lesion")
  b.output("attention", weights)
  b.at("segmentation", 9)
  b.loss("segmentation", b.op("mean", [b.op("binary_cross_entropy", [probability, mask])]), "segmentation")
  return b.finish()
}

/** Feeds for `compositeModel`, as reference arrays by input name. */
export function compositeFeeds(batch: number): Readonly<Record<string, NdArray>> {
  const valid = Array.from({ length: batch * 5 }, (_, i) => (i % 5 < 3 + (i % 2) ? 1 : 0))
  return {
    image: drawn(`image ${batch}`, [batch, 3, 8, 12], 0, 1),
    note: drawn(`note ${batch}`, [batch, 5, 8]),
    valid: fromValues([batch, 5], valid),
  }
}

/**
 * Runs the file and the reference on the same feeds; expects equal outputs.
 *
 * @param values of the parameters; drawn by their names when absent
 */
export async function expectParity(
  graph: Graph,
  model: ExportedModel,
  feeds: Readonly<Record<string, NdArray>>,
  batch: number,
  values: ParameterValues = parameterValues(graph),
): Promise<void> {
  const byId = new Map<ValueId, NdArray>([
    ...graph.inputs.flatMap(({ name, value }) => (feeds[name] ? [[value, feeds[name]] as const] : [])),
    ...graph.parameters.map(({ name, shape, value }) => [value, fromValues(shape, values.get(name)!)] as const),
  ])
  const outputs = graph.outputs.filter((output) => model.outputs.some((o) => o.name === output.name))
  const sizes = new Map([...graph.sizes, ["N", batch]])
  const expected = interpret(
    graph,
    outputs.map((output) => output.value),
    byId,
    { sizes, seed: 0, step: 0 },
  )
  const given = model.inputs.map(({ name, dtype }) => [name, runtimeTensor(dtype, feeds[name]!)] as const)
  const found = await runOnnx(model.bytes, Object.fromEntries(given))
  outputs.forEach(({ name }, index) => {
    expect([...found[name]!.shape]).toEqual([...expected[index]!.shape])
    const error = Math.max(...expected[index]!.data.map((value, i) => Math.abs(value - Number(found[name]!.data[i]))))
    expect(error, name).toBeLessThan(2e-6)
  })
}
