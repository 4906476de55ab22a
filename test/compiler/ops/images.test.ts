/**
 * Convolution, pooling, resampling and batch normalisation: the reference and the gradient rules against numbers from
 * elsewhere, namely PyTorch (see `torch-cases.ts`) and what a person can work out on paper.
 */

import { describe, expect, test } from "vitest"
import { constant } from "../../../src/compiler/ir/dims.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import type { Attributes } from "../../../src/compiler/ir/graph.js"
import type { OnnxContext, OpDefinition } from "../../../src/compiler/ops/definition.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import { fromValues, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { NotInInference } from "../../../src/compiler/ops/not-in-inference.js"
import { opDefinition, registry } from "../../../src/compiler/ops/registry.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { MeasuredErrors, relativeError } from "./measured-errors.js"
import { torchCases } from "./torch-cases.js"

const OPTIONS = { sizes: new Map<string, number>(), seed: 0, step: 0 }

/** Runs one op on arrays. */
function run(op: OpName, inputs: readonly NdArray[], attributes: Attributes = {}): readonly NdArray[] {
  const builder = new GraphBuilder(OPTIONS.sizes)
  const values = inputs.map(({ shape }, index) =>
    builder.input(`i${index}`, { dtype: "f32", shape: shape.map(constant) }, "input"),
  )
  const outputs = builder.all(op, values, attributes)
  return interpret(builder.finish(), outputs, new Map(values.map((v, index) => [v, inputs[index]!])), OPTIONS)
}

const image = (rows: readonly (readonly number[])[]): NdArray =>
  fromValues([1, 1, rows.length, rows[0]!.length], rows.flat())

const rowsOf = ({ shape, data }: NdArray): number[][] =>
  Array.from({ length: shape[2]! }, (_, row) => [...data.slice(row * shape[3]!, (row + 1) * shape[3]!)])

function expectClose(actual: NdArray, expected: NdArray, name: string): void {
  expect(actual.shape, name).toEqual(expected.shape)
  const scale = Math.max(1, ...expected.data.map(Math.abs))
  expected.data.forEach((value, index) => {
    expect(Math.abs(actual.data[index]! - value), `${name}[${index}]`).toBeLessThan(1e-11 * scale)
  })
}

describe("results and gradients are PyTorch's", () => {
  const cases = torchCases()
  const errors = new MeasuredErrors("pytorch-images")

  test.each(cases.map((c) => [c.id, c] as const))("%s", (id, { graph, feeds, expected }) => {
    const wanted = graph.outputs.map(({ value }) => value)
    const results = interpret(graph, wanted, feeds, OPTIONS)
    graph.outputs.forEach(({ name }, index) => {
      errors.record(id.split(":")[0] as OpName, relativeError(results[index]!.data, expected.get(name)!.data))
      expectClose(results[index]!, expected.get(name)!, name)
    })
  })

  test("no error is larger than docs/operators.md says (else: node scripts/docs/measure-operators.mjs)", () => {
    expect(errors.grown()).toEqual([])
  })

  test("the fixture covers every op of these families that a model can call", () => {
    const covered = new Set(cases.map(({ id }) => id.split(":")[0]))
    const inFamily = ([op, { family }]: [string, OpDefinition]): boolean =>
      ["images", "products"].includes(family) && !["matmul", "einsum"].includes(op)
    const callable = Object.entries<OpDefinition>(registry).filter((entry) => inFamily(entry) && !entry[1].internal)
    const wanted = callable.map(([op]) => op)
    expect(wanted.length).toBeGreaterThanOrEqual(12)
    for (const op of [...wanted, "batch_norm", "batch_norm_training", "pad", "roll", "flip"]) {
      expect(covered, op).toContain(op)
    }
  })
})

describe("numbers worked out by hand", () => {
  const counting = image([
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ])

  test("a convolution is a correlation: the filter is not turned round", () => {
    const [y] = run("conv2d", [counting, image([[10, 1], [0, 0]])]) // prettier-ignore
    expect(rowsOf(y!)).toEqual([
      [12, 23],
      [45, 56],
    ])
  })

  test("padding surrounds the image with zeros on all sides", () => {
    const ones = image([
      [1, 1, 1],
      [1, 1, 1],
      [1, 1, 1],
    ])
    const [y] = run("conv2d", [counting, ones], { padding: [1, 1] })
    expect(rowsOf(y!)).toEqual([
      [12, 21, 16],
      [27, 45, 33],
      [24, 39, 28],
    ])
  })

  test("groups keep channels apart, and filters belong to groups in order", () => {
    const x = fromValues([1, 2, 1], [3, 5])
    const weight = fromValues([4, 1, 1], [1, 10, 100, 1000])
    expect([...run("conv1d", [x, weight], { groups: 2 })[0]!.data]).toEqual([3, 30, 500, 5000])
  })

  test("a window that reaches over the end is left out", () => {
    const attributes = { kernel: [2, 2], stride: [2, 2] }
    expect(rowsOf(run("max_pool2d", [counting], attributes)[0]!)).toEqual([[5]])
    expect(rowsOf(run("avg_pool2d", [counting], attributes)[0]!)).toEqual([[3]])
  })

  test("a padded position is never a maximum, even among negative numbers", () => {
    const [y] = run("max_pool2d", [image([[-4, -2, -3]])], { kernel: [2, 2], stride: [1, 1], padding: [1, 1] })
    expect(rowsOf(y!)).toEqual([
      [-4, -2, -2, -3],
      [-4, -2, -2, -3],
    ])
  })

  test("padding counts in an average or does not, as asked", () => {
    const attributes = { kernel: [1, 3], stride: [1, 1], padding: [0, 1] }
    const x = image([[3, 6, 9]])
    expect(rowsOf(run("avg_pool2d", [x], attributes)[0]!)).toEqual([[3, 6, 5]])
    const uncounted = { ...attributes, count_include_pad: false }
    expect(rowsOf(run("avg_pool2d", [x], uncounted)[0]!)).toEqual([[4.5, 6, 7.5]])
  })

  test("of equal maxima the first gets the gradient", () => {
    const attributes = { kernel: [2, 2], stride: [2, 2] }
    const x = image([
      [0, 7],
      [7, 7],
    ])
    const [dx] = run("max_pool2d_gradient", [x, image([[7]]), image([[3]])], attributes)
    expect(rowsOf(dx!)).toEqual([
      [0, 3],
      [0, 0],
    ])
  })

  // the example of torch.nn.Upsample's documentation
  const corners = image([
    [1, 2],
    [3, 4],
  ])

  test("nearest neighbour repeats pixels", () => {
    expect(rowsOf(run("upsample_nearest2d", [corners], { scale: 2 })[0]!)).toEqual([
      [1, 1, 2, 2],
      [1, 1, 2, 2],
      [3, 3, 4, 4],
      [3, 3, 4, 4],
    ])
  })

  test("bilinear interpolation as in PyTorch's documentation", () => {
    expect(rowsOf(run("upsample_bilinear2d", [corners], { scale: 2 })[0]!)).toEqual([
      [1, 1.25, 1.75, 2],
      [1.5, 1.75, 2.25, 2.5],
      [2.5, 2.75, 3.25, 3.5],
      [3, 3.25, 3.75, 4],
    ])
    const [aligned] = run("upsample_bilinear2d", [corners], { scale: 2, align_corners: true })
    expectClose(
      aligned!,
      fromValues(
        [1, 1, 4, 4],
        [0, 1, 2, 3].flatMap((row) => [0, 1, 2, 3].map((column) => 1 + (2 * row + column) / 3)),
      ),
      "aligned",
    )
  })

  test("the gradient of an enlargement adds up to what came in", () => {
    const dy = fromValues(
      [1, 1, 6, 9],
      Array.from({ length: 54 }, (_, i) => (i * i) % 13),
    )
    const total = dy.data.reduce((sum, value) => sum + value, 0)
    for (const [op, attributes] of [
      ["upsample_nearest2d_gradient", { scale: 3 }],
      ["upsample_bilinear2d_gradient", { scale: 3 }],
      ["upsample_bilinear2d_gradient", { scale: 3, align_corners: true }],
    ] as const) {
      const [dx] = run(op, [dy], attributes)
      expect(dx!.shape).toEqual([1, 1, 2, 3])
      expect(dx!.data.reduce((sum, value) => sum + value, 0)).toBeCloseTo(total, 10)
    }
  })

  test("a transposed convolution spreads each pixel over a window, the filter as it stands", () => {
    const filter = image([
      [1, 2],
      [3, 4],
    ])
    const [apart] = run("conv_transpose2d", [image([[1, 10]]), filter], { stride: [2, 2] })
    expect(rowsOf(apart!)).toEqual([
      [1, 2, 10, 20],
      [3, 4, 30, 40],
    ])
    const [joined] = run("conv_transpose2d", [image([[1, 10]]), filter], { padding: [0, 1] })
    expect(rowsOf(joined!)).toEqual([[12], [34]])
  })

  test("a window that is dilated leaves elements out", () => {
    const attributes = { kernel: [2, 2], stride: [1, 1], dilation: [2, 2] }
    expect(rowsOf(run("max_pool2d", [image([[9, 1, 2], [3, 99, 4], [5, 6, 7]])], attributes)[0]!)).toEqual([[9]]) // prettier-ignore
  })

  test("of a rounded-up mean only the padding that was asked for counts", () => {
    const attributes = { kernel: [1, 2], stride: [1, 2], ceil_mode: true }
    expect(rowsOf(run("avg_pool2d", [image([[2, 4, 7]])], attributes)[0]!)).toEqual([[3, 7]])
    const padded = { kernel: [1, 4], stride: [1, 3], padding: [0, 1], ceil_mode: true }
    // [0 2 4 7] and [7 1 0 .]: three positions, one of them a padded zero
    expect(rowsOf(run("avg_pool2d", [image([[2, 4, 7, 1]])], padded)[0]!)).toEqual([[3.25, 8 / 3]])
  })

  test("uneven adaptive windows overlap", () => {
    const x = image([[1, 5, 2, 0, 3]])
    expect(rowsOf(run("adaptive_max_pool2d", [x], { size: [1, 2] })[0]!)).toEqual([[5, 3]])
    expectClose(run("resize2d", [x], { size: [1, 2], mode: "area" })[0]!, image([[8 / 3, 5 / 3]]), "means")
  })

  test("windows become channels, taps first, and are added up again where they came from", () => {
    const two = fromValues([1, 2, 1, 3], [1, 2, 3, 10, 20, 30])
    const [windows] = run("unfold2d", [two], { kernel: [1, 2] })
    expect([...windows!.data]).toEqual([1, 2, 10, 20, 2, 3, 20, 30])
    const [sum] = run("fold2d", [windows!], { kernel: [1, 2], size: [1, 3] })
    expect([...sum!.data]).toEqual([1, 4, 3, 10, 40, 30])
  })

  test("borders mirror, repeat or go round", () => {
    const row = fromValues([3], [1, 2, 3])
    const border = (mode: string) => [...run("pad", [row], { before: [2], after: [1], mode })[0]!.data]
    expect(border("constant")).toEqual([0, 0, 1, 2, 3, 0])
    expect(border("reflect")).toEqual([3, 2, 1, 2, 3, 2])
    expect(border("replicate")).toEqual([1, 1, 1, 2, 3, 3])
    expect(border("circular")).toEqual([2, 3, 1, 2, 3, 1])
  })

  test("batch normalisation gives statistics of the batch, the running variance unbiased", () => {
    const x = fromValues([2, 1, 2], [1, 3, 5, 7])
    const [y, mean, unbiased, , biased] = run("batch_norm_training", [x, fromValues([1], [2]), fromValues([1], [10])], {
      epsilon: 4,
    })
    expect([...mean!.data]).toEqual([4])
    expect(unbiased!.data[0]).toBeCloseTo(20 / 3, 12)
    expect([...biased!.data]).toEqual([5])
    expect([...y!.data]).toEqual([8, 10 - 2 / 3, 10 + 2 / 3, 12].map((value) => expect.closeTo(value, 12)))
  })
})

describe("gradients that are not to be had say so", () => {
  test("of the statistics of a training batch", () => {
    const builder = new GraphBuilder(OPTIONS.sizes)
    const vector = { dtype: "f32", shape: [constant(3)] } as const
    const x = builder.input("x", { dtype: "f32", shape: [constant(4), constant(3)] }, "input")
    const gain = builder.input("gain", vector, "input")
    const bias = builder.input("bias", vector, "input")
    const [, mean] = builder.all("batch_norm_training", [x, gain, bias])
    const loss = builder.op("sum", [mean!])
    expect(() => differentiate(builder, loss, [x])).toThrow(/statistics .* have no gradient/)
  })

  test("only what is asked for is computed", () => {
    const builder = new GraphBuilder(OPTIONS.sizes)
    const x = builder.input("x", { dtype: "f32", shape: [1, 2, 4, 4].map(constant) }, "input")
    const weight = builder.input("weight", { dtype: "f32", shape: [3, 2, 3, 3].map(constant) }, "input")
    const loss = builder.op("sum", [builder.op("conv2d", [x, weight])])
    const [dWeight] = differentiate(builder, loss, [weight])
    expect(dWeight).toBeDefined()
    const ops = builder.nodesSoFar.map(({ op }) => op)
    expect(ops).toContain("conv2d_filter_gradient")
    expect(ops).not.toContain("conv2d_input_gradient")
  })
})

describe("targets and cost", () => {
  const internal = ["conv1d", "conv2d"].flatMap((op) => [`${op}_input_gradient`, `${op}_filter_gradient`])
  const trainingOnly = [
    ...internal,
    ...["max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "resize2d", "upsample_nearest2d", "upsample_bilinear2d"].map(
      (op) => `${op}_gradient`,
    ),
    "batch_norm_training",
    "batch_norm_training_gradient",
  ] as OpName[]

  test.each(trainingOnly)("%s never reaches ONNX", (op) => {
    const definition: OpDefinition = opDefinition(op)
    expect(definition.internal).toBe(true)
    expect(() => definition.onnx({} as OnnxContext)).toThrow(NotInInference)
    expect(() => definition.onnx({} as OnnxContext)).toThrow(new RegExp(`^${op} is part of training only`))
  })

  test("a convolution costs one multiply-accumulate per result and filter element, and so does each gradient", () => {
    // ResNet-50's first layer at 224 x 224: 118,013,952 multiply-accumulates
    const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const
    const [x, weight, y] = [f32([1, 3, 224, 224]), f32([64, 3, 7, 7]), f32([1, 64, 112, 112])]
    const macs = 118_013_952
    expect(opDefinition("conv2d").cost([x, weight], [y], {})).toEqual({ macs })
    expect(opDefinition("conv2d_input_gradient").cost([y, weight], [x], {})).toEqual({ macs })
    expect(opDefinition("conv2d_filter_gradient").cost([x, y], [weight], {})).toEqual({ macs })
    // transposed, the same numbers of elements exchange their roles
    expect(opDefinition("conv_transpose2d").cost([y, weight], [x], {})).toEqual({ macs })
    // depthwise: each result sees one channel
    const depthwise = opDefinition("conv2d").cost([f32([2, 8, 5, 5]), f32([8, 1, 3, 3])], [f32([2, 8, 5, 5])], {})
    expect(depthwise).toEqual({ macs: 2 * 8 * 25 * 9 })
  })
})
