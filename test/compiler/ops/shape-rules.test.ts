/** Shape rules with symbols: what is accepted, what comes out, and which axes a refusal names. */

import { describe, expect, test } from "vitest"
import { GraphBuilder, OpTypeError } from "../../../src/compiler/ir/builder.js"
import { constant, formatShape, multiply, symbol, toDim, type Dim, type Sizes } from "../../../src/compiler/ir/dims.js"
import type { Attributes, DataType } from "../../../src/compiler/ir/graph.js"
import type { ShapeProblem } from "../../../src/compiler/ops/definition.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import { fromValues } from "../../../src/compiler/ops/ndarray.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"

const N = symbol("N")
const H = symbol("H")
const T = symbol("T")
const sizes: Sizes = new Map([
  ["H", 8],
  ["T", 18],
])

type Typed = readonly [DataType, ...(number | Dim)[]]

function build(op: OpName, inputs: readonly Typed[], attributes: Attributes = {}): { shape: string; dtype: string } {
  const builder = new GraphBuilder(sizes)
  const ids = inputs.map(([dtype, ...shape], index) =>
    builder.input(`i${index}`, { dtype, shape: shape.map(toDim) }, "input"),
  )
  const type = builder.typeOf(builder.op(op, ids, attributes))
  return { shape: formatShape(type.shape), dtype: type.dtype }
}

function problemOf(op: OpName, inputs: readonly Typed[], attributes: Attributes = {}): ShapeProblem {
  try {
    build(op, inputs, attributes)
  } catch (error) {
    if (error instanceof OpTypeError) return error.problem
    throw error
  }
  throw new Error(`${op} was accepted`)
}

const shapeOf = (...args: Parameters<typeof build>): string => build(...args).shape

describe("elementwise ops", () => {
  test("keep symbols and broadcast", () => {
    expect(
      shapeOf("add", [
        ["f32", N, 3, H, H],
        ["f32", 3, 1, 1],
      ]),
    ).toBe("[N, 3, H, H]")
    expect(build("less", [["i32", N, T], ["i32"]])).toEqual({ shape: "[N, T]", dtype: "bool" })
    expect(shapeOf("select", [["bool", N, 1, T], ["f32", N, 4, T], ["f32"]])).toBe("[N, 4, T]")
  })

  test("name the axes that differ, each by its own number", () => {
    expect(
      problemOf("mul", [
        ["f32", N, 3, H, H],
        ["f32", 4, 1, 1],
      ]),
    ).toMatchObject({
      kind: "dims-differ",
      left: { input: 0, axis: 1 },
      right: { input: 1, axis: 0 },
    })
  })

  test("do not convert element types", () => {
    expect(
      problemOf("add", [
        ["f32", 2],
        ["i32", 2],
      ]),
    ).toMatchObject({ kind: "dtype", input: 1, expected: ["f32"] })
    expect(
      problemOf("select", [
        ["bool", 2],
        ["f32", 2],
        ["i32", 2],
      ]),
    ).toMatchObject({ kind: "dtype", input: 2 })
  })

  test("refuse a clamp whose bounds are swapped and a cast to nothing", () => {
    expect(problemOf("clamp", [["f32", 2]], { min: 1, max: 0 })).toMatchObject({ kind: "attribute", name: "min" })
    expect(problemOf("cast", [["f32", 2]], { to: "f64" })).toMatchObject({ kind: "attribute", name: "to" })
  })

  test("binary cross-entropy broadcasts nothing", () => {
    expect(
      problemOf("binary_cross_entropy", [
        ["f32", N, 1, H],
        ["f32", N, H],
      ]),
    ).toMatchObject({ kind: "rank", input: 1 })
    expect(
      problemOf("binary_cross_entropy", [
        ["f32", N, 2],
        ["f32", N, 1],
      ]),
    ).toMatchObject({
      kind: "dims-differ",
      left: { axis: 1 },
    })
  })
})

describe("reductions", () => {
  test("drop axes, or keep them with size 1", () => {
    expect(shapeOf("mean", [["f32", N, 3, H, H]], { axes: [2, -1] })).toBe("[N, 3]")
    expect(shapeOf("sum", [["f32", N, 3, H, H]], { axes: [2, 3], keep: true })).toBe("[N, 3, 1, 1]")
    expect(shapeOf("max", [["f32", N, T]])).toBe("[]")
  })

  test("refuse axes outside the rank, and the same axis twice", () => {
    expect(problemOf("sum", [["f32", N, T]], { axes: [2] })).toMatchObject({ kind: "attribute", name: "axes" })
    expect(problemOf("sum", [["f32", N, T]], { axes: [1, -1] })).toMatchObject({ kind: "attribute", name: "axes" })
  })
})

describe("matmul", () => {
  test("multiplies the last axes and broadcasts the leading ones", () => {
    expect(
      shapeOf("matmul", [
        ["f32", N, T, 64],
        ["f32", 64, 32],
      ]),
    ).toBe("[N, T, 32]")
    expect(
      shapeOf(
        "matmul",
        [
          ["f32", N, 8, T, 64],
          ["f32", N, 8, T, 64],
        ],
        { transpose_b: true },
      ),
    ).toBe("[N, 8, T, T]")
    expect(
      shapeOf("matmul", [
        ["f32", N, 1, T, 4],
        ["f32", 3, 4, 2],
      ]),
    ).toBe("[N, 3, T, 2]")
  })

  test("names the inner axes and the transposition that would help", () => {
    const problem = problemOf("matmul", [
      ["f32", N, T, 64],
      ["f32", 32, 64],
    ])
    expect(problem).toMatchObject({ kind: "dims-differ", left: { input: 0, axis: 2 }, right: { input: 1, axis: 0 } })
    expect(problem.hint).toBe("with transpose_b = true they would agree")
  })

  test("names the leading axes that differ", () => {
    expect(
      problemOf("matmul", [
        ["f32", 2, 5, T, 4],
        ["f32", 3, 4, 4],
      ]),
    ).toMatchObject({
      kind: "dims-differ",
      left: { input: 0, axis: 1 },
      right: { input: 1, axis: 0 },
    })
  })

  test("refuses vectors", () => {
    expect(
      problemOf("matmul", [
        ["f32", N, T],
        ["f32", T],
      ]),
    ).toMatchObject({ kind: "rank", input: 1 })
  })
})

describe("shape ops", () => {
  test("reshape compares polynomials, and sizes where they are known", () => {
    const area = multiply(H, H)
    expect(shapeOf("reshape", [["f32", N, 3, H, H]], { shape: [N, constant(3), area] })).toBe("[N, 3, H*H]")
    expect(shapeOf("reshape", [["f32", N, H]], { shape: [N, constant(2), constant(4)] })).toBe("[N, 2, 4]")
    expect(problemOf("reshape", [["f32", N, H]], { shape: [N, constant(9)] })).toMatchObject({
      kind: "attribute",
      name: "shape",
      message: "[N, H] has 8*N elements, [N, 9] has 9*N",
    })
    expect(problemOf("reshape", [["f32", N, H]], { shape: [constant(-1)] }).hint).toContain("not inferred")
  })

  test("transpose wants a permutation", () => {
    expect(shapeOf("transpose", [["f32", N, 3, T]], { perm: [0, 2, 1] })).toBe("[N, T, 3]")
    expect(problemOf("transpose", [["f32", N, 3, T]], { perm: [0, 1, 1] })).toMatchObject({ name: "perm" })
  })

  test("concat adds the sizes along its axis and names the part that does not fit", () => {
    expect(
      shapeOf(
        "concat",
        [
          ["f32", N, T, 4],
          ["f32", N, 1, 4],
        ],
        { axis: 1 },
      ),
    ).toBe("[N, T + 1, 4]")
    expect(
      problemOf(
        "concat",
        [
          ["f32", N, 3, H],
          ["f32", N, 3, H],
          ["f32", N, 3, T],
        ],
        { axis: 1 },
      ),
    ).toMatchObject({
      kind: "dims-differ",
      left: { input: 0, axis: 2 },
      right: { input: 2, axis: 2 },
    })
    expect(
      problemOf(
        "concat",
        [
          ["f32", N, 3],
          ["i32", N, 3],
        ],
        { axis: 1 },
      ),
    ).toMatchObject({ kind: "dtype", input: 1 })
  })

  test("slice stays inside and pad adds up", () => {
    const zero = constant(0)
    expect(shapeOf("slice", [["f32", N, T]], { starts: [zero, constant(1)], sizes: [N, constant(17)] })).toBe("[N, 17]")
    expect(
      problemOf("slice", [["f32", N, T]], { starts: [zero, constant(2)], sizes: [N, constant(17)] }),
    ).toMatchObject({
      kind: "attribute",
      name: "sizes",
    })
    expect(shapeOf("pad", [["f32", N, T]], { before: [zero, zero], after: [zero, constant(2)] })).toBe("[N, T + 2]")
    expect(problemOf("pad", [["f32", N, T]], { before: [zero], after: [zero, zero] })).toMatchObject({ name: "before" })
  })

  test("broadcast_to refuses what does not align", () => {
    expect(shapeOf("broadcast_to", [["f32", 3, 1]], { shape: [N, constant(3), T] })).toBe("[N, 3, T]")
    expect(problemOf("broadcast_to", [["f32", 3]], { shape: [N, constant(4)] })).toMatchObject({ name: "shape" })
  })
})

describe("constants, random numbers, indices", () => {
  test("a constant's values fit its shape and its type", () => {
    expect(problemOf("constant", [], { shape: [2, 2], values: [1, 2, 3] })).toMatchObject({ name: "values" })
    expect(problemOf("constant", [], { dtype: "i32", values: [0.5] })).toMatchObject({ name: "values" })
  })

  test("iota and random tensors can be as long as a symbol", () => {
    expect(build("iota", [], { size: [T] })).toEqual({ shape: "[T]", dtype: "i32" })
    expect(shapeOf("random_uniform", [], { shape: [N, T], key: "k" })).toBe("[N, T]")
    expect(problemOf("random_uniform", [], { shape: [N], key: "k", low: 1, high: 1 })).toMatchObject({ name: "high" })
    expect(problemOf("random_normal", [], { shape: [N], key: "k", deviation: -1 })).toMatchObject({ name: "deviation" })
  })

  test("a dropout of everything is refused", () => {
    expect(problemOf("dropout", [["f32", N]], { rate: 1, key: "k" })).toMatchObject({ kind: "attribute", name: "rate" })
  })

  test("gather replaces its axis by those of the indices, and scatter_add undoes it", () => {
    expect(
      shapeOf("gather", [
        ["f32", 49408, 512],
        ["i32", N, T],
      ]),
    ).toBe("[N, T, 512]")
    expect(
      shapeOf(
        "gather",
        [
          ["f32", N, T, 4],
          ["i32", 5],
        ],
        { axis: 1 },
      ),
    ).toBe("[N, 5, 4]")
    expect(
      shapeOf(
        "scatter_add",
        [
          ["f32", N, T, 512],
          ["i32", N, T],
        ],
        { size: [constant(49408)] },
      ),
    ).toBe("[49408, 512]")
    expect(
      shapeOf(
        "scatter_add",
        [
          ["f32", N, 5, 4],
          ["i32", 5],
        ],
        { axis: 1, size: [T] },
      ),
    ).toBe("[N, T, 4]")
    expect(
      problemOf(
        "scatter_add",
        [
          ["f32", N, 6, 4],
          ["i32", 5],
        ],
        { axis: 1, size: [T] },
      ),
    ).toMatchObject({
      kind: "dims-differ",
      left: { input: 0, axis: 1 },
      right: { input: 1, axis: 0 },
    })
  })

  test("layer_norm wants vectors as long as the last axis", () => {
    expect(
      problemOf("layer_norm", [
        ["f32", N, T, 8],
        ["f32", 8],
        ["f32", 7],
      ]),
    ).toMatchObject({
      kind: "dims-differ",
      left: { input: 0, axis: 2 },
      right: { input: 2, axis: 0 },
    })
  })
})

test("an index outside the table is an error in the reference, not a guess", () => {
  const builder = new GraphBuilder(sizes)
  const table = builder.input("table", { dtype: "f32", shape: [constant(3)] }, "input")
  const indices = builder.input("indices", { dtype: "i32", shape: [constant(1)] }, "input")
  const picked = builder.op("gather", [table, indices])
  for (const index of [3, -1]) {
    const feeds = new Map([
      [table, fromValues([3], [1, 2, 3])],
      [indices, fromValues([1], [index])],
    ])
    const run = (): unknown => interpret(builder.finish(), [picked], feeds, { sizes, seed: 0, step: 0 })
    expect(run).toThrow(RangeError)
  }
})

describe("order and indices along an axis", () => {
  test("keep the symbols of the other axes", () => {
    expect(build("argmax", [["f32", N, 4, H]], { axis: 1 })).toEqual({ shape: "[N, H]", dtype: "i32" })
    expect(shapeOf("argmin", [["f32", N, T]], { keep: true })).toBe("[N, 1]")
    expect(shapeOf("top_k", [["f32", N, T]], { k: 3 })).toBe("[N, 3]")
    expect(shapeOf("cumsum", [["f32", N, T]])).toBe("[N, T]")
    const along: readonly Typed[] = [
      ["f32", N, T],
      ["i32", N, 5],
    ]
    expect(shapeOf("take_along_axis", along)).toBe("[N, 5]")
    expect(shapeOf("log_sum_exp", [["f32", N, T]], { axes: [-1] })).toBe("[N]")
  })

  test("refuse more elements than there are, and none", () => {
    expect(problemOf("top_k", [["f32", N, T]], { k: 19 })).toMatchObject({ kind: "attribute", name: "k" })
    expect(problemOf("top_k", [["f32", N, T]], { k: 0 })).toMatchObject({ kind: "attribute", name: "k" })
  })

  test("want one index for each element", () => {
    const other: readonly Typed[] = [
      ["f32", N, 4, T],
      ["i32", N, 3, T],
    ]
    expect(problemOf("take_along_axis", other)).toMatchObject({
      kind: "dims-differ",
      left: { axis: 1 },
      right: { axis: 1 },
    })
    expect(shapeOf("take_along_axis", other, { axis: 1 })).toBe("[N, 3, T]")
    const shorter: readonly Typed[] = [
      ["f32", 3, 4],
      ["i32", 3, 2],
    ]
    expect(problemOf("scatter_along_axis", shorter, { size: [constant(4)] })).toMatchObject({ kind: "dims-differ" })
  })
})

describe("products by letters", () => {
  test("take their sizes from the letters", () => {
    const operands: readonly Typed[] = [
      ["f32", N, T, 4],
      ["f32", 4, H],
    ]
    expect(shapeOf("einsum", operands, { equation: "ntc,ch->nht" })).toBe("[N, H, T]")
    expect(problemOf("einsum", operands, { equation: "ntc,hc->nht" })).toMatchObject({
      kind: "dims-differ",
      left: { input: 0, axis: 2 },
      right: { input: 1, axis: 1 },
    })
  })
})

describe("groups of channels", () => {
  const data = (channels: number): readonly Typed[] => [
    ["f32", N, channels, H, H],
    ["f32", channels],
    ["f32", channels],
  ]
  test("must divide them", () => {
    expect(shapeOf("group_norm", data(6), { groups: 3 })).toBe("[N, 6, H, H]")
    expect(problemOf("group_norm", data(6), { groups: 4 })).toMatchObject({ kind: "not-divisible", axis: 1, by: 4 })
    expect(problemOf("group_norm", data(6), { groups: 0 })).toMatchObject({ kind: "attribute", name: "groups" })
  })
  test("must hold more than one value", () => {
    const vectors: readonly Typed[] = [
      ["f32", N, 4],
      ["f32", 4],
      ["f32", 4],
    ]
    expect(problemOf("group_norm", vectors, { groups: 4 })).toMatchObject({ kind: "other" })
  })
})

test("the form of GELU is one of two", () => {
  expect(problemOf("gelu", [["f32", 3]], { approximate: "fast" })).toMatchObject({
    kind: "attribute",
    name: "approximate",
  })
})
