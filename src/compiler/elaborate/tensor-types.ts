/**
 * Declared types against given values.
 *
 * Takes a declared parameter (`x: f32[...B, C]`, `heads: int`) and a value; gives the value, converted where a number
 * literal fits, and binds names of dims: the first use of a name binds it to what is there, later uses check it
 * (the rule of TVM Relax's `match_cast`).
 */

import type { DimExpression, Expression, Parameter, Span, TypeExpression } from "../../../grammar/ast.js"
import * as dims from "../ir/dims.js"
import type { LanguageType, TensorType } from "../ir/graph.js"
import { sameSize } from "../ops/shapes.js"
import type { Callee } from "./arguments.js"
import type { Elaboration } from "./context.js"
import type { Scope } from "./environment.js"
import { flattened } from "./flatten-fix.js"
import { evaluateExpression } from "./expressions.js"
import { formatType, type StaticValue } from "./values.js"

const DATA_TYPES: readonly string[] = ["f32", "i32", "bool"] satisfies LanguageType[]

export const isDataType = (text: string): text is LanguageType => DATA_TYPES.includes(text)

/** The words that may stand for a type without dims, with how they are explained. */
export const PLAIN_TYPES: Readonly<Record<string, string>> = {
  int: "an integer",
  float: "a number",
  bool: "true or false",
  string: "a text",
  list: "a list",
  record: "a record",
  block: "a block or an instance of one",
  tensor: "a tensor",
  file: "a tensor of a file, from `load(...)`",
  pair: "an integer, or a list of two for height and width",
  tokenizer: "a tokenizer such as `clip` or `words(512)`",
  any: "anything",
}

/** Checks `found` against the declaration; gives the value to bind. */
export function matchParameter(
  parameter: Parameter,
  found: StaticValue,
  place: Span,
  callee: Callee,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  if (found.kind === "error") return context.stop()
  const type = parameter.type
  if (!type) return found
  // An input may be declared optional by the default `none`.
  if (found.kind === "none" && parameter.default?.kind === "none") return found
  const what = `\`${parameter.name.text}\` of \`${callee.name}\``
  if (type.kind === "plain-type") {
    const hint =
      found.kind === "tensor" && callee.takesInputs === true
        ? `settings come in the first brackets, inputs in the second: \`${callee.name}(...)(${context.nameOf(place)})\``
        : undefined
    return matchPlain(type.name.text, found, what, place, context, hint)
  }
  if (found.kind !== "tensor") return context.wrongKind(place, what, `a tensor ${source(type, context)}`, found)
  const mismatch = unify(type, found.type, scope, context)
  if (mismatch) {
    return context.fail({
      kind: "input-mismatch",
      ...context.locate(place),
      callee: callee.name,
      input: parameter.name.text,
      expected: source(type, context),
      found: context.operand(context.nameOf(place), found.value, found.type),
      declared: type.span,
      ...mismatch,
      // An image for a vector; of other ranks it is not known what was meant.
      ...(type.dims.length === 2 && type.dims.every(({ kind }) => kind === "dim")
        ? { flatten: flattened(place, found.type, context) }
        : {}),
    })
  }
  return found
}

function matchPlain(
  name: string,
  found: StaticValue,
  what: string,
  place: Span,
  context: Elaboration,
  misplaced?: string,
): StaticValue {
  const expected = PLAIN_TYPES[name]
  // A type that there is not has been reported when names were checked.
  if (expected === undefined) return context.stop()
  switch (name) {
    case "float": {
      if (found.kind === "float") return found
      const value = found.kind === "int" ? dims.evaluate(found.dim, context.sizes) : undefined
      if (value !== undefined) return { kind: "float", value }
      break
    }
    case "block":
      if (["block", "instance", "fn"].includes(found.kind)) return found
      break
    case "pair":
      if (found.kind === "int") return { kind: "list", items: [found, found] }
      if (found.kind === "list" && found.items.length === 2 && found.items.every(({ kind }) => kind === "int"))
        return found
      break
    case "tokenizer":
      if (found.kind === "setting" && (found.setting.name === "clip" || found.setting.name === "words")) return found
      break
    case "any":
      return found
    default:
      if (found.kind === name) return found
  }
  return context.wrongKind(place, what, expected, found, misplaced ?? plainHint(name, found))
}

/** What to write in the place of a value of the wrong plain type, where that is a known slip. */
function plainHint(name: string, found: StaticValue): string | undefined {
  if (name === "int" && found.kind === "float") return "sizes and counts are whole numbers"
  if (name === "pair" && found.kind === "string" && found.value === "same") {
    return "leave it out: without `padding` an odd kernel keeps the size"
  }
  if (name === "tensor" && (found.kind === "int" || found.kind === "float")) {
    return "the input comes first; how many channels go in is read from it"
  }
  return undefined
}

/** How a type differs from a declared one. */
export interface Mismatch {
  readonly axis: { readonly index: number; readonly expected: string; readonly found: string } | undefined
  readonly reason: string
  readonly bound: { readonly symbol: string; readonly value: string; readonly span: Span } | undefined
}

/** Binds or checks the dims of a declared type against a real one; gives the first mismatch. */
export function unify(
  declared: Extract<TypeExpression, { kind: "tensor-type" }>,
  found: TensorType,
  scope: Scope,
  context: Elaboration,
): Mismatch | undefined {
  const plain = (reason: string): Mismatch => ({ axis: undefined, reason, bound: undefined })
  if (!isDataType(declared.element.text)) return context.stop()
  if (declared.element.text !== found.dtype) {
    return plain(`elements should be ${declared.element.text}, they are ${found.dtype}`)
  }
  const restAt = declared.dims.findIndex((dim) => dim.kind === "rest-dims")
  const fixed = declared.dims.length - (restAt >= 0 ? 1 : 0)
  if (restAt >= 0 ? found.shape.length < fixed : found.shape.length !== fixed) {
    const wanted = restAt >= 0 ? `at least ${fixed}` : `${fixed}`
    return plain(`should have ${wanted} axes, it has ${found.shape.length}`)
  }
  const restLength = found.shape.length - fixed
  let axis = 0
  for (const dim of declared.dims) {
    if (dim.kind === "rest-dims") {
      const taken = found.shape.slice(axis, axis + restLength)
      const mismatch = dim.name && bindRest(dim.name.text, dim.span, taken, axis, scope, context)
      if (mismatch) return mismatch
      axis += restLength
      continue
    }
    const mismatch = bindDim(dim, found.shape[axis]!, axis, scope, context)
    if (mismatch) return mismatch
    axis++
  }
  return undefined
}

function bindRest(
  name: string,
  span: Span,
  taken: readonly dims.Dim[],
  axis: number,
  scope: Scope,
  context: Elaboration,
): Mismatch | undefined {
  const known = scope.environment.lookup(name)
  if (known?.value.kind !== "list") {
    scope.environment.define(name, { kind: "list", items: taken.map((dim) => ({ kind: "int", dim })) }, span)
    return undefined
  }
  const items = known.value.items.map((item) => (item.kind === "int" ? item.dim : dims.constant(0)))
  const differs = taken.findIndex((dim, i) => !items[i] || !sameSize(items[i], dim, context.sizes))
  if (items.length === taken.length && differs < 0) return undefined
  return {
    axis: undefined,
    reason: `leading axes should be ${dims.formatShape(items)}, they are ${dims.formatShape(taken)} (axis ${axis + Math.max(0, differs)})`,
    bound: { symbol: `...${name}`, value: dims.formatShape(items), span: known.span },
  }
}

function bindDim(
  dim: Extract<DimExpression, { kind: "dim" }>,
  actual: dims.Dim,
  axis: number,
  scope: Scope,
  context: Elaboration,
): Mismatch | undefined {
  const name = dim.value.kind === "name" ? dim.value.name.text : undefined
  const known = name === undefined ? undefined : scope.environment.lookup(name)
  if (name !== undefined && known?.value.kind !== "int") {
    scope.environment.define(name, { kind: "int", dim: actual }, dim.span)
    return undefined
  }
  const expected = evaluateDim(dim.value, scope, context)
  if (sameSize(expected, actual, context.sizes)) return undefined
  const text = dims.format(expected)
  const written = context.nameOf(dim.value)
  return {
    axis: {
      index: axis,
      expected: sameText(written, text) ? text : `${written} = ${text}`,
      found: dims.format(actual),
    },
    reason: "",
    bound: name && known ? { symbol: name, value: text, span: known.span } : undefined,
  }
}

/** A size of something that is stored, which must be a whole number above 0. */
export function naturalSize(dim: dims.Dim, span: Span, of: "parameter" | "constant", context: Elaboration): number {
  const size = context.sizeOf(dim, span, `the size of a ${of}`)
  if (Number.isInteger(size) && size > 0) return size
  const message = `a size of a ${of} must be a whole number above 0, this is ${size}`
  return context.fail({ kind: "bad-number", ...context.locate(span), message })
}

const sameText = (a: string, b: string): boolean => a.replaceAll(" ", "") === b.replaceAll(" ", "")

/** An expression in the place of a dim. */
export function evaluateDim(expression: Expression, scope: Scope, context: Elaboration): dims.Dim {
  const value = evaluateExpression(expression, scope, context)
  if (value.kind !== "int") return context.wrongKind(expression.span, "a size", "an integer", value)
  return value.dim
}

/** Checks a result against the declared type, e.g. `-> f32[N, D]`. */
export function checkResult(
  declared: TypeExpression | undefined,
  value: StaticValue,
  place: Span,
  callee: Callee,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  if (!declared) return value
  const what = `the result of \`${callee.name}\``
  if (declared.kind === "plain-type") return matchPlain(declared.name.text, value, what, place, context)
  if (value.kind !== "tensor") {
    return context.wrongKind(place, what, `a tensor ${source(declared, context)}`, value)
  }
  const mismatch = unify(declared, value.type, scope, context)
  if (!mismatch) return value
  return context.fail({
    kind: "input-mismatch",
    ...context.locate(place),
    callee: callee.name,
    input: "the result",
    expected: source(declared, context),
    found: { name: context.nameOf(place), type: formatType(value.type), made: undefined },
    declared: declared.span,
    ...mismatch,
  })
}

/** A type as it is written. */
export function source(type: TypeExpression, context: Elaboration): string {
  return context.nameOf(type.span)
}
