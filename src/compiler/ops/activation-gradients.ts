/**
 * Gradients of activations as ops of their own. TensorFlow has one kernel for most of them: written with comparisons and
 * products, the gradient of relu reads and writes the feature map three times as often. The others (GELU, SiLU) need
 * nothing but the operand, so that a training step keeps no factor of theirs alive.
 *
 * They take the activation's result where that is enough, because its consumers keep it alive anyway, else its operand.
 */

import type { Attributes } from "../ir/graph.js"
import { inTensorFlow, type Arithmetic } from "./arithmetic.js"
import type { AttributeSpec, OpCase, OpDefinition, TensorFlowContext } from "./definition.js"
import { free } from "./definition.js"
import type { OpName } from "./names.js"
import { NotInInference } from "./not-in-inference.js"
import { numberAttribute, stringAttribute } from "./shapes.js"
import { errorFunction, logistic } from "./special-functions.js"

interface Activation {
  readonly name: OpName & `${string}_gradient`
  /** the activations this is the gradient of, in words */
  readonly of: string
  /** what it is computed from, besides the gradient by the result */
  readonly from: "result" | "operand"
  readonly attributes?: Readonly<Record<string, AttributeSpec>>
  readonly tensorflow: (context: TensorFlowContext) => string
  /** the gradient by the operand of one element */
  readonly apply: (dy: number, value: number, attributes: Attributes) => number
  /** values of the second operand */
  readonly range: Pick<OpCase["inputs"][number], "low" | "high" | "awayFromZero">
  /** one set of cases for each; the defaults if not given */
  readonly settings?: readonly Attributes[]
}

function activationGradient(parts: Activation): OpDefinition {
  const { name, of, from, range } = parts
  const value = from === "result" ? "y" : "x"
  const skip = {
    onnx: "gradients are part of training only",
    tfjs: `covered by the gradient of ${of}`,
  }
  return {
    family: "elementwise",
    doc: `The gradient of ${of} by its operand, from the gradient by its result and the ${from}.`,
    internal: true,
    inputs: [
      { name: "dy", dtypes: ["f32"], doc: `gradient by the result of ${of}` },
      { name: value, dtypes: ["f32"], doc: `the ${from} of ${of}, of the same shape` },
    ],
    attributes: parts.attributes ?? {},
    infer: (context) => {
      const [dy, other] = context.inputs as readonly [(typeof context.inputs)[0], (typeof context.inputs)[0]]
      if (dy.shape.length !== other.shape.length) {
        context.fail({ kind: "rank", input: 0, expected: `${other.shape.length} axes, as the result of ${of} has` })
      }
      other.shape.forEach((dim, axis) => {
        if (context.same(dy.shape[axis]!, dim)) return
        const what = `the gradient has the shape of the result of ${of}`
        context.fail({ kind: "dims-differ", left: { input: 0, axis }, right: { input: 1, axis }, what })
      })
      return [other]
    },
    gradient: { none: "second derivatives are not supported" },
    cost: free,
    layout: { kind: "elementwise" },
    precision: { kind: "follows" },
    tensorflow: (context) => [parts.tensorflow(context)],
    onnx: () => {
      throw new NotInInference(name)
    },
    reference: ([dy, other], attributes) => [
      { shape: other!.shape, data: other!.data.map((entry, i) => parts.apply(dy!.data[i]!, entry, attributes)) },
    ],
    cases: (parts.settings ?? [undefined]).flatMap((attributes) =>
      Object.entries({ vector: [5], matrix: [3, 4], "feature map": [2, 3, 4, 2] }).map(([title, shape]) => ({
        name: attributes ? `${title}, ${JSON.stringify(attributes)}` : title,
        inputs: [
          { dtype: "f32", shape },
          { dtype: "f32", shape, ...range },
        ],
        ...(attributes && { attributes }),
        skip,
      })),
    ),
  }
}

/** A kernel of TensorFlow that takes (dy, value), or in the other order. */
const kernel =
  (op: string, order: "gradient first" | "value first" = "gradient first") =>
  (context: TensorFlowContext): string => {
    const operands = order === "gradient first" ? context.inputs : [...context.inputs].reverse()
    return context.node(op, operands, { T: context.type(context.float) })
  }

/** sqrt(2 / pi) and the weight of the cube in the usual approximation of GELU (Hendrycks and Gimpel 2016). */
export const GELU_TANH = { scale: Math.sqrt(2 / Math.PI), cube: 0.044715 } as const

/** The derivative of x * Phi(x): Phi(x) + x * phi(x). */
function exactGeluSlope(op: Arithmetic, x: string): string {
  const cumulative = op("mul", op("add", op("erf", op("mul", x, Math.SQRT1_2)), 1), 0.5)
  const density = op("mul", op("exp", op("mul", op("mul", x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
  return op("add", cumulative, op("mul", x, density))
}

/** The derivative of x * sigmoid(u) with u = 2 scale (x + cube x^3): s (1 + x u' (1 - s)). */
function tanhGeluSlope(op: Arithmetic, x: string): string {
  const { scale, cube } = GELU_TANH
  const square = op("mul", x, x)
  const s = op("sigmoid", op("mul", x, op("add", op("mul", square, 2 * scale * cube), 2 * scale)))
  const weighted = op("mul", x, op("add", op("mul", square, 6 * scale * cube), 2 * scale))
  return op("mul", s, op("add", op("mul", weighted, op("sub", 1, s)), 1))
}

function geluSlope(x: number, approximate: string): number {
  if (approximate === "none") {
    return 0.5 * (1 + errorFunction(x * Math.SQRT1_2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI)
  }
  const { scale, cube } = GELU_TANH
  const s = logistic(2 * scale * (x + cube * x ** 3))
  return s + x * s * (1 - s) * 2 * scale * (1 + 3 * cube * x * x)
}

/** The records, for the registry. */
export const activationGradients = {
  relu_gradient: activationGradient({
    name: "relu_gradient",
    of: "relu",
    from: "result",
    tensorflow: kernel("ReluGrad"),
    apply: (dy, y) => (y > 0 ? dy : 0),
    range: { awayFromZero: 0.05 },
  }),
  sigmoid_gradient: activationGradient({
    name: "sigmoid_gradient",
    of: "sigmoid",
    from: "result",
    tensorflow: kernel("SigmoidGrad", "value first"),
    apply: (dy, y) => dy * y * (1 - y),
    range: { low: 0.02, high: 0.98 },
  }),
  tanh_gradient: activationGradient({
    name: "tanh_gradient",
    of: "tanh",
    from: "result",
    tensorflow: kernel("TanhGrad", "value first"),
    apply: (dy, y) => dy * (1 - y * y),
    range: { low: -0.98, high: 0.98 },
  }),
  elu_gradient: activationGradient({
    name: "elu_gradient",
    of: "elu",
    from: "result",
    tensorflow: kernel("EluGrad"),
    apply: (dy, y) => (y > 0 ? dy : dy * (y + 1)),
    range: { low: -0.98, high: 2, awayFromZero: 0.05 },
  }),
  softplus_gradient: activationGradient({
    name: "softplus_gradient",
    of: "softplus",
    from: "operand",
    tensorflow: kernel("SoftplusGrad"),
    apply: (dy, x) => dy * logistic(x),
    range: { low: -5, high: 5 },
  }),
  leaky_relu_gradient: activationGradient({
    name: "leaky_relu_gradient",
    of: "leaky_relu",
    from: "operand",
    attributes: { slope: { type: "float", doc: "slope below 0" } },
    tensorflow: (context) =>
      context.node("LeakyReluGrad", context.inputs, {
        T: context.type(context.float),
        alpha: { f: numberAttribute(context.attributes, "slope") },
      }),
    apply: (dy, x, attributes) => (x > 0 ? dy : dy * numberAttribute(attributes, "slope")),
    range: { awayFromZero: 0.05 },
    settings: [{ slope: 0.2 }],
  }),
  swish_gradient: activationGradient({
    name: "swish_gradient",
    of: "silu and quick_gelu",
    from: "operand",
    attributes: { beta: { type: "float", doc: "what the operand of the sigmoid is multiplied by" } },
    // dy (s + u s (1 - s)) with u = beta x: the second term is what TensorFlow's gradient of sigmoid gives for u.
    tensorflow: (context) => {
      const [dy, x] = context.inputs as [string, string]
      const T = context.type(context.float)
      const beta = numberAttribute(context.attributes, "beta")
      const u = beta === 1 ? x : context.node("Mul", [x, context.constant(context.float, [], [beta])], { T })
      const s = context.node("Sigmoid", [u], { T })
      const slope = context.node("AddV2", [s, context.node("SigmoidGrad", [s, u], { T })], { T })
      return context.node("Mul", [dy, slope], { T })
    },
    apply: (dy, x, attributes) => {
      const beta = numberAttribute(attributes, "beta")
      const s = logistic(beta * x)
      return dy * (s + beta * x * s * (1 - s))
    },
    range: { low: -4, high: 4 },
    settings: [{ beta: 1 }, { beta: 1.702 }],
  }),
  gelu_gradient: activationGradient({
    name: "gelu_gradient",
    of: "gelu",
    from: "operand",
    attributes: { approximate: { type: "string", doc: '"none" or "tanh"' } },
    tensorflow: (context) => {
      const slope = stringAttribute(context.attributes, "approximate") === "none" ? exactGeluSlope : tanhGeluSlope
      return inTensorFlow(context, (op, [dy, x]) => op("mul", dy!, slope(op, x!)))
    },
    apply: (dy, x, attributes) => dy * geluSlope(x, stringAttribute(attributes, "approximate")),
    range: { low: -3, high: 3 },
    settings: [{ approximate: "none" }, { approximate: "tanh" }],
  }),
} satisfies Record<string, OpDefinition>
