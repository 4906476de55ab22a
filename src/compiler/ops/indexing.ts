/**
 * Ops that read and write by index: gather and its adjoint, one-hot vectors, ranks.
 */

import { constant as size, product, type Dim } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import type { InferContext, OnnxContext, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import { build, stridesOf, zeros, type NdArray } from "./ndarray.js"
import { axisOf, normalAxis, numberAttribute } from "./shapes.js"
import { dimList } from "./sized-attributes.js"

const INDICES = { name: "indices", dtypes: ["i32"], doc: "positions along the axis, of any shape" } as const

/** A position that exists, or an error: the reference does not guess what an index outside the axis means. */
export function checkedIndex(position: number, extent: number): number {
  if (!Number.isInteger(position) || position < 0 || position >= extent) {
    throw new RangeError(`index ${position} is outside an axis of size ${extent}`)
  }
  return position
}

/** The one entry of a `dims` attribute. */
export function oneDim(context: InferContext, name: string): Dim {
  const [only, ...others] = dimList(context.attributes, name)
  if (only !== undefined && others.length === 0) return only
  const count = only === undefined ? 0 : others.length + 1
  return context.fail({ kind: "attribute", name, message: `${count} entries where there must be one` })
}

const gather: OpDefinition = {
  family: "indexing",
  doc:
    "Slices of a table along an axis, picked by index, as `numpy.take`: the axis is replaced by the axes of the " +
    "indices. An index outside the axis is an error.",
  inputs: [{ name: "table", dtypes: ["f32", "i32"], doc: "what is picked from, rank at least 1" }, INDICES],
  attributes: { axis: { type: "axis", doc: "the axis to pick along", default: 0 } },
  infer: (context) => {
    const [table, indices] = context.inputs
    const axis = axisOf(context, numberAttribute(context.attributes, "axis"), table!.shape.length)
    const shape = [...table!.shape.slice(0, axis), ...indices!.shape, ...table!.shape.slice(axis + 1)]
    return [{ dtype: table!.dtype, shape }]
  },
  gradient: ({ gradients: [dy], inputs: [table, indices], attributes, op, typeOf }) => {
    const { dtype, shape } = typeOf(table!)
    if (dtype !== "f32") return [undefined, undefined]
    const axis = normalAxis(numberAttribute(attributes, "axis"), shape.length)
    return [op("scatter_add", [dy!, indices!], { axis, size: [shape[axis]!] }), undefined]
  },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const axis = normalAxis(numberAttribute(context.attributes, "axis"), context.inputTypes[0]!.shape.length)
    return [
      context.node("GatherV2", [...context.inputs, context.constant("i32", [], [axis])], {
        Tparams: context.type(context.inputTypes[0]!.dtype),
        Tindices: context.type("i32"),
        Taxis: context.type("i32"),
      }),
    ]
  },
  onnx: (context) => {
    const axis = normalAxis(numberAttribute(context.attributes, "axis"), context.inputTypes[0]!.shape.length)
    return context.node("Gather", context.inputs, { axis: { int: axis } })
  },
  reference: ([table, indices], attributes, [type]) => {
    const axis = normalAxis(numberAttribute(attributes, "axis"), table!.shape.length)
    const count = indices!.shape.length
    const strides = stridesOf(table!.shape)
    const indexStrides = stridesOf(indices!.shape)
    return [
      build(type!.shape, (index) => {
        const picked = indices!.data[indexStrides.reduce((sum, stride, i) => sum + stride * index[axis + i]!, 0)]!
        const position = checkedIndex(picked, table!.shape[axis]!)
        const own = [...index.slice(0, axis), position, ...index.slice(axis + count)]
        return table!.data[own.reduce((sum, i, at) => sum + i * strides[at]!, 0)]!
      }),
    ]
  },
  cases: [
    { name: "embedding", inputs: gatherInputs([6, 3], [2, 4], 6) },
    { name: "one row", inputs: gatherInputs([5, 2], [], 5) },
    { name: "middle axis", inputs: gatherInputs([2, 5, 3], [4], 5), attributes: { axis: 1 } },
    { name: "last axis, matrix of indices", inputs: gatherInputs([2, 3, 4], [2, 2], 4), attributes: { axis: -1 } },
    {
      name: "integers",
      inputs: [
        { dtype: "i32", shape: [4], high: 9 },
        { dtype: "i32", shape: [3], high: 4 },
      ],
    },
  ],
}

function gatherInputs(table: readonly number[], indices: readonly number[], extent: number): OpCase["inputs"] {
  return [
    { dtype: "f32", shape: table },
    { dtype: "i32", shape: indices, low: 0, high: extent },
  ]
}

/** Where the index axes stand in the updates of a scatter: `count` axes from `axis` on. */
function scatterAxis(attributes: Attributes, updatesRank: number, indicesRank: number): number {
  return normalAxis(numberAttribute(attributes, "axis"), updatesRank - indicesRank + 1)
}

function inferScatter(context: InferContext): ReturnType<OpDefinition["infer"]> {
  const [updates, indices] = context.inputs
  const count = indices!.shape.length
  if (updates!.shape.length < count) {
    context.fail({ kind: "rank", input: 0, expected: `at least ${count} axes, one for each column of the indices` })
  }
  const rank = updates!.shape.length - count + 1
  const axis = axisOf(context, numberAttribute(context.attributes, "axis"), rank)
  indices!.shape.forEach((dim, i) => {
    if (context.same(updates!.shape[axis + i]!, dim)) return
    context.fail({
      kind: "dims-differ",
      left: { input: 0, axis: axis + i },
      right: { input: 1, axis: i },
      what: "the updates have the axes of the indices where the result has the one axis",
    })
  })
  const extent = oneDim(context, "size")
  const { shape } = updates!
  return [{ dtype: "f32", shape: [...shape.slice(0, axis), extent, ...shape.slice(axis + count)] }]
}

/** The permutation that brings `count` axes from `axis` on to the front. */
function toFront(rank: number, axis: number, count: number): readonly number[] {
  const all = Array.from({ length: rank }, (_, i) => i)
  return [...all.slice(axis, axis + count), ...all.slice(0, axis), ...all.slice(axis + count)]
}

/** The permutation that puts axis 0 in place `axis`. */
function fromFront(rank: number, axis: number): readonly number[] {
  const others = Array.from({ length: rank - 1 }, (_, i) => i + 1)
  return [...others.slice(0, axis), 0, ...others.slice(axis)]
}

function scatterTensorFlow(context: TensorFlowContext): string {
  const [updates, indices] = context.inputs as [string, string]
  const rank = context.inputTypes[0]!.shape.length
  const count = context.inputTypes[1]!.shape.length
  const axis = scatterAxis(context.attributes, rank, count)
  const T = context.type("f32")
  const permute = (value: string, perm: readonly number[]): string =>
    axis === 0 ? value : context.node("Transpose", [value, context.ints(perm)], { T, Tperm: context.type("i32") })
  const segments = context.constant("i32", [], [context.outputTypes[0]!.shape[axis]!])
  const summed = context.node("UnsortedSegmentSum", [permute(updates, toFront(rank, axis, count)), indices, segments], {
    T,
    Tindices: context.type("i32"),
    Tnumsegments: context.type("i32"),
  })
  return permute(summed, fromFront(rank - count + 1, axis))
}

/** ScatterND adds from opset 16 on; before, the indices become one-hot rows and the sum a matrix product. */
function scatterOnnx(context: OnnxContext): readonly string[] {
  const [updates, indices] = context.inputs as [string, string]
  const { shape } = context.inputTypes[0]!
  const count = context.inputTypes[1]!.shape.length
  const axis = scatterAxis(context.attributes, shape.length, count)
  const result = context.outputTypes[0]!.shape
  const extent = context.size(result[axis]!)
  const node = (op: string, inputs: readonly string[], attributes = {}): string =>
    context.node(op, inputs, attributes)[0]!
  const permute = (value: string, perm: readonly number[]): string =>
    axis === 0 ? value : node("Transpose", [value], { perm: { ints: perm } })
  const rest = [...shape.slice(0, axis), ...shape.slice(axis + count)]
  const fronted = permute(updates, toFront(shape.length, axis, count))
  const target = context.shape([size(extent), ...rest], "exact")
  if (context.opset >= 16) {
    const zero = node("Expand", [context.constant("f32", [], [0]), target])
    const column = node("Unsqueeze", [node("Cast", [indices], { to: { int: 7 } }), context.int64s([count])])
    const summed = node("ScatterND", [zero, column, fronted], { reduction: { string: "add" } })
    return [permute(summed, fromFront(result.length, axis))]
  }
  const classes = context.constant(
    "i32",
    [extent, 1],
    Array.from({ length: extent }, (_, i) => i),
  )
  const matches = node("Equal", [classes, node("Reshape", [indices, context.int64s([1, -1])])])
  // One row per update; the batch may be among the rows or in the width.
  const table = [product(context.inputTypes[1]!.shape), product(rest)]
  const rows = node("Reshape", [fronted, context.shape(table, "reshape")])
  const summed = node("MatMul", [node("Cast", [matches], { to: { int: 1 } }), rows])
  return [permute(node("Reshape", [summed, target]), fromFront(result.length, axis))]
}

function scatterReference(updates: NdArray, indices: NdArray, axis: number, shape: readonly number[]): NdArray {
  const result = zeros(shape)
  const count = indices.shape.length
  const indexStrides = stridesOf(indices.shape)
  const strides = stridesOf(shape)
  let offset = 0
  build(updates.shape, (index) => {
    const picked = indices.data[indexStrides.reduce((sum, stride, i) => sum + stride * index[axis + i]!, 0)]!
    const position = checkedIndex(picked, shape[axis]!)
    const own = [...index.slice(0, axis), position, ...index.slice(axis + count)]
    result.data[own.reduce((sum, i, at) => sum + i * strides[at]!, 0)]! += updates.data[offset++]!
    return 0
  })
  return result
}

const scatterAdd: OpDefinition = {
  family: "indexing",
  doc:
    "The adjoint of `gather`: zeros with `size` places along an axis, to which each update is added at its index. " +
    "Updates that meet are summed; an index outside the axis is an error.",
  inputs: [
    { name: "updates", dtypes: ["f32"], doc: "what is added; has the axes of the indices at the axis" },
    INDICES,
  ],
  attributes: {
    axis: { type: "axis", doc: "the axis of the result that indices count along", default: 0 },
    size: { type: "dims", doc: "size of that axis, as a list of one dimension" },
  },
  infer: inferScatter,
  gradient: ({ gradients: [dy], inputs: [updates, indices], attributes, op, typeOf }) => {
    const axis = scatterAxis(attributes, typeOf(updates!).shape.length, typeOf(indices!).shape.length)
    return [op("gather", [dy!, indices!], { axis }), undefined]
  },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "full" },
  tensorflow: (context) => [scatterTensorFlow(context)],
  onnx: scatterOnnx,
  reference: ([updates, indices], attributes, [type]) => {
    const axis = scatterAxis(attributes, updates!.shape.length, indices!.shape.length)
    return [scatterReference(updates!, indices!, axis, type!.shape)]
  },
  cases: [
    { name: "rows that meet", inputs: gatherInputs([6, 3], [6], 4), attributes: { size: [size(4)] } },
    { name: "matrix of indices", inputs: gatherInputs([2, 4, 3], [2, 4], 5), attributes: { size: [size(5)] } },
    { name: "middle axis", inputs: gatherInputs([2, 4, 3], [4], 6), attributes: { axis: 1, size: [size(6)] } },
    { name: "last axis", inputs: gatherInputs([2, 2, 3], [2, 3], 4), attributes: { axis: -1, size: [size(4)] } },
    { name: "one update", inputs: gatherInputs([3], [], 2), attributes: { size: [size(2)] } },
  ],
}

const oneHot: OpDefinition = {
  family: "indexing",
  doc: "A new last axis with 1 at the index and 0 elsewhere, as f32; an index outside [0, depth) gives zeros only.",
  inputs: [INDICES],
  attributes: { depth: { type: "int", doc: "size of the new axis" } },
  infer: (context) => {
    const depth = numberAttribute(context.attributes, "depth")
    if (!Number.isInteger(depth) || depth < 1) {
      context.fail({ kind: "attribute", name: "depth", message: `${depth} is no size` })
    }
    return [{ dtype: "f32", shape: [...context.inputs[0]!.shape, size(depth)] }]
  },
  gradient: { none: "indices have no gradient" },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const depth = context.constant("i32", [], [numberAttribute(context.attributes, "depth")])
    const [on, off] = [1, 0].map((value) => context.constant("f32", [], [value])) as [string, string]
    return [
      context.node("OneHot", [context.inputs[0]!, depth, on, off], {
        T: context.type("f32"),
        TI: context.type("i32"),
        axis: { i: -1 },
      }),
    ]
  },
  onnx: (context) => {
    // By comparison, because ONNX's OneHot counts negative indices from the end.
    const depth = numberAttribute(context.attributes, "depth")
    const rank = context.inputTypes[0]!.shape.length
    const classes = context.constant(
      "i32",
      [depth],
      Array.from({ length: depth }, (_, i) => i),
    )
    const [column] = context.node("Unsqueeze", [context.inputs[0]!, context.int64s([rank])])
    const [matches] = context.node("Equal", [column!, classes])
    return context.node("Cast", [matches!], { to: { int: 1 } })
  },
  reference: ([indices], _attributes, [type]) => {
    const depth = type!.shape.at(-1)!
    let offset = 0
    return [build(type!.shape, () => Number(indices!.data[Math.floor(offset / depth)] === offset++ % depth))]
  },
  cases: [
    { name: "vector", inputs: [{ dtype: "i32", shape: [4], high: 3 }], attributes: { depth: 3 } },
    { name: "matrix", inputs: [{ dtype: "i32", shape: [2, 3], high: 5 }], attributes: { depth: 5 } },
    { name: "scalar", inputs: [{ dtype: "i32", shape: [], high: 3 }], attributes: { depth: 3 } },
    { name: "outside", inputs: [{ dtype: "i32", shape: [3], values: [-1, 2, 3] }], attributes: { depth: 3 } },
  ],
}

const rankDescending: OpDefinition = {
  family: "indexing",
  doc:
    "For each position along the last axis, how many entries come before it in descending order; equal entries in the " +
    "order of their positions. `rank_descending(x) < k` marks the k largest.",
  inputs: [{ name: "x", dtypes: ["f32"], doc: "scores, rank at least 1" }],
  attributes: {},
  infer: (context) => {
    if (context.inputs[0]!.shape.length === 0) context.fail({ kind: "rank", input: 0, expected: "at least one axis" })
    return [{ dtype: "i32", shape: context.inputs[0]!.shape }]
  },
  gradient: { none: "ranks are integers" },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "full" },
  // Sorting gives the position of each rank; sorting those positions gives the rank of each position.
  tensorflow: (context) => {
    const k = context.constant("i32", [], [context.inputTypes[0]!.shape.at(-1)!])
    const sort = (value: string, dtype: "f32" | "i32"): string =>
      `${context.node("TopKV2", [value, k], { T: context.type(dtype), sorted: { b: true } })}:1`
    return [sort(context.node("Neg", [sort(context.inputs[0]!, "f32")], { T: context.type("i32") }), "i32")]
  },
  onnx: (context) => {
    const shape = context.inputTypes[0]!.shape
    const k = context.shape([shape.at(-1)!], "exact")
    const sort = (value: string, largest: number): string =>
      context.node("TopK", [value, k], { axis: { int: shape.length - 1 }, largest: { int: largest } }, 2)[1]!
    return context.node("Cast", [sort(sort(context.inputs[0]!, 1), 0)], { to: { int: 6 } })
  },
  reference: ([x]) => {
    const length = x!.shape.at(-1)!
    const result = zeros(x!.shape)
    for (let position = 0; position < x!.data.length; position++) {
      const first = position - (position % length)
      for (let other = first; other < first + length; other++) {
        const difference = x!.data[other]! - x!.data[position]!
        if (difference > 0 || (difference === 0 && other < position)) result.data[position]! += 1
      }
    }
    return [result]
  },
  cases: [
    { name: "vector", inputs: [{ dtype: "f32", shape: [7], awayFromZero: 0.02 }] },
    { name: "rows", inputs: [{ dtype: "f32", shape: [3, 6], awayFromZero: 0.02 }] },
    { name: "feature maps", inputs: [{ dtype: "f32", shape: [2, 2, 2, 5], awayFromZero: 0.02 }] },
    { name: "ties", inputs: [{ dtype: "f32", shape: [2, 4], values: [1, 0, 1, 0, 0.5, 0.5, 0.5, 0.5] }] },
  ],
}

export const indexing = {
  gather,
  scatter_add: scatterAdd,
  one_hot: oneHot,
  rank_descending: rankDescending,
} satisfies Record<string, OpDefinition>
