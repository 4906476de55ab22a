/**
 * Statements of blocks, functions, sections and models, run in order.
 *
 * Takes statements and a scope; gives the returned value. A statement that fails binds its names to the error value and
 * the next one runs, so that all mistakes are found in one go.
 */

import type { ParamStatement, Span, Statement } from "../../../grammar/ast.js"
import type { Initializer, ValueId } from "../ir/graph.js"
import { declareConstant } from "./constants.js"
import { Abort, type Elaboration } from "./context.js"
import { join, type Scope } from "./environment.js"
import { bindPattern, bindToError, condition, evaluateExpression, explainCondition } from "./expressions.js"
import { evaluateDim, isDataType, naturalSize } from "./tensor-types.js"
import { formatType, type StaticValue } from "./values.js"

/** Runs the body of a block, function or `{ ... }` expression; gives what it returns. */
export function runBody(
  statements: readonly Statement[],
  scope: Scope,
  context: Elaboration,
  name: string,
  span: Span,
): StaticValue {
  let failed = false
  for (const statement of statements) {
    if (statement.kind === "return")
      return evaluateExpression(statement.value, scopeOf(statement, scope, context), context)
    try {
      runStatement(statement, scope, context)
    } catch (error) {
      // What follows a failed check relies on it.
      if (!(error instanceof Abort) || statement.kind === "check") throw error
      failed = true
    }
  }
  if (failed) return context.stop()
  return context.fail({ kind: "no-return", span, name })
}

/** The scope of one statement: what it makes is called after its names. */
function scopeOf(statement: Statement, scope: Scope, context: Elaboration): Scope {
  const name =
    statement.kind === "let" && statement.pattern.kind === "name-pattern"
      ? statement.pattern.name.text
      : statement.kind === "output" || statement.kind === "loss"
        ? statement.name.text
        : ""
  const count = context.parametric.countStatement(statement, scope.module, scope.blockNames)
  return { ...scope, naming: { path: join(scope.path, name), single: count <= 1 } }
}

/** Runs one statement other than `return`. */
export function runStatement(statement: Statement, outer: Scope, context: Elaboration): void {
  const scope = scopeOf(statement, outer, context)
  switch (statement.kind) {
    case "let": {
      try {
        const value = evaluateExpression(statement.value, scope, context)
        bindPattern(statement.pattern, value, scope.environment, context)
        if (statement.pattern.kind === "name-pattern") context.observeLet(statement, value, scope)
        else context.observeTaken(statement.pattern, scope)
      } catch (error) {
        bindToError(statement.pattern, scope.environment)
        throw error
      }
      return
    }
    case "param":
      declareParameter(statement, scope, context)
      return
    case "const":
      declareConstant(statement, scope, context)
      return
    case "output":
    case "loss": {
      try {
        const value = evaluateExpression(statement.value, scope, context)
        if (value.kind !== "tensor") {
          context.wrongKind(statement.value.span, `${statement.kind} \`${statement.name.text}\``, "a tensor", value)
        }
        scope.environment.define(statement.name.text, value, statement.name.span)
        if (statement.kind === "output") context.addOutput(statement, value.value, scope)
        else {
          if (value.type.shape.length !== 0 || value.type.dtype !== "f32") {
            const { text } = statement.name
            context.fail({
              kind: "loss-not-scalar",
              span: statement.value.span,
              name: text,
              type: formatType(value.type),
            })
          }
          context.addLoss(statement, value.value, scope)
        }
      } catch (error) {
        if (!scope.environment.lookup(statement.name.text)) {
          scope.environment.define(statement.name.text, { kind: "error" }, statement.name.span)
        }
        throw error
      }
      return
    }
    case "check": {
      if (condition(statement.condition, scope, context)) return
      const message = evaluateExpression(statement.message, scope, context)
      context.fail({
        kind: "check-failed",
        ...context.locate(statement.span),
        message: message.kind === "string" ? message.value : "the condition does not hold",
        values: explainCondition(statement.condition, scope, context),
      })
      return
    }
    case "weights":
      // Read by `publishNames` when all parameters of its owner are there.
      return
    case "return":
      context.fail({
        kind: "misplaced-statement",
        span: statement.span,
        word: "return",
        allowed: "blocks and functions",
      })
  }
}

/** `param weight: f32[out, C] = zeros`: found again when the same instance runs a second time, else made. */
function declareParameter(statement: ParamStatement, scope: Scope, context: Elaboration): void {
  const { owner } = scope
  const { text: name, span } = statement.name
  if (!owner) {
    return context.fail({ kind: "misplaced-statement", span, word: statement.role, allowed: "blocks" })
  }
  const value = context.owned(owner, name, span, scope, () => makeParameter(statement, scope, context))
  scope.environment.define(name, { kind: "tensor", value, type: context.builder.typeOf(value) }, span)
}

function makeParameter(statement: ParamStatement, scope: Scope, context: Elaboration): ValueId {
  const { type, name, span } = statement
  if (type.kind !== "tensor-type" || !isDataType(type.element.text)) {
    return context.wrongKind(type.span, "the type of a parameter", "a tensor type such as `f32[out, in]`", {
      kind: "none",
    })
  }
  const shape = type.dims.map((dim) => {
    if (dim.kind === "rest-dims") {
      return context.wrongKind(dim.span, "a size of a parameter", "one integer", { kind: "none" })
    }
    return naturalSize(evaluateDim(dim.value, scope, context), dim.span, "parameter", context)
  })
  const fullName = join(scope.path, name.text)
  context.claimName(fullName, span)
  context.enter(span, scope)
  return context.builder.parameter({
    name: fullName,
    role: statement.role,
    shape,
    dtype: type.element.text,
    initializer: initializerOf(statement, scope, context),
    section: scope.section.name,
    frozen: scope.section.frozen,
  })
}

function initializerOf(statement: ParamStatement, scope: Scope, context: Elaboration): Initializer {
  const what = `the first value of \`${statement.name.text}\``
  const expected = "one of zeros, ones, filled, uniform, normal, fan_uniform, xavier_uniform"
  if (!statement.initial) return context.wrongKind(statement.span, what, expected, { kind: "none" })
  const value = evaluateExpression(statement.initial, scope, context)
  if (value.kind === "initializer") return value.initializer
  return context.wrongKind(statement.initial.span, what, expected, value)
}
