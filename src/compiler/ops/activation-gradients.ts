/**
 * Gradients of activations as ops of their own, because TensorFlow has one kernel for each: written with comparisons and
 * products, the gradient of relu reads and writes the feature map three times as often.
 *
 * They take the activation's result, which its consumers keep alive anyway, and not its operand.
 */

import type { OpCase, OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import type { OpName } from "./names.js"
import { NotInInference } from "./not-in-inference.js"

interface Activation {
  /** the activation this is the gradient of */
  readonly of: "relu" | "sigmoid"
  /** the TensorFlow op with its two operands in TensorFlow's order */
  readonly tensorflow: (dy: string, y: string) => readonly [op: string, operands: readonly string[]]
  /** the gradient by the operand of one element */
  readonly apply: (dy: number, y: number) => number
  /** values of the activation's result */
  readonly range: Pick<OpCase["inputs"][number], "low" | "high" | "awayFromZero">
}

function activationGradient({ of, tensorflow, apply, range }: Activation): OpDefinition {
  const name = `${of}_gradient` as const satisfies OpName
  const skip = {
    onnx: "gradients are part of training only",
    tfjs: `covered by the gradient of ${of}`,
  }
  return {
    family: "elementwise",
    doc: `The gradient of ${of} by its operand, from the gradient by its result and the result.`,
    internal: true,
    inputs: [
      { name: "dy", dtypes: ["f32"], doc: `gradient by the result of ${of}` },
      { name: "y", dtypes: ["f32"], doc: `the result of ${of}, of the same shape` },
    ],
    attributes: {},
    infer: (context) => {
      const [dy, y] = context.inputs as readonly [(typeof context.inputs)[0], (typeof context.inputs)[0]]
      if (dy.shape.length !== y.shape.length) {
        context.fail({ kind: "rank", input: 0, expected: `${y.shape.length} axes, as the result of ${of} has` })
      }
      y.shape.forEach((dim, axis) => {
        if (context.same(dy.shape[axis]!, dim)) return
        const what = `the gradient has the shape of the result of ${of}`
        context.fail({ kind: "dims-differ", left: { input: 0, axis }, right: { input: 1, axis }, what })
      })
      return [y]
    },
    gradient: { none: "second derivatives are not supported" },
    cost: free,
    layout: { kind: "elementwise" },
    precision: { kind: "follows" },
    tensorflow: (context) => {
      const [op, operands] = tensorflow(context.inputs[0]!, context.inputs[1]!)
      return [context.node(op, operands, { T: context.type("f32") })]
    },
    onnx: () => {
      throw new NotInInference(name)
    },
    reference: ([dy, y]) => [{ shape: y!.shape, data: y!.data.map((value, i) => apply(dy!.data[i]!, value)) }],
    cases: Object.entries({ vector: [5], matrix: [3, 4], "feature map": [2, 3, 4, 2] }).map(([title, shape]) => ({
      name: title,
      inputs: [
        { dtype: "f32", shape },
        { dtype: "f32", shape, ...range },
      ],
      skip,
    })),
  }
}

/** The records, for the registry. */
export const activationGradients = {
  relu_gradient: activationGradient({
    of: "relu",
    tensorflow: (dy, y) => ["ReluGrad", [dy, y]],
    apply: (dy, y) => (y > 0 ? dy : 0),
    range: { awayFromZero: 0.05 },
  }),
  sigmoid_gradient: activationGradient({
    of: "sigmoid",
    tensorflow: (dy, y) => ["SigmoidGrad", [y, dy]],
    apply: (dy, y) => dy * y * (1 - y),
    range: { low: 0.02, high: 0.98 },
  }),
} satisfies Record<string, OpDefinition>
