/**
 * Calls: functions are inlined, blocks become instances, instances run their bodies. Operations are in `operations.ts`.
 */

import type { BlockItem, Expression, FunctionItem, Parameter, Span } from "../../../grammar/ast.js"
import { blockValued } from "../resolve/parametric.js"
import { assignArguments, bindParameters, definitionEnvironment, evaluateArguments } from "./arguments.js"
import { LIMITS } from "./budget.js"
import type { Call } from "./call-memory.js"
import { toNumber } from "./arithmetic.js"
import type { Elaboration } from "./context.js"
import { join, snakeCase, type Scope } from "./environment.js"
import { evaluateExpression } from "./expressions.js"
import { callPrimitive } from "./operations.js"
import { publishNames } from "./published-names.js"
import { runBody } from "./statements.js"
import { checkResult } from "./tensor-types.js"
import { type GivenArgument, type Instance, kindName, sameValue, type StaticValue } from "./values.js"

type CallNode = Extract<Expression, { kind: "call" }>

export function callExpression(expression: CallNode, scope: Scope, context: Elaboration): StaticValue {
  const callee = evaluateExpression(expression.callee, scope, context)
  const given = evaluateArguments(expression.arguments, undefined, scope, context)
  if (expression.open) return withArguments(callee, given, expression, scope, context)
  return callValue(callee, given, expression, expression.callee.span, scope, context)
}

/**
 * `Conv2d(kernel = 3, ...)`: the block or function with some arguments given. Each call of it adds the rest, and makes
 * parameters of its own.
 */
function withArguments(
  callee: StaticValue,
  given: readonly GivenArgument[],
  call: CallNode,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  if (callee.kind !== "block" && callee.kind !== "fn") {
    const what = "what is called with `...`"
    return context.wrongKind(call.callee.span, what, "a block or a function", callee)
  }
  const all = [...callee.given, ...given]
  const { item } = callee
  // What is given is checked now, at the line that gives it.
  const names = item.parameters.map((p) => p.name.text)
  assignArguments(all, names, () => true, { name: item.name.text, declared: item.name.span }, call.span, context)
  return { ...callee, given: all }
}

/**
 * `x |> f(a)` is `f(x, a)`; `x |> Block(a)` makes an instance and applies it to `x`; `x |> g` and `x |> instance` apply.
 */
export function pipeInto(
  expression: Extract<Expression, { kind: "pipe" }>,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const { left, right } = expression
  const piped: GivenArgument = {
    name: undefined,
    span: left.span,
    valueSpan: left.span,
    value: evaluateExpression(left, scope, context),
  }
  if (right.kind !== "call" || right.open) {
    const callee = evaluateExpression(right, scope, context)
    const target = callee.kind === "block" ? callValue(callee, [], right, right.span, scope, context) : callee
    return callValue(target, [piped], right, right.span, scope, context)
  }
  const callee = evaluateExpression(right.callee, scope, context)
  if (callee.kind === "block") {
    const settings = evaluateArguments(right.arguments, undefined, scope, context)
    const instance = callValue(callee, settings, right, right.callee.span, scope, context)
    return callValue(instance, [piped], right, right.span, scope, context)
  }
  const given = evaluateArguments(right.arguments, piped, scope, context)
  return callValue(callee, given, right, right.callee.span, scope, context)
}

/** Calls whatever can be called. */
export function callValue(
  callee: StaticValue,
  given: readonly GivenArgument[],
  call: Expression,
  calleeSpan: Span,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  switch (callee.kind) {
    case "fn":
      return callFunction(callee, [...callee.given, ...given], call, scope, context)
    case "block":
      return instantiate(callee, [...callee.given, ...given], call, scope, context)
    case "instance":
      return applyInstance(callee.instance, given, call, scope, context)
    case "primitive":
      return callPrimitive(callee.op, given, call, scope, context)
    case "builtin": {
      const { builtin } = callee
      const byName = new Map(builtin.parameters.map((p) => [p.name, p] as const))
      const assigned = assignArguments(
        given,
        [...byName.keys()],
        (name) => byName.get(name)?.default !== undefined,
        { name: builtin.name, declared: undefined },
        call.span,
        context,
      )
      const values = new Map(
        builtin.parameters.map((p) => [p.name, assigned.get(p.name)?.value ?? p.default!] as const),
      )
      for (const value of values.values()) if (value.kind === "error") context.stop()
      const result = builtin.apply(values, {
        sizeOf: (dim) => toNumber({ kind: "int", dim }, context),
        module: scope.module.path,
      })
      if ("problem" in result) {
        const operands = [...values].map(([name, v]) => ({ name, type: kindName(v), made: undefined }))
        return context.fail({
          kind: "operation-refused",
          ...context.locate(call.span),
          operation: builtin.name,
          operands,
          message: result.problem,
          hint: undefined,
        })
      }
      return result
    }
    case "setting":
      // `dice` and `clip` can be written with empty brackets as well
      if (given.length === 0) return callee
      break
    case "error":
      return context.stop()
    default:
  }
  return context.fail({ kind: "not-callable", span: context.locate(calleeSpan).span, found: kindName(callee) })
}

/** Runs `body` with the call on record, so that messages can say what is around the place at fault. */
function inCall<T>(name: string, span: Span, context: Elaboration, body: () => T): T {
  if (context.calls.length >= LIMITS.calls) {
    // Definitions that use themselves by name have been refused; blocks given to one another can still go on for ever.
    context.within({ what: "calls within one another", limit: LIMITS.calls }, span)
  }
  context.calls.push({ span, callee: name })
  try {
    return body()
  } finally {
    context.calls.pop()
  }
}

/** Makes a call, or does again what it did when the text was elaborated before. */
function remembered(call: Call, scope: Scope, context: Elaboration, body: () => StaticValue): StaticValue {
  const run = (): StaticValue => inCall(call.name, call.expression.span, context, body)
  return context.memory ? context.memory.call(call, scope, context, run) : run()
}

/** Where what `name` makes in this statement belongs: at the statement's own path when it is the only one. */
function pathOf(name: string, scope: Scope): string {
  return scope.naming.single ? scope.naming.path : join(scope.naming.path, snakeCase(name))
}

/** Binds what is given, runs the body, and checks the result against what the definition promises. */
function runDefinition(
  item: BlockItem | FunctionItem,
  parameters: readonly Parameter[],
  given: readonly GivenArgument[],
  call: Expression,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const { text: name, span: declared } = item.name
  bindParameters(parameters, given, { name, declared }, call.span, scope, context)
  const value = runBody(item.body, scope, context, name, declared)
  return checkResult(item.result, value, call.span, { name, declared }, scope, context)
}

function callFunction(
  callee: Extract<StaticValue, { kind: "fn" }>,
  given: readonly GivenArgument[],
  call: Expression,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const { item, module } = callee
  const name = item.name.text
  // A function that makes nothing leaves no trace in names.
  const path = context.parametric.isParametric(item, module) ? pathOf(name, scope) : scope.naming.path
  return remembered({ name, module, path, given, expression: call }, scope, context, () => {
    const inner: Scope = {
      ...scope,
      environment: definitionEnvironment(context, module),
      module,
      path,
      naming: { path, single: true },
      blockNames: blockValued(item, module),
    }
    return runDefinition(item, item.parameters, given, call, inner, context)
  })
}

/** Makes an instance, or finds the one that the same owner made under this name when it ran before. */
function instantiate(
  callee: Extract<StaticValue, { kind: "block" }>,
  given: readonly GivenArgument[],
  call: Expression,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const { item, module } = callee
  const name = item.name.text
  const path = pathOf(name, scope)
  const settings = inCall(name, call.span, context, () =>
    bindParameters(
      item.parameters,
      given,
      { name, declared: item.name.span, takesInputs: true },
      call.span,
      { ...scope, environment: definitionEnvironment(context, module), module },
      context,
    ),
  )
  if (context.parametric.isParametric(item, module)) {
    const first = scope.made.get(path)
    if (first) {
      context.fail({ kind: "instance-name-clash", span: context.locate(call.span).span, path, first })
    }
    scope.made.set(path, context.locate(call.span).span)
    const before = scope.owner?.children.get(path)
    if (before && before.item === item && sameSettings(before.settings, settings)) {
      return { kind: "instance", instance: before }
    }
  }
  const instance: Instance = {
    item,
    module,
    settings,
    path,
    section: scope.section,
    created: call.span,
    parameters: new Map(),
    children: new Map(),
  }
  scope.owner?.children.set(path, instance)
  return { kind: "instance", instance }
}

function sameSettings(a: ReadonlyMap<string, StaticValue>, b: ReadonlyMap<string, StaticValue>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.has(name) && sameValue(value, b.get(name)!))
}

function applyInstance(
  instance: Instance,
  given: readonly GivenArgument[],
  call: Expression,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const { item, module, path } = instance
  const name = item.name.text
  return remembered({ name, module, path, given, expression: call, instance }, scope, context, () => {
    const environment = definitionEnvironment(context, module)
    for (const parameter of item.parameters) {
      const value = instance.settings.get(parameter.name.text)
      if (value) environment.define(parameter.name.text, value, parameter.name.span)
    }
    const inner: Scope = {
      ...scope,
      environment,
      module,
      section: instance.section,
      path: instance.path,
      owner: instance,
      made: new Map(),
      naming: { path: instance.path, single: true },
      blockNames: blockValued(item, module),
    }
    const result = runDefinition(item, item.inputs, given, call, inner, context)
    publishNames(item.body, inner, `the block \`${name}\``, context)
    return result
  })
}
