/**
 * The elements of a tensor in another order along some axes: rolled round, or reversed.
 *
 * Both are permutations, so each is its own kind of gradient; both go along any axes, whatever the layout.
 */

import { asConstant, constant, evaluate, format, subtract, type Dim } from "../ir/dims.js"
import type { Attributes } from "../ir/graph.js"
import type { InferContext, OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { at, build } from "./ndarray.js"
import { onnxRun } from "./padding.js"
import { axisOf, integersAttribute, normalAxis } from "./shapes.js"

const f32 = (...shape: readonly number[]): OpDefinition["cases"][number]["inputs"] => [{ dtype: "f32", shape }]

/** The axes of an attribute, counted from the front; fails on one outside the rank, one named twice, or none. */
function distinctAxes(context: InferContext): readonly number[] {
  const rank = context.inputs[0]!.shape.length
  const axes = integersAttribute(context.attributes, "axes").map((axis) => axisOf(context, axis, rank, "axes"))
  const doubled = axes.find((axis, position) => axes.indexOf(axis) !== position)
  if (doubled !== undefined) {
    context.fail({ kind: "attribute", name: "axes", message: `axis ${doubled} is named twice` })
  }
  if (axes.length === 0) context.fail({ kind: "attribute", name: "axes", message: "at least one axis is wanted" })
  return axes
}

/** Axes counted from the front, with what a parallel attribute says of each. */
const shiftsOf = (attributes: Attributes, rank: number): readonly { axis: number; shift: number }[] => {
  const axes = integersAttribute(attributes, "axes")
  return integersAttribute(attributes, "shifts").map((shift, i) => ({ axis: normalAxis(axes[i]!, rank), shift }))
}

const modulo = (value: number, size: number): number => ((value % size) + size) % size

/** The index of the element that comes first after the roll. @param size of the axis; undefined for the batch */
function firstAfterRoll(dim: Dim, shift: number): Dim | undefined {
  const size = asConstant(dim)
  if (size === undefined) return shift === 0 ? undefined : shift > 0 ? subtract(dim, constant(shift)) : constant(-shift)
  const first = modulo(-shift, size)
  return first === 0 ? undefined : constant(first)
}

const ENDLESS = 2 ** 31 - 1

const roll: OpDefinition = {
  family: "shape",
  doc:
    "The elements moved along axes by `shifts` places, those that pass the end coming in again at the start, as " +
    "torch.roll.",
  inputs: [{ name: "x", dtypes: ["f32", "i32", "bool"], doc: "operand" }],
  attributes: {
    shifts: { type: "ints", doc: "places to move along each of the axes; negative ones towards the start" },
    axes: { type: "axes", doc: "the axes, each once" },
  },
  infer: (context) => {
    const axes = distinctAxes(context)
    const shifts = integersAttribute(context.attributes, "shifts")
    if (shifts.length !== axes.length) {
      const message = `${shifts.length} shifts for ${axes.length} axes`
      context.fail({ kind: "attribute", name: "shifts", message, hint: "one shift for each axis is wanted" })
    }
    axes.forEach((axis, i) => {
      const dim = context.inputs[0]!.shape[axis]!
      if (evaluate(dim, context.sizes) !== undefined || Math.abs(shifts[i]!) <= 1) return
      context.fail({
        kind: "attribute",
        name: "shifts",
        message: `along axis ${axis}, whose size ${format(dim)} is not known, elements can be moved by 1 or -1 only`,
      })
    })
    return [context.inputs[0]!]
  },
  gradient: ({ gradients: [dy], attributes, op }) => [
    op("roll", [dy!], { ...attributes, shifts: integersAttribute(attributes, "shifts").map((shift) => -shift + 0) }),
  ],
  cost: free,
  layout: { kind: "axes", attribute: "axes", reduces: false },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const { dtype, shape } = context.inputTypes[0]!
    const moves = shiftsOf(context.attributes, shape.length)
    const operands = [moves.map(({ shift }) => shift), moves.map(({ axis }) => axis)].map((list) => context.ints(list))
    return [
      context.node("Roll", [context.inputs[0]!, ...operands], {
        T: context.type(dtype),
        Tshift: context.type("i32"),
        Taxis: context.type("i32"),
      }),
    ]
  },
  onnx: (context) => {
    const { shape } = context.inputTypes[0]!
    const result = shiftsOf(context.attributes, shape.length).reduce((tensor, { axis, shift }) => {
      const first = firstAfterRoll(shape[axis]!, shift)
      if (first === undefined) return tensor
      const split = context.shape([first], "exact")
      const tail = onnxRun(context, tensor, axis, split, context.int64s([ENDLESS]))
      const head = onnxRun(context, tensor, axis, context.int64s([0]), split)
      return context.node("Concat", [tail, head], { axis: { int: axis } })[0]!
    }, context.inputs[0]!)
    return [result]
  },
  reference: ([x], attributes, [type]) => {
    const moves = shiftsOf(attributes, x!.shape.length)
    return [
      build(type!.shape, (index) => {
        const from = [...index]
        for (const { axis, shift } of moves) from[axis] = modulo(index[axis]! - shift, x!.shape[axis]!)
        return at(x!, from)
      }),
    ]
  },
  cases: [
    { name: "vector", inputs: f32(5), attributes: { shifts: [2], axes: [0] } },
    { name: "towards the start", inputs: f32(3, 4), attributes: { shifts: [-1], axes: [-1] } },
    { name: "two axes of images", inputs: f32(2, 3, 4, 5), attributes: { shifts: [-2, 1], axes: [2, 3] } },
    { name: "axes out of order", inputs: f32(2, 4, 3), attributes: { shifts: [1, -1], axes: [2, 1] } },
    { name: "further than the axis is long", inputs: f32(3, 2), attributes: { shifts: [7], axes: [0] } },
    { name: "all the way round", inputs: f32(3, 2), attributes: { shifts: [3, 0], axes: [0, 1] } },
    { name: "by one along the first axis", inputs: f32(3, 2), attributes: { shifts: [1], axes: [0] } },
    { name: "back by one along the first axis", inputs: f32(3, 2), attributes: { shifts: [-1], axes: [0] } },
    { name: "integers", inputs: [{ dtype: "i32", shape: [2, 5] }], attributes: { shifts: [3], axes: [1] } },
    { name: "truth values", inputs: [{ dtype: "bool", shape: [2, 3] }], attributes: { shifts: [1], axes: [1] } },
  ],
}

const flip: OpDefinition = {
  family: "shape",
  doc: "The elements in reverse order along the axes, as torch.flip.",
  inputs: [{ name: "x", dtypes: ["f32", "i32", "bool"], doc: "operand" }],
  attributes: { axes: { type: "axes", doc: "the axes, each once" } },
  infer: (context) => {
    distinctAxes(context)
    return [context.inputs[0]!]
  },
  gradient: ({ gradients: [dy], attributes, op }) => [op("flip", [dy!], attributes)],
  cost: free,
  layout: { kind: "axes", attribute: "axes", reduces: false },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const { dtype, shape } = context.inputTypes[0]!
    const axes = integersAttribute(context.attributes, "axes").map((axis) => normalAxis(axis, shape.length))
    const attributes = { T: context.type(dtype), Tidx: context.type("i32") }
    return [context.node("ReverseV2", [context.inputs[0]!, context.ints(axes)], attributes)]
  },
  onnx: (context) => {
    const axes = integersAttribute(context.attributes, "axes")
    const each = (value: number): string => context.int64s(axes.map(() => value))
    // From the last element to before the first, backwards.
    return context.node("Slice", [context.inputs[0]!, each(-1), each(-ENDLESS), context.int64s(axes), each(-1)])
  },
  reference: ([x], attributes, [type]) => {
    const axes = integersAttribute(attributes, "axes").map((axis) => normalAxis(axis, x!.shape.length))
    return [
      build(type!.shape, (index) => at(x!, index.map((i, a) => (axes.includes(a) ? x!.shape[a]! - 1 - i : i)))), // prettier-ignore
    ]
  },
  cases: [
    { name: "vector", inputs: f32(5), attributes: { axes: [0] } },
    { name: "left and right", inputs: f32(2, 3, 4, 5), attributes: { axes: [-1] } },
    { name: "both axes of images", inputs: f32(2, 3, 2, 5), attributes: { axes: [2, 3] } },
    { name: "first and last axis", inputs: f32(3, 2, 4), attributes: { axes: [0, -1] } },
    { name: "integers", inputs: [{ dtype: "i32", shape: [2, 5] }], attributes: { axes: [1] } },
    { name: "truth values", inputs: [{ dtype: "bool", shape: [2, 3] }], attributes: { axes: [0] } },
  ],
}

/** The records of rolling and reversing, for the registry. */
export const reordering = { roll, flip } satisfies Record<string, OpDefinition>
