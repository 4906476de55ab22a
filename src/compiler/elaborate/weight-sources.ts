/**
 * The right side of a published name: which stored tensors, and what is made of them.
 *
 * Takes an expression and the numbers of the path on the left; gives a source as plain data. Strings are names of stored
 * tensors, `[a..b]` takes rows, `or` gives names that a file may have instead, and `transpose`, `reshape` and `concat` do
 * what the operations do. Nothing of it reaches the graph: a file is read long after compiling.
 */

import type { Argument, Expression } from "../../../grammar/ast.js"
import type { WeightSource } from "../published-weights.js"
import { assignArguments } from "./arguments.js"
import type { Elaboration } from "./context.js"
import type { Scope } from "./environment.js"
import { condition, evaluateExpression, integer } from "./expressions.js"

type Call = Extract<Expression, { kind: "call" }>

/** `{i}` in a published name. */
export const PLACEHOLDER = /\{(\w+)\}/g

const EXPECTED = "a published name in quotes"
const HINT =
  'also: rows of it, `"name"[0..n]`; `"one" or "another"`; `transpose`, `reshape` or `concat` of names; `none`'

/**
 * @param numbers what `{i}` stands for
 * @returns undefined for `none`: not in such files
 */
export function weightSource(
  expression: Expression,
  numbers: ReadonlyMap<string, number>,
  scope: Scope,
  context: Elaboration,
): WeightSource | undefined {
  const within = (part: Expression): WeightSource | undefined => weightSource(part, numbers, scope, context)
  switch (expression.kind) {
    case "string": {
      const name = expression.value.replace(PLACEHOLDER, (_, variable: string) => String(numbers.get(variable)))
      return { kind: "stored", name }
    }
    case "none":
      return undefined
    case "if":
      return within(condition(expression.condition, scope, context) ? expression.then : expression.else)
    case "binary": {
      if (expression.operator !== "or") break
      const options = [within(expression.left), within(expression.right)].flatMap((option) =>
        option?.kind === "first" ? option.options : option ? [option] : [],
      )
      return options.length > 1 ? { kind: "first", options } : options[0]
    }
    case "index": {
      if (expression.index.kind !== "range") break
      const from = integer(expression.index.from, scope, context, "the first row")
      const to = integer(expression.index.to, scope, context, "the end of the rows")
      if (from < 0 || to <= from) {
        const message = `rows begin at 0 or later and end after their beginning, these are ${from}..${to}`
        context.fail({ kind: "bad-number", ...context.locate(expression.index.span), message })
      }
      const of = within(expression.object)
      return of && { kind: "rows", of, from, to }
    }
    case "call": {
      const made = expression.callee.kind === "name" && !expression.open && MAKERS.get(expression.callee.name.text)
      if (!made) break
      return made(expression, numbers, scope, context)
    }
    default:
  }
  const found = evaluateExpression(expression, scope, context)
  return context.wrongKind(expression.span, "what a parameter is loaded from", EXPECTED, found, HINT)
}

const MAKERS: ReadonlyMap<string, typeof transposed> = new Map([
  ["transpose", transposed],
  ["reshape", reshaped],
  ["concat", joined],
])

function transposed(
  call: Call,
  numbers: ReadonlyMap<string, number>,
  scope: Scope,
  context: Elaboration,
): WeightSource | undefined {
  const given = argumentsOf(call, ["x", "axes"], [], context)
  const axes = integers(given.get("axes")!, scope, context, "the axes")
  if (!axes.toSorted((a, b) => a - b).every((axis, index) => axis === index)) {
    const message = `a transposition names each axis once, from 0 on; this is [${axes.join(", ")}]`
    context.fail({ kind: "bad-number", ...context.locate(given.get("axes")!.span), message })
  }
  const of = weightSource(given.get("x")!, numbers, scope, context)
  return of && { kind: "transpose", of, axes }
}

function reshaped(
  call: Call,
  numbers: ReadonlyMap<string, number>,
  scope: Scope,
  context: Elaboration,
): WeightSource | undefined {
  const given = argumentsOf(call, ["x", "shape"], [], context)
  const shape = integers(given.get("shape")!, scope, context, "the sizes")
  const of = weightSource(given.get("x")!, numbers, scope, context)
  return of && { kind: "reshape", of, shape }
}

function joined(
  call: Call,
  numbers: ReadonlyMap<string, number>,
  scope: Scope,
  context: Elaboration,
): WeightSource | undefined {
  const given = argumentsOf(call, ["xs", "axis"], ["axis"], context)
  const list = given.get("xs")!
  if (list.kind !== "list" || list.items.length === 0 || list.items.some(({ spread }) => spread)) {
    const found = list.kind === "list" ? "an empty one, or with `...`" : "something else"
    const message = `\`concat\` joins a list of published names, this is ${found}`
    return context.fail({ kind: "bad-number", ...context.locate(list.span), message })
  }
  const axis = given.has("axis") ? integer(given.get("axis")!, scope, context, "the axis") : 0
  const parts = list.items.map(({ value }) => {
    const part = weightSource(value, numbers, scope, context)
    return part ?? context.wrongKind(value.span, "what is joined", EXPECTED, { kind: "none" })
  })
  return { kind: "concat", parts, axis }
}

function integers(expression: Expression, scope: Scope, context: Elaboration, what: string): readonly number[] {
  const value = evaluateExpression(expression, scope, context)
  const items = value.kind === "list" ? value.items : undefined
  return items
    ? items.map((item) =>
        item.kind === "int"
          ? context.sizeOf(item.dim, expression.span, what)
          : context.wrongKind(expression.span, what, "a list of integers", item),
      )
    : context.wrongKind(expression.span, what, "a list of integers", value)
}

/** The arguments of a call by name, not evaluated. */
function argumentsOf(
  call: Call,
  names: readonly string[],
  optional: readonly string[],
  context: Elaboration,
): ReadonlyMap<string, Expression> {
  const given = call.arguments.map((argument: Argument) => ({
    name: argument.name?.text,
    span: argument.name?.span ?? argument.span,
    expression: argument.value,
  }))
  const callee = { name: context.nameOf(call.callee), declared: undefined }
  const assigned = assignArguments(given, names, (name) => optional.includes(name), callee, call.span, context)
  return new Map([...assigned].map(([name, { expression }]) => [name, expression]))
}
