/**
 * The cross-entropy of a probability, one op because its clamps must be the same forwards and backwards.
 */

import type { TensorType, ValueId } from "../ir/graph.js"
import { inTensorFlow, onnxArithmetic, type Arithmetic } from "./arithmetic.js"
import type { OpCase, OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { at, build } from "./ndarray.js"

/** The loss in either target. */
function formula(op: Arithmetic, [p, t]: readonly string[]): string {
  const logarithm = (x: string): string => op("maximum", op("log", x), -100)
  const positive = op("mul", t!, logarithm(p!))
  const negative = op("mul", op("sub", 1, t!), logarithm(op("sub", 1, p!)))
  return op("neg", op("add", positive, negative))
}

const binaryCrossEntropy: OpDefinition = {
  family: "losses",
  doc:
    "The cross-entropy of probabilities and targets, element by element: -(t log p + (1 - t) log(1 - p)) with both " +
    "logarithms at least -100, and its gradient with p (1 - p) at least 1e-12, as `torch.nn.BCELoss(reduction='none')`.",
  inputs: [
    { name: "p", dtypes: ["f32"], doc: "probabilities, in [0, 1]" },
    { name: "t", dtypes: ["f32"], doc: "targets in [0, 1], of the same shape" },
  ],
  attributes: {},
  infer: (context) => {
    const [p, t] = context.inputs as readonly [TensorType, TensorType]
    if (p.shape.length !== t.shape.length) {
      context.fail({
        kind: "rank",
        input: 1,
        expected: `${p.shape.length} axes, as the probabilities`,
        hint: "nothing is broadcast here, because a target of another shape is nearly always a mistake",
      })
    }
    p.shape.forEach((dim, axis) => {
      if (context.same(dim, t.shape[axis]!)) return
      context.fail({
        kind: "dims-differ",
        left: { input: 0, axis },
        right: { input: 1, axis },
        what: "probabilities and targets must have the same shape",
      })
    })
    return [p]
  },
  gradient: ({ gradients: [dy], inputs: [p, t], op, scalar, needs }) => {
    const complement = op("sub", [scalar(1), p!])
    const byProbability = (): ValueId => {
      const spread = op("maximum", [op("mul", [p!, complement]), scalar(1e-12)])
      return op("mul", [dy!, op("div", [op("sub", [p!, t!]), spread])])
    }
    const byTarget = (): ValueId => {
      const clamped = (x: ValueId): ValueId => op("maximum", [op("log", [x]), scalar(-100)])
      return op("mul", [dy!, op("sub", [clamped(complement), clamped(p!)])])
    }
    return [needs[0] ? byProbability() : undefined, needs[1] ? byTarget() : undefined]
  },
  cost: free,
  layout: { kind: "elementwise" },
  precision: { kind: "full" },
  tensorflow: (context) => [inTensorFlow(context, formula)],
  onnx: (context) => [formula(onnxArithmetic(context), context.inputs)],
  reference: ([p, t]) => [
    build(p!.shape, (index) => {
      const probability = at(p!, index)
      const target = at(t!, index)
      const positive = target * Math.max(Math.log(probability), -100)
      return -(positive + (1 - target) * Math.max(Math.log(1 - probability), -100))
    }),
  ],
  cases: [
    { name: "vector", inputs: crossEntropyInputs([6]) },
    { name: "mask", inputs: crossEntropyInputs([2, 1, 4, 4]) },
    {
      name: "certain probabilities",
      inputs: [
        { dtype: "f32", shape: [4], values: [0, 1, 0, 1] },
        { dtype: "f32", shape: [4], values: [0, 1, 1, 0] },
      ],
      skip: {
        gradient: "at p = 0 and p = 1 the clamped slope is a convention and no limit of differences",
        tfjs: "tfjs does not clamp the logarithm",
      },
    },
  ],
}

function crossEntropyInputs(shape: readonly number[]): OpCase["inputs"] {
  return [
    { dtype: "f32", shape, low: 0.05, high: 0.95 },
    { dtype: "f32", shape, low: 0, high: 1 },
  ]
}

export const crossEntropy = { binary_cross_entropy: binaryCrossEntropy } satisfies Record<string, OpDefinition>
