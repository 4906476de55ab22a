/**
 * Ops that look along one axis for an order or a running total: the k largest, the position of the largest, sums so far.
 *
 * Equal elements come in the order of their positions, in every target.
 */

import { constant as size, evaluate, format, type Dim } from "../ir/dims.js"
import { ONNX_TYPE } from "./elementwise-unary.js"
import type { CaseInput, InferContext, OpCase, OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { alongAxis } from "./ndarray.js"
import { axisOf, booleanAttribute, normalAxis, numberAttribute } from "./shapes.js"
import { exchangeWithLast, reshape } from "./tensorflow-movement.js"

const X = { name: "x", dtypes: ["f32", "i32"], doc: "operand, rank at least 1" } as const

const spread = (shape: readonly number[]): CaseInput => ({ dtype: "f32", shape, awayFromZero: 0.02 })
const whole = (shape: readonly number[]): CaseInput => ({ dtype: "i32", shape, low: -9, high: 10 })

/** The axis that the op looks along, checked. */
function checkedAxis(context: InferContext): number {
  const { shape } = context.inputs[0]!
  if (shape.length === 0) context.fail({ kind: "rank", input: 0, expected: "at least one axis" })
  return axisOf(context, numberAttribute(context.attributes, "axis"), shape.length)
}

const axisIn = (attributes: OpCase["attributes"], rank: number): number =>
  normalAxis(numberAttribute(attributes!, "axis"), rank)

// ----------------------------------------------------------------------------------------------------------- k largest

/** Positions of `values` in the order asked for, equal ones by position. */
function ranked(values: readonly number[], largest: boolean): readonly number[] {
  const sign = largest ? -1 : 1
  return values.map((_, i) => i).sort((i, j) => sign * (values[i]! - values[j]!) || i - j)
}

const topK: OpDefinition = {
  family: "ordering",
  doc:
    "The k largest (or smallest) elements along an axis, in order, and their positions, as `torch.topk`; equal elements " +
    "in the order of their positions. The result is a list of two tensors.",
  inputs: [X],
  attributes: {
    k: { type: "int", doc: "how many" },
    axis: { type: "axis", doc: "the axis to look along", default: -1 },
    largest: {
      type: "bool",
      doc: "the largest, in descending order; else the smallest, in ascending order",
      default: true,
    },
  },
  infer: (context) => {
    const { dtype, shape } = context.inputs[0]!
    const axis = checkedAxis(context)
    const k = numberAttribute(context.attributes, "k")
    const extent = evaluate(shape[axis]!, context.sizes)
    if (!Number.isInteger(k) || k < 1)
      context.fail({ kind: "attribute", name: "k", message: `${k} is no number of elements` })
    if (extent !== undefined && k > extent) {
      const message = `${k} of an axis with ${extent} elements (${format(shape[axis]!)})`
      context.fail({ kind: "attribute", name: "k", message, hint: `use k = ${extent} to sort the whole axis` })
    }
    const result = shape.map((dim, position): Dim => (position === axis ? size(k) : dim))
    return [
      { dtype, shape: result },
      { dtype: "i32", shape: result },
    ]
  },
  gradient: ({ gradients: [dy], inputs: [x], outputs: [, positions], attributes, op, typeOf }) => {
    const { dtype, shape } = typeOf(x!)
    if (dtype !== "f32" || dy === undefined) return [undefined]
    const axis = axisIn(attributes, shape.length)
    return [op("scatter_along_axis", [dy, positions!], { axis, size: [shape[axis]!] })]
  },
  cost: free,
  layout: { kind: "axes", attribute: "axis", reduces: false },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const { dtype, shape } = context.inputTypes[0]!
    const axis = axisIn(context.attributes, shape.length)
    const ascending = !booleanAttribute(context.attributes, "largest")
    const T = context.type(dtype)
    const turned = (value: string): string => (ascending ? context.node("Neg", [value], { T }) : value)
    const last = turned(exchangeWithLast(context, context.inputs[0]!, axis, shape.length, dtype))
    const k = context.constant("i32", [], [numberAttribute(context.attributes, "k")])
    const found = context.node("TopKV2", [last, k], { T, sorted: { b: true } })
    return [
      exchangeWithLast(context, turned(found), axis, shape.length, dtype),
      exchangeWithLast(context, `${found}:1`, axis, shape.length, "i32"),
    ]
  },
  onnx: (context) => {
    const axis = axisIn(context.attributes, context.inputTypes[0]!.shape.length)
    const largest = booleanAttribute(context.attributes, "largest")
    const k = context.int64s([numberAttribute(context.attributes, "k")])
    const attributes = { axis: { int: axis }, largest: { int: Number(largest) }, sorted: { int: 1 } }
    const [values, positions] = context.node("TopK", [context.inputs[0]!, k], attributes, 2)
    return [values!, context.node("Cast", [positions!], { to: { int: ONNX_TYPE.i32 } })[0]!]
  },
  reference: ([x], attributes) => {
    const axis = axisIn(attributes, x!.shape.length)
    const k = numberAttribute(attributes, "k")
    const largest = booleanAttribute(attributes, "largest")
    const first = (values: readonly number[]): readonly number[] => ranked(values, largest).slice(0, k)
    return [alongAxis(x!, axis, (values) => first(values).map((i) => values[i]!), k), alongAxis(x!, axis, first, k)]
  },
  cases: [
    { name: "vector", inputs: [spread([7])], attributes: { k: 3 } },
    { name: "sorted rows", inputs: [spread([3, 5])], attributes: { k: 5 } },
    { name: "smallest, ascending", inputs: [spread([3, 6])], attributes: { k: 4, largest: false } },
    { name: "channels of images", inputs: [spread([2, 5, 2, 3])], attributes: { k: 2, axis: 1 } },
    { name: "first axis", inputs: [spread([4, 3])], attributes: { k: 1, axis: 0, largest: false } },
    {
      name: "ties",
      inputs: [{ dtype: "f32", shape: [2, 4], values: [1, 0, 1, 0, 0.5, 0.5, 0.5, 0.5] }],
      attributes: { k: 3 },
      skip: { gradient: "equal elements are a kink" },
    },
    {
      name: "ties, ascending",
      inputs: [{ dtype: "i32", shape: [2, 4], values: [1, 0, 1, 0, 5, 5, 5, 5] }],
      attributes: { k: 3, largest: false },
    },
    { name: "integers", inputs: [whole([2, 6])], attributes: { k: 2 } },
  ],
}

// ---------------------------------------------------------------------------------------------- position of the largest

function positionOf(name: "argmax" | "argmin"): OpDefinition {
  const largest = name === "argmax"
  const op = largest ? "ArgMax" : "ArgMin"
  return {
    family: "ordering",
    doc: `The position of the ${largest ? "largest" : "smallest"} element along an axis, the first of equal ones, as \`torch.${name}\`.`,
    inputs: [X],
    attributes: {
      axis: { type: "axis", doc: "the axis to look along", default: -1 },
      keep: { type: "bool", doc: "whether the axis stays, with size 1", default: false },
    },
    infer: (context) => {
      const axis = checkedAxis(context)
      const { shape } = context.inputs[0]!
      const keep = booleanAttribute(context.attributes, "keep")
      const result = shape.flatMap((dim, position) => (position !== axis ? [dim] : keep ? [size(1)] : []))
      return [{ dtype: "i32", shape: result }]
    },
    gradient: { none: "positions are integers" },
    cost: free,
    layout: { kind: "axes", attribute: "axis", reduces: true },
    precision: { kind: "full" },
    tensorflow: (context) => {
      const { dtype, shape } = context.inputTypes[0]!
      const axis = context.constant("i32", [], [axisIn(context.attributes, shape.length)])
      const found = context.node(op, [context.inputs[0]!, axis], {
        T: context.type(dtype),
        Tidx: context.type("i32"),
        output_type: context.type("i32"),
      })
      const keep = booleanAttribute(context.attributes, "keep")
      return [keep ? reshape(context, found, context.outputTypes[0]!.shape, "i32") : found]
    },
    onnx: (context) => {
      const axis = axisIn(context.attributes, context.inputTypes[0]!.shape.length)
      const keepdims = { int: Number(booleanAttribute(context.attributes, "keep")) }
      const found = context.node(op, context.inputs, { axis: { int: axis }, keepdims })
      return context.node("Cast", found, { to: { int: ONNX_TYPE.i32 } })
    },
    reference: ([x], attributes, [type]) => {
      const axis = axisIn(attributes, x!.shape.length)
      const found = alongAxis(x!, axis, (values) => ranked(values, largest).slice(0, 1), 1)
      return [{ shape: type!.shape, data: found.data }]
    },
    cases: [
      { name: "vector", inputs: [spread([7])] },
      { name: "classes", inputs: [spread([2, 4, 3, 2])], attributes: { axis: 1 } },
      { name: "rows, kept", inputs: [spread([3, 5])], attributes: { axis: -1, keep: true } },
      { name: "channels, kept", inputs: [spread([2, 4, 3, 2])], attributes: { axis: 1, keep: true } },
      { name: "ties", inputs: [{ dtype: "f32", shape: [2, 4], values: [0, 1, 1, 0, 0.5, 0.5, 0.5, 0.5] }] },
      { name: "integers", inputs: [whole([4, 3])], attributes: { axis: 0 } },
    ],
  }
}

// --------------------------------------------------------------------------------------------------------- running sums

/** Sums of all elements up to each one. */
function runningSums(values: readonly number[], exclusive: boolean, reverse: boolean): readonly number[] {
  const order = reverse ? [...values].reverse() : values
  let sum = 0
  const sums = order.map((value) => {
    const before = sum
    sum += value
    return exclusive ? before : sum
  })
  return reverse ? sums.reverse() : sums
}

const cumsum: OpDefinition = {
  family: "ordering",
  doc: "The sum of all elements up to each one along an axis, as `torch.cumsum`.",
  inputs: [X],
  attributes: {
    axis: { type: "axis", doc: "the axis to sum along", default: -1 },
    exclusive: { type: "bool", doc: "leave the element itself out", default: false },
    reverse: { type: "bool", doc: "sum from the end of the axis", default: false },
  },
  infer: (context) => {
    checkedAxis(context)
    return [context.inputs[0]!]
  },
  gradient: ({ gradients: [dy], inputs: [x], attributes, op, typeOf }) => {
    if (typeOf(x!).dtype !== "f32") return [undefined]
    return [op("cumsum", [dy!], { ...attributes, reverse: !booleanAttribute(attributes, "reverse") })]
  },
  cost: free,
  layout: { kind: "axes", attribute: "axis", reduces: false },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const { dtype, shape } = context.inputTypes[0]!
    const axis = context.constant("i32", [], [axisIn(context.attributes, shape.length)])
    return [
      context.node("Cumsum", [context.inputs[0]!, axis], {
        T: context.type(dtype),
        Tidx: context.type("i32"),
        exclusive: { b: booleanAttribute(context.attributes, "exclusive") },
        reverse: { b: booleanAttribute(context.attributes, "reverse") },
      }),
    ]
  },
  onnx: (context) => {
    const axis = context.constant("i32", [], [axisIn(context.attributes, context.inputTypes[0]!.shape.length)])
    const flag = (name: string) => ({ int: Number(booleanAttribute(context.attributes, name)) })
    const attributes = { exclusive: flag("exclusive"), reverse: flag("reverse") }
    return context.node("CumSum", [context.inputs[0]!, axis], attributes)
  },
  reference: ([x], attributes) => {
    const exclusive = booleanAttribute(attributes, "exclusive")
    const reverse = booleanAttribute(attributes, "reverse")
    return [alongAxis(x!, axisIn(attributes, x!.shape.length), (values) => runningSums(values, exclusive, reverse))]
  },
  cases: [
    { name: "vector", inputs: [{ dtype: "f32", shape: [7] }] },
    { name: "rows, exclusive", inputs: [{ dtype: "f32", shape: [3, 4] }], attributes: { exclusive: true } },
    { name: "first axis, reversed", inputs: [{ dtype: "f32", shape: [4, 3] }], attributes: { axis: 0, reverse: true } },
    {
      name: "channels, both",
      inputs: [{ dtype: "f32", shape: [2, 4, 2, 3] }],
      attributes: { axis: 1, exclusive: true, reverse: true },
    },
    { name: "integers", inputs: [whole([2, 5])] },
  ],
}

/** The records, for the registry. */
export const ordering = {
  top_k: topK,
  argmax: positionOf("argmax"),
  argmin: positionOf("argmin"),
  cumsum,
} satisfies Record<string, OpDefinition>
