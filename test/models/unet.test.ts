/**
 * The image-only baseline: its parameters are the published ones, and the learned doubling is PyTorch's transposed
 * convolution.
 */

import { describe, expect, test } from "vitest"
import { verifyGraph } from "../../src/compiler/ir/verify.js"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { assignLayouts } from "../../src/compiler/passes/layout.js"
import { predictProgram, trainProgram } from "../../src/compiler/passes/programs.js"
import { summarise } from "../../src/compiler/summary.js"
import { interpret } from "../../src/compiler/targets/reference/interpret.js"
import { compileText, elaborated, zoo } from "../compiler/source-host.js"

const TRAINABLE = 14_751_873

/** Parameters of convolution (3x3, with bias) and normalisation. */
const convNorm = (from: number, to: number): number => 9 * from * to + to + 2 * to

describe("the U-Net of LViT", () => {
  test("has the parameters of the published baseline", () => {
    expect(summarise(zoo("unet")).parameters).toMatchObject({ trainable: TRAINABLE, frozen: 0, total: TRAINABLE })
  })

  test("which is what its wiring adds up to", () => {
    const widths = [64, 128, 256, 512, 512] as const
    let count = convNorm(3, widths[0])
    for (let i = 1; i < widths.length; i++) {
      count += convNorm(widths[i - 1]!, widths[i]!) + convNorm(widths[i]!, widths[i]!)
    }
    let deep: number = widths[4]
    for (const [skip, out] of [
      [512, 256],
      [256, 128],
      [128, 64],
      [64, 64],
    ] as const) {
      count += 4 * deep * deep + deep + convNorm(skip + deep, out) + convNorm(out, out)
      deep = out
    }
    expect(count + deep + 1).toBe(TRAINABLE)
  })

  test("costs what the published figure comes from, by the profiler's own counting", () => {
    const { inference } = summarise(zoo("unet")).macs
    // The profiler counts a transposed convolution of kernel and stride 2 four times, and two per element of a norm.
    let [transposed, norms] = [0, 0]
    for (const [size, deep, out] of [
      [14, 512, 256],
      [28, 256, 128],
      [56, 128, 64],
      [112, 64, 64],
    ] as const) {
      transposed += 4 * deep * deep * size ** 2
      norms += 2 * 2 * out * (2 * size) ** 2
    }
    norms += 2 * 64 * 224 ** 2
    for (const [size, width] of [
      [112, 128],
      [56, 256],
      [28, 512],
      [14, 512],
    ] as const) {
      norms += 2 * 2 * width * size ** 2
    }
    expect((inference + 3 * transposed + norms) / 1e9).toBeCloseTo(25.15, 2)
  })

  test("its ablations and its small form hold what graphs must hold, for use and for training", () => {
    for (const selector of ["UNet", "small", "nearest", "trunk"]) {
      const model = zoo("unet", { selector })
      expect(verifyGraph(predictProgram(model).graph)).toEqual([])
      expect(verifyGraph(trainProgram(model).graph)).toEqual([])
      expect(trainProgram(model).gradients.length).toBeGreaterThan(50)
    }
  })

  test("its trunk has the names and shapes that RecLMIS has", () => {
    const known = new Map(zoo("reclmis").graph.parameters.map((p) => [p.name, p.shape] as const))
    const { parameters } = zoo("unet", { selector: "trunk" }).graph
    expect(parameters.length).toBeGreaterThan(100)
    for (const { name, shape } of parameters) expect([name, known.get(name)]).toEqual([name, shape])
  })

  test("a learned doubling moves every feature map once, and nothing else is transposed", () => {
    const { graph, outputs } = predictProgram(zoo("unet", { selector: "small" }))
    const wanted = outputs.map(({ value }) => ({ value, storage: undefined }))
    // Per doubling one for the pixels and one for the small filter; one for the image as it comes in.
    expect(assignLayouts(graph, { wanted }).transposes.remaining).toBe(4 * 2 + 1)
  })
})

describe("UpConv", () => {
  const text = `import { UpConv } from "std/unet"
model Doubled() {
  input x: f32[N, 2, H = 2, W = 3]
  output y = UpConv()(x)
}`
  const { graph } = elaborated(compileText(text))

  test("is a transposed convolution of kernel and stride 2", () => {
    const [channels, height, width] = [2, 2, 3] as const
    const counting = (shape: readonly number[], scale: number, offset: number): NdArray => ({
      shape,
      data: Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => offset + scale * i),
    })
    const x = counting([1, channels, height, width], 0.5, -1)
    const weight = counting([channels, channels, 2, 2], 0.25, -2)
    const bias = counting([channels], 3, 1)
    const values = new Map<string, NdArray>(graph.parameters.map((p) => [p.name, p.shape.length === 4 ? weight : bias]))
    const feeds = new Map([
      [graph.inputs[0]!.value, x] as const,
      ...graph.parameters.map((p) => [p.value, values.get(p.name)!] as const),
    ])
    const [y] = interpret(
      graph,
      graph.outputs.map((o) => o.value),
      feeds,
      { sizes: new Map([...graph.sizes, ["N", 1]]), seed: 0, step: 0 },
    )
    expect(y!.shape).toEqual([1, channels, 2 * height, 2 * width])
    for (let out = 0; out < channels; out++) {
      for (let row = 0; row < 2 * height; row++) {
        for (let column = 0; column < 2 * width; column++) {
          let expected = bias.data[out]!
          for (let c = 0; c < channels; c++) {
            const pixel = x.data[(c * height + (row >> 1)) * width + (column >> 1)]!
            expected += pixel * weight.data[((c * channels + out) * 2 + (row & 1)) * 2 + (column & 1)]!
          }
          expect(y!.data[(out * 2 * height + row) * 2 * width + column]).toBeCloseTo(expected, 12)
        }
      }
    }
  })

  test("starts as PyTorch's layer does: fan in counts the outputs of one pixel", () => {
    const bound = 1 / Math.sqrt(4 * 2)
    for (const { initializer } of graph.parameters) {
      expect(initializer).toEqual({ kind: "uniform", low: -bound, high: bound })
    }
    expect(graph.parameters.map((p) => p.shape)).toEqual([[2, 2, 2, 2], [2]])
  })
})
