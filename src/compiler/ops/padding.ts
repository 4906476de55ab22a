/**
 * Borders around a tensor.
 *
 * Amounts of a border (`before`, `after`) are dims, as sizes are, because the gradient of a slice along a symbolic axis is
 * a border as wide as a symbol. The borders that repeat elements (reflect, replicate, circular) go one axis after the
 * other, in which any order gives the same corners; so does their gradient, which adds what the copies received to the
 * elements they were copied from.
 */

import { add, asConstant, constant, evaluate, format, subtract, type Dim } from "../ir/dims.js"
import type { Attributes, ValueId } from "../ir/graph.js"
import type { GradientContext, InferContext, OnnxContext, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import { at, build } from "./ndarray.js"
import { numberAttribute, oneOf, stringAttribute } from "./shapes.js"
import { checkLength, checkSizes, dimList, sizeList } from "./sized-attributes.js"

const dims = (...sizes: readonly number[]): readonly Dim[] => sizes.map(constant)
const f32 = (...shape: readonly number[]): OpDefinition["cases"][number]["inputs"] => [{ dtype: "f32", shape }]

// ----------------------------------------------------------------------------------------------------- modes of a border

/** The modes that repeat elements of the tensor. */
type RepeatingMode = "reflect" | "replicate" | "circular"

const MODES: readonly string[] = ["constant", "reflect", "replicate", "circular"]

/**
 * For each repeating mode: which element of an axis of `size` stands at `index` (negative in front, `size` or more
 * behind), and how wide a border can be.
 */
const REPEATING: Readonly<
  Record<RepeatingMode, { source: (index: number, size: number) => number; most: (size: number) => number }>
> = {
  reflect: {
    source: (index, size) => (index < 0 ? -index : index >= size ? 2 * (size - 1) - index : index),
    most: (size) => size - 1,
  },
  replicate: {
    source: (index, size) => Math.min(Math.max(index, 0), size - 1),
    most: () => Number.MAX_SAFE_INTEGER,
  },
  circular: { source: (index, size) => (index + size) % size, most: (size) => size },
}

const repeatingMode = (attributes: Attributes): RepeatingMode | undefined => {
  const mode = stringAttribute(attributes, "mode")
  return mode === "constant" ? undefined : (mode as RepeatingMode)
}

/** The widths of a border on each axis, as dims. */
const amountsOf = (attributes: Attributes): { readonly before: readonly Dim[]; readonly after: readonly Dim[] } => ({
  before: dimList(attributes, "before"),
  after: dimList(attributes, "after"),
})

/** The axes that get a border, with its widths, once these are known. */
function borders(attributes: Attributes): readonly { axis: number; before: number; after: number }[] {
  const after = sizeList(attributes, "after")
  return sizeList(attributes, "before")
    .map((before, axis) => ({ axis, before, after: after[axis]! }))
    .filter((border) => border.before > 0 || border.after > 0)
}

/** Fails unless the repeating border fits the tensor: known widths, no wider than what can be repeated. */
function checkRepeating(context: InferContext, mode: RepeatingMode): void {
  const { shape } = context.inputs[0]!
  for (const [name, list] of Object.entries(amountsOf(context.attributes))) {
    list.forEach((dim, axis) => {
      if (asConstant(dim) === 0) return
      const [width, size] = [evaluate(dim, context.sizes), evaluate(shape[axis]!, context.sizes)]
      if (width === undefined || size === undefined) {
        context.fail({
          kind: "attribute",
          name,
          message: `a ${mode} border needs known sizes; axis ${axis} has ${format(shape[axis]!)}, the border ${format(dim)}`,
          hint: 'only a border of mode "constant" can lie along the batch',
        })
      }
      const most = size === 0 ? 0 : REPEATING[mode].most(size)
      if (width <= most) return
      context.fail({
        kind: "attribute",
        name,
        message: `a ${mode} border of ${width} on axis ${axis}, which has ${format(shape[axis]!)}, can be ${most} wide at most`,
        hint: 'use a narrower border, or mode = "replicate"',
      })
    })
  }
}

// --------------------------------------------------------------------------------------------------------- gradients

/** The gradient through a repeating border: axis after axis, the copies are sent back to where they came from. */
function gatherBorders(context: GradientContext, mode: RepeatingMode): ValueId {
  const { op, typeOf } = context
  const { before, after } = amountsOf(context.attributes)
  const none = constant(0)
  return typeOf(context.inputs[0]!).shape.reduce((gradient, size, axis) => {
    const [front, back] = [before[axis]!, after[axis]!]
    const from = typeOf(gradient).shape
    const along = (value: Dim): Dim[] => from.map((_, a) => (a === axis ? value : none))
    const cut = (start: Dim, length: Dim): ValueId =>
      op("slice", [gradient], { starts: along(start), sizes: from.map((dim, a) => (a === axis ? length : dim)) })
    /** `part`, `length` long, at `start` of an axis as long as that of x. */
    const put = (part: ValueId, start: Dim, length: Dim): ValueId =>
      op("pad", [part], { before: along(start), after: along(subtract(size, add(start, length))) })
    const returned = (part: ValueId, length: Dim, inFront: boolean): ValueId => {
      const last = subtract(size, constant(1))
      switch (mode) {
        case "circular":
          return put(part, inFront ? subtract(size, length) : none, length)
        case "replicate":
          return put(op("sum", [part], { axes: [axis], keep: true }), inFront ? none : last, constant(1))
        case "reflect":
          return put(op("flip", [part], { axes: [axis] }), inFront ? constant(1) : subtract(last, length), length)
      }
    }
    let sum = gradient
    if (asConstant(front) !== 0 || asConstant(back) !== 0) sum = cut(front, size)
    if (asConstant(front) !== 0) sum = op("add", [sum, returned(cut(none, front), front, true)])
    if (asConstant(back) !== 0) sum = op("add", [sum, returned(cut(add(front, size), back), back, false)])
    return sum
  }, context.gradients[0]!)
}

// ---------------------------------------------------------------------------------------------------------- lowering

/** A repeating border in TensorFlow: on each axis, what stands in front, the tensor, what stands behind. */
function tensorFlowBorders(context: TensorFlowContext, mode: RepeatingMode): string {
  const { dtype, shape } = context.inputTypes[0]!
  const types = { T: context.type(dtype) }
  const current = [...shape]
  let tensor = context.inputs[0]!
  for (const { axis, before, after } of borders(context.attributes)) {
    const size = current[axis]!
    const piece = (start: number, length: number): string =>
      context.node(
        "Slice",
        [
          tensor,
          context.ints(current.map((_, a) => (a === axis ? start : 0))),
          context.ints(current.map((all, a) => (a === axis ? length : all))),
        ],
        { ...types, Index: context.type("i32") },
      )
    const part = (width: number, inFront: boolean): string => {
      if (mode === "circular") return piece(inFront ? size - width : 0, width)
      if (mode === "reflect") {
        const mirrored = piece(inFront ? 1 : size - 1 - width, width)
        return context.node("ReverseV2", [mirrored, context.ints([axis])], { ...types, Tidx: context.type("i32") })
      }
      const multiples = context.ints(current.map((_, a) => (a === axis ? width : 1)))
      return context.node("Tile", [piece(inFront ? 0 : size - 1, 1), multiples], {
        ...types,
        Tmultiples: context.type("i32"),
      })
    }
    const parts = [...(before > 0 ? [part(before, true)] : []), tensor, ...(after > 0 ? [part(after, false)] : [])]
    tensor = context.node("ConcatV2", [...parts, context.constant("i32", [], [axis])], {
      ...types,
      N: { i: parts.length },
      Tidx: context.type("i32"),
    })
    current[axis] = size + before + after
  }
  return tensor
}

/** A run of elements along one axis, in ONNX. */
export function onnxRun(context: OnnxContext, tensor: string, axis: number, starts: string, ends: string): string {
  return context.node("Slice", [tensor, starts, ends, context.int64s([axis])])[0]!
}

/** A circular border in ONNX, whose Pad has that mode from opset 19 on only. */
function onnxCircular(context: OnnxContext): string {
  const { shape } = context.inputTypes[0]!
  return borders(context.attributes).reduce((tensor, { axis, before, after }) => {
    const size = context.size(shape[axis]!)
    const run = (start: number, end: number): string =>
      onnxRun(context, tensor, axis, context.int64s([start]), context.int64s([end]))
    const parts = [...(before > 0 ? [run(size - before, size)] : []), tensor, ...(after > 0 ? [run(0, after)] : [])]
    return context.node("Concat", parts, { axis: { int: axis } })[0]!
  }, context.inputs[0]!)
}

const ONNX_MODES = { reflect: "reflect", replicate: "edge" } as const

const pad: OpDefinition = {
  family: "shape",
  doc:
    "A border: `before` elements in front and `after` behind, on every axis. What stands in it goes by `mode`, as in " +
    "torch.nn.functional.pad: one value, the tensor mirrored at its outermost elements, those elements repeated, or the " +
    "tensor again from its other end.",
  inputs: [{ name: "x", dtypes: ["f32", "i32"], doc: "operand" }],
  attributes: {
    before: { type: "dims", doc: "elements added in front, on each axis" },
    after: { type: "dims", doc: "elements added behind, on each axis" },
    value: { type: "float", doc: 'what the border is filled with in mode "constant"', default: 0 },
    mode: { type: "string", doc: '"constant", "reflect", "replicate" or "circular"', default: "constant" },
  },
  infer: (context) => {
    const { dtype, shape } = context.inputs[0]!
    const { before, after } = amountsOf(context.attributes)
    checkLength(context, "before", before)
    checkLength(context, "after", after)
    checkSizes(context, "before", before)
    checkSizes(context, "after", after)
    const value = numberAttribute(context.attributes, "value")
    if (dtype === "i32" && !Number.isInteger(value)) {
      context.fail({ kind: "attribute", name: "value", message: `${value} is no i32` })
    }
    oneOf(context, "mode", MODES)
    const mode = repeatingMode(context.attributes)
    if (mode) checkRepeating(context, mode)
    return [{ dtype, shape: shape.map((dim, axis) => add(add(before[axis]!, dim), after[axis]!)) }]
  },
  gradient: (context) => {
    const { gradients, inputs, attributes, op, typeOf } = context
    const mode = repeatingMode(attributes)
    if (mode) return [gatherBorders(context, mode)]
    return [op("slice", [gradients[0]!], { starts: dimList(attributes, "before"), sizes: typeOf(inputs[0]!).shape })]
  },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const { dtype, shape } = context.inputTypes[0]!
    if (shape.length === 0) return [context.inputs[0]!]
    const mode = repeatingMode(context.attributes)
    if (mode) return [tensorFlowBorders(context, mode)]
    const after = sizeList(context.attributes, "after")
    const amounts = sizeList(context.attributes, "before").flatMap((size, axis) => [size, after[axis]!])
    const paddings = context.constant("i32", [shape.length, 2], amounts)
    const value = context.constant(dtype, [], [numberAttribute(context.attributes, "value")])
    return [
      context.node("PadV2", [context.inputs[0]!, paddings, value], {
        T: context.type(dtype),
        Tpaddings: context.type("i32"),
      }),
    ]
  },
  onnx: (context) => {
    const { dtype, shape } = context.inputTypes[0]!
    if (shape.length === 0) return [context.inputs[0]!]
    const mode = repeatingMode(context.attributes)
    if (mode === "circular") return [onnxCircular(context)]
    const amounts = [...dimList(context.attributes, "before"), ...dimList(context.attributes, "after")]
    const operands = [context.inputs[0]!, context.shape(amounts, "exact")]
    if (mode) return context.node("Pad", operands, { mode: { string: ONNX_MODES[mode] } })
    return context.node("Pad", [
      ...operands,
      context.constant(dtype, [], [numberAttribute(context.attributes, "value")]),
    ])
  },
  reference: ([x], attributes, [type]) => {
    const before = sizeList(attributes, "before")
    const value = numberAttribute(attributes, "value")
    const mode = repeatingMode(attributes)
    return [
      build(type!.shape, (index) => {
        const own = index.map((i, axis) => i - before[axis]!)
        if (mode) return at(x!, own.map((i, axis) => REPEATING[mode].source(i, x!.shape[axis]!))) // prettier-ignore
        return own.every((i, axis) => i >= 0 && i < x!.shape[axis]!) ? at(x!, own) : value
      }),
    ]
  },
  cases: [
    { name: "vector", inputs: f32(3), attributes: { before: dims(1), after: dims(2) } },
    {
      name: "spatial border",
      inputs: f32(2, 2, 3, 4),
      attributes: { before: dims(0, 0, 1, 2), after: dims(0, 0, 1, 0), value: -0.5 },
    },
    { name: "nothing added", inputs: f32(2, 3), attributes: { before: dims(0, 0), after: dims(0, 0) } },
    {
      name: "integers",
      inputs: [{ dtype: "i32", shape: [2, 3] }],
      attributes: { before: dims(1, 0), after: dims(0, 1), value: 7 },
    },
    ...(["reflect", "replicate", "circular"] as const).flatMap((mode) => [
      { name: `${mode}, vector`, inputs: f32(4), attributes: { before: dims(3), after: dims(2), mode } },
      {
        name: `${mode}, images`,
        inputs: f32(2, 3, 4, 5),
        attributes: { before: dims(0, 0, 1, 2), after: dims(0, 0, 3, 1), mode },
      },
      {
        name: `${mode}, one end of one axis`,
        inputs: f32(2, 2, 3, 3),
        attributes: { before: dims(0, 0, 0, 0), after: dims(0, 0, 0, 2), mode },
      },
      {
        name: `${mode}, integers, three axes`,
        inputs: [{ dtype: "i32" as const, shape: [3, 2, 4], high: 50 }],
        attributes: { before: dims(1, 1, 0), after: dims(2, 1, 3), mode },
      },
    ]),
    {
      name: "replicate, wider than the tensor",
      inputs: f32(1, 2),
      attributes: { before: dims(2, 3), after: dims(0, 5), mode: "replicate" },
    },
    {
      name: "circular, as wide as the tensor",
      inputs: f32(2, 3),
      attributes: { before: dims(0, 3), after: dims(2, 3), mode: "circular" },
    },
  ],
}

/** The record of borders, for the registry. */
export const padding = { pad } satisfies Record<string, OpDefinition>
