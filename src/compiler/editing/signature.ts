/**
 * The signature shown between brackets.
 *
 * Takes a text, an offset and the module; gives what the innermost brackets call, with the parameter the cursor stands at.
 */

import type { Module } from "../resolve/modules.js"
import { callableNamed, operationNamed, type Callable } from "./callables.js"
import { cursorAt } from "./cursor.js"

export interface SignatureHelp {
  readonly label: string
  readonly callable: Callable
  /** which parameter the cursor stands at; undefined behind the last */
  readonly active: number | undefined
}

/** Help at `offset` of the text of `module`; undefined where nothing known is called. */
export function signatureAt(module: Module, offset: number): SignatureHelp | undefined {
  const { around, where } = cursorAt(module.text, offset)
  const call = around.findLast(({ bracket }) => bracket !== "[")
  if (where === "comment" || call?.bracket !== "(" || call.callee === undefined) return undefined
  const isOperation = /\bop\s*\.\s*$/.test(module.text.slice(0, call.start - call.callee.length))
  const callable = isOperation ? operationNamed(call.callee) : callableNamed(call.callee, call.isSecondCall, module)
  if (!callable) return undefined
  const { parameters } = callable
  const isPiped = /\|>\s*(?:op\s*\.\s*)?$/.test(module.text.slice(0, call.start - call.callee.length))
  const place = call.commas + (isPiped && !call.isSecondCall ? 1 : 0)
  const named = parameters.findIndex(({ name }) => name === call.argument)
  const active = call.argument === undefined ? place : named
  const label = `${callable.name}(${parameters.map(({ text }) => text).join(", ")})`
  return { label, callable, active: active >= 0 && active < parameters.length ? active : undefined }
}
