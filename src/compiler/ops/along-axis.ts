/**
 * Reading and adding by index along one axis, with an index for every element: `torch.take_along_dim` and its adjoint. (One
 * index for a whole slice is `gather` and `scatter_add`, in `indexing.ts`.)
 */

import type { DataType } from "../ir/graph.js"
import { ONNX_TYPE } from "./elementwise-unary.js"
import type { InferContext, OnnxContext, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import { checkedIndex, oneDim } from "./indexing.js"
import { build, sizeOf, stridesOf, zeros } from "./ndarray.js"
import { axisOf, normalAxis, numberAttribute } from "./shapes.js"
import { constant as size, type Dim } from "../ir/dims.js"
import { exchanged, exchangeWithLast, reshape } from "./tensorflow-movement.js"

/** Fails unless operand and indices have the same sizes on all axes that `counts` says. Gives the axis. */
function checkAligned(context: InferContext, counts: (axis: number, along: number) => boolean): number {
  const [x, indices] = context.inputs.map((type) => type.shape) as [readonly Dim[], readonly Dim[]]
  if (x.length === 0) context.fail({ kind: "rank", input: 0, expected: "at least one axis" })
  if (indices.length !== x.length) context.fail({ kind: "rank", input: 1, expected: `${x.length} axes, as operand 1` })
  const along = axisOf(context, numberAttribute(context.attributes, "axis"), x.length)
  x.forEach((dim, axis) => {
    if (!counts(axis, along) || context.same(dim, indices[axis]!)) return
    context.fail({
      kind: "dims-differ",
      left: { input: 0, axis },
      right: { input: 1, axis },
      what: "there is one index for each element of the result",
    })
  })
  return along
}

/** The offset of the element that the index at a place points to. */
function target(index: readonly number[], axis: number, picked: number, strides: readonly number[]): number {
  return index.reduce((sum, i, position) => sum + (position === axis ? picked : i) * strides[position]!, 0)
}

/** A tensor with `axis` last and all other axes made one: [P, size of the axis]. */
function rows(
  context: TensorFlowContext,
  input: number,
  axis: number,
): { tensor: string; count: number; width: number } {
  const { dtype, shape } = context.inputTypes[input]!
  const last = exchangeWithLast(context, context.inputs[input]!, axis, shape.length, dtype)
  const width = shape[axis]!
  const count = sizeOf(shape) / width
  return { tensor: reshape(context, last, [count, width], dtype), count, width }
}

/** The reverse of `rows`, for a result with the shape of output 0. */
function fromRows(context: TensorFlowContext, tensor: string, axis: number, dtype: DataType): string {
  const { shape } = context.outputTypes[0]!
  const permuted = exchanged(axis, shape.length).map((position) => shape[position]!)
  return exchangeWithLast(context, reshape(context, tensor, permuted, dtype), axis, shape.length, dtype)
}

const inputs = (
  x: readonly number[],
  indices: readonly number[],
  high: number,
  dtype: "f32" | "i32" = "f32",
): OpCase["inputs"] => [
  { dtype, shape: x },
  { dtype: "i32", shape: indices, low: 0, high },
]

const AXIS = { type: "axis", doc: "the axis that indices count along", default: -1 } as const

const takeAlongAxis: OpDefinition = {
  family: "indexing",
  doc:
    "Picks elements along an axis, with an index for each element of the result, as `torch.take_along_dim`. An index " +
    "outside the axis is an error.",
  inputs: [
    { name: "x", dtypes: ["f32", "i32"], doc: "what is picked from, rank at least 1" },
    { name: "indices", dtypes: ["i32"], doc: "positions; sizes as x, but for the axis, where there may be any number" },
  ],
  attributes: { axis: AXIS },
  infer: (context) => {
    checkAligned(context, (axis, along) => axis !== along)
    return [{ dtype: context.inputs[0]!.dtype, shape: context.inputs[1]!.shape }]
  },
  gradient: ({ gradients: [dy], inputs: [x, indices], attributes, op, typeOf }) => {
    const { dtype, shape } = typeOf(x!)
    if (dtype !== "f32") return [undefined, undefined]
    const axis = normalAxis(numberAttribute(attributes, "axis"), shape.length)
    return [op("scatter_along_axis", [dy!, indices!], { axis, size: [shape[axis]!] }), undefined]
  },
  cost: free,
  layout: { kind: "axes", attribute: "axis", reduces: false },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const { dtype, shape } = context.inputTypes[0]!
    const axis = normalAxis(numberAttribute(context.attributes, "axis"), shape.length)
    const table = rows(context, 0, axis)
    const picked = context.node(
      "GatherV2",
      [table.tensor, rows(context, 1, axis).tensor, context.constant("i32", [], [1])],
      {
        Tparams: context.type(dtype),
        Tindices: context.type("i32"),
        Taxis: context.type("i32"),
        batch_dims: { i: 1 },
      },
    )
    return [fromRows(context, picked, axis, dtype)]
  },
  onnx: (context) => {
    const axis = normalAxis(numberAttribute(context.attributes, "axis"), context.inputTypes[0]!.shape.length)
    return context.node("GatherElements", context.inputs, { axis: { int: axis } })
  },
  reference: ([x, indices], attributes) => {
    const axis = normalAxis(numberAttribute(attributes, "axis"), x!.shape.length)
    const strides = stridesOf(x!.shape)
    let offset = 0
    return [
      build(indices!.shape, (index) => {
        const picked = checkedIndex(indices!.data[offset++]!, x!.shape[axis]!)
        return x!.data[target(index, axis, picked, strides)]!
      }),
    ]
  },
  cases: [
    { name: "vector", inputs: inputs([5], [3], 5) },
    { name: "rows", inputs: inputs([3, 4], [3, 6], 4) },
    { name: "first axis", inputs: inputs([4, 3], [2, 3], 4), attributes: { axis: 0 } },
    { name: "channels", inputs: inputs([2, 5, 2, 3], [2, 1, 2, 3], 5), attributes: { axis: 1 } },
    { name: "integers", inputs: inputs([2, 4], [2, 2], 4, "i32") },
  ],
}

/** ScatterElements adds from opset 16 on; before, indices become one-hot and the updates are summed by them. */
function scatterOnnx(context: OnnxContext): readonly string[] {
  const [updates, indices] = context.inputs as [string, string]
  const { shape } = context.outputTypes[0]!
  const axis = normalAxis(numberAttribute(context.attributes, "axis"), shape.length)
  if (context.opset >= 16) {
    const zero = context.node("Expand", [context.constant("f32", [], [0]), context.shape(shape, "exact")])
    const attributes = { axis: { int: axis }, reduction: { string: "add" } }
    return context.node("ScatterElements", [zero[0]!, indices, updates], attributes)
  }
  const extent = context.size(shape[axis]!)
  const classes = context.constant(
    "i32",
    shape.map((_, position) => (position === axis ? extent : 1)).concat(1),
    Array.from({ length: extent }, (_, i) => i),
  )
  const moved = shape.map((_, position) => position)
  // [..., 1, ..., m]: the place of each update stands at the end, against the classes on the axis itself.
  const atEnd = (value: string): string => {
    const [wide] = context.node("Unsqueeze", [value, context.int64s([axis])])
    const perm = [...moved.filter((position) => position !== axis).map((p) => (p < axis ? p : p + 1)), axis + 1]
    const ordered = [...perm.slice(0, axis), axis, ...perm.slice(axis)]
    return context.node("Transpose", [wide!], { perm: { ints: ordered } })[0]!
  }
  const [matches] = context.node("Equal", [atEnd(indices), classes])
  const [weights] = context.node("Cast", [matches!], { to: { int: ONNX_TYPE.f32 } })
  const [weighted] = context.node("Mul", [weights!, atEnd(updates)])
  return context.node("ReduceSum", [weighted!, context.int64s([shape.length])], { keepdims: { int: 0 } })
}

const scatterAlongAxis: OpDefinition = {
  family: "indexing",
  doc:
    "The adjoint of `take_along_axis`: zeros with `size` places along an axis, to which each update is added at its own " +
    "index, as `torch.zeros(...).scatter_add`. Updates that meet are summed; an index outside the axis is an error.",
  inputs: [
    { name: "updates", dtypes: ["f32"], doc: "what is added, rank at least 1" },
    { name: "indices", dtypes: ["i32"], doc: "where, of the same shape" },
  ],
  attributes: { axis: AXIS, size: { type: "dims", doc: "size of that axis, as a list of one dimension" } },
  infer: (context) => {
    const along = checkAligned(context, () => true)
    const extent = oneDim(context, "size")
    const { shape } = context.inputs[0]!
    return [{ dtype: "f32", shape: shape.map((dim, axis) => (axis === along ? extent : dim)) }]
  },
  gradient: ({ gradients: [dy], inputs: [, indices], attributes, op }) => [
    op("take_along_axis", [dy!, indices!], { axis: numberAttribute(attributes, "axis") }),
    undefined,
  ],
  cost: free,
  layout: { kind: "axes", attribute: "axis", reduces: false },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const { shape } = context.outputTypes[0]!
    const axis = normalAxis(numberAttribute(context.attributes, "axis"), shape.length)
    const extent = shape[axis]!
    const updates = rows(context, 0, axis)
    const places = rows(context, 1, axis)
    // Every row has its own stretch of segments.
    const starts = context.constant(
      "i32",
      [places.count, 1],
      Array.from({ length: places.count }, (_, row) => row * extent),
    )
    const segments = context.node("AddV2", [places.tensor, starts], { T: context.type("i32") })
    const count = context.constant("i32", [], [places.count * extent])
    const summed = context.node("UnsortedSegmentSum", [updates.tensor, segments, count], {
      T: context.type("f32"),
      Tindices: context.type("i32"),
      Tnumsegments: context.type("i32"),
    })
    return [fromRows(context, summed, axis, "f32")]
  },
  onnx: scatterOnnx,
  reference: ([updates, indices], attributes, [type]) => {
    const axis = normalAxis(numberAttribute(attributes, "axis"), updates!.shape.length)
    const strides = stridesOf(type!.shape)
    const result = zeros(type!.shape)
    let offset = 0
    build(updates!.shape, (index) => {
      const picked = checkedIndex(indices!.data[offset]!, type!.shape[axis]!)
      result.data[target(index, axis, picked, strides)]! += updates!.data[offset++]!
      return 0
    })
    return [result]
  },
  cases: [
    { name: "vector", inputs: inputs([6], [6], 4), attributes: { size: [size(4)] } },
    { name: "rows", inputs: inputs([3, 4], [3, 4], 5), attributes: { size: [size(5)] } },
    { name: "first axis", inputs: inputs([4, 3], [4, 3], 2), attributes: { axis: 0, size: [size(2)] } },
    { name: "channels", inputs: inputs([2, 3, 2, 2], [2, 3, 2, 2], 4), attributes: { axis: 1, size: [size(4)] } },
  ],
}

/** The records, for the registry. */
export const alongAxisOps = {
  take_along_axis: takeAlongAxis,
  scatter_along_axis: scatterAlongAxis,
} satisfies Record<string, OpDefinition>
