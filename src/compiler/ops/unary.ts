/**
 * Elementwise ops of one operand: the factory that fills in what all of them share, and the shapes they are tried on.
 *
 * Takes what is an op's own (names in the targets, the function of one element, the gradient); gives its record.
 */

import type { Attributes, DataType } from "../ir/graph.js"
import type { CaseInput, OnnxContext, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import type { NdArray } from "./ndarray.js"

type UnaryParts = Pick<OpDefinition, "doc" | "gradient" | "cases"> & {
  /** accepted and returned element types; f32 if not given */
  readonly dtypes?: readonly DataType[]
  readonly attributes?: OpDefinition["attributes"]
  /** full if not given */
  readonly precision?: OpDefinition["precision"]
  /** name of a TensorFlow op with the one type attribute T, or a lowering */
  readonly tensorflow: string | ((context: TensorFlowContext) => string)
  readonly onnx: string | ((context: OnnxContext) => readonly string[])
  readonly apply: (x: number, attributes: Attributes) => number
}

/** The record of an op that changes every element by itself. */
export function unary(parts: UnaryParts): OpDefinition {
  const { doc, gradient, cases, apply, attributes = {}, dtypes = ["f32"] } = parts
  const { tensorflow, onnx } = parts
  return {
    family: "elementwise",
    doc,
    inputs: [{ name: "x", dtypes, doc: "operand, of any shape" }],
    attributes,
    infer: ({ inputs }) => [inputs[0]!],
    gradient,
    cost: free,
    layout: { kind: "elementwise" },
    precision: parts.precision ?? { kind: "full" },
    tensorflow: (context) => [
      typeof tensorflow === "string"
        ? context.node(tensorflow, context.inputs, { T: context.type(context.inputTypes[0]!.dtype) })
        : tensorflow(context),
    ],
    onnx: (context) => (typeof onnx === "string" ? context.node(onnx, context.inputs) : onnx(context)),
    reference: ([x], given) => [map(x!, (value) => apply(value, given))],
    cases,
  }
}

function map(x: NdArray, apply: (value: number) => number): NdArray {
  return { shape: x.shape, data: x.data.map(apply) }
}

/** A matrix, and a feature map of rank 4: enough for an op that looks at one element at a time. */
export function unaryCases(input: Partial<CaseInput> = {}, attributes?: Attributes): readonly OpCase[] {
  const shapes = { vector: [5], matrix: [3, 4], "feature map": [2, 3, 4, 2] }
  return Object.entries(shapes).map(([name, shape]) => ({
    name,
    inputs: [{ dtype: "f32", shape, ...input }],
    ...(attributes && { attributes }),
  }))
}

/** A case of integers in [low, high). */
export const integers = (name: string, low: number, high: number): OpCase => ({
  name,
  inputs: [{ dtype: "i32", shape: [2, 5], low, high }],
})
