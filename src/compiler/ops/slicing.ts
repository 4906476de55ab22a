/**
 * Cutting a box out of a tensor; its gradient puts the box back into a border of zeros (`padding.ts`).
 *
 * Offsets (`starts`) are dims, as sizes are, because the gradient of a concat along a symbolic axis is a slice that starts
 * at a symbol.
 */

import { add, constant, equal, evaluate, format, subtract, type Dim } from "../ir/dims.js"
import type { OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { at, build } from "./ndarray.js"
import { atKnownSizes, checkLength, checkSizes, dimList, sizeList } from "./sized-attributes.js"

const dims = (...sizes: readonly number[]): readonly Dim[] => sizes.map(constant)
const f32 = (...shape: readonly number[]): OpDefinition["cases"][number]["inputs"] => [{ dtype: "f32", shape }]

const slice: OpDefinition = {
  family: "shape",
  doc: "A box cut out of a tensor: `sizes` elements from `starts` on, on every axis.",
  inputs: [{ name: "x", dtypes: ["f32", "i32", "bool"], doc: "operand" }],
  attributes: {
    starts: { type: "dims", doc: "first index on each axis" },
    sizes: { type: "dims", doc: "number of elements on each axis" },
  },
  infer: (context) => {
    const { dtype, shape } = context.inputs[0]!
    const starts = dimList(context.attributes, "starts")
    const sizes = dimList(context.attributes, "sizes")
    checkLength(context, "starts", starts)
    checkLength(context, "sizes", sizes)
    checkSizes(context, "starts", starts)
    checkSizes(context, "sizes", sizes)
    shape.forEach((dim, axis) => {
      const spare = atKnownSizes(subtract(dim, add(starts[axis]!, sizes[axis]!)), context.sizes)
      if ((evaluate(spare, context.sizes) ?? 0) >= 0) return
      context.fail({
        kind: "attribute",
        name: "sizes",
        message: `${format(sizes[axis]!)} from ${format(starts[axis]!)} on axis ${axis} passes its end, ${format(dim)}`,
      })
    })
    return [{ dtype, shape: sizes }]
  },
  gradient: ({ gradients: [dy], inputs: [x], attributes, op, typeOf }) => {
    const starts = dimList(attributes, "starts")
    const sizes = dimList(attributes, "sizes")
    const after = typeOf(x!).shape.map((dim, axis) => subtract(dim, add(starts[axis]!, sizes[axis]!)))
    return [op("pad", [dy!], { before: starts, after })]
  },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "follows" },
  tensorflow: (context) => {
    const begin = context.ints(sizeList(context.attributes, "starts"))
    return [
      context.node("Slice", [context.inputs[0]!, begin, context.ints(context.outputTypes[0]!.shape)], {
        T: context.type(context.inputTypes[0]!.dtype),
        Index: context.type("i32"),
      }),
    ]
  },
  onnx: (context) => {
    const shape = context.inputTypes[0]!.shape
    const starts = dimList(context.attributes, "starts")
    const sizes = dimList(context.attributes, "sizes")
    // Axes taken whole are left out: their sizes may be symbolic.
    const axes = shape.map((_, axis) => axis).filter((axis) => !equal(shape[axis]!, sizes[axis]!))
    if (axes.length === 0) return [context.inputs[0]!]
    const from = axes.map((axis) => starts[axis]!)
    const to = axes.map((axis) => add(starts[axis]!, sizes[axis]!))
    return context.node("Slice", [
      context.inputs[0]!,
      context.shape(from, "exact"),
      context.shape(to, "exact"),
      context.int64s(axes),
    ])
  },
  reference: ([x], attributes, [type]) => {
    const starts = sizeList(attributes, "starts")
    starts.forEach((start, axis) => {
      if (start + type!.shape[axis]! > x!.shape[axis]!) throw new RangeError(`slice passes the end of axis ${axis}`)
    })
    return [
      build(type!.shape, (index) =>
        at(
          x!,
          index.map((i, axis) => (x!.shape[axis] === 1 ? 0 : i + starts[axis]!)),
        ),
      ),
    ]
  },
  cases: [
    { name: "vector", inputs: f32(6), attributes: { starts: dims(2), sizes: dims(3) } },
    {
      name: "one channel",
      inputs: f32(2, 3, 4, 4),
      attributes: { starts: dims(0, 1, 0, 0), sizes: dims(2, 1, 4, 4) },
    },
    { name: "box", inputs: f32(4, 5, 3), attributes: { starts: dims(1, 2, 0), sizes: dims(2, 3, 2) } },
    { name: "all of it", inputs: f32(2, 3), attributes: { starts: dims(0, 0), sizes: dims(2, 3) } },
    {
      name: "integers",
      inputs: [{ dtype: "i32", shape: [2, 5] }],
      attributes: { starts: dims(0, 4), sizes: dims(2, 1) },
    },
  ],
}

export const slicing = { slice } satisfies Record<string, OpDefinition>
