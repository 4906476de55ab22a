/** A normalisation with fixed statistics becomes part of the product before it, and only of one that is its own. */

import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, symbol, type Dim } from "../../../src/compiler/ir/dims.js"
import type { ValueId } from "../../../src/compiler/ir/graph.js"
import { removeDeadCode } from "../../../src/compiler/passes/dead-code.js"
import { foldBatchNorms } from "../../../src/compiler/passes/fold-batch-norms.js"
import { runPasses, type Program } from "../../../src/compiler/passes/pass.js"
import { PIPELINES } from "../../../src/compiler/passes/pipelines.js"
import { predictProgram } from "../../../src/compiler/passes/programs.js"
import { optimise } from "../../../src/compiler/passes/pipelines.js"
import { zoo } from "../source-host.js"
import { graphText } from "./graph-text.js"
import { valuesOf } from "./random-programs.js"

type Build = (b: GraphBuilder, x: ValueId, param: (name: string, ...shape: number[]) => ValueId) => ValueId[]

function program(shape: readonly Dim[], build: Build): Program {
  const builder = new GraphBuilder(new Map())
  const x = builder.input("x", { dtype: "f32", shape }, "input")
  const initializer = { kind: "constant", value: 0 } as const
  const param = (name: string, ...sizes: number[]): ValueId =>
    builder.parameter({ name, role: "param", shape: sizes, dtype: "f32", initializer, section: "", frozen: false })
  return { results: build(builder, x, param), graph: builder.finish() }
}

/** Batch norm over `channels` with parameters of its own; the variance is made positive. */
function batchNorm(b: GraphBuilder, x: ValueId, param: Parameters<Build>[2], channels: number, name = "bn"): ValueId {
  const [gain, bias, mean] = ["gain", "bias", "mean"].map((part) => param(`${name}.${part}`, channels))
  const variance = b.op("square", [param(`${name}.deviation`, channels)])
  return b.op("batch_norm", [x, gain!, bias!, mean!, variance])
}

const fold = (given: Program): Program =>
  runPasses([removeDeadCode, foldBatchNorms, removeDeadCode], given, { rounding: "free" }).program

function expectSameResults(after: Program, before: Program): void {
  const [a, b] = [valuesOf(after), valuesOf(before)]
  a.forEach(({ data }, index) => {
    data.forEach((value, i) => {
      const wanted = b[index]!.data[i]!
      expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-11 * Math.max(1, Math.abs(wanted)))
    })
  })
}

const image = [symbol("N"), ...[3, 4, 4].map(constant)]

const FOLDED: readonly (readonly [string, readonly Dim[], Build])[] = [
  ["a convolution", image, (b, x, p) => [batchNorm(b, b.op("conv2d", [x, p("w", 2, 3, 3, 3)]), p, 2)]],
  [
    "a convolution with a bias",
    image,
    (b, x, p) => [batchNorm(b, b.op("add", [b.op("conv2d", [x, p("w", 2, 3, 1, 1)]), p("b", 2, 1, 1)]), p, 2)],
  ],
  [
    "a bias in front",
    image,
    (b, x, p) => [batchNorm(b, b.op("add", [p("b", 2, 1, 1), b.op("conv2d", [x, p("w", 2, 3, 1, 1)])]), p, 2)],
  ],
  [
    "a convolution of a sequence",
    [symbol("N"), constant(3), constant(5)],
    (b, x, p) => [batchNorm(b, b.op("conv1d", [x, p("w", 2, 3, 3)]), p, 2)],
  ],
  ["a linear layer", [symbol("N"), constant(3)], (b, x, p) => [batchNorm(b, b.op("matmul", [x, p("w", 3, 2)]), p, 2)]],
  [
    "a linear layer with weights as PyTorch stores them",
    [symbol("N"), constant(3)],
    (b, x, p) => [
      batchNorm(b, b.op("add", [b.op("matmul", [x, p("w", 2, 3)], { transpose_b: true }), p("b", 2)]), p, 2),
    ],
  ],
]

describe("batch-norm folding", () => {
  test.each(FOLDED)("%s takes it in, and means the same", (_, shape, build) => {
    const before = program(shape, build)
    const after = fold(before)
    expect(after.graph.nodes.filter((node) => node.op === "batch_norm")).toEqual([])
    expectSameResults(after, before)
  })

  test("what is left is one product and one sum, of parameters that are known when the file is written", () => {
    const after = fold(program(image, FOLDED[0]![2]))
    expect(graphText(after)).toEqual([
      "%0 = square(bn.deviation)",
      "%1 = add(%0, 0.00001)",
      "%2 = sqrt(%1)",
      "%3 = div(bn.gain, %2)",
      "%4 = reshape(%3, [2, 1, 1, 1])",
      "%5 = mul(w, %4)",
      "%6 = conv2d(x, %5, [1, 1], [0, 0], [1, 1], 1)",
      "%7 = reshape(bn.mean, [2, 1, 1])",
      "%8 = neg(%7)",
      "%9 = reshape(%3, [2, 1, 1])",
      "%10 = mul(%8, %9)",
      "%11 = reshape(bn.bias, [2, 1, 1])",
      "%12 = add(%10, %11)",
      "%13 = add(%6, %12)",
      "gives %13",
    ])
  })

  test.each<[string, Build]>([
    [
      "a product that something else reads",
      (b, x, p) => {
        const y = b.op("conv2d", [x, p("w", 2, 3, 1, 1)])
        return [batchNorm(b, y, p, 2), b.op("relu", [y])]
      },
    ],
    [
      "filters that two convolutions share",
      (b, x, p) => {
        const w = p("w", 2, 3, 1, 1)
        return [b.op("conv2d", [b.op("relu", [x]), w]), batchNorm(b, b.op("conv2d", [x, w]), p, 2)]
      },
    ],
    [
      "filters made from the input",
      (b, x, p) => {
        const made = b.op("mul", [p("w", 2, 3, 1, 1), b.op("mean", [x])])
        return [batchNorm(b, b.op("conv2d", [x, made]), p, 2)]
      },
    ],
    [
      "an activation in between",
      (b, x, p) => [batchNorm(b, b.op("relu", [b.op("conv2d", [x, p("w", 2, 3, 1, 1)])]), p, 2)],
    ],
    ["no product before it", (b, x, p) => [batchNorm(b, x, p, 3)]],
  ])("it stays with %s", (_, build) => {
    const before = program(image, build)
    const after = fold(before)
    expect(after.graph.nodes.filter((node) => node.op === "batch_norm")).toHaveLength(1)
    expectSameResults(after, before)
  })

  test("is for ONNX alone: TensorFlow's programs keep their normalisations", () => {
    const users = Object.entries(PIPELINES).filter(([, pipeline]) => pipeline.passes.some((p) => p === foldBatchNorms))
    expect(users.map(([name]) => name)).toEqual(["onnx"])
  })

  test("no normalisation is left in the U-Net's file", () => {
    const program = predictProgram(zoo("unet"))
    const norms = (graph: Program["graph"]): number => graph.nodes.filter((node) => node.op === "batch_norm").length
    expect(norms(program.graph)).toBeGreaterThan(0)
    expect(norms(optimise("onnx", program).program.graph)).toBe(0)
  })
})
