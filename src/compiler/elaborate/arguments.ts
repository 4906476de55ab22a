/**
 * Binding arguments to parameters: by position first, then by name, then defaults; every surplus, missing, doubled or
 * misspelt one is reported at the call.
 */

import type { Argument, Expression, Parameter, Span } from "../../../grammar/ast.js"
import { argumentCounterpart } from "../diagnostics/pytorch-words.js"
import { didYouMean } from "../diagnostics/suggest.js"
import type { Elaboration } from "./context.js"
import { Environment, type Scope } from "./environment.js"
import { evaluateExpression } from "./expressions.js"
import { matchParameter } from "./tensor-types.js"
import type { GivenArgument, StaticValue } from "./values.js"

/** Evaluates the arguments of a call, with `piped` in front. */
export function evaluateArguments(
  list: readonly Argument[],
  piped: GivenArgument | undefined,
  scope: Scope,
  context: Elaboration,
): readonly GivenArgument[] {
  const given = list.map((argument) => ({
    name: argument.name?.text,
    span: argument.name?.span ?? argument.span,
    valueSpan: argument.value.span,
    value: evaluateExpression(argument.value, scope, context),
  }))
  return piped ? [piped, ...given] : given
}

export interface Callee {
  readonly name: string
  readonly declared: Span | undefined
  /** what is bound are the settings of a block: its inputs come in brackets of their own */
  readonly takesInputs?: boolean
}

/** Pairs arguments with names. `optional` says which names may be left out. */
export function assignArguments<Given extends Pick<GivenArgument, "name" | "span">>(
  given: readonly Given[],
  names: readonly string[],
  optional: (name: string) => boolean,
  callee: Callee,
  call: Span,
  context: Elaboration,
): ReadonlyMap<string, Given> {
  const assigned = new Map<string, Given>()
  let position = 0
  for (const argument of given) {
    let name = argument.name
    if (name === undefined) {
      name = names[position++]
      if (name === undefined) {
        return context.fail({
          kind: "too-many-arguments",
          span: context.locate(argument.span).span,
          callee: callee.name,
          takes: names.length,
          declared: callee.declared,
        })
      }
    } else if (!names.includes(name)) {
      const { suggestion = didYouMean(name, names), advice } = argumentCounterpart(name, names)
      return context.fail({
        kind: "unknown-argument",
        span: context.locate(argument.span).span,
        name,
        callee: callee.name,
        known: names,
        suggestion: advice === undefined ? suggestion : undefined,
        advice,
        declared: callee.declared,
      })
    }
    if (assigned.has(name)) {
      return context.fail({
        kind: "argument-given-twice",
        span: context.locate(argument.span).span,
        callee: callee.name,
        name,
      })
    }
    assigned.set(name, argument)
  }
  const missing = names.filter((name) => !assigned.has(name) && !optional(name))
  if (missing.length > 0) {
    return context.fail({
      kind: "missing-argument",
      span: context.locate(call).span,
      callee: callee.name,
      missing,
      declared: callee.declared,
    })
  }
  return assigned
}

/**
 * Binds the parameters of a block or function in `scope.environment`: kinds are checked, shapes matched, free names of
 * dims bound, defaults evaluated in the scope of the definition.
 *
 * @returns the values in the order of the parameters
 */
export function bindParameters(
  parameters: readonly Parameter[],
  given: readonly GivenArgument[],
  callee: Callee,
  call: Span,
  scope: Scope,
  context: Elaboration,
): ReadonlyMap<string, StaticValue> {
  const byName = new Map(parameters.map((p) => [p.name.text, p] as const))
  const assigned = assignArguments(
    given,
    [...byName.keys()],
    (name) => byName.get(name)?.default !== undefined,
    callee,
    call,
    context,
  )
  const values = new Map<string, StaticValue>()
  for (const parameter of parameters) {
    const argument = assigned.get(parameter.name.text)
    const found = argument?.value ?? evaluateExpression(parameter.default as Expression, scope, context)
    const place = argument?.valueSpan ?? parameter.span
    const value = matchParameter(parameter, found, place, callee, scope, context)
    scope.environment.define(parameter.name.text, value, parameter.name.span)
    values.set(parameter.name.text, value)
  }
  return values
}

/** A scope for the body of a definition: it sees its own module, not the caller's names. */
export function definitionEnvironment(context: Elaboration, module: Scope["module"]): Environment {
  return new Environment(context.moduleEnvironment(module))
}
