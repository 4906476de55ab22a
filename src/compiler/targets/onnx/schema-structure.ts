/**
 * The ONNX operators that move elements about (shapes, slices, look-ups): entries of the operator table.
 */

import { add, asConstant, constant, formatShape, subtract, type Dim } from "../../ir/dims.js"
import {
  ANY,
  ANY_NUMBER,
  axesIn,
  axisIn,
  broadcast,
  input,
  intAttribute,
  intsAttribute,
  INTEGER,
  numbersOfInput,
  NUMERIC,
  reshapeTarget,
  sameDataType,
  sizesOfInput,
  typeOfInput,
  wantEqual,
  type Known,
  type OnnxOperator,
  type SchemaContext,
} from "./schema-types.js"
import type { OnnxDataType } from "./tensors.js"

const known = (dtype: OnnxDataType, shape: readonly Dim[]): readonly Known[] => [{ type: { dtype, shape } }]
const withElements = (known: Known, elements: readonly Dim[] | undefined): Known =>
  elements ? { ...known, elements } : known

/** Ends beyond this mean "to the end of the axis". */
const BEYOND_ANY_AXIS = 2 ** 31 - 1

const concat: OnnxOperator = {
  inputs: [1, ANY_NUMBER],
  attributes: { axis: { kind: "int", required: true } },
  infer: (context) => {
    const indices = context.inputs.map((_, index) => index)
    const dtype = sameDataType(context, indices, ANY)
    const first = typeOfInput(context, 0).shape
    const axis = axisIn(context, intAttribute(context, "axis", 0), first.length)
    let length = constant(0)
    for (const index of indices) {
      const { shape } = typeOfInput(context, index)
      if (shape.length !== first.length) context.fail("the inputs differ in rank")
      shape.forEach((dim, a) => a !== axis && wantEqual(context, first[a]!, dim, `sizes of axis ${a}`))
      length = add(length, shape[axis]!)
    }
    const parts = indices.map((index) => input(context, index).elements)
    const elements = parts.every((part) => part !== undefined) ? parts.flat() : undefined
    const shape = first.map((dim, a) => (a === axis ? length : dim))
    return [withElements({ type: { dtype, shape } }, first.length === 1 ? elements : undefined)]
  },
}

const expand: OnnxOperator = {
  inputs: [2, 2],
  attributes: {},
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    return known(dtype, broadcast(context, [shape, sizesOfInput(context, 1)]))
  },
}

const gather: OnnxOperator = {
  inputs: [2, 2],
  attributes: { axis: { kind: "int" } },
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    sameDataType(context, [1], INTEGER)
    const axis = axisIn(context, intAttribute(context, "axis", 0), shape.length)
    const indices = input(context, 1)
    const from = input(context, 0).elements
    const picked = from && indices.numbers?.map((i) => from[i < 0 ? i + from.length : i])
    const elements = picked?.every((dim) => dim !== undefined) ? (picked as readonly Dim[]) : undefined
    const result = [...shape.slice(0, axis), ...indices.type.shape, ...shape.slice(axis + 1)]
    return [withElements({ type: { dtype, shape: result } }, elements)]
  },
}

const gatherElements: OnnxOperator = {
  inputs: [2, 2],
  attributes: { axis: { kind: "int" } },
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    sameDataType(context, [1], INTEGER)
    axisIn(context, intAttribute(context, "axis", 0), shape.length)
    const indices = typeOfInput(context, 1).shape
    if (indices.length !== shape.length) context.fail("data and indices differ in rank")
    return known(dtype, indices)
  },
}

const scatterElements: OnnxOperator = {
  inputs: [3, 3],
  attributes: { axis: { kind: "int" }, reduction: { kind: "string", from: 16 } },
  infer: (context) => {
    sameDataType(context, [1], INTEGER)
    const { shape } = typeOfInput(context, 0)
    axisIn(context, intAttribute(context, "axis", 0), shape.length)
    const [indices, updates] = [typeOfInput(context, 1).shape, typeOfInput(context, 2).shape]
    if (indices.length !== shape.length || updates.length !== shape.length) context.fail("the inputs differ in rank")
    indices.forEach((dim, axis) => wantEqual(context, dim, updates[axis]!, `axis ${axis} of indices and updates`))
    return known(sameDataType(context, [0, 2], ANY), shape)
  },
}

const pad: OnnxOperator = {
  inputs: [2, 3],
  inputsFrom: { opset: 18, most: 4 },
  attributes: { mode: { kind: "string" } },
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    const amounts = sizesOfInput(context, 1)
    const axes = context.inputs[3]
      ? axesIn(context, numbersOfInput(context, 3), shape.length)
      : shape.map((_, axis) => axis)
    if (amounts.length !== 2 * axes.length) context.fail(`${amounts.length} amounts for ${axes.length} axes`)
    if (context.inputs[2]) sameDataType(context, [0, 2], ANY)
    const result = [...shape]
    axes.forEach((axis, i) => {
      result[axis] = add(shape[axis]!, add(amounts[i]!, amounts[i + axes.length]!))
    })
    return known(dtype, result)
  },
}

const range: OnnxOperator = {
  inputs: [3, 3],
  attributes: {},
  infer: (context) => {
    const dtype = sameDataType(context, [0, 1, 2], NUMERIC)
    const [start] = numbersOfInput(context, 0)
    const [step] = numbersOfInput(context, 2)
    if (start !== 0 || step !== 1) context.fail("only ranges from 0 in steps of 1 are followed")
    return known(dtype, [sizesOfInput(context, 1)[0]!])
  },
}

const reshape: OnnxOperator = {
  inputs: [2, 2],
  attributes: { allowzero: { kind: "int" } },
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    sameDataType(context, [1], ["i64"])
    return [
      withElements(
        { type: { dtype, shape: reshapeTarget(context, shape, sizesOfInput(context, 1)) } },
        input(context, 0).elements,
      ),
    ]
  },
}

const scatterND: OnnxOperator = {
  inputs: [3, 3],
  attributes: { reduction: { kind: "string", from: 16 } },
  infer: (context) => {
    sameDataType(context, [1], ["i64"])
    return known(sameDataType(context, [0, 2], ANY), typeOfInput(context, 0).shape)
  },
}

const shapeOperator: OnnxOperator = {
  inputs: [1, 1],
  attributes: { start: { kind: "int" }, end: { kind: "int" } },
  infer: (context) => {
    const { shape } = typeOfInput(context, 0)
    const elements = shape.slice(intAttribute(context, "start", 0), intAttribute(context, "end", shape.length))
    return [{ type: { dtype: "i64", shape: [constant(elements.length)] }, elements }]
  },
}

const slice: OnnxOperator = {
  inputs: [3, 5],
  attributes: {},
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    const starts = sizesOfInput(context, 1)
    const ends = sizesOfInput(context, 2)
    const axes = context.inputs[3]
      ? axesIn(context, numbersOfInput(context, 3), shape.length)
      : starts.map((_, axis) => axis)
    const steps = context.inputs[4] ? numbersOfInput(context, 4) : starts.map(() => 1)
    if (new Set([starts.length, ends.length, axes.length, steps.length]).size !== 1) {
      context.fail("starts, ends, axes and steps differ in length")
    }
    const result = [...shape]
    axes.forEach((axis, i) => {
      result[axis] = slicedSize(context, shape[axis]!, starts[i]!, ends[i]!, steps[i]!)
    })
    return known(dtype, result)
  },
}

function slicedSize(context: SchemaContext, dim: Dim, start: Dim, end: Dim, step: number): Dim {
  const [size, first, last] = [asConstant(dim), asConstant(start), asConstant(end)]
  // The whole axis from its last element to its first.
  if (step === -1 && first === -1 && last !== undefined && last <= -BEYOND_ANY_AXIS) return dim
  if (size !== undefined && first !== undefined && last !== undefined && step > 0) {
    const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + size : at, 0), size)
    return constant(Math.max(0, Math.ceil((clamp(last) - clamp(first)) / step)))
  }
  if (step !== 1 || (first !== undefined && first < 0)) {
    context.fail("a symbolic axis is sliced from its start or its middle, in steps of 1")
  }
  return subtract(last !== undefined && last >= BEYOND_ANY_AXIS ? dim : end, start)
}

const squeeze: OnnxOperator = {
  inputs: [1, 2],
  attributes: {},
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    const axes = context.inputs[1]
      ? axesIn(context, numbersOfInput(context, 1), shape.length)
      : shape.flatMap((dim, axis) => (asConstant(dim) === 1 ? [axis] : []))
    for (const axis of axes) wantEqual(context, shape[axis]!, constant(1), `axis ${axis} and 1`)
    const result = shape.filter((_, axis) => !axes.includes(axis))
    return [withElements({ type: { dtype, shape: result } }, input(context, 0).elements)]
  },
}

const unsqueeze: OnnxOperator = {
  inputs: [2, 2],
  attributes: {},
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    const given = numbersOfInput(context, 1)
    const axes = axesIn(context, given, shape.length + given.length)
    const rest = [...shape]
    const result = Array.from({ length: shape.length + axes.length }, (_, axis) =>
      axes.includes(axis) ? constant(1) : rest.shift()!,
    )
    return [withElements({ type: { dtype, shape: result } }, input(context, 0).elements)]
  },
}

const topK: OnnxOperator = {
  inputs: [2, 2],
  outputs: [2, 2],
  attributes: { axis: { kind: "int" }, largest: { kind: "int" }, sorted: { kind: "int" } },
  infer: (context) => {
    const dtype = sameDataType(context, [0], NUMERIC)
    const { shape } = typeOfInput(context, 0)
    const axis = axisIn(context, intAttribute(context, "axis", -1), shape.length)
    const [count] = sizesOfInput(context, 1)
    const result = shape.map((dim, a) => (a === axis ? count! : dim))
    return [...known(dtype, result), ...known("i64", result)]
  },
}

const transpose: OnnxOperator = {
  inputs: [1, 1],
  attributes: { perm: { kind: "ints", required: true } },
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    const perm = intsAttribute(context, "perm")!
    if (perm.length !== shape.length) context.fail(`perm [${perm.join(", ")}] for shape ${formatShape(shape)}`)
    return known(
      dtype,
      axesIn(context, perm, shape.length).map((axis) => shape[axis]!),
    )
  },
}

export const structureOperators = {
  Concat: concat,
  Expand: expand,
  Gather: gather,
  GatherElements: gatherElements,
  Pad: pad,
  Range: range,
  Reshape: reshape,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  Shape: shapeOperator,
  Slice: slice,
  Squeeze: squeeze,
  TopK: topK,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
} as const satisfies Record<string, OnnxOperator>
