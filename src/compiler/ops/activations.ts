/**
 * Activations beyond relu, sigmoid and tanh: those of transformers (GELU, QuickGELU), of EfficientNet-like networks (SiLU,
 * hard-swish), and the softened rectifiers. Each is one op because targets have kernels for them, and because its gradient
 * then is one op too (`activation-gradients.ts`).
 */

import { GELU_TANH } from "./activation-gradients.js"
import { inTensorFlow, onnxArithmetic, type Arithmetic } from "./arithmetic.js"
import type { GradientContext, OpDefinition, TensorFlowContext } from "./definition.js"
import type { OpName } from "./names.js"
import { numberAttribute, stringAttribute } from "./shapes.js"
import { errorFunction, logistic } from "./special-functions.js"
import { unary, unaryCases as cases } from "./unary.js"

const follows = { kind: "follows" } as const

/** The gradient op of an activation, given its operand. */
const byOperand =
  (name: OpName) =>
  ({ gradients: [dy], inputs: [x], attributes, op }: GradientContext) => [op(name, [dy!, x!], attributes)]

// ------------------------------------------------------------------------------------------------------------------ GELU

const exactGelu = (op: Arithmetic, x: string): string =>
  op("mul", op("mul", x, 0.5), op("add", op("erf", op("mul", x, Math.SQRT1_2)), 1))

/** 0.5 (1 + tanh(u)) is sigmoid(2u), which saves two passes over the data. */
function tanhGelu(op: Arithmetic, x: string): string {
  const { scale, cube } = GELU_TANH
  const slope = op("add", op("mul", op("mul", x, x), 2 * scale * cube), 2 * scale)
  return op("mul", x, op("sigmoid", op("mul", x, slope)))
}

const geluFormula = (approximate: string): typeof exactGelu => (approximate === "none" ? exactGelu : tanhGelu)

const gelu: OpDefinition = {
  ...unary({
    precision: follows,
    doc:
      "The Gaussian error linear unit (Hendrycks and Gimpel 2016), as `torch.nn.functional.gelu`: x times the normal " +
      'distribution function at x, exact or, with `approximate = "tanh"`, by the approximation that GPT-2 uses.',
    attributes: { approximate: { type: "string", doc: '"none" or "tanh"', default: "none" } },
    tensorflow: (context) => {
      const formula = geluFormula(stringAttribute(context.attributes, "approximate"))
      return inTensorFlow(context, (op, [x]) => formula(op, x!))
    },
    onnx: (context) => {
      const formula = geluFormula(stringAttribute(context.attributes, "approximate"))
      return [formula(onnxArithmetic(context), context.inputs[0]!)]
    },
    apply: (x, attributes) => {
      if (stringAttribute(attributes, "approximate") === "none") return 0.5 * x * (1 + errorFunction(x * Math.SQRT1_2))
      return 0.5 * x * (1 + Math.tanh(GELU_TANH.scale * (x + GELU_TANH.cube * x ** 3)))
    },
    gradient: byOperand("gelu_gradient"),
    cases: [
      ...cases({ low: -3, high: 3 }),
      ...cases({ low: -3, high: 3 }, { approximate: "tanh" }).map((c) => ({ ...c, name: `${c.name}, tanh` })),
    ],
  }),
  infer: ({ inputs, attributes, fail }) => {
    const approximate = stringAttribute(attributes, "approximate")
    if (approximate !== "none" && approximate !== "tanh") {
      const message = `"${approximate}" is no form of GELU`
      fail({ kind: "attribute", name: "approximate", message, hint: 'use "none" (exact) or "tanh"' })
    }
    return [inputs[0]!]
  },
}

// ----------------------------------------------------------------------------------------------------------------- swish

/** x * sigmoid(beta * x) */
function swish(beta: number, doc: string): OpDefinition {
  return unary({
    precision: follows,
    doc,
    tensorflow: (context) => {
      const T = context.type(context.float)
      const x = context.inputs[0]!
      const scaled = beta === 1 ? x : context.node("Mul", [x, context.constant(context.float, [], [beta])], { T })
      return context.node("Mul", [x, context.node("Sigmoid", [scaled], { T })], { T })
    },
    onnx: (context) => {
      const op = onnxArithmetic(context)
      const x = context.inputs[0]!
      return [op("mul", x, op("sigmoid", beta === 1 ? x : op("mul", x, beta)))]
    },
    apply: (x) => x * logistic(beta * x),
    gradient: ({ gradients: [dy], inputs: [x], op }) => [op("swish_gradient", [dy!, x!], { beta })],
    cases: cases({ low: -4, high: 4 }),
  })
}

// ------------------------------------------------------------------------------------------------------------ hard forms

/** min(max(x + 3, 0), 6) / 6 */
function hardSigmoidNode(context: TensorFlowContext): string {
  const T = context.type(context.float)
  const number = (value: number): string => context.constant(context.float, [], [value])
  const bounded = context.node("Relu6", [context.node("AddV2", [context.inputs[0]!, number(3)], { T })], { T })
  return context.node("Mul", [bounded, number(1 / 6)], { T })
}

const hardSigmoid = (x: number): number => Math.min(Math.max(x + 3, 0), 6) / 6

/** What each element of the gradient is multiplied by: 0 up to -3, `between` up to 3, `above` from there on. */
function hardSlope(context: GradientContext, between: (x: number) => number, above: number): readonly number[] {
  const { op, scalar, inputs, gradients } = context
  const x = inputs[0]!
  const inner = op("select", [op("less", [x, scalar(3)]), between(x), scalar(above)])
  return [op("mul", [gradients[0]!, op("select", [op("greater", [x, scalar(-3)]), inner, scalar(0)])])]
}

/** The records, for the registry. */
export const activations = {
  gelu,
  silu: swish(1, "The sigmoid linear unit or swish, x * sigmoid(x), as `torch.nn.functional.silu`."),
  quick_gelu: swish(1.702, "The product x * sigmoid(1.702 x), the approximation of GELU in OpenAI's CLIP."),
  softplus: unary({
    precision: follows,
    doc: "The softened rectifier log(1 + exp(x)), as `torch.nn.functional.softplus`; does not overflow.",
    tensorflow: "Softplus",
    onnx: "Softplus",
    apply: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    gradient: byOperand("softplus_gradient"),
    cases: [
      ...cases({ low: -5, high: 5 }),
      { name: "far from 0", inputs: [{ dtype: "f32", shape: [4], values: [-90, -20, 20, 90] }] },
    ],
  }),
  leaky_relu: unary({
    precision: follows,
    doc: "The leaky rectifier: x above 0, else `slope` times x, as `torch.nn.functional.leaky_relu`. The gradient at 0 is the slope, as there.",
    attributes: { slope: { type: "float", doc: "slope below 0", default: 0.01 } },
    tensorflow: (context) =>
      context.node("LeakyRelu", context.inputs, {
        T: context.type(context.float),
        alpha: { f: numberAttribute(context.attributes, "slope") },
      }),
    onnx: (context) =>
      context.node("LeakyRelu", context.inputs, { alpha: { float: numberAttribute(context.attributes, "slope") } }),
    apply: (x, attributes) => (x > 0 ? x : x * numberAttribute(attributes, "slope")),
    gradient: byOperand("leaky_relu_gradient"),
    cases: [
      ...cases({ awayFromZero: 0.05 }),
      { name: "steep", inputs: [{ dtype: "f32", shape: [2, 5], awayFromZero: 0.05 }], attributes: { slope: 0.3 } },
    ],
  }),
  elu: unary({
    precision: follows,
    doc: "The exponential linear unit: x above 0, else exp(x) - 1, as `torch.nn.functional.elu` with alpha 1 (Clevert et al. 2016).",
    tensorflow: "Elu",
    onnx: "Elu",
    apply: (x) => (x > 0 ? x : Math.expm1(x)),
    gradient: ({ gradients: [dy], outputs: [y], op }) => [op("elu_gradient", [dy!, y!])],
    cases: cases({ low: -3, high: 3, awayFromZero: 0.05 }),
  }),
  hardsigmoid: unary({
    precision: follows,
    doc: "The piecewise linear sigmoid min(max(x + 3, 0), 6) / 6, as `torch.nn.functional.hardsigmoid`.",
    tensorflow: hardSigmoidNode,
    onnx: (context) => context.node("HardSigmoid", context.inputs, { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
    apply: hardSigmoid,
    gradient: (context) => hardSlope(context, () => context.scalar(1 / 6), 0),
    cases: cases({ low: -5, high: 5, awayFromZero: 0.05 }),
  }),
  hardswish: unary({
    precision: follows,
    doc: "The product x * hardsigmoid(x), as `torch.nn.functional.hardswish` (Howard et al. 2019, MobileNetV3).",
    tensorflow: (context) =>
      context.node("Mul", [context.inputs[0]!, hardSigmoidNode(context)], { T: context.type(context.float) }),
    onnx: "HardSwish",
    apply: (x) => x * hardSigmoid(x),
    gradient: (context) => {
      const { op, scalar } = context
      return hardSlope(context, (x) => op("add", [op("div", [x, scalar(3)]), scalar(0.5)]), 1)
    },
    cases: cases({ low: -5, high: 5, awayFromZero: 0.05 }),
  }),
} satisfies Record<string, OpDefinition>
