/**
 * Elementwise ops of one operand. A factory fills in what all of them share, so that a record says only what is its own.
 *
 * Gradients are written with the op's result where that is enough (`exp`, `sigmoid`, `relu`), because the result is kept
 * alive by its consumers anyway and the operand then need not be.
 */

import type { Attributes, DataType } from "../ir/graph.js"
import type { CaseInput, OnnxContext, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import type { NdArray } from "./ndarray.js"
import { numberAttribute, stringAttribute } from "./shapes.js"

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

function unary(parts: UnaryParts): OpDefinition {
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
function cases(input: Partial<CaseInput> = {}, attributes?: Attributes): readonly OpCase[] {
  const shapes = { vector: [5], matrix: [3, 4], "feature map": [2, 3, 4, 2] }
  return Object.entries(shapes).map(([name, shape]) => ({
    name,
    inputs: [{ dtype: "f32", shape, ...input }],
    ...(attributes && { attributes }),
  }))
}

const integers = (name: string, low: number, high: number): OpCase => ({
  name,
  inputs: [{ dtype: "i32", shape: [2, 5], low, high }],
})

/** Codes of `onnx.TensorProto.DataType`. */
export const ONNX_TYPE: Readonly<Record<DataType, number>> = { f32: 1, i32: 6, bool: 9 }

/**
 * The error function, to the last digits of a double: the series 2/sqrt(pi) exp(-x^2) sum (2x^2)^n x / (2n + 1)!! has
 * positive terms only, so nothing cancels; past 6 the result is 1 in double precision.
 */
function errorFunction(x: number): number {
  if (Math.abs(x) >= 6) return Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** What a cast does to one number: truncation towards zero for integers, "is not zero" for booleans. */
function castTo(dtype: string, value: number): number {
  if (dtype === "i32") return Math.trunc(value)
  return dtype === "bool" ? Number(value !== 0) : value
}

export const elementwiseUnary = {
  neg: unary({
    precision: { kind: "follows" },
    doc: "The negative, -x.",
    dtypes: ["f32", "i32"],
    tensorflow: "Neg",
    onnx: "Neg",
    apply: (x) => -x,
    gradient: ({ gradients: [dy], op }) => [op("neg", [dy!])],
    cases: [...cases(), integers("integers", -4, 5)],
  }),
  abs: unary({
    precision: { kind: "follows" },
    doc: "The absolute value. The gradient at 0 is 0, as in `torch.abs`.",
    dtypes: ["f32", "i32"],
    tensorflow: "Abs",
    onnx: "Abs",
    apply: Math.abs,
    gradient: ({ gradients: [dy], inputs: [x], op, scalar }) => {
      const zero = scalar(0)
      const leftSide = op("select", [op("less", [x!, zero]), op("neg", [dy!]), zero])
      return [op("select", [op("greater", [x!, zero]), dy!, leftSide])]
    },
    cases: [...cases({ awayFromZero: 0.05 }), integers("integers", -4, 5)],
  }),
  exp: unary({
    doc: "The exponential function.",
    tensorflow: "Exp",
    onnx: "Exp",
    apply: Math.exp,
    gradient: ({ gradients: [dy], outputs: [y], op }) => [op("mul", [dy!, y!])],
    cases: cases(),
  }),
  log: unary({
    doc: "The natural logarithm.",
    tensorflow: "Log",
    onnx: "Log",
    apply: Math.log,
    gradient: ({ gradients: [dy], inputs: [x], op }) => [op("div", [dy!, x!])],
    cases: cases({ low: 0.1, high: 3 }),
  }),
  sqrt: unary({
    doc: "The square root.",
    tensorflow: "Sqrt",
    onnx: "Sqrt",
    apply: Math.sqrt,
    gradient: ({ gradients: [dy], outputs: [y], op, scalar }) => [op("div", [op("mul", [dy!, scalar(0.5)]), y!])],
    cases: cases({ low: 0.1, high: 3 }),
  }),
  rsqrt: unary({
    doc: "The reciprocal of the square root, as `torch.rsqrt`.",
    tensorflow: "Rsqrt",
    onnx: (context) => context.node("Reciprocal", context.node("Sqrt", context.inputs)),
    apply: (x) => 1 / Math.sqrt(x),
    gradient: ({ gradients: [dy], outputs: [y], op, scalar }) => {
      const cube = op("mul", [op("square", [y!]), y!])
      return [op("mul", [dy!, op("mul", [cube, scalar(-0.5)])])]
    },
    cases: cases({ low: 0.1, high: 3 }),
  }),
  square: unary({
    doc: "The square, x * x.",
    dtypes: ["f32", "i32"],
    tensorflow: "Square",
    onnx: (context) => context.node("Mul", [context.inputs[0]!, context.inputs[0]!]),
    apply: (x) => x * x,
    gradient: ({ gradients: [dy], inputs: [x], op, scalar }) => [op("mul", [dy!, op("mul", [x!, scalar(2)])])],
    cases: [...cases(), integers("integers", -4, 5)],
  }),
  reciprocal: unary({
    doc: "The reciprocal, 1 / x.",
    tensorflow: "Reciprocal",
    onnx: "Reciprocal",
    apply: (x) => 1 / x,
    gradient: ({ gradients: [dy], outputs: [y], op }) => [op("neg", [op("mul", [dy!, op("square", [y!])])])],
    cases: cases({ low: 0.5, high: 3 }),
  }),
  relu: unary({
    precision: { kind: "follows" },
    doc: "The rectifier, max(x, 0). The gradient at 0 is 0, as in `torch.nn.functional.relu`.",
    tensorflow: "Relu",
    onnx: "Relu",
    apply: (x) => Math.max(x, 0),
    gradient: ({ gradients: [dy], outputs: [y], op }) => [op("relu_gradient", [dy!, y!])],
    cases: cases({ awayFromZero: 0.05 }),
  }),
  sigmoid: unary({
    doc: "The logistic function, 1 / (1 + exp(-x)).",
    tensorflow: "Sigmoid",
    onnx: "Sigmoid",
    apply: (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
    gradient: ({ gradients: [dy], outputs: [y], op }) => [op("sigmoid_gradient", [dy!, y!])],
    cases: cases({ low: -4, high: 4 }),
  }),
  tanh: unary({
    doc: "The hyperbolic tangent.",
    tensorflow: "Tanh",
    onnx: "Tanh",
    apply: Math.tanh,
    gradient: ({ gradients: [dy], outputs: [y], op, scalar }) => [
      op("mul", [dy!, op("sub", [scalar(1), op("square", [y!])])]),
    ],
    cases: cases({ low: -2, high: 2 }),
  }),
  erf: unary({
    doc: "The error function, as `torch.erf`; the exact GELU is written with it.",
    tensorflow: "Erf",
    onnx: "Erf",
    apply: errorFunction,
    gradient: ({ gradients: [dy], inputs: [x], op, scalar }) => {
      const bell = op("exp", [op("neg", [op("square", [x!])])])
      return [op("mul", [dy!, op("mul", [bell, scalar(2 / Math.sqrt(Math.PI))])])]
    },
    cases: cases({ low: -2.5, high: 2.5 }),
  }),
  floor: unary({
    doc: "The largest integer that is not above x, as f32.",
    tensorflow: "Floor",
    onnx: "Floor",
    apply: Math.floor,
    gradient: { none: "floor is constant between integers and jumps at them" },
    cases: cases({ low: -3, high: 3, awayFromZero: 0.05 }),
  }),
  logical_not: unary({
    doc: "True where the operand is false.",
    dtypes: ["bool"],
    tensorflow: (context) => context.node("LogicalNot", context.inputs),
    onnx: "Not",
    apply: (x) => Number(x === 0),
    gradient: { none: "booleans have no gradient" },
    cases: [{ name: "matrix", inputs: [{ dtype: "bool", shape: [3, 4] }] }],
  }),
  clamp: {
    ...unary({
      doc: "Limits every element to [min, max]. The gradient passes within the bounds, both included, as in `torch.clamp`.",
      attributes: {
        min: { type: "float", doc: "lower bound" },
        max: { type: "float", doc: "upper bound" },
      },
      tensorflow: (context) => {
        const bound = (name: string): string => context.constant("f32", [], [numberAttribute(context.attributes, name)])
        return context.node("ClipByValue", [context.inputs[0]!, bound("min"), bound("max")], { T: context.type("f32") })
      },
      onnx: (context) => {
        const bound = (name: string): string => context.constant("f32", [], [numberAttribute(context.attributes, name)])
        return context.node("Clip", [context.inputs[0]!, bound("min"), bound("max")])
      },
      apply: (x, attributes) =>
        Math.min(Math.max(x, numberAttribute(attributes, "min")), numberAttribute(attributes, "max")),
      gradient: ({ gradients: [dy], inputs: [x], attributes, op, scalar }) => {
        const above = op("greater_equal", [x!, scalar(numberAttribute(attributes, "min"))])
        const below = op("less_equal", [x!, scalar(numberAttribute(attributes, "max"))])
        return [op("select", [op("logical_and", [above, below]), dy!, scalar(0)])]
      },
      cases: cases({ low: -2, high: 3, awayFromZero: 0.05 }, { min: -1, max: 1 }),
    }),
    infer: ({ inputs, attributes, fail }) => {
      if (numberAttribute(attributes, "min") > numberAttribute(attributes, "max")) {
        fail({ kind: "attribute", name: "min", message: "the lower bound is above the upper bound" })
      }
      return [inputs[0]!]
    },
  },
  cast: {
    ...unary({
      doc: "Changes the element type: floats are truncated towards zero, a boolean is 0 or 1, and non-zero is true.",
      dtypes: ["f32", "i32", "bool"],
      attributes: { to: { type: "dtype", doc: "the new element type" } },
      tensorflow: (context) =>
        context.node("Cast", context.inputs, {
          SrcT: context.type(context.inputTypes[0]!.dtype),
          DstT: context.type(context.outputTypes[0]!.dtype),
        }),
      onnx: (context) =>
        context.node("Cast", context.inputs, { to: { int: ONNX_TYPE[context.outputTypes[0]!.dtype] } }),
      apply: (x, attributes) => castTo(stringAttribute(attributes, "to"), x),
      gradient: ({ gradients: [dy], inputs: [x], typeOf }) => [typeOf(x!).dtype === "f32" ? dy : undefined],
      cases: [
        { name: "to itself", inputs: [{ dtype: "f32", shape: [2, 3] }], attributes: { to: "f32" } },
        {
          name: "truncation",
          inputs: [{ dtype: "f32", shape: [3, 4], low: -3, high: 3, awayFromZero: 0.05 }],
          attributes: { to: "i32" },
        },
        {
          name: "non-zero",
          inputs: [{ dtype: "f32", shape: [4], values: [0, 1, -0.5, 0] }],
          attributes: { to: "bool" },
        },
        { name: "integer to float", inputs: [{ dtype: "i32", shape: [2, 3] }], attributes: { to: "f32" } },
        { name: "mask to float", inputs: [{ dtype: "bool", shape: [2, 3] }], attributes: { to: "f32" } },
        { name: "mask to integer", inputs: [{ dtype: "bool", shape: [2, 3, 2, 2] }], attributes: { to: "i32" } },
        { name: "integer to mask", inputs: [{ dtype: "i32", shape: [2, 3], high: 2 }], attributes: { to: "bool" } },
      ],
    }),
    infer: ({ inputs, attributes, fail }) => {
      const to = stringAttribute(attributes, "to")
      if (to !== "f32" && to !== "i32" && to !== "bool") {
        return fail({
          kind: "attribute",
          name: "to",
          message: `${to} is no element type`,
          hint: "use f32, i32 or bool",
        })
      }
      return [{ dtype: to, shape: inputs[0]!.shape }]
    },
  },
} satisfies Record<string, OpDefinition>
