/**
 * Elementwise ops of one operand (activations: `activations.ts`).
 *
 * Gradients are written with the op's result where that is enough (`exp`, `sigmoid`, `relu`), because the result is kept
 * alive by its consumers anyway and the operand then need not be.
 */

import type { DataType } from "../ir/graph.js"
import type { OpDefinition } from "./definition.js"
import { numberAttribute, stringAttribute } from "./shapes.js"
import { errorFunction, logistic, roundHalfToEven } from "./special-functions.js"
import { integers, unary, unaryCases as cases } from "./unary.js"

/** Codes of `onnx.TensorProto.DataType`. */
export const ONNX_TYPE: Readonly<Record<DataType, number>> = { f32: 1, i32: 6, bool: 9, bf16: 16 }

/** What a cast does to one number: truncation towards zero for integers, "is not zero" for booleans. */
function castTo(dtype: string, value: number): number {
  if (dtype === "i32") return Math.trunc(value)
  return dtype === "bool" ? Number(value !== 0) : value
}

/** The next integer in one direction; `kernel` is its name in TensorFlow and in ONNX. */
function toInteger(name: string, kernel: string, doc: string, apply: (x: number) => number): OpDefinition {
  return unary({
    doc,
    tensorflow: kernel,
    onnx: kernel,
    apply,
    gradient: { none: `${name} is constant between integers and jumps at them` },
    cases: cases({ low: -3, high: 3, awayFromZero: 0.05 }),
  })
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
    apply: logistic,
    gradient: ({ gradients: [dy], outputs: [y], op }) => [op("sigmoid_gradient", [dy!, y!])],
    cases: cases({ low: -4, high: 4 }),
  }),
  tanh: unary({
    doc: "The hyperbolic tangent.",
    tensorflow: "Tanh",
    onnx: "Tanh",
    apply: Math.tanh,
    gradient: ({ gradients: [dy], outputs: [y], op }) => [op("tanh_gradient", [dy!, y!])],
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
  floor: toInteger("floor", "Floor", "The largest integer that is not above x, as f32.", Math.floor),
  ceil: toInteger("ceil", "Ceil", "The smallest integer that is not below x, as f32.", Math.ceil),
  round: unary({
    doc: "The nearest integer, as f32; halves go to the even one, as in `torch.round`.",
    tensorflow: "Round",
    onnx: "Round",
    apply: roundHalfToEven,
    gradient: { none: "round is constant between halves and jumps at them" },
    cases: [
      ...cases({ low: -3, high: 3, awayFromZero: 0.05 }),
      { name: "halves", inputs: [{ dtype: "f32", shape: [6], values: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5] }] },
    ],
  }),
  sign: unary({
    doc: "The sign, -1, 0 or 1. The gradient is 0, as in `torch.sign`.",
    dtypes: ["f32", "i32"],
    precision: { kind: "follows" },
    tensorflow: "Sign",
    onnx: "Sign",
    apply: Math.sign,
    gradient: () => [undefined],
    cases: [
      ...cases({ awayFromZero: 0.05 }),
      integers("integers", -2, 3),
      { name: "zero", inputs: [{ dtype: "f32", shape: [3], values: [-0.5, 0, 2] }], skip: { gradient: "0 is a jump" } },
    ],
  }),
  sin: unary({
    doc: "The sine of an angle in radians.",
    tensorflow: "Sin",
    onnx: "Sin",
    apply: Math.sin,
    gradient: ({ gradients: [dy], inputs: [x], op }) => [op("mul", [dy!, op("cos", [x!])])],
    cases: cases({ low: -7, high: 7 }),
  }),
  cos: unary({
    doc: "The cosine of an angle in radians.",
    tensorflow: "Cos",
    onnx: "Cos",
    apply: Math.cos,
    gradient: ({ gradients: [dy], inputs: [x], op }) => [op("neg", [op("mul", [dy!, op("sin", [x!])])])],
    cases: cases({ low: -7, high: 7 }),
  }),
  log1p: unary({
    doc: "The logarithm of 1 + x, exact near 0 too where the target has a kernel for it; in ONNX by the correction of Kahan.",
    tensorflow: "Log1p",
    // log(u) x / (u - 1) with u = 1 + x: the rounding of u cancels; where u is 1 the result is x.
    onnx: (context) => {
      const x = context.inputs[0]!
      const number = (value: number): string => context.constant("f32", [], [value])
      const [u] = context.node("Add", [x, number(1)])
      const [spread] = context.node("Sub", [u!, number(1)])
      const [isNone] = context.node("Equal", [spread!, number(0)])
      const [divisor] = context.node("Where", [isNone!, number(1), spread!])
      const [logarithm] = context.node("Log", [u!])
      const [corrected] = context.node("Mul", [logarithm!, context.node("Div", [x, divisor!])[0]!])
      return context.node("Where", [isNone!, x, corrected!])
    },
    apply: Math.log1p,
    gradient: ({ gradients: [dy], inputs: [x], op, scalar }) => [op("div", [dy!, op("add", [x!, scalar(1)])])],
    cases: [
      ...cases({ low: -0.8, high: 3 }),
      { name: "near 0", inputs: [{ dtype: "f32", shape: [4], values: [-1e-4, 1e-9, 1e-5, 3e-3] }] },
    ],
  }),
  expm1: unary({
    doc: "The exponential less 1, exact near 0 too where the target has a kernel for it; in ONNX by way of tanh.",
    tensorflow: "Expm1",
    // With t = tanh(x / 2): exp(x) - 1 = 2t / (1 - t), in which nothing cancels near 0. Far out t is 1, so there the
    // difference is taken as it stands.
    onnx: (context) => {
      const x = context.inputs[0]!
      const number = (value: number): string => context.constant("f32", [], [value])
      const [t] = context.node("Tanh", [context.node("Mul", [x, number(0.5)])[0]!])
      const [near] = context.node("Div", [
        context.node("Mul", [t!, number(2)])[0]!,
        context.node("Sub", [number(1), t!])[0]!,
      ])
      const [far] = context.node("Sub", [context.node("Exp", [x])[0]!, number(1)])
      const [isFar] = context.node("Greater", [context.node("Abs", [x])[0]!, number(1)])
      return context.node("Where", [isFar!, far!, near!])
    },
    apply: Math.expm1,
    gradient: ({ gradients: [dy], outputs: [y], op, scalar }) => [op("mul", [dy!, op("add", [y!, scalar(1)])])],
    cases: [
      ...cases({ low: -3, high: 3 }),
      { name: "near 0", inputs: [{ dtype: "f32", shape: [4], values: [-1e-4, 1e-9, 1e-5, 3e-3] }] },
    ],
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
