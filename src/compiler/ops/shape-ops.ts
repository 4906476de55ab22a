/**
 * Ops that rearrange elements and compute none: reshape, transpose, concat, broadcast_to (slice and pad: `slicing.ts`).
 */

import { add, constant, equal, evaluate, format, formatShape, product, type Dim, type Sizes } from "../ir/dims.js"
import type { OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { at, build, stridesOf, type NdArray } from "./ndarray.js"
import { axisOf, integersAttribute, moreTelling, normalAxis, numberAttribute } from "./shapes.js"
import { atKnownSizes, checkSizes, dimList } from "./sized-attributes.js"

const ANY = ["f32", "i32", "bool"] as const

const dims = (...sizes: readonly number[]): readonly Dim[] => sizes.map(constant)

const f32s = (...shapes: readonly (readonly number[])[]): OpDefinition["cases"][number]["inputs"] =>
  shapes.map((shape) => ({ dtype: "f32", shape }))

/** A number where the batch was: it has no size, so that no number can stand for it. */
function batchHint([first]: readonly Dim[], [given]: readonly Dim[], sizes: Sizes): { readonly hint?: string } {
  const isBatch = first !== undefined && evaluate(first, sizes) === undefined
  if (!isBatch || given === undefined || evaluate(given, sizes) === undefined) return {}
  return { hint: `the first axis is the batch: write \`${format(first)}\` for it` }
}

const reshape: OpDefinition = {
  family: "shape",
  doc: "The same elements in row-major order under another shape, as `torch.reshape`; the sizes are written out.",
  inputs: [{ name: "x", dtypes: ANY, doc: "operand, of any shape" }],
  attributes: { shape: { type: "dims", doc: "the new shape, with as many elements as the old one" } },
  infer: (context) => {
    const { dtype, shape: old } = context.inputs[0]!
    const shape = dimList(context.attributes, "shape")
    checkSizes(context, "shape", shape)
    const count = (of: readonly Dim[]): Dim => atKnownSizes(product(of), context.sizes)
    if (!equal(count(old), count(shape))) {
      context.fail({
        kind: "attribute",
        name: "shape",
        message: `${formatShape(old)} has ${format(count(old))} elements, ${formatShape(shape)} has ${format(count(shape))}`,
        ...batchHint(old, shape, context.sizes),
      })
    }
    return [{ dtype, shape }]
  },
  gradient: ({ gradients: [dy], inputs: [x], op, typeOf }) => [op("reshape", [dy!], { shape: typeOf(x!).shape })],
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "follows" },
  tensorflow: (context) => [
    context.node("Reshape", [context.inputs[0]!, context.ints(context.outputTypes[0]!.shape)], {
      T: context.type(context.inputTypes[0]!.dtype),
      Tshape: context.type("i32"),
    }),
  ],
  onnx: (context) =>
    context.node("Reshape", [context.inputs[0]!, context.shape(context.outputTypes[0]!.shape, "reshape")]),
  reference: ([x], _attributes, [type]) => [{ shape: type!.shape, data: x!.data }],
  cases: [
    { name: "flattened", inputs: [{ dtype: "f32", shape: [2, 3, 4] }], attributes: { shape: dims(24) } },
    { name: "split axis", inputs: [{ dtype: "f32", shape: [2, 6] }], attributes: { shape: dims(2, 2, 3) } },
    { name: "tokens", inputs: [{ dtype: "f32", shape: [2, 3, 2, 4] }], attributes: { shape: dims(2, 3, 8) } },
    { name: "to a scalar", inputs: [{ dtype: "f32", shape: [1, 1] }], attributes: { shape: dims() } },
    { name: "mask", inputs: [{ dtype: "bool", shape: [2, 3] }], attributes: { shape: dims(2, 1, 3) } },
  ],
}

const transpose: OpDefinition = {
  family: "shape",
  doc: "The axes in another order, as `torch.permute`: axis i of the result is axis perm[i] of the operand.",
  inputs: [{ name: "x", dtypes: ANY, doc: "operand" }],
  attributes: { perm: { type: "ints", doc: "a permutation of the axes 0, 1, ..." } },
  infer: (context) => {
    const { dtype, shape } = context.inputs[0]!
    const perm = integersAttribute(context.attributes, "perm")
    if (perm.length !== shape.length || shape.some((_, axis) => !perm.includes(axis))) {
      context.fail({
        kind: "attribute",
        name: "perm",
        message: `[${perm.join(", ")}] is no permutation of the axes of a tensor of rank ${shape.length}`,
      })
    }
    return [{ dtype, shape: perm.map((axis) => shape[axis]!) }]
  },
  gradient: ({ gradients: [dy], attributes, op }) => {
    const perm = integersAttribute(attributes, "perm")
    return [op("transpose", [dy!], { perm: perm.map((_, axis) => perm.indexOf(axis)) })]
  },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const perm = context.ints(integersAttribute(context.attributes, "perm"))
    return [
      context.node("Transpose", [context.inputs[0]!, perm], {
        T: context.type(context.inputTypes[0]!.dtype),
        Tperm: context.type("i32"),
      }),
    ]
  },
  onnx: (context) =>
    context.node("Transpose", context.inputs, { perm: { ints: integersAttribute(context.attributes, "perm") } }),
  reference: ([x], attributes, [type]) => [permuted(x!, integersAttribute(attributes, "perm"), type!.shape)],
  cases: [
    { name: "matrix", inputs: [{ dtype: "f32", shape: [2, 3] }], attributes: { perm: [1, 0] } },
    { name: "heads", inputs: [{ dtype: "f32", shape: [2, 3, 2, 4] }], attributes: { perm: [0, 2, 1, 3] } },
    { name: "cycle", inputs: [{ dtype: "f32", shape: [2, 3, 4] }], attributes: { perm: [2, 0, 1] } },
    { name: "integers", inputs: [{ dtype: "i32", shape: [2, 3] }], attributes: { perm: [1, 0] } },
    { name: "mask", inputs: [{ dtype: "bool", shape: [2, 3, 2] }], attributes: { perm: [0, 2, 1] } },
  ],
}

function permuted(x: NdArray, perm: readonly number[], shape: readonly number[]): NdArray {
  const strides = stridesOf(x.shape)
  return build(shape, (index) => x.data[index.reduce((sum, i, axis) => sum + i * strides[perm[axis]!]!, 0)]!)
}

const concat: OpDefinition = {
  family: "shape",
  doc: "Tensors one after the other along an axis, as `torch.cat`; all other sizes agree.",
  inputs: [{ name: "tensors", dtypes: ANY, doc: "the parts, in order", variadic: true }],
  attributes: { axis: { type: "axis", doc: "the axis along which the parts follow each other" } },
  infer: (context) => {
    const { dtype, shape: first } = context.inputs[0]!
    const axis = axisOf(context, numberAttribute(context.attributes, "axis"), first.length)
    const shape = [...first]
    context.inputs.forEach((type, input) => {
      if (input === 0) return
      if (type.dtype !== dtype) context.fail({ kind: "dtype", input, expected: [dtype] })
      if (type.shape.length !== first.length) {
        context.fail({ kind: "rank", input, expected: `${first.length} axes, as the first part` })
      }
      type.shape.forEach((dim, position) => {
        if (position === axis) shape[axis] = add(shape[axis]!, dim)
        else if (context.same(first[position]!, dim)) shape[position] = moreTelling(shape[position]!, dim)
        else {
          context.fail({
            kind: "dims-differ",
            left: { input: 0, axis: position },
            right: { input, axis: position },
            what: `parts 1 and ${input + 1} must have the same sizes on all axes but ${axis}`,
          })
        }
      })
    })
    return [{ dtype, shape }]
  },
  gradient: ({ gradients: [dy], inputs, attributes, op, typeOf, needs }) => {
    let start = constant(0)
    return inputs.map((part, input) => {
      const { shape } = typeOf(part)
      const axis = normalAxis(numberAttribute(attributes, "axis"), shape.length)
      const from = start
      start = add(start, shape[axis]!)
      if (!needs[input]) return undefined
      const starts = shape.map((_, position) => (position === axis ? from : constant(0)))
      return op("slice", [dy!], { starts, sizes: shape })
    })
  },
  cost: free,
  layout: { kind: "axes", attribute: "axis", reduces: false },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const axis = normalAxis(numberAttribute(context.attributes, "axis"), context.inputTypes[0]!.shape.length)
    if (context.inputs.length === 1) return [context.inputs[0]!]
    return [
      context.node("ConcatV2", [...context.inputs, context.constant("i32", [], [axis])], {
        N: { i: context.inputs.length },
        T: context.type(context.inputTypes[0]!.dtype),
        Tidx: context.type("i32"),
      }),
    ]
  },
  onnx: (context) => {
    const axis = normalAxis(numberAttribute(context.attributes, "axis"), context.inputTypes[0]!.shape.length)
    return context.node("Concat", context.inputs, { axis: { int: axis } })
  },
  reference: (parts, attributes, [type]) => {
    const axis = normalAxis(numberAttribute(attributes, "axis"), type!.shape.length)
    return [
      build(type!.shape, (index) => {
        const own = [...index]
        const part = parts.find((candidate) => {
          if (own[axis]! < candidate.shape[axis]!) return true
          own[axis]! -= candidate.shape[axis]!
          return false
        })
        return at(part!, own)
      }),
    ]
  },
  cases: [
    { name: "vectors", inputs: f32s([3], [2]), attributes: { axis: 0 } },
    { name: "channels", inputs: f32s([2, 3, 4, 4], [2, 1, 4, 4], [2, 2, 4, 4]), attributes: { axis: 1 } },
    { name: "last axis", inputs: f32s([2, 3, 1], [2, 3, 4]), attributes: { axis: -1 } },
    { name: "one part", inputs: f32s([2, 3]), attributes: { axis: 0 } },
    {
      name: "masks",
      inputs: [
        { dtype: "bool", shape: [2, 3] },
        { dtype: "bool", shape: [2, 1] },
      ],
      attributes: { axis: 1 },
    },
  ],
}

const broadcastTo: OpDefinition = {
  family: "shape",
  doc: "Repeats a tensor along axes of size 1, and along new leading axes, until it has a shape, as `torch.broadcast_to`.",
  inputs: [{ name: "x", dtypes: ANY, doc: "operand" }],
  attributes: { shape: { type: "dims", doc: "the shape to reach" } },
  infer: (context) => {
    const { dtype, shape: old } = context.inputs[0]!
    const shape = dimList(context.attributes, "shape")
    checkSizes(context, "shape", shape)
    const extra = shape.length - old.length
    const fits = (dim: Dim, axis: number): boolean => equal(dim, constant(1)) || context.same(dim, shape[axis + extra]!)
    if (extra < 0 || !old.every(fits)) {
      context.fail({
        kind: "attribute",
        name: "shape",
        message: `${formatShape(old)} cannot be broadcast to ${formatShape(shape)}`,
        hint: "aligned at the last axis, every size must be equal, or 1 in the operand",
      })
    }
    return [{ dtype, shape }]
  },
  gradient: ({ gradients: [dy], inputs: [x], unbroadcast, typeOf }) => [unbroadcast(dy!, typeOf(x!))],
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const { dtype, shape: old } = context.inputTypes[0]!
    const { shape } = context.outputTypes[0]!
    if (shape.join() === old.join()) return [context.inputs[0]!]
    if (old.length === 0) {
      const attributes = { T: context.type(dtype), index_type: context.type("i32") }
      return [context.node("Fill", [context.ints(shape), context.inputs[0]!], attributes)]
    }
    return [
      context.node("BroadcastTo", [context.inputs[0]!, context.ints(shape)], {
        T: context.type(dtype),
        Tidx: context.type("i32"),
      }),
    ]
  },
  onnx: (context) =>
    context.node("Expand", [context.inputs[0]!, context.shape(context.outputTypes[0]!.shape, "exact")]),
  reference: ([x], _attributes, [type]) => [build(type!.shape, (index) => at(x!, index))],
  cases: [
    { name: "scalar", inputs: f32s([]), attributes: { shape: dims(2, 3) } },
    { name: "row", inputs: f32s([3]), attributes: { shape: dims(2, 3) } },
    { name: "channel statistics", inputs: f32s([3, 1, 1]), attributes: { shape: dims(2, 3, 4, 4) } },
    { name: "inner axis", inputs: f32s([2, 1, 3]), attributes: { shape: dims(2, 4, 3) } },
    { name: "same shape", inputs: f32s([2, 3]), attributes: { shape: dims(2, 3) } },
    { name: "mask", inputs: [{ dtype: "bool", shape: [2, 1] }], attributes: { shape: dims(2, 3) } },
  ],
}

export const shapeOps = {
  reshape,
  transpose,
  concat,
  broadcast_to: broadcastTo,
} satisfies Record<string, OpDefinition>
