/**
 * Values that depend on no input: literal constants and index ranges.
 */

import type { DataType } from "../ir/graph.js"
import type { OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { oneDim } from "./indexing.js"
import { fromValues, sizeOf } from "./ndarray.js"
import { integersAttribute, stringAttribute } from "./shapes.js"
import { constant as size } from "../ir/dims.js"

/** The elements of a constant: as given, or one number repeated. */
function elements(values: readonly number[], count: number): readonly number[] {
  return values.length === 1 ? new Array<number>(count).fill(values[0]!) : values
}

const isDataType = (text: string): text is DataType => text === "f32" || text === "i32" || text === "bool"

const constant: OpDefinition = {
  family: "constants",
  doc: "A literal tensor; a single number fills the whole shape.",
  inputs: [],
  attributes: {
    dtype: { type: "dtype", doc: "element type", default: "f32" },
    shape: { type: "ints", doc: "sizes; none make a scalar", default: [] },
    values: { type: "floats", doc: "the elements in row-major order, or one number for all of them" },
  },
  infer: (context) => {
    const dtype = stringAttribute(context.attributes, "dtype")
    if (!isDataType(dtype)) {
      return context.fail({ kind: "attribute", name: "dtype", message: `${dtype} is no element type` })
    }
    const shape = integersAttribute(context.attributes, "shape")
    if (shape.some((entry) => !Number.isInteger(entry) || entry < 0)) {
      context.fail({ kind: "attribute", name: "shape", message: `[${shape.join(", ")}] has an entry that is no size` })
    }
    const values = integersAttribute(context.attributes, "values")
    if (values.length !== 1 && values.length !== sizeOf(shape)) {
      context.fail({
        kind: "attribute",
        name: "values",
        message: `${values.length} values for the ${sizeOf(shape)} elements of [${shape.join(", ")}]`,
      })
    }
    const odd = values.find(
      (value) => (dtype === "i32" && !Number.isInteger(value)) || (dtype === "bool" && value !== 0 && value !== 1),
    )
    if (odd !== undefined) context.fail({ kind: "attribute", name: "values", message: `${odd} is no ${dtype}` })
    return [{ dtype, shape: shape.map(size) }]
  },
  gradient: { none: "a constant depends on nothing" },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const { dtype, shape } = context.outputTypes[0]!
    const values = integersAttribute(context.attributes, "values")
    if (values.length !== 1 || sizeOf(shape) === 1) return [context.constant(dtype, shape, values)]
    const attributes = { T: context.type(dtype), index_type: context.type("i32") }
    return [context.node("Fill", [context.ints(shape), context.constant(dtype, [], values)], attributes)]
  },
  onnx: (context) => {
    const { dtype, shape } = context.outputTypes[0]!
    const sizes = shape.map((dim) => context.size(dim))
    return [context.constant(dtype, sizes, elements(integersAttribute(context.attributes, "values"), sizeOf(sizes)))]
  },
  reference: (_inputs, attributes, [type]) => [
    fromValues(type!.shape, elements(integersAttribute(attributes, "values"), sizeOf(type!.shape))),
  ],
  cases: [
    { name: "scalar", inputs: [], attributes: { values: [0.5] } },
    { name: "literal matrix", inputs: [], attributes: { shape: [2, 2], values: [1, 2.5, -3, 4] } },
    { name: "filled", inputs: [], attributes: { shape: [2, 3, 4], values: [-1.5] } },
    { name: "integers", inputs: [], attributes: { dtype: "i32", shape: [3], values: [3, -1, 2] } },
    { name: "booleans", inputs: [], attributes: { dtype: "bool", shape: [3], values: [1, 0, 1] } },
  ],
}

const iota: OpDefinition = {
  family: "constants",
  doc: "The indices 0, 1, ... below a size, as `torch.arange`.",
  inputs: [],
  attributes: {
    size: { type: "dims", doc: "how many, as a list of one dimension, e.g. [T]" },
    dtype: { type: "dtype", doc: "element type, i32 or f32", default: "i32" },
  },
  infer: (context) => {
    const dtype = stringAttribute(context.attributes, "dtype")
    if (dtype !== "i32" && dtype !== "f32") {
      return context.fail({ kind: "attribute", name: "dtype", message: `indices are i32 or f32, not ${dtype}` })
    }
    return [{ dtype, shape: [oneDim(context, "size")] }]
  },
  gradient: { none: "indices depend on nothing" },
  cost: free,
  layout: { kind: "fixed" },
  precision: { kind: "full" },
  tensorflow: (context) => {
    const { dtype, shape } = context.outputTypes[0]!
    const number = (value: number): string => context.constant(dtype, [], [value])
    return [context.node("Range", [number(0), number(shape[0]!), number(1)], { Tidx: context.type(dtype) })]
  },
  onnx: (context) => {
    const { dtype, shape } = context.outputTypes[0]!
    const code = { to: { int: dtype === "i32" ? 6 : 1 } }
    const [limit] = context.node("Squeeze", [context.shape(shape, "exact")])
    const [typed] = context.node("Cast", [limit!], code)
    const number = (value: number): string => context.constant(dtype, [], [value])
    return context.node("Range", [number(0), typed!, number(1)])
  },
  reference: (_inputs, _attributes, [type]) => [
    fromValues(
      type!.shape,
      Array.from({ length: type!.shape[0]! }, (_, i) => i),
    ),
  ],
  cases: [
    { name: "indices", inputs: [], attributes: { size: [size(5)] } },
    { name: "floats", inputs: [], attributes: { size: [size(4)], dtype: "f32" } },
  ],
}

export const constants = { constant, iota } satisfies Record<string, OpDefinition>
