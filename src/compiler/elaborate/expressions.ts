/**
 * Expressions: from syntax to compile-time values, appending graph nodes on the way.
 *
 * Takes an expression and its scope; gives a value. Only the taken side of an `if` is looked at, so a branch may name
 * things that an ablation has removed.
 */

import type { Expression, Pattern, Span } from "../../../grammar/ast.js"
import { childExpressions } from "../../../grammar/walk.js"
import { methodAdvice } from "../diagnostics/pytorch-words.js"
import { didYouMean } from "../diagnostics/suggest.js"
import * as dims from "../ir/dims.js"
import { binary, unary } from "./arithmetic.js"
import { callExpression, pipeInto } from "./calls.js"
import { LIMITS } from "./budget.js"
import type { Elaboration } from "./context.js"
import { Environment, join, type Scope } from "./environment.js"
import { partOf } from "./instances.js"
import { runBody } from "./statements.js"
import { formatValue, NONE_HINT, type StaticValue } from "./values.js"

const bool = (value: boolean): StaticValue => ({ kind: "bool", value })

/** Expressions that give a value which was there before; all others make one. */
const FINDS: ReadonlySet<Expression["kind"]> = new Set(["name", "member", "index"])

/** The value of `expression`. Throws `Abort` after reporting what is wrong. */
export function evaluateExpression(expression: Expression, scope: Scope, context: Elaboration): StaticValue {
  const { budget } = context
  try {
    context.within(budget.enter(), expression.span)
    const value = evaluate(expression, scope, context)
    if (!FINDS.has(expression.kind)) context.within(budget.made(value), expression.span)
    return value
  } catch (error) {
    if (!(error instanceof dims.DimOverflow)) throw error
    return context.fail({ kind: "bad-number", ...context.locate(expression.span), message: error.message })
  } finally {
    budget.leave()
  }
}

function evaluate(expression: Expression, scope: Scope, context: Elaboration): StaticValue {
  switch (expression.kind) {
    case "number":
      return expression.isInteger
        ? { kind: "int", dim: dims.constant(expression.value) }
        : { kind: "float", value: expression.value }
    case "string":
      return { kind: "string", value: expression.value }
    case "boolean":
      return bool(expression.value)
    case "none":
      return { kind: "none" }
    case "name":
      return lookup(expression.name.text, expression.span, scope, context)
    case "list":
      return { kind: "list", items: expression.items.flatMap((item) => listItem(item, scope, context)) }
    case "comprehension": {
      const items: StaticValue[] = []
      forEach(expression.iterable, expression.variable, scope, context, (inner) => {
        if (expression.condition && !condition(expression.condition, inner, context)) return
        items.push(evaluateExpression(expression.body, inner, context))
      })
      return { kind: "list", items }
    }
    case "record":
      return record(expression, scope, context)
    case "range": {
      const from = integer(expression.from, scope, context, "a bound of a range")
      const to = integer(expression.to, scope, context, "a bound of a range")
      if (to - from > LIMITS.items) context.within({ what: "items", limit: LIMITS.items }, expression.span)
      const items = Array.from({ length: Math.max(0, to - from) }, (_, i) => dims.constant(from + i))
      return { kind: "list", items: items.map((dim) => ({ kind: "int", dim })) }
    }
    case "unary":
      return unary(expression, scope, context)
    case "binary":
      return binary(expression, scope, context)
    case "call":
      return callExpression(expression, scope, context)
    case "member":
      return member(expression, scope, context)
    case "index":
      return indexed(expression, scope, context)
    case "pipe":
      return pipeInto(expression, scope, context)
    case "if":
      return condition(expression.condition, scope, context)
        ? evaluateExpression(expression.then, scope, context)
        : evaluateExpression(expression.else, scope, context)
    case "fold": {
      let value = evaluateExpression(expression.start, scope, context)
      forEach(expression.iterable, expression.variable, scope, context, (inner) => {
        inner.environment.define(expression.accumulator.text, value, expression.accumulator.span)
        value = evaluateExpression(expression.body, inner, context)
      })
      return value
    }
    case "do": {
      const inner: Scope = {
        ...scope,
        environment: new Environment(scope.environment),
        path: scope.naming.path,
      }
      return runBody(expression.body, inner, context, "this expression", expression.span)
    }
  }
}

/** What a name means here. A name that nobody knows has been reported when names were checked. */
function lookup(name: string, span: Span, scope: Scope, context: Elaboration): StaticValue {
  const found = scope.environment.lookup(name)
  if (found) {
    if (found.value.kind === "error") context.stop()
    return found.value
  }
  const removed = context.removed.get(name)
  if (removed) {
    context.fail({ kind: "removed-name-used", span, name, section: removed.section, removed: removed.span })
  }
  return context.stop()
}

function listItem(
  item: { readonly spread: boolean; readonly value: Expression },
  scope: Scope,
  context: Elaboration,
): readonly StaticValue[] {
  const value = evaluateExpression(item.value, scope, context)
  if (!item.spread) return [value]
  if (value.kind !== "list") return context.wrongKind(item.value.span, "what is spread", "a list", value)
  return value.items
}

function record(expression: Extract<Expression, { kind: "record" }>, scope: Scope, context: Elaboration): StaticValue {
  const fields = new Map<string, StaticValue>()
  for (const field of expression.fields) {
    if (field.kind === "spread") {
      const value = evaluateExpression(field.value, scope, context)
      if (value.kind !== "record") return context.wrongKind(field.value.span, "what is spread", "a record", value)
      for (const [name, inner] of value.fields) fields.set(name, inner)
    } else {
      const value = field.value
        ? evaluateExpression(field.value, scope, context)
        : lookup(field.name.text, field.name.span, scope, context)
      fields.set(field.name.text, value)
    }
  }
  return { kind: "record", fields }
}

/** Runs `body` once for each item, with the variable bound and the item's position in the names of what is made. */
function forEach(
  iterable: Expression,
  variable: Pattern,
  scope: Scope,
  context: Elaboration,
  body: (scope: Scope) => void,
): void {
  const list = evaluateExpression(iterable, scope, context)
  if (list.kind !== "list") context.wrongKind(iterable.span, "what is looped over", "a list or a range", list)
  list.items.forEach((item, position) => {
    const environment = new Environment(scope.environment)
    const inner: Scope = {
      ...scope,
      environment,
      naming: { ...scope.naming, path: join(scope.naming.path, `${position}`) },
    }
    bindPattern(variable, item, environment, context)
    body(inner)
  })
}

/** Binds the names of a pattern; a record pattern takes fields by name. */
export function bindPattern(
  pattern: Pattern,
  value: StaticValue,
  environment: Environment,
  context: Elaboration,
): void {
  if (pattern.kind === "name-pattern") {
    // A name defined twice has been reported; what it means now is anybody's guess, so nothing follows from it.
    const taken = environment.hasLocal(pattern.name.text)
    environment.define(pattern.name.text, taken ? { kind: "error" } : value, pattern.name.span)
    return
  }
  if (value.kind !== "record") {
    context.wrongKind(pattern.span, "what is taken apart", "a record", value)
  }
  for (const { field, name } of pattern.fields) {
    environment.define(name.text, fieldOf(value, field.text, field.span, context), name.span)
  }
}

/** Binds the names of a pattern to the error value, so that later uses say nothing more. */
export function bindToError(pattern: Pattern, environment: Environment): void {
  const names = pattern.kind === "name-pattern" ? [pattern.name] : pattern.fields.map((f) => f.name)
  for (const name of names) environment.define(name.text, { kind: "error" }, name.span)
}

function fieldOf(
  value: Extract<StaticValue, { kind: "record" }>,
  name: string,
  span: Span,
  context: Elaboration,
): StaticValue {
  const found = value.fields.get(name)
  if (found?.kind === "error") return context.stop()
  if (found) return found
  const fields = [...value.fields.keys()]
  return context.fail({
    kind: "no-such-field",
    span: context.locate(span).span,
    name,
    owner: "this record",
    fields,
    suggestion: didYouMean(name, fields),
  })
}

function member(expression: Extract<Expression, { kind: "member" }>, scope: Scope, context: Elaboration): StaticValue {
  const object = evaluateExpression(expression.object, scope, context)
  const { text, span } = expression.name
  if (object.kind === "record") return fieldOf(object, text, span, context)
  if (object.kind === "instance") return partOf(object.instance, text, span, context)
  if (object.kind === "op-namespace") {
    const op = context.primitives.get(text)
    if (op) return { kind: "primitive", op }
    return context.fail({
      kind: "no-such-field",
      span: context.locate(span).span,
      name: text,
      owner: "the set of operations",
      fields: [],
      suggestion: didYouMean(text, context.primitives.keys()),
    })
  }
  const callable = (name: string): boolean => scope.environment.lookup(name) !== undefined
  const hint = object.kind === "none" ? NONE_HINT : object.kind === "tensor" ? methodAdvice(text, callable) : undefined
  return context.wrongKind(expression.object.span, `what has \`.${text}\``, "a record or an instance", object, hint)
}

function indexed(expression: Extract<Expression, { kind: "index" }>, scope: Scope, context: Elaboration): StaticValue {
  const object = evaluateExpression(expression.object, scope, context)
  if (object.kind !== "list") {
    const hint = object.kind === "tensor" ? "use `slice(x, starts, sizes)` or `gather` on tensors" : undefined
    return context.wrongKind(expression.object.span, "what is indexed", "a list", object, hint)
  }
  const position = integer(expression.index, scope, context, "an index")
  const item = object.items[position < 0 ? position + object.items.length : position]
  if (item) return item
  return context.fail({
    kind: "bad-number",
    ...context.locate(expression.index.span),
    message: `there is no item ${position} in a list of ${object.items.length}`,
    hint: `positions count from 0 to ${object.items.length - 1}, or from -1 back from the end`,
  })
}

/** The value of an expression that has to be true or false when compiling. */
export function condition(
  expression: Expression,
  scope: Scope,
  context: Elaboration,
  onTensors = "use `select(condition, a, b)` to choose when the model runs",
): boolean {
  const value = evaluateExpression(expression, scope, context)
  if (value.kind === "bool") return value.value
  const hint = value.kind === "tensor" ? onTensors : undefined
  return context.wrongKind(expression.span, "a condition", "true or false when compiling", value, hint)
}

/** The value of an expression that has to be an integer with a known size. */
export function integer(expression: Expression, scope: Scope, context: Elaboration, what: string): number {
  const value = evaluateExpression(expression, scope, context)
  if (value.kind !== "int") return context.wrongKind(expression.span, what, "an integer", value)
  return context.sizeOf(value.dim, expression.span, what)
}

/** For `check`: what is compared where the condition fails, with the values of the names in it. */
export function explainCondition(expression: Expression, scope: Scope, context: Elaboration): string[] {
  if (expression.kind !== "binary") return []
  const { operator, left, right } = expression
  if (operator === "and" || operator === "or") {
    const failing = [left, right].filter((side) => {
      const value = evaluateExpression(side, scope, context)
      return value.kind === "bool" && !value.value
    })
    return [...new Set(failing.flatMap((side) => explainCondition(side, scope, context)))]
  }
  const sides = [left, right].filter(({ kind }) => kind !== "number" && kind !== "none")
  const names = sides.flatMap((side) => childExpressions(side)).filter(({ kind }) => kind === "name")
  return [...sides, ...names].map(
    (part) => `${context.nameOf(part)} is ${formatValue(evaluateExpression(part, scope, context))}`,
  )
}
