/**
 * Sliding windows: output sizes with symbolic dims, what inference refuses and how it says so, and the padding that
 * TensorFlow is told.
 */

import { describe, expect, test } from "vitest"
import { constant, floorDivide, format, symbol, type Dim, type Sizes } from "../../../src/compiler/ir/dims.js"
import { inferTypes, completeAttributes, OpTypeError } from "../../../src/compiler/ir/builder.js"
import type { Attributes, TensorType } from "../../../src/compiler/ir/graph.js"
import type { ShapeProblem } from "../../../src/compiler/ops/definition.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import { tensorFlowPadding, windowCount, type Window } from "../../../src/compiler/ops/windows.js"

const SIZES: Sizes = new Map([
  ["H", 224],
  ["W", 96],
  ["T", 18],
])
const N = symbol("N")
const H = symbol("H")
const W = symbol("W")

const f32 = (...shape: (Dim | number)[]): TensorType => ({
  dtype: "f32",
  shape: shape.map((dim) => (typeof dim === "number" ? constant(dim) : dim)),
})

function infer(op: OpName, inputs: readonly TensorType[], attributes: Attributes = {}): string[] {
  const types = inferTypes(op, inputs, completeAttributes(op, attributes, inputs), SIZES)
  return types.map(({ shape }) => shape.map(format).join(" "))
}

function problem(op: OpName, inputs: readonly TensorType[], attributes: Attributes = {}): ShapeProblem {
  try {
    infer(op, inputs, attributes)
  } catch (error) {
    if (error instanceof OpTypeError) return error.problem
    throw error
  }
  throw new Error(`${op} accepted its inputs`)
}

describe("output sizes stay readable", () => {
  test("same size, half size, patches, dilation", () => {
    const x = f32(N, 3, H, W)
    expect(infer("conv2d", [x, f32(64, 3, 3, 3)], { padding: [1, 1] })).toEqual(["N 64 H W"])
    const half = { stride: [2, 2], padding: [1, 1] }
    expect(infer("conv2d", [x, f32(64, 3, 3, 3)], half)).toEqual(["N 64 H/2 W/2"])
    expect(infer("conv2d", [x, f32(64, 3, 7, 7)], { stride: [2, 2], padding: [3, 3] })).toEqual(["N 64 H/2 W/2"])
    expect(infer("conv2d", [x, f32(96, 3, 16, 16)], { stride: [16, 16] })).toEqual(["N 96 H/16 W/16"])
    const atrous = { padding: [6, 6], dilation: [6, 6] }
    expect(infer("conv2d", [x, f32(8, 3, 3, 3)], atrous)).toEqual(["N 8 H W"])
    expect(infer("conv1d", [f32(N, 512, symbol("T")), f32(9, 512, 3)])).toEqual(["N 9 T - 2"])
  })

  test("pooling and enlarging undo one another", () => {
    const attributes = { kernel: [2, 2], stride: [2, 2] }
    expect(infer("max_pool2d", [f32(N, 5, H, W)], attributes)).toEqual(["N 5 H/2 W/2"])
    const half = f32(N, 5, floorDivide(H, 2, SIZES)!, floorDivide(W, 2, SIZES)!)
    expect(infer("upsample_nearest2d", [half], { scale: 2 })).toEqual(["N 5 H W"])
    expect(infer("upsample_bilinear2d_gradient", [f32(N, 5, H, W)], { scale: 4 })).toEqual(["N 5 H/4 W/4"])
  })

  test("transposed convolution undoes a convolution of the same settings", () => {
    const filters = f32(64, 3, 4, 4)
    const attributes = { stride: [2, 2], padding: [1, 1] }
    const x = f32(N, 64, floorDivide(H, 2, SIZES)!, floorDivide(W, 2, SIZES)!)
    expect(infer("conv_transpose2d", [x, filters], attributes)).toEqual(["N 3 H W"])
    expect(infer("conv_transpose2d", [x, f32(64, 3, 3, 3)], { ...attributes, output_padding: [1, 1] })).toEqual([
      "N 3 H W",
    ])
    expect(infer("conv_transpose1d", [f32(N, 8, symbol("T")), f32(8, 2, 3)], { groups: 4 })).toEqual(["N 8 T + 2"])
  })

  test("sizes that are asked for stand as they were written", () => {
    const x = f32(N, 5, H, W)
    const quarter = floorDivide(H, 4, SIZES)!
    expect(infer("resize2d", [x], { size: [quarter, constant(7)], mode: "bicubic" })).toEqual(["N 5 H/4 7"])
    expect(infer("adaptive_max_pool2d", [x], { size: [quarter, constant(1)] })).toEqual(["N 5 H/4 1"])
    expect(infer("unfold2d", [x], { kernel: [3, 3], padding: [1, 1] })).toEqual(["N 45 H W"])
    const size = { kernel: [3, 3], padding: [1, 1], size: [H, W] }
    expect(infer("fold2d", [f32(N, 45, H, W)], size)).toEqual(["N 5 H W"])
    const border = { before: [0, 0, 1, 2].map(constant), after: [0, 0, 1, 2].map(constant), mode: "reflect" }
    expect(infer("pad", [x], border)).toEqual(["N 5 H + 2 W + 4"])
  })

  test("a size is rounded up when asked, except for a window that would begin behind the image", () => {
    const pool = (size: number, attributes: Attributes) => infer("max_pool2d", [f32(1, 1, size, 8)], attributes)
    const halving = { kernel: [2, 2], stride: [2, 2], ceil_mode: true }
    expect(pool(7, halving)).toEqual(["1 1 4 4"])
    expect(pool(8, halving)).toEqual(["1 1 4 4"])
    expect(pool(4, { kernel: [2, 2], stride: [3, 2], padding: [1, 0], ceil_mode: true })).toEqual(["1 1 2 4"])
    expect(infer("max_pool2d", [f32(N, 5, H, W)], halving)).toEqual(["N 5 H/2 W/2"])
  })

  test("a size without a symbol is rounded down", () => {
    expect(infer("avg_pool2d", [f32(2, 5, 7, 9)], { kernel: [2, 3], stride: [2, 2] })).toEqual(["2 5 3 4"])
  })

  test("batch normalisation keeps the shape and gives statistics per channel", () => {
    const vector = f32(5)
    const x = f32(N, 5, H, W)
    expect(infer("batch_norm", [x, vector, vector, vector, vector])).toEqual(["N 5 H W"])
    expect(infer("batch_norm_training", [x, vector, vector])).toEqual(["N 5 H W", "5", "5", "5", "5"])
  })
})

describe("what does not fit is refused with the reason", () => {
  test("channels that are not those of the filters", () => {
    expect(problem("conv2d", [f32(N, 3, H, W), f32(64, 4, 3, 3)])).toMatchObject({
      kind: "dims-differ",
      left: { input: 0, axis: 1 },
      right: { input: 1, axis: 1 },
      hint: expect.stringContaining("x has 3 channels, the filters 4"),
    })
    expect(problem("conv2d", [f32(N, 6, H, W), f32(64, 4, 3, 3)], { groups: 2 })).toMatchObject({
      kind: "dims-differ",
      what: expect.stringContaining("2 (groups) times"),
    })
  })

  test("filters that do not divide into the groups", () => {
    expect(problem("conv2d", [f32(N, 4, H, W), f32(5, 2, 3, 3)], { groups: 2 })).toMatchObject({
      kind: "not-divisible",
      input: 1,
      axis: 0,
      by: 2,
    })
  })

  test("a rank that is not the op's", () => {
    expect(problem("conv2d", [f32(N, 3, H), f32(5, 3, 3, 3)])).toMatchObject({ kind: "rank", input: 0 })
    expect(problem("conv1d", [f32(N, 3, H), f32(5, 3, 3, 3)])).toMatchObject({ kind: "rank", input: 1 })
    expect(problem("upsample_nearest2d", [f32(N, 3, H)], { scale: 2 })).toMatchObject({ kind: "rank", input: 0 })
    const vector = f32(3)
    expect(problem("batch_norm", [f32(3), vector, vector, vector, vector])).toMatchObject({ kind: "rank", input: 0 })
  })

  test("a window larger than the padded image, with both sizes", () => {
    const found = problem("conv2d", [f32(N, 3, 4, 4), f32(5, 3, 3, 7)], { padding: [1, 1] })
    expect(found).toMatchObject({ kind: "other", message: expect.stringContaining("a window of 7") })
    expect(found).toMatchObject({ message: expect.stringMatching(/axis 3 of x, which has 6 with its padding/) })
  })

  test("a size that would have to be rounded but is unknown", () => {
    const found = problem("conv2d", [f32(1, 3, N, W), f32(5, 3, 3, 3)], { stride: [2, 2] })
    expect(found).toMatchObject({ kind: "other", message: expect.stringContaining("depends on the size of N") })
  })

  test("attributes that are too short, fractional, zero or negative", () => {
    const inputs = [f32(N, 3, H, W), f32(5, 3, 3, 3)]
    expect(problem("conv2d", inputs, { stride: [2] })).toMatchObject({
      kind: "attribute",
      name: "stride",
      hint: "write stride = [2, 2]",
    })
    expect(problem("conv2d", inputs, { stride: [0, 1] })).toMatchObject({ kind: "attribute", name: "stride" })
    expect(problem("conv2d", inputs, { padding: [-1, 0] })).toMatchObject({ kind: "attribute", name: "padding" })
    expect(problem("conv2d", inputs, { dilation: [1.5, 1] })).toMatchObject({ kind: "attribute", name: "dilation" })
    expect(problem("conv2d", inputs, { groups: 0 })).toMatchObject({ kind: "attribute", name: "groups" })
    expect(problem("upsample_nearest2d", [f32(N, 3, H, W)], { scale: 1.5 })).toMatchObject({ name: "scale" })
  })

  test("a transposed convolution with other channels than filters, or more added than its stride hides", () => {
    const x = f32(N, 4, H, W)
    expect(problem("conv_transpose2d", [x, f32(3, 4, 2, 2)])).toMatchObject({
      kind: "dims-differ",
      right: { input: 1, axis: 0 },
    })
    expect(problem("conv_transpose2d", [x, f32(4, 3, 2, 2)], { groups: 3 })).toMatchObject({ kind: "not-divisible" })
    const added = { stride: [2, 2], output_padding: [0, 2] }
    expect(problem("conv_transpose2d", [x, f32(4, 3, 2, 2)], added)).toMatchObject({ name: "output_padding" })
    const cut = problem("conv_transpose2d", [f32(N, 4, 1, 1), f32(4, 3, 2, 2)], { padding: [1, 1] })
    expect(cut).toMatchObject({ name: "padding", message: expect.stringContaining("would be 0") })
  })

  test("resizing to nothing, in a mode that there is not, or with corners that it has not", () => {
    const x = f32(N, 4, H, W)
    const size = [7, 7].map(constant)
    expect(problem("resize2d", [x], { size: size.slice(1) })).toMatchObject({ name: "size" })
    expect(problem("resize2d", [x], { size: [0, 7].map(constant) })).toMatchObject({ name: "size" })
    const linear = problem("resize2d", [x], { size, mode: "linear" })
    expect(linear).toMatchObject({ name: "mode", message: expect.stringContaining('"bicubic" and "area"') })
    expect(problem("resize2d", [x], { size, align_corners: true })).toMatchObject({ name: "align_corners" })
  })

  test("adaptive windows over an image of unknown size", () => {
    const size = [7, 7].map(constant)
    expect(problem("adaptive_max_pool2d", [f32(1, 1, N, W)], { size })).toMatchObject({
      message: expect.stringContaining("axis 2 of x depend on the size of N"),
    })
    expect(problem("adaptive_max_pool2d", [f32(N, 1, H, W)], { size: [N, constant(2)] })).toMatchObject({
      name: "size",
    })
  })

  test("windows that are not those of the image they are folded to", () => {
    const attributes = { kernel: [3, 3], padding: [1, 1], size: [H, W] }
    expect(problem("fold2d", [f32(N, 44, H, W)], attributes)).toMatchObject({ kind: "not-divisible", by: 9 })
    expect(problem("fold2d", [f32(N, 45, H, 95)], attributes)).toMatchObject({
      message: expect.stringContaining("axis 3 has 95 windows; an image of W has W"),
    })
  })

  test("borders wider than what they repeat, or along a batch of unknown size", () => {
    const border = (mode: string, before: number, axis = 1) => ({
      before: [0, 1].map((a) => constant(a === axis ? before : 0)),
      after: [0, 0].map(constant),
      mode,
    })
    expect(problem("pad", [f32(N, 3)], border("reflect", 3))).toMatchObject({
      name: "before",
      message: expect.stringContaining("can be 2 wide at most"),
    })
    expect(problem("pad", [f32(N, 3)], border("circular", 4))).toMatchObject({ name: "before" })
    expect(infer("pad", [f32(N, 3)], border("replicate", 4))).toEqual(["N 7"])
    expect(problem("pad", [f32(N, 3)], border("replicate", 1, 0))).toMatchObject({
      message: expect.stringContaining("needs known sizes"),
    })
    expect(problem("pad", [f32(N, 3)], border("mirror", 1))).toMatchObject({ name: "mode" })
  })

  test("axes to roll that are doubled, too many, or the batch by more than one", () => {
    expect(problem("roll", [f32(N, 3)], { shifts: [1, 1], axes: [1, -1] })).toMatchObject({ name: "axes" })
    expect(problem("roll", [f32(N, 3)], { shifts: [1, 1], axes: [1] })).toMatchObject({ name: "shifts" })
    expect(problem("roll", [f32(N, 3)], { shifts: [2], axes: [0] })).toMatchObject({ name: "shifts" })
    expect(infer("roll", [f32(N, 3)], { shifts: [-1, 5], axes: [0, 1] })).toEqual(["N 3"])
    expect(problem("flip", [f32(N, 3)], { axes: [] })).toMatchObject({ name: "axes" })
  })

  test("pooling windows that could lie in the padding alone", () => {
    const found = problem("max_pool2d", [f32(N, 3, H, W)], { kernel: [2, 2], stride: [2, 2], padding: [0, 2] })
    expect(found).toMatchObject({ kind: "attribute", name: "padding", message: expect.stringContaining("half") })
  })

  test("the gradient of an enlargement of a size that was never enlarged", () => {
    expect(problem("upsample_nearest2d_gradient", [f32(N, 3, 7, 8)], { scale: 2 })).toMatchObject({
      kind: "not-divisible",
      axis: 2,
      by: 2,
    })
  })

  test("a gradient that has another shape than the result", () => {
    const attributes = { input_shape: [2, 3, 8, 8].map(constant) }
    const found = problem("conv2d_input_gradient", [f32(2, 4, 6, 5), f32(4, 3, 3, 3)], attributes)
    expect(found).toMatchObject({ kind: "other", message: expect.stringMatching(/axis 3 of input 0 is 5; .* has 6/) })
  })

  test("statistics of another number of channels or of a single value, and settings out of range", () => {
    const x = f32(N, 5, H, W)
    const vector = f32(5)
    expect(problem("batch_norm", [x, vector, vector, f32(4), vector])).toMatchObject({
      kind: "dims-differ",
      right: { input: 3, axis: 0 },
    })
    const settings = [x, vector, vector, vector, vector]
    expect(problem("batch_norm", settings, { epsilon: 0 })).toMatchObject({ kind: "attribute", name: "epsilon" })
    expect(problem("batch_norm", settings, { momentum: 1.1 })).toMatchObject({ kind: "attribute", name: "momentum" })
    const found = problem("batch_norm_training", [f32(1, 5, 1, 1), vector, vector])
    expect(found).toMatchObject({ kind: "other", message: expect.stringContaining("more than one value") })
  })
})

describe("TensorFlow's padding", () => {
  /** Padding in front and number of the windows, by TensorFlow's documented rules. */
  function documented(padding: string, size: number, { kernel, stride, dilation }: Window): [number, number] {
    const reach = (kernel - 1) * dilation + 1
    if (padding === "VALID") return [0, Math.ceil((size - reach + 1) / stride)]
    const total = size % stride === 0 ? Math.max(reach - stride, 0) : Math.max(reach - (size % stride), 0)
    return [Math.floor(total / 2), Math.ceil(size / stride)]
  }

  test("VALID and SAME are used for exactly the windows they mean", () => {
    const seen = { VALID: 0, SAME: 0, EXPLICIT: 0 }
    for (let size = 1; size <= 9; size++) {
      for (let code = 0; code < 4 ** 4; code++) {
        const [kernel, stride, padding, dilation] = [0, 1, 2, 3].map((place) => Math.floor(code / 4 ** place) % 4)
        const window = { kernel: kernel! + 1, stride: stride! + 1, padding: padding!, dilation: dilation! + 1 }
        const count = windowCount(size, window)
        if (count < 1) continue
        const attributes = tensorFlowPadding([size], [window])
        const { s: name } = attributes["padding"] as { s: keyof typeof seen }
        seen[name]++
        if (name === "EXPLICIT") {
          expect(attributes["explicit_paddings"]).toEqual({ ints: [0, 0, padding, padding, 0, 0] })
          expect(documented("SAME", size, window)).not.toEqual([padding, count])
          expect(padding).toBeGreaterThan(0)
        } else {
          expect(documented(name, size, window), JSON.stringify({ size, ...window })).toEqual([padding, count])
        }
      }
    }
    for (const [name, times] of Object.entries(seen)) expect(times, name).toBeGreaterThan(100)
  })

  test("axes have one padding between them", () => {
    const same = { kernel: 3, stride: 1, padding: 1, dilation: 1 }
    const point = { kernel: 1, stride: 1, padding: 0, dilation: 1 }
    expect(tensorFlowPadding([8, 8], [same, point])).toEqual({ padding: { s: "SAME" } })
    expect(tensorFlowPadding([8, 8], [same, { ...same, padding: 0 }])).toEqual({
      padding: { s: "EXPLICIT" },
      explicit_paddings: { ints: [0, 0, 1, 1, 0, 0, 0, 0] },
    })
  })
})
