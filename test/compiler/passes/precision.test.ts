/** Where the precision pass puts bf16 and where it casts; what the kernels then do is tested on TensorFlow. */

import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import type { Graph, ValueId } from "../../../src/compiler/ir/graph.js"
import { parameterStorage } from "../../../src/compiler/passes/layout.js"
import { runPasses, type PassOptions } from "../../../src/compiler/passes/pass.js"
import { PIPELINES } from "../../../src/compiler/passes/pipelines.js"
import { lowerPrecision, misplacedNarrow } from "../../../src/compiler/passes/precision.js"
import { trainProgram } from "../../../src/compiler/passes/programs.js"
import { violations } from "../../../src/compiler/passes/properties.js"
import { compileText, elaborated, zoo } from "../source-host.js"

const SIZES = new Map([["N", 2]])
const image = { dtype: "f32", shape: [symbol("N"), constant(16), constant(32), constant(32)] } as const

function parameter(builder: GraphBuilder, name: string, shape: readonly number[]): ValueId {
  return builder.parameter({
    name,
    role: "param",
    shape,
    dtype: "f32",
    initializer: { kind: "constant", value: 1 },
    section: "",
    frozen: false,
  })
}

/** `op:dtype` of every node, in order. */
const kinds = ({ nodes, values }: Graph): readonly string[] =>
  nodes.map(({ op, outputs }) => `${op}:${values[outputs[0]!]!.type.dtype}`)

function narrowed(build: (builder: GraphBuilder) => ValueId): readonly string[] {
  const builder = new GraphBuilder(new Map())
  const wanted = build(builder)
  const result = lowerPrecision(builder.finish(), [wanted], { sizes: SIZES })
  expect(result.graph.values[result.wanted[0]!]!.type.dtype).toBe("f32")
  return kinds(result.graph)
}

describe("chains", () => {
  test("between convolutions nothing is cast, biases are rounded and not the map", () => {
    const found = narrowed((builder) => {
      const x = builder.input("x", image, "input")
      const [first, second] = ["a", "b"].map((name) => parameter(builder, name, [16, 16, 3, 3])) as [ValueId, ValueId]
      const bias = parameter(builder, "bias", [16, 1, 1])
      const { op } = builder
      const conv = { padding: [1, 1] }
      return op("conv2d", [op("relu", [op("add", [op("conv2d", [x, first], conv), bias])]), second], conv)
    })
    expect(found).toEqual([
      "cast:bf16",
      "cast:bf16",
      "conv2d:bf16",
      "cast:bf16",
      "add:bf16",
      "relu:bf16",
      "cast:bf16",
      "conv2d:bf16",
      "cast:f32",
    ])
  })

  test("sums, exponentials and losses are in f32", () => {
    const found = narrowed((builder) => {
      const x = builder.input("x", image, "input")
      const w = parameter(builder, "w", [16, 16, 3, 3])
      const { op } = builder
      return op("mean", [op("sigmoid", [op("conv2d", [x, w], { padding: [1, 1] })])], {})
    })
    expect(found.slice(-4)).toEqual(["conv2d:bf16", "cast:f32", "sigmoid:f32", "mean:f32"])
  })

  test("a sum of a bf16 branch with an f32 stream stays f32", () => {
    const found = narrowed((builder) => {
      const x = builder.input("x", image, "input")
      const w = parameter(builder, "w", [16, 16, 3, 3])
      const { op } = builder
      return op("add", [op("conv2d", [x, w], { padding: [1, 1] }), x])
    })
    expect(found.slice(-2)).toEqual(["cast:f32", "add:f32"])
  })

  test("a product too small to pay for its casts stays f32", () => {
    const found = narrowed((builder) => {
      const x = builder.input("x", { dtype: "f32", shape: [symbol("N"), constant(4)] }, "input")
      return builder.op("matmul", [x, parameter(builder, "w", [4, 4])])
    })
    expect(found).toEqual(["matmul:f32"])
  })

  test("a mask of zeros and ones follows what it masks", () => {
    const found = narrowed((builder) => {
      const x = builder.input("x", image, "input")
      const w = parameter(builder, "w", [16, 16, 3, 3])
      const { op, scalar } = builder
      const mask = op("cast", [op("greater", [x, scalar(0)])], { to: "f32" })
      return op("relu", [op("mul", [op("conv2d", [x, w], { padding: [1, 1] }), mask])])
    })
    expect(found.slice(-3)).toEqual(["mul:bf16", "relu:bf16", "cast:f32"])
  })
})

test("bf16 in the wrong place is found", () => {
  const builder = new GraphBuilder(new Map())
  const x = builder.input("x", { ...image, dtype: "bf16" }, "input")
  const [summed] = builder.append("sum", [x], { axes: [1], keep: false }, [{ dtype: "f32", shape: [symbol("N")] }])
  const scale = parameter(builder, "scale", [16])
  const [normed] = builder.append("batch_norm", [x, scale, scale, scale, scale], { epsilon: 0.1, momentum: 0.1 }, [
    image,
  ])
  expect(misplacedNarrow(builder.finish(), [summed!, normed!])).toEqual([
    "value 0 is bf16 outside of the program",
    "node 0 (sum) takes operand 0 in bf16",
  ])
})

describe.each([
  ["U-Net", () => zoo("unet")],
  ["RecLMIS quick", () => zoo("reclmis", { selector: "quick" })],
  ["a normalised classifier", () => elaborated(compileText(CLASSIFIER))],
])("the training program of %s", (_, model) => {
  const program = trainProgram(model())
  const results = [program.total, ...program.gradients.map((g) => g.value), ...program.updates.map((u) => u.value)]
  const sizes = new Map([...program.graph.sizes, ["N", 8]])
  const { graph, wanted, report } = lowerPrecision(
    { ...program.graph, outputs: [], losses: [], updates: [] },
    results,
    { sizes },
  )

  test("gives its losses, gradients and statistics in f32", () => {
    expect(report.narrowed).toBeGreaterThan(0)
    expect(wanted.map((value) => graph.values[value]!.type.dtype)).toEqual(wanted.map(() => "f32"))
    for (const { value } of [...graph.inputs, ...graph.parameters])
      expect(graph.values[value]!.type.dtype).not.toBe("bf16")
  })

  test("gives bf16 to no op whose record does not take it", () => {
    expect(misplacedNarrow(graph, wanted)).toEqual([])
  })

  test("is sound after every pass on its way to TensorFlow", () => {
    const { passes, given, rounding } = PIPELINES.tensorflow
    const options: PassOptions = {
      rounding,
      layout: { storage: parameterStorage(program.graph), results: results.map(() => undefined) },
      precision: { sizes },
    }
    const start = { graph: { ...program.graph, outputs: [], losses: [], updates: [] }, results }
    const { steps } = runPasses(passes, start, options, given, (pass, after, properties) => {
      for (const property of properties) {
        expect(violations(after, property, options), `"${property}" after "${pass.name}"`).toEqual([])
      }
    })
    expect(steps.find((step) => step.pass === "precision")!.counts).toEqual(report)
  })

  test("casts no value twice", () => {
    const casts = graph.nodes.filter(
      ({ op, inputs }) => op === "cast" && graph.values[inputs[0]!]!.type.dtype !== "bool",
    )
    const keys = casts.map(({ inputs, attributes }) => `${inputs[0]} ${String(attributes["to"])}`)
    expect(new Set(keys).size).toBe(keys.length)
    expect(casts.length).toBeGreaterThan(0)
  })
})

const CLASSIFIER = `
model Classifier {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]
  encoder vision {
    let low = conv2d(image, 32, kernel = 3) |> batch_norm() |> relu()
    let v = conv2d(low, 64, kernel = 3) |> batch_norm()
  }
  decoder { output probability = sigmoid(conv2d(dropout(relu(v), 0.2), 1)) }
  loss overlap = dice_loss(probability, mask)
}`
