/**
 * Operators: on numbers and sizes when compiling, on tensors as operations of the graph.
 *
 * Takes an expression with an operator; gives its value. Sizes stay polynomials as long as they can; what does not divide is
 * an error, and nothing is rounded.
 */

import type { BinaryOperator, Expression } from "../../../grammar/ast.js"
import * as dims from "../ir/dims.js"
import type { OpName } from "../ops/names.js"
import { sameSize } from "../ops/shapes.js"
import type { Elaboration } from "./context.js"
import type { Scope } from "./environment.js"
import { condition, evaluateExpression } from "./expressions.js"
import { applyPrimitive } from "./operations.js"
import { NONE_HINT, sameValue, type StaticValue } from "./values.js"

const bool = (value: boolean): StaticValue => ({ kind: "bool", value })
const float = (value: number): StaticValue => ({ kind: "float", value })

/** `-x`, `not c` */
export function unary(
  expression: Extract<Expression, { kind: "unary" }>,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  if (expression.operator === "not")
    return bool(!condition(expression.operand, scope, context, "use `logical_not(x)` on tensors"))
  const value = evaluateExpression(expression.operand, scope, context)
  if (value.kind === "int") return { kind: "int", dim: dims.multiply(dims.constant(-1), value.dim) }
  if (value.kind === "float") return float(-value.value)
  if (value.kind === "tensor") return applyPrimitive("neg", [value], {}, expression, scope, context)
  return context.wrongKind(expression.operand.span, "what is negated", "a number or a tensor", value)
}

const TENSOR_OPERATORS: Partial<Record<BinaryOperator, OpName>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "==": "equal",
  "!=": "not_equal",
  "<": "less",
  "<=": "less_equal",
  ">": "greater",
  ">=": "greater_equal",
}

/** `a + b`, `a < b`, `a and b` */
export function binary(
  expression: Extract<Expression, { kind: "binary" }>,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const { operator } = expression
  if (operator === "and" || operator === "or") {
    const hint = `use \`logical_${operator}(a, b)\` on tensors`
    const left = condition(expression.left, scope, context, hint)
    // What the left side decides, the right side need not even be able to say.
    return bool(left === (operator === "or") ? left : condition(expression.right, scope, context, hint))
  }
  const left = evaluateExpression(expression.left, scope, context)
  const right = evaluateExpression(expression.right, scope, context)
  const isPresence = left.kind === "none" || right.kind === "none"
  if ((left.kind === "tensor" || right.kind === "tensor") && !isPresence) {
    const op = TENSOR_OPERATORS[operator]
    const isNumber = (v: StaticValue): boolean => v.kind === "tensor" || v.kind === "int" || v.kind === "float"
    if (op && isNumber(left) && isNumber(right)) {
      return applyPrimitive(op, [left, right], {}, expression, scope, context)
    }
    const [side, bad] = isNumber(left) ? [expression.right, right] : [expression.left, left]
    return context.wrongKind(side.span, `an operand of \`${operator}\``, "a tensor or a number", bad)
  }
  if (operator === "==" || operator === "!=") {
    context.within(context.budget.spend(context.budget.sizeOf(left) >> 4), expression.span)
  }
  if (operator === "==") return bool(equalValues(left, right, context))
  if (operator === "!=") return bool(!equalValues(left, right, context))
  if (left.kind === "list" && right.kind === "list" && operator === "+") {
    return { kind: "list", items: [...left.items, ...right.items] }
  }
  if (left.kind === "string" && right.kind === "string" && operator === "+") {
    return { kind: "string", value: left.value + right.value }
  }
  if (left.kind === "int" && right.kind === "int") return integers(expression, left.dim, right.dim, context)
  const a = toNumber(left, context)
  const b = toNumber(right, context)
  if (a === undefined || b === undefined) {
    // What is not there is at fault, rather than the tensor beside it.
    const leftIsBad = left.kind === "none" || (a === undefined && right.kind !== "none")
    const [side, bad] = leftIsBad ? [expression.left, left] : [expression.right, right]
    const hint = bad.kind === "none" ? NONE_HINT : undefined
    return context.wrongKind(side.span, `an operand of \`${operator}\``, "a number or a tensor", bad, hint)
  }
  return compareOrCompute(operator, a, b)
}

function equalValues(left: StaticValue, right: StaticValue, context: Elaboration): boolean {
  if (left.kind === "int" && right.kind === "int") return sameSize(left.dim, right.dim, context.sizes)
  const a = toNumber(left, context)
  const b = toNumber(right, context)
  return a !== undefined && b !== undefined ? a === b : sameValue(left, right)
}

/** A static number, or undefined. */
export function toNumber(value: StaticValue, context: Elaboration): number | undefined {
  if (value.kind === "float") return value.value
  return value.kind === "int" ? dims.evaluate(value.dim, context.sizes) : undefined
}

function compareOrCompute(operator: BinaryOperator, a: number, b: number): StaticValue {
  switch (operator) {
    case "+":
      return float(a + b)
    case "-":
      return float(a - b)
    case "*":
      return float(a * b)
    case "/":
      return float(a / b)
    case "%":
      return float(((a % b) + b) % b)
    case "<":
      return bool(a < b)
    case "<=":
      return bool(a <= b)
    case ">":
      return bool(a > b)
    case ">=":
      return bool(a >= b)
    default:
      throw new Error(`operator ${operator} is handled elsewhere`)
  }
}

/** Arithmetic of sizes: exact, symbols kept. */
function integers(
  expression: Extract<Expression, { kind: "binary" }>,
  left: dims.Dim,
  right: dims.Dim,
  context: Elaboration,
): StaticValue {
  const { operator, span } = expression
  switch (operator) {
    case "+":
      return { kind: "int", dim: dims.add(left, right) }
    case "-":
      return { kind: "int", dim: dims.subtract(left, right) }
    case "*":
      return { kind: "int", dim: dims.multiply(left, right) }
    case "/": {
      if (dims.evaluate(right, context.sizes) === 0) {
        return context.fail({ kind: "bad-number", ...context.locate(span), message: "division by zero" })
      }
      const quotient = dims.divideExactly(left, right, context.sizes)
      if (quotient) return { kind: "int", dim: quotient }
      const a = dims.evaluate(left, context.sizes)
      const b = dims.evaluate(right, context.sizes)
      if (a !== undefined && b !== undefined && a % b === 0) return { kind: "int", dim: dims.constant(a / b) }
      return context.fail({
        kind: "not-whole",
        ...context.locate(span),
        expression: context.nameOf(expression),
        at: `here it is ${a ?? dims.format(left)} / ${b ?? dims.format(right)}`,
        hint:
          dims.symbolsOf(left).length > 0
            ? `choose an input size that is a multiple of ${dims.format(right)}`
            : "write `quotient(a, b)` to round down, or `a / 2.0` for a number with a fraction",
      })
    }
    default: {
      const a = context.sizeOf(left, expression.left.span, `\`${operator}\``)
      const b = context.sizeOf(right, expression.right.span, `\`${operator}\``)
      if (operator === "%" && b === 0) {
        return context.fail({ kind: "bad-number", ...context.locate(span), message: "division by zero" })
      }
      if (operator === "%") return { kind: "int", dim: dims.constant(((a % b) + b) % b) }
      return compareOrCompute(operator, a, b)
    }
  }
}
