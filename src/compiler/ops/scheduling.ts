/**
 * When a node runs: what the order of the graph leaves open, and a pass must be able to say.
 */

import type { OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { NotInInference } from "./not-in-inference.js"

const ANY = ["f32", "bf16", "i32", "bool"] as const

const after: OpDefinition = {
  family: "control of gradients",
  doc: "The operand itself, but not before another value has been computed: lets a gradient recompute what was not kept, and not earlier.",
  inputs: [
    { name: "x", dtypes: ANY, doc: "operand" },
    { name: "gate", dtypes: ANY, doc: "what has to be there first, of any shape; its elements are not looked at" },
  ],
  attributes: {},
  internal: true,
  infer: (context) => [context.inputs[0]!],
  gradient: { none: "it is made after gradients are" },
  cost: free,
  // The layout pass knows it by name: x keeps its storage, whatever that of the gate.
  layout: { kind: "fixed" },
  precision: { kind: "follows" },
  // Without the control input TensorFlow would merge what is recomputed with what was computed before.
  tensorflow: (context) => [
    context.node("Identity", [context.inputs[0]!, `^${context.inputs[1]!.split(":")[0]!}`], {
      T: context.type(context.inputTypes[0]!.dtype),
    }),
  ],
  onnx: () => {
    throw new NotInInference("after")
  },
  reference: ([x]) => [x!],
  cases: [
    {
      name: "gate of another shape",
      inputs: [
        { dtype: "f32", shape: [2, 3] },
        { dtype: "f32", shape: [4] },
      ],
      skip: { onnx: "part of training programs only", gradient: "made after gradients are" },
    },
    {
      name: "mask",
      inputs: [
        { dtype: "bool", shape: [3] },
        { dtype: "f32", shape: [] },
      ],
      skip: { onnx: "part of training programs only", gradient: "made after gradients are" },
    },
  ],
}

export const scheduling = { after } satisfies Record<string, OpDefinition>
