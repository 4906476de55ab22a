/** LViT: its parameters are the published ones to the unit, its cost the published one, its switches do what they say. */

import { describe, expect, test } from "vitest"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import { verifyGraph } from "../../src/compiler/ir/verify.js"
import { sizeOf } from "../../src/compiler/ops/ndarray.js"
import { predictProgram, trainProgram } from "../../src/compiler/passes/programs.js"
import { summarise } from "../../src/compiler/summary.js"
import { concreteType, interpret } from "../../src/compiler/targets/reference/interpret.js"
import { compileText, elaborated, zoo } from "../compiler/source-host.js"
import { profilerMacs, nothingUnseen } from "./profiler-count.js"

/** Measured on the instantiated official class. */
const TOTAL = 39_933_345

const full = zoo("lvit")
const parametersOf = (model: ElaboratedModel, belongs: (name: string) => boolean): number =>
  model.graph.parameters
    .filter((p) => p.role === "param" && belongs(p.name))
    .reduce((sum, { shape }) => sum + sizeOf(shape), 0)

describe("LViT", () => {
  test("has the parameters of the official class", () => {
    expect(summarise(full).parameters).toMatchObject({ total: TOTAL, trainable: TOTAL, frozen: 0 })
  })

  test("of which those that are used, without the learned places, are the published 29.7 M", () => {
    // The papers' profiler adds up the layers that were called; a parameter of no layer is not among them.
    const used = parametersOf(full, (name) => !name.includes("unused.") && !name.endsWith(".position"))
    expect(used / 1e6).toBeCloseTo(29.72, 2)
  })

  test("which is what its wiring adds up to", () => {
    const layer = (d: number): number => 2 * 2 * d + 4 * (d * d + d) + (4 * d * d + 4 * d) + (4 * d * d + d)
    const tokenConv = (from: number, to: number): number => 3 * from * to + to + 2 * to
    // patches, places, one transformer layer, a last norm, a head, and three convolutions with norm
    const level = (d: number, patch: number): number =>
      d * d * patch ** 2 + d + 196 * d + layer(d) + 2 * d + (d + 1) + tokenConv(d, d / 2) + tokenConv(2 * d, d)
    const words = tokenConv(10, 196)
    const levels = ([64, 128, 256, 512] as const).map((d, i) => 2 * (level(d, 16 >> i) + words) + d * d + d + 2 * d)
    const plam = ([64, 128, 256, 512] as const).map((d) => 2 * d * d + (3 * 6 + 6 + 6 + 1) + d * d + d)
    const text = 3 * (768 * 512 + 512 * 256 + 256 * 128 + 128 * 64) + 512 + 256 + 128 + 64
    const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
    const trunk = parametersOf(zoo("unet", { selector: "trunk" }), () => true)
    expect(trunk + sum(levels) + sum(plam) + text).toBe(TOTAL)
  })

  test("costs at batch 1 what the profiled 27.08 G say, by our count and by the profiler's", () => {
    const { inference } = summarise(full).macs
    expect(Math.abs(inference / 27.08e9 - 1)).toBeLessThan(0.005)
    expect(Math.abs(profilerMacs(full, nothingUnseen) / 27.08e9 - 1)).toBeLessThan(0.005)
  })

  test("has one transformer layer of eight heads at each of four levels, twice", () => {
    const sizes = new Map(full.graph.sizes).set("N", 1)
    const attentions = full.graph.nodes
      .filter((node) => node.op === "softmax")
      .map((node) => concreteType(full.graph.values[node.outputs[0]!]!.type, sizes).shape)
    expect(attentions).toEqual(new Array(8).fill([1, 8, 196, 196]))
  })

  test("each configuration holds what graphs must hold, for use and for training", () => {
    for (const selector of ["LViT", "monuseg", "no_text", "small", "small+no_text"]) {
      const model = zoo("lvit", { selector })
      expect(verifyGraph(predictProgram(model).graph)).toEqual([])
      expect(verifyGraph(trainProgram(model).graph)).toEqual([])
    }
  })

  test("the rest of an ablation keeps name, shape and first value", () => {
    const known = new Map(full.graph.parameters.map((p) => [p.name, p] as const))
    const { parameters, inputs } = zoo("lvit", { selector: "no_text" }).graph
    expect(inputs.map((i) => i.name)).toEqual(["image", "mask"])
    expect(parameters.length).toBeGreaterThan(400)
    for (const { name, shape, initializer } of parameters) {
      expect([name, known.get(name)]).toEqual([name, expect.objectContaining({ shape, initializer })])
    }
  })

  test("its encoder and decoder have the names that RecLMIS has, so a trained trunk fits both", () => {
    const known = new Map(zoo("reclmis").graph.parameters.map((p) => [p.name, p.shape] as const))
    const trunk = full.graph.parameters.filter(({ section }) => ["vision", "decoder"].includes(section))
    expect(trunk.length).toBeGreaterThan(100)
    for (const { name, shape } of trunk) expect([name, known.get(name)]).toEqual([name, shape])
  })

  test("only the losses' gradient tells what is used: the rest is what the class owns and never calls", () => {
    const { gradients } = trainProgram(full)
    const given = new Set(gradients.map((g) => g.parameter))
    const without = full.graph.parameters.filter((p) => p.role === "param" && !given.has(p.name)).map((p) => p.name)
    expect(without.filter((name) => !name.includes("unused."))).toEqual([])
    expect([...given].filter((name) => name.includes("unused."))).toEqual([])
  })
})

describe("LViT with a text tower", () => {
  const reader = zoo("lvit-clip")
  test("is LViT, but for the layers that take the width and the number of what it reads", () => {
    const known = new Map(full.graph.parameters.map((p) => [p.name, p.shape] as const))
    const own = reader.graph.parameters.filter(({ section }) => section !== "tower")
    expect(own.map((p) => p.name)).toEqual(full.graph.parameters.map((p) => p.name))
    const other = own.filter(({ name, shape }) => known.get(name)!.join() !== shape.join()).map((p) => p.name)
    expect(other.filter((name) => name !== "language.text4.weight" && !name.endsWith(".mixed.conv.weight"))).toEqual([])
    expect(other).toHaveLength(1 + 8)
  })
  test("whose tower is RecLMIS's, frozen, and trained in its small form", () => {
    expect(summarise(reader).parameters.frozen).toBe(summarise(zoo("reclmis")).parameters.frozen)
    const small = zoo("lvit-clip", { selector: "quick" })
    const trained = new Set(trainProgram(small).gradients.map((g) => g.parameter.split(".")[0]))
    expect([...trained].sort()).toEqual(["decoder", "hybrid", "language", "tower", "vision"])
    expect(verifyGraph(trainProgram(small).graph)).toEqual([])
  })
})

describe("the published training of LViT", () => {
  test("for QaTa and MoNuSeg, and taken over by the one that reads", () => {
    const adam = (lr: number) => ({ name: "adam", arguments: expect.objectContaining({ lr }) as unknown })
    const shared = { batch: 2, epochs: 2000, channels: "bgr" }
    expect(full.training).toMatchObject({ ...shared, optimizer: adam(3e-4) })
    expect(zoo("lvit-clip").training).toEqual(full.training)
    expect(zoo("lvit", { selector: "monuseg" }).training).toMatchObject({ ...shared, optimizer: adam(1e-3) })
  })
})

describe("balanced cross-entropy", () => {
  const { graph } = elaborated(
    compileText(`model Balanced() {
  input probability: f32[N, 1, 2, 2]
  input mask: f32[N, 1, 2, 2]
  output plain = bce(probability, mask)
  output balanced = bce(probability, mask, balanced = true)
}`),
  )
  const computed = (probability: readonly number[], mask: readonly number[]): readonly number[] => {
    const shape = [probability.length / 4, 1, 2, 2]
    const inputs: Readonly<Record<string, readonly number[]>> = { probability, mask }
    const feeds = new Map(
      graph.inputs.map(({ name, value }) => [value, { shape, data: Float64Array.from(inputs[name]!) }] as const),
    )
    const options = { sizes: new Map([...graph.sizes, ["N", shape[0]!] as const]), seed: 0, step: 0 }
    const outputs = graph.outputs.map((o) => o.value)
    return interpret(graph, outputs, feeds, options).map(({ data }) => data[0]!)
  }
  const probability = [0.9, 0.2, 0.4, 0.7, 0.1, 0.6, 0.3, 0.5]

  test("is half the mean inside and half the mean outside, over the whole batch", () => {
    // One pixel inside in the first image, two in the second: by image it would be another number.
    const mask = [1, 0, 0, 0, 0, 1, 1, 0]
    const inside = -(Math.log(0.9) + Math.log(0.6) + Math.log(0.3)) / 3
    const outside = -(Math.log(0.8) + Math.log(0.6) + Math.log(0.3) + Math.log(0.9) + Math.log(0.5)) / 5
    const [plain, balanced] = computed(probability, mask)
    expect(balanced).toBeCloseTo((inside + outside) / 2, 12)
    expect(plain).toBeCloseTo((3 * inside + 5 * outside) / 8, 12)
  })

  test("of a batch without a pixel inside is half of the mean", () => {
    const [plain, balanced] = computed(probability, new Array<number>(8).fill(0))
    expect(balanced).toBeCloseTo(plain! / 2, 10)
  })
})
