/**
 * The layout pass keeps what a graph computes, however its parameters are stored, and leaves no transpose where none is
 * needed. Graphs without spatial ops mean the same to the reference interpreter after the pass, so they are compared
 * there, drawn at random; graphs with images are compared on TensorFlow (`targets/tensorflow`).
 */

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, evaluate, multiply, symbol, type Dim } from "../../../src/compiler/ir/dims.js"
import type { Graph, ValueId } from "../../../src/compiler/ir/graph.js"
import { at, build, fromValues, sizeOf, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { assignLayouts, parameterStorage } from "../../../src/compiler/passes/layout.js"
import {
  FILTER_STORAGE,
  identityPermutation,
  IMAGE_STORAGE,
  inverse,
  permuted,
  reshapedStorage,
  transposition,
  type Permutation,
} from "../../../src/compiler/passes/permutations.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { seededUniform } from "../ops/case-values.js"

const SIZES = new Map([["N", 3]])

/** An array in another storage. */
function stored({ shape, data }: NdArray, storage: Permutation): NdArray {
  const array = { shape, data }
  const back = inverse(storage)
  return build(permuted(shape, storage), (index) => at(array, permuted(index, back)))
}

interface RandomProgram {
  readonly graph: Graph
  readonly arrays: ReadonlyMap<string, NdArray>
  readonly storage: ReadonlyMap<string, Permutation>
  readonly wanted: readonly { readonly value: ValueId; readonly storage: Permutation }[]
}

/** A straight line of ops chosen by a stream of numbers; every choice is legal, so no draw is thrown away. */
function randomProgram(choices: readonly number[]): RandomProgram {
  let next = 0
  const pick = (count: number): number => choices[next++ % choices.length]! % count
  const shuffled = (rank: number): number[] => {
    const left = identityPermutation(rank).slice()
    return Array.from({ length: rank }, () => left.splice(pick(left.length), 1)[0]!)
  }
  const builder = new GraphBuilder(new Map())
  const { op } = builder
  const arrays = new Map<string, NdArray>()
  const storage = new Map<string, Permutation>()
  const values: ValueId[] = []
  const shapeOf = (value: ValueId): readonly Dim[] => builder.typeOf(value).shape
  const size = (dim: Dim): number => evaluate(dim, SIZES)!

  const parameter = (shape: number[]): ValueId => {
    const name = `p${arrays.size}`
    const uniform = seededUniform(name)
    arrays.set(
      name,
      fromValues(
        shape,
        Array.from({ length: sizeOf(shape) }, () => uniform() - 0.5),
      ),
    )
    storage.set(name, shuffled(shape.length))
    const initializer = { kind: "constant", value: 0 } as const
    return builder.parameter({ name, role: "param", shape, dtype: "f32", initializer, section: "", frozen: false })
  }
  const image = parameter([2, 3, 4, 2])
  const batch = builder.input("batch", { dtype: "f32", shape: [symbol("N"), ...[2, 4].map(constant)] }, "input")
  arrays.set("batch", fromValues([3, 2, 4], Float64Array.from({ length: 24 }, seededUniform("batch"))))
  values.push(image, batch, parameter([4, 2, 3]))

  for (let step = 0; step < 9; step++) {
    const x = values[values.length - 1 - pick(Math.min(3, values.length))]!
    const shape = shapeOf(x)
    const rank = shape.length
    const axis = rank > 0 ? pick(rank) : 0
    const made = ((): ValueId => {
      if (rank === 0) return op("add", [x, image])
      switch (pick(12)) {
        case 0:
          return op("tanh", [x])
        case 1: {
          const operand = parameter(shape.slice(pick(rank)).map((dim) => (pick(2) ? 1 : size(dim))))
          return shape.some((dim) => dim.key.includes("N")) ? op("mul", [x, parameter([1])]) : op("add", [operand, x])
        }
        case 2:
        case 3:
          return op("transpose", [x], { perm: shuffled(rank) })
        case 4: {
          // two or three neighbours become one axis
          if (rank < 2) return op("reshape", [x], { shape: [constant(1), ...shape] })
          const first = Math.min(axis, rank - 2)
          const end = Math.min(rank, first + 2 + pick(2))
          const merged = shape.slice(first, end).reduce(multiply)
          return op("reshape", [x], { shape: [...shape.slice(0, first), merged, ...shape.slice(end)] })
        }
        case 5: {
          // an even axis becomes two, and a 1 is put somewhere
          const split = shape.findIndex((dim) => size(dim) % 2 === 0 && !dim.key.includes("N"))
          if (split < 0 || rank > 4) return op("square", [x])
          const parts = [
            ...shape.slice(0, split),
            constant(2),
            constant(size(shape[split]!) / 2),
            ...shape.slice(split + 1),
          ]
          parts.splice(pick(parts.length + 1), 0, constant(1))
          return op("reshape", [x], { shape: parts })
        }
        case 6:
          return op("sum", [x], { axes: pick(3) ? [axis] : [], keep: pick(2) === 1 })
        case 7:
          return op("softmax", [x], { axis })
        case 8:
          return op("concat", [x, op("neg", [x])], { axis })
        case 9: {
          const zero = shape.map(() => constant(0))
          const before = zero.map((dim, a) => (a === axis ? constant(1) : dim))
          const padded = op("pad", [x], { before, after: zero, value: 0.5 })
          // The pad is cut off again, or a border of the other side.
          return op("slice", [padded], { starts: pick(2) ? before : zero, sizes: shape })
        }
        case 10:
          return rank > 4 ? op("abs", [x]) : op("broadcast_to", [x], { shape: [constant(2), ...shape] })
        default:
          return rank < 2 ? op("exp", [x]) : op("matmul", [x, op("transpose", [x], { perm: swapLast(rank) })])
      }
    })()
    values.push(made)
  }
  const wanted = values.slice(-3).map((value) => ({ value, storage: shuffled(shapeOf(value).length) }))
  return { graph: builder.finish(), arrays, storage, wanted }
}

function swapLast(rank: number): number[] {
  return [...identityPermutation(rank - 2), rank - 1, rank - 2]
}

describe("what a graph computes", () => {
  test("is the same after the pass, for random programs, storages and results", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { minLength: 40, maxLength: 80 }), (choices) => {
        const { graph, arrays, storage, wanted } = randomProgram(choices)
        const feed = (target: Graph, of: (name: string) => NdArray) =>
          new Map([...target.inputs, ...target.parameters].map(({ name, value }) => [value, of(name)] as const))
        const options = { sizes: SIZES, seed: 1, step: 1 }
        const before = interpret(
          graph,
          wanted.map((result) => result.value),
          feed(graph, (name) => arrays.get(name)!),
          options,
        )
        const result = assignLayouts(graph, { storage, wanted })
        const physical = (name: string): NdArray => {
          const array = arrays.get(name)!
          return stored(array, storage.get(name) ?? identityPermutation(array.shape.length))
        }
        const after = interpret(result.graph, result.wanted, feed(result.graph, physical), options)
        wanted.forEach(({ storage: order }, index) => {
          const expected = stored(before[index]!, order)
          expect(after[index]!.shape).toEqual(expected.shape)
          const scale = Math.max(1, ...expected.data.map(Math.abs))
          after[index]!.data.forEach((value, i) =>
            expect(Math.abs(value - expected.data[i]!)).toBeLessThan(1e-9 * scale),
          )
        })
      }),
      { numRuns: 400, seed: 20_240_601 },
    )
  })
})

/** A U-Net with two levels, from the shape rules alone: forward and, when asked, gradients by all weights. */
function unet(gradients: boolean) {
  const builder = new GraphBuilder(
    new Map([
      ["H", 16],
      ["W", 16],
    ]),
  )
  const { op } = builder
  const weights: ValueId[] = []
  const parameter = (shape: number[]): ValueId => {
    const name = `w${weights.length}`
    const initializer = { kind: "constant", value: 0 } as const
    const value = builder.parameter({
      name,
      role: "param",
      shape,
      dtype: "f32",
      initializer,
      section: "",
      frozen: false,
    })
    weights.push(value)
    return value
  }
  const block = (x: ValueId, from: number, to: number): ValueId => {
    const y = op("conv2d", [x, parameter([to, from, 3, 3])], { padding: [1, 1] })
    const [normal] = builder.all("batch_norm_training", [y, parameter([to]), parameter([to])])
    return op("relu", [normal!])
  }
  const image = builder.input(
    "image",
    { dtype: "f32", shape: [symbol("N"), constant(3), symbol("H"), symbol("W")] },
    "input",
  )
  const top = block(image, 3, 8)
  const bottom = block(op("max_pool2d", [top], { kernel: [2, 2], stride: [2, 2] }), 8, 16)
  // Squeeze and excitation: a global pool, a small matrix, a gate over channels.
  const pooled = op("mean", [bottom], { axes: [2, 3] })
  const gate = op("sigmoid", [op("matmul", [pooled, parameter([16, 16])])])
  const gated = op("mul", [bottom, op("reshape", [gate], { shape: [symbol("N"), ...[16, 1, 1].map(constant)] })])
  const up = op("upsample_nearest2d", [gated], { scale: 2 })
  const joined = block(op("concat", [up, top], { axis: 1 }), 24, 8)
  const logits = op("conv2d", [joined, parameter([1, 8, 1, 1])], {})
  const loss = op("mean", [op("square", [logits])])
  if (!gradients) builder.output("logits", logits)
  const wanted = gradients ? differentiate(builder, loss, weights) : []
  const storage = parameterStorage(builder.finish())
  const graph = builder.finish()
  const names = graph.parameters.map((p) => p.name)
  return { graph, wanted: wanted.map((value, i) => ({ value: value!, storage: storage.get(names[i]!) })) }
}

describe("transposes", () => {
  test("a U-Net with one output channel has one, for the image", () => {
    const { graph } = unet(false)
    const { transposes } = assignLayouts(graph)
    expect(transposes.remaining).toBe(1)
    expect(transposes.inserted).toBe(20)
  })

  test("its training program, gradients included, has one as well", () => {
    const { graph, wanted } = unet(true)
    const { transposes } = assignLayouts(graph, { wanted })
    expect(transposes.remaining).toBe(1)
    expect(transposes.inserted).toBe(52)
  })

  test("an image with one channel has none at all", () => {
    const builder = new GraphBuilder(new Map([["H", 4]]))
    const image = builder.input(
      "image",
      { dtype: "f32", shape: [symbol("N"), constant(1), symbol("H"), symbol("H")] },
      "input",
    )
    const pooled = builder.op("max_pool2d", [image], { kernel: [2, 2], stride: [2, 2] })
    builder.output("pooled", pooled)
    const { graph, transposes } = assignLayouts(builder.finish())
    expect(transposes).toEqual({ inserted: 0, remaining: 0 })
    expect(graph.nodes.map((node) => node.op)).toEqual(["reshape", "max_pool2d", "reshape"])
  })

  test("a convolution's output becomes tokens by a reshape alone, and goes back so", () => {
    const builder = new GraphBuilder(new Map())
    const { op } = builder
    const N = symbol("N")
    const initializer = { kind: "constant", value: 0 } as const
    const weight = builder.parameter({
      name: "weight",
      role: "param",
      shape: [5, 1, 1, 1],
      dtype: "f32",
      initializer,
      section: "",
      frozen: false,
    })
    const image = builder.input("image", { dtype: "f32", shape: [N, ...[1, 4, 6].map(constant)] }, "input")
    const map = op("conv2d", [image, weight])
    const flat = op("reshape", [map], { shape: [N, constant(5), constant(24)] })
    const tokens = op("layer_norm", [
      op("transpose", [flat], { perm: [0, 2, 1] }),
      op("constant", [], { dtype: "f32", shape: [5], values: [1] }),
      op("constant", [], { dtype: "f32", shape: [5], values: [0] }),
    ])
    const grid = op("reshape", [op("transpose", [tokens], { perm: [0, 2, 1] })], {
      shape: [N, ...[5, 4, 6].map(constant)],
    })
    builder.output("pooled", op("mean", [op("max_pool2d", [grid], { kernel: [2, 2], stride: [2, 2] })]))
    const { transposes, storage } = assignLayouts(builder.finish())
    expect(transposes.remaining).toBe(0)
    expect(storage.get("weight")).toEqual(FILTER_STORAGE)
  })

  test("a transposed matrix turns a flag of the product", () => {
    const builder = new GraphBuilder(new Map())
    const shape = [2, 3, 4].map(constant)
    const a = builder.input("a", { dtype: "f32", shape }, "input")
    const b = builder.input("b", { dtype: "f32", shape }, "input")
    builder.output("product", builder.op("matmul", [a, builder.op("transpose", [b], { perm: [0, 2, 1] })]))
    const { graph } = assignLayouts(builder.finish())
    expect(graph.nodes.map((node) => node.op)).toEqual(["matmul"])
    expect(graph.nodes[0]!.attributes).toMatchObject({ transpose_a: false, transpose_b: true })
  })

  test("a value wanted in two storages is transposed once for each", () => {
    const builder = new GraphBuilder(new Map())
    const x = builder.input("x", { dtype: "f32", shape: [2, 3, 4, 5].map(constant) }, "input")
    const y = builder.op("relu", [x])
    const wanted = [IMAGE_STORAGE, IMAGE_STORAGE, undefined, [3, 2, 1, 0]].map((storage) => ({ value: y, storage }))
    const { transposes, wanted: ids } = assignLayouts(builder.finish(), { wanted })
    expect(transposes.remaining).toBe(2)
    expect(ids[0]).toBe(ids[1])
  })

  test("nodes that nothing asks for are left out, and nodes keep their places", () => {
    const builder = new GraphBuilder(new Map())
    const origin = { span: { file: "a.mdl", start: 1, end: 2 }, section: "vision", scope: "vision.a", chain: [] }
    builder.setOrigin(origin)
    const x = builder.input("x", { dtype: "f32", shape: [constant(2)] }, "input")
    builder.op("exp", [x])
    builder.output("y", builder.op("relu", [x]))
    const { graph } = assignLayouts(builder.finish())
    expect(graph.nodes.map((node) => [node.op, node.origin])).toEqual([["relu", origin]])
  })
})

describe("storages of reshapes", () => {
  const sizes = new Map([
    ["H", 8],
    ["W", 8],
  ])
  const [N, C, H, W] = [symbol("N"), constant(6), symbol("H"), symbol("W")]

  test("flattening the grid of an NHWC image keeps the channels last", () => {
    expect(reshapedStorage([N, C, H, W], IMAGE_STORAGE, [N, C, multiply(H, W)], sizes)).toEqual([0, 2, 1])
  })

  test("splitting channels into heads keeps the heads together", () => {
    const to = [N, constant(2), constant(3), H, W]
    expect(reshapedStorage([N, C, H, W], IMAGE_STORAGE, to, sizes)).toEqual([0, 3, 4, 1, 2])
  })

  test("flattening channels and grid together moves elements, so there is no such storage", () => {
    expect(reshapedStorage([N, C, H, W], IMAGE_STORAGE, [N, multiply(C, multiply(H, W))], sizes)).toBeUndefined()
  })

  test("axes that are neighbours in another order do not become one", () => {
    const to = [N, multiply(C, multiply(H, W))]
    expect(reshapedStorage([N, C, H, W], [0, 1, 3, 2], to, sizes)).toBeUndefined()
  })

  test("axes of size 1 come and go", () => {
    const to = [N, constant(1), C, H, constant(1), W]
    expect(reshapedStorage([N, C, H, W], IMAGE_STORAGE, to, sizes)).toEqual([0, 1, 3, 4, 5, 2])
    expect(reshapedStorage(to, [0, 1, 3, 4, 5, 2], [N, C, H, W], sizes)).toEqual(IMAGE_STORAGE)
  })

  test("a transposition undoes itself", () => {
    const there = transposition(IMAGE_STORAGE, FILTER_STORAGE)
    const back = transposition(FILTER_STORAGE, IMAGE_STORAGE)
    expect(permuted(there, back)).toEqual([0, 1, 2, 3])
  })
})
