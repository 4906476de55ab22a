/**
 * One way to write a formula for two targets: TensorFlow and ONNX differ in the names of a few ops and in nothing else
 * where every element is changed by itself.
 *
 * Takes the context of a lowering; gives functions that append a node to it and give its name. A number among the operands
 * becomes a constant. In TensorFlow, formulas are computed in f32 whatever the type of the operands: a chain of roundings
 * to bf16 would lose what the op promises, that its result is one rounding away from the exact one.
 */

import type { OnnxContext, TensorFlowContext } from "./definition.js"

type Operand = string | number

/** Names in TensorFlow and ONNX. */
const NAMES = {
  add: ["AddV2", "Add"],
  sub: ["Sub", "Sub"],
  mul: ["Mul", "Mul"],
  div: ["Div", "Div"],
  maximum: ["Maximum", "Max"],
  minimum: ["Minimum", "Min"],
  neg: ["Neg", "Neg"],
  exp: ["Exp", "Exp"],
  log: ["Log", "Log"],
  erf: ["Erf", "Erf"],
  sigmoid: ["Sigmoid", "Sigmoid"],
  floor: ["Floor", "Floor"],
} as const

/** Appends one op of a formula; gives the tensor. */
export type Arithmetic = (op: keyof typeof NAMES, ...operands: readonly Operand[]) => string

/** Formulas in ONNX. */
export function onnxArithmetic(context: OnnxContext): Arithmetic {
  return (op, ...operands) => {
    const named = operands.map((x) => (typeof x === "string" ? x : context.constant("f32", [], [x])))
    return context.node(NAMES[op][1], named)[0]!
  }
}

/** Formulas in TensorFlow, on f32 tensors. */
function tensorFlowArithmetic(context: TensorFlowContext): Arithmetic {
  const T = context.type("f32")
  return (op, ...operands) => {
    const named = operands.map((x) => (typeof x === "string" ? x : context.constant("f32", [], [x])))
    return context.node(NAMES[op][0], named, { T })
  }
}

/** A lowering of `formula` for TensorFlow: operands in bf16 are widened first, and the result is narrowed again. */
export function inTensorFlow(
  context: TensorFlowContext,
  formula: (arithmetic: Arithmetic, operands: readonly string[]) => string,
): string {
  const narrow = context.type(context.float)
  const wide = context.type("f32")
  const operands = context.inputs.map((input, index) =>
    context.inputTypes[index]!.dtype === "bf16" ? context.node("Cast", [input], { SrcT: narrow, DstT: wide }) : input,
  )
  const result = formula(tensorFlowArithmetic(context), operands)
  const isNarrow = context.outputTypes[0]!.dtype === "bf16"
  return isNarrow ? context.node("Cast", [result], { SrcT: wide, DstT: narrow }) : result
}
