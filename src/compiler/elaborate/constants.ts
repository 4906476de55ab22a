/**
 * Constants: `const words: f32[K, 300] = load("embeddings.safetensors", "words")`, `const taps: i32[3] = [3, 6, 9]`.
 *
 * Takes the statement and its scope; binds its name to a tensor that no step changes. Numbers that stand in the text become
 * a literal of the graph. A tensor of a file becomes a parameter of the role `const`: it lives in the session beside the
 * weights, is in checkpoints (so that a run goes on without the file), and is written to ONNX once. Its type is checked by
 * the file's header, before the elements are read.
 */

import type { ConstStatement } from "../../../grammar/ast.js"
import { DataFileProblem } from "../data-files/data-file.js"
import * as dims from "../ir/dims.js"
import type { LanguageType, TensorType, ValueId } from "../ir/graph.js"
import { sizeOf } from "../ops/ndarray.js"
import type { HeldTensor } from "../resolve/modules.js"
import { toNumber } from "./arithmetic.js"
import { LIMITS } from "./budget.js"
import type { Elaboration } from "./context.js"
import { join, type Scope } from "./environment.js"
import { evaluateExpression } from "./expressions.js"
import { evaluateDim, isDataType, naturalSize, source, unify } from "./tensor-types.js"
import { formatType, isInt32, type StaticValue } from "./values.js"

const HOME_HINT = "a path is relative to the file it is written in; data files lie in the folder of the model or below"

type FileValue = Extract<StaticValue, { kind: "file" }>
type Declared = Extract<ConstStatement["type"], { kind: "tensor-type" }> & {
  readonly element: { readonly text: LanguageType }
}

/** Runs a `const`. A statement that fails binds the name to the error value. */
export function declareConstant(statement: ConstStatement, scope: Scope, context: Elaboration): void {
  const { name } = statement
  try {
    const value = makeConstant(statement, scope, context)
    const type = context.builder.typeOf(value)
    scope.environment.define(name.text, { kind: "tensor", value, type }, name.span)
  } catch (error) {
    scope.environment.define(name.text, { kind: "error" }, name.span)
    throw error
  }
}

function makeConstant(statement: ConstStatement, scope: Scope, context: Elaboration): ValueId {
  const { type, value: written } = statement
  const value = evaluateExpression(written, scope, context)
  if (!isDeclared(type)) {
    const expected = "a tensor type such as `f32[K, 300]`"
    return context.wrongKind(type.span, "the type of a constant", expected, { kind: "none" })
  }
  if (value.kind === "file") return fromFile(statement, type, value, scope, context)
  return fromNumbers(statement, type, value, scope, context)
}

function isDeclared(type: ConstStatement["type"]): type is Declared {
  return type.kind === "tensor-type" && isDataType(type.element.text)
}

/** States what differs when the declared type and the real one do; binds names of sizes. */
function match(
  { name, value }: ConstStatement,
  declared: Declared,
  found: TensorType,
  scope: Scope,
  context: Elaboration,
): void {
  const mismatch = unify(declared, found, scope, context)
  if (!mismatch) return
  context.fail({
    kind: "constant-mismatch",
    ...context.locate(value.span),
    name: name.text,
    expected: source(declared, context),
    found: formatType(found),
    declared: declared.span,
    ...mismatch,
  })
}

// ------------------------------------------------------------------------------------------------------------- numbers

function fromNumbers(
  statement: ConstStatement,
  declared: Declared,
  value: StaticValue,
  scope: Scope,
  context: Elaboration,
): ValueId {
  const dtype = declared.element.text
  const { elements, shape } = flattened(statement, dtype, value, context)
  context.enter(statement.span, { ...scope, naming: { path: join(scope.path, statement.name.text), single: true } })
  // One number stands for a tensor full of it.
  if (value.kind !== "list") {
    const sizes = declared.dims.map((dim) => {
      if (dim.kind !== "dim") {
        return context.wrongKind(dim.span, "a size of a constant", "one integer", { kind: "none" })
      }
      // A name that stands here alone takes its size from the value, and one number has none.
      const named = dim.value.kind === "name" ? dim.value.name : undefined
      if (named && !scope.environment.lookup(named.text) && !context.removed.has(named.text)) {
        const { text: name, span } = named
        context.fail({
          kind: "unknown-name",
          span,
          name,
          suggestion: undefined,
          importFrom: undefined,
          advice: undefined,
        })
      }
      return naturalSize(evaluateDim(dim.value, scope, context), dim.span, "constant", context)
    })
    return context.builder.op("constant", [], { dtype, shape: sizes, values: elements })
  }
  match(statement, declared, { dtype, shape: shape.map(dims.constant) }, scope, context)
  return context.builder.op("constant", [], { dtype, shape, values: elements })
}

/** Nested lists as elements in row-major order. */
function flattened(
  { name, value: written }: ConstStatement,
  dtype: LanguageType,
  value: StaticValue,
  context: Elaboration,
): { readonly elements: readonly number[]; readonly shape: readonly number[] } {
  const shape: number[] = []
  for (let level = value; level.kind === "list"; level = level.items[0]!) {
    shape.push(level.items.length)
    if (level.items.length === 0) break
  }
  const what = `the value of \`${name.text}\``
  const expected = { f32: "a number", i32: "a whole number", bool: "true or false" }[dtype]
  const elements: number[] = []
  const visit = (part: StaticValue, depth: number): void => {
    if (part.kind === "list" && depth < shape.length) {
      if (part.items.length !== shape[depth]) {
        const message = `lists within one list differ in length: ${shape[depth]} and ${part.items.length}`
        context.fail({ kind: "bad-number", ...context.locate(written.span), message })
      }
      for (const item of part.items) visit(item, depth + 1)
      return
    }
    const number = dtype === "bool" ? (part.kind === "bool" ? Number(part.value) : undefined) : toNumber(part, context)
    if (number === undefined || depth !== shape.length || (dtype === "i32" && !isInt32(number))) {
      context.wrongKind(written.span, what, `a file, or ${expected} for each element`, part)
    }
    elements.push(number)
  }
  visit(value, 0)
  return { elements, shape }
}

// --------------------------------------------------------------------------------------------------------------- files

function fromFile(
  statement: ConstStatement,
  declared: Declared,
  file: FileValue,
  scope: Scope,
  context: Elaboration,
): ValueId {
  const { owner } = scope
  const { text, span } = statement.name
  if (!owner && context.calls.length > 0) {
    const allowed = "a model, a section or a block when it is read from a file"
    return context.fail({ kind: "misplaced-statement", span, word: "const", allowed })
  }
  const make = (): ValueId => readConstant(statement, declared, file, scope, context)
  const value = owner ? context.owned(owner, text, span, scope, make) : make()
  // An instance that runs again has its constant already, and names of sizes are bound anew.
  match(statement, declared, context.builder.typeOf(value), scope, context)
  return value
}

function readConstant(
  statement: ConstStatement,
  declared: Declared,
  file: FileValue,
  scope: Scope,
  context: Elaboration,
): ValueId {
  // The file may be another one next time.
  context.incidents++
  const place = context.locate(statement.value.span).span
  const held = reading(file, place, context, () => find(file, place, context))
  const { dtype, shape } = held
  match(statement, declared, { dtype, shape: shape.map(dims.constant) }, scope, context)
  if (shape.some((size) => size === 0)) return refuse(file, place, "it has no elements", context)
  const { constant, values } = loadedTensor(file, held, place, context)
  const name = join(scope.path, statement.name.text)
  context.claimName(name, statement.span)
  context.enter(statement.span, scope)
  return context.builder.parameter({
    name,
    role: "const",
    shape,
    dtype,
    initializer: { kind: "loaded", file: file.path, tensor: file.tensor, sha256: constant.sha256, values },
    section: scope.section.name,
    frozen: true,
  })
}

function find(file: FileValue, place: ConstStatement["span"], context: Elaboration): HeldTensor {
  const { host } = context.modules
  if (!host.tensor) return refuse(file, place, "data files cannot be read here", context)
  return host.tensor(file.path, file.tensor) ?? refuse(file, place, "there is no such file", context, HOME_HINT)
}

/** Reads the elements, once for each tensor of a compilation. */
function loadedTensor(file: FileValue, held: HeldTensor, place: ConstStatement["span"], context: Elaboration) {
  const key = JSON.stringify([file.path, file.tensor ?? null])
  const known = context.loaded.get(key)
  if (known) return known
  const bytes = [...context.loaded.values()].reduce((sum, { constant }) => sum + 4 * sizeOf(constant.shape), 0)
  if (bytes + 4 * sizeOf(held.shape) > LIMITS.constantBytes) {
    context.within({ what: "bytes of constants from files", limit: LIMITS.constantBytes }, place)
  }
  const { sha256, values } = reading(file, place, context, () => held.load())
  const { dtype, shape } = held
  const made = { constant: { file: file.path, tensor: file.tensor, dtype, shape, sha256 }, values }
  context.loaded.set(key, made)
  return made
}

function reading<T>(file: FileValue, place: ConstStatement["span"], context: Elaboration, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (error instanceof DataFileProblem) return refuse(file, place, error.message, context, error.hint)
    throw error
  }
}

function refuse(
  { path }: FileValue,
  span: ConstStatement["span"],
  problem: string,
  context: Elaboration,
  hint?: string,
): never {
  return context.fail({ kind: "data-file", span, path, problem, hint })
}
