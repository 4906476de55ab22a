/** Where the precision pass puts bf16 and where it casts; what the kernels then do is tested on TensorFlow. */

import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, symbol } from "../../../src/compiler/ir/dims.js"
import type { Graph, ValueId } from "../../../src/compiler/ir/graph.js"
import { opDefinition } from "../../../src/compiler/ops/registry.js"
import { lowerPrecision } from "../../../src/compiler/passes/precision.js"
import { trainProgram } from "../../../src/compiler/passes/programs.js"
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

describe.each([
  ["U-Net", () => zoo("unet")],
  ["RecLMIS quick", () => zoo("reclmis", { selector: "quick" })],
  ["a normalised classifier", () => elaborated(compileText(CLASSIFIER))],
])("the training program of %s", (_, model) => {
  const program = trainProgram(model())
  const results = [program.total, ...program.gradients.map((g) => g.value), ...program.updates.map((u) => u.value)]
  const { graph, wanted, report } = lowerPrecision(program.graph, results, {
    sizes: new Map([...program.graph.sizes, ["N", 8]]),
  })

  test("gives its losses, gradients and statistics in f32", () => {
    expect(report.narrowed).toBeGreaterThan(0)
    expect(wanted.map((value) => graph.values[value]!.type.dtype)).toEqual(wanted.map(() => "f32"))
    for (const { value } of [...graph.inputs, ...graph.parameters])
      expect(graph.values[value]!.type.dtype).not.toBe("bf16")
  })

  test("gives bf16 to no op whose record does not take it", () => {
    for (const node of graph.nodes) {
      const { precision } = opDefinition(node.op)
      if (node.op === "cast") continue
      const narrow = (values: readonly ValueId[]): number[] =>
        values.flatMap((value, index) => (graph.values[value]!.type.dtype === "bf16" ? [index] : []))
      const [inputs, outputs] = [narrow(node.inputs), narrow(node.outputs)]
      if (precision.kind === "full") expect([inputs, outputs], node.op).toEqual([[], []])
      if (precision.kind === "mixed") {
        expect(
          inputs.every((index) => precision.inputs.includes(index)),
          node.op,
        ).toBe(true)
        expect(
          outputs.every((index) => precision.outputs.includes(index)),
          node.op,
        ).toBe(true)
      }
    }
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
