/**
 * What can be called, in one form: blocks, functions, operations and what the language has built in.
 *
 * Takes a name and the module it is written in; gives its parameters with their words and documentation, for completion
 * and for the help that is shown between brackets.
 */

import type { Parameter, Span } from "../../../grammar/ast.js"
import { BUILTIN_NAMES } from "../elaborate/builtins.js"
import { PLAIN_TYPES } from "../elaborate/tensor-types.js"
import { TRAINING_NAMES } from "../elaborate/training-names.js"
import { formatValue, type StaticValue } from "../elaborate/values.js"
import { OP_NAMES, type OpName } from "../ops/names.js"
import { opDefinition } from "../ops/registry.js"
import type { Module } from "../resolve/modules.js"

export interface CallableParameter {
  readonly name: string
  /** as it is declared: `kernel: int = 3` */
  readonly text: string
  readonly doc: string | undefined
}

export interface Callable {
  readonly name: string
  readonly doc: string | undefined
  readonly parameters: readonly CallableParameter[]
}

/** Operations that a text may call. */
export const CALLABLE_OPS: readonly OpName[] = OP_NAMES.filter((name) => !opDefinition(name).internal)

/**
 * What `name` calls in `module`; undefined for what is not known by its name alone.
 *
 * @param isSecondCall the brackets are the second ones, those with the inputs of a block
 */
export function callableNamed(name: string, isSecondCall: boolean, module: Module): Callable | undefined {
  const found = module.scope.get(name)
  if (found) {
    const { definition, module: home } = found
    if (definition.kind !== "block" && definition.kind !== "fn") return undefined
    if (isSecondCall && definition.kind === "fn") return undefined
    const declared = definition.kind === "block" && isSecondCall ? definition.inputs : definition.parameters
    return { name, doc: definition.doc, parameters: declared.map((parameter) => written(parameter, home)) }
  }
  if (isSecondCall) return undefined
  return ofValue(name, BUILTIN_NAMES.get(name) ?? TRAINING_NAMES.get(name)) ?? operationNamed(name)
}

function ofValue(name: string, value: StaticValue | undefined): Callable | undefined {
  if (value?.kind !== "builtin") return undefined
  const { doc, parameters } = value.builtin
  const all = parameters.map((p) => ({
    name: p.name,
    text: p.default === undefined ? p.name : `${p.name} = ${formatValue(p.default)}`,
    doc: p.doc || undefined,
  }))
  return { name, doc, parameters: all }
}

/** The operation itself, also where a block of the prelude has taken its name. */
export function operationNamed(name: string): Callable | undefined {
  const op = CALLABLE_OPS.find((known) => known === name)
  if (op === undefined) return undefined
  const { inputs, attributes, doc } = opDefinition(op)
  const settings = Object.entries(attributes).filter(([attribute]) => attribute !== "key")
  return {
    name,
    doc,
    parameters: [
      ...inputs.map((input) => ({ name: input.name, text: input.name, doc: input.doc })),
      ...settings.map(([attribute, spec]) => ({
        name: attribute,
        text: `${attribute}: ${spec.type}${spec.default === undefined ? "" : " = ..."}`,
        doc: spec.doc,
      })),
    ],
  }
}

function written({ name, type, default: value }: Parameter, { text }: Module): CallableParameter {
  const slice = ({ span }: { readonly span: Span }): string => text.slice(span.start, span.end).replace(/\s+/g, " ")
  const words = type?.kind === "plain-type" ? PLAIN_TYPES[type.name.text] : undefined
  return {
    name: name.text,
    text: `${name.text}${type ? `: ${slice(type)}` : ""}${value ? ` = ${slice(value)}` : ""}`,
    doc: words,
  }
}
