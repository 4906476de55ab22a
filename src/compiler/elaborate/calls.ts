/**
 * Calls: functions are inlined, blocks become instances, instances and operations become graph nodes.
 */

import type { BlockItem, Expression, FunctionItem, Parameter, Span } from "../../../grammar/ast.js"
import { completeAttributes, inferTypes, OpTypeError } from "../ir/builder.js"
import { format, formatShape, type Dim } from "../ir/dims.js"
import type { Attributes, AttributeValue, ValueId } from "../ir/graph.js"
import type { AttributeSpec, OpDefinition, ShapeProblem } from "../ops/definition.js"
import type { OpName } from "../ops/names.js"
import { opDefinition } from "../ops/registry.js"
import { blockValued } from "../resolve/parametric.js"
import { assignArguments, bindParameters, definitionEnvironment, evaluateArguments } from "./arguments.js"
import { LIMITS } from "./budget.js"
import { staticMathValue } from "./builtins.js"
import type { Elaboration } from "./context.js"
import { join, snakeCase, type Scope } from "./environment.js"
import { evaluateExpression, toNumber } from "./expressions.js"
import { runBody } from "./statements.js"
import { checkResult } from "./tensor-types.js"
import {
  formatType,
  type GivenArgument,
  type Instance,
  kindName,
  NONE_HINT,
  sameValue,
  type StaticValue,
  formatValue,
  isInt32,
} from "./values.js"

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
  return inCall(name, call.span, context, () => {
    // A function that makes nothing leaves no trace in names.
    const path = context.parametric.isParametric(item, module) ? pathOf(name, scope) : scope.naming.path
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
      { name, declared: item.name.span },
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
  const { item, module } = instance
  const name = item.name.text
  return inCall(name, call.span, context, () => {
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
    return runDefinition(item, item.inputs, given, call, inner, context)
  })
}

// ------------------------------------------------------------------------------------------------------- operations

function callPrimitive(
  op: OpName,
  given: readonly GivenArgument[],
  call: Expression,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const numbers = given.map((argument) => toNumber(argument.value, context))
  if (given.length > 0 && numbers.every((n) => n !== undefined)) {
    const areIntegers = given.every(({ value }) => value.kind === "int")
    const result = staticMathValue(op, numbers, areIntegers)
    if (result !== undefined) return result
  }
  const definition = opDefinition(op)
  const inputNames = definition.inputs.map((input) => input.name)
  const attributes = Object.entries(definition.attributes).filter(([name]) => name !== "key")
  const spread = textFirst(definition, given)
  const assigned = assignArguments(
    spread?.settings ?? given,
    [...(spread ? [] : inputNames), ...attributes.map(([name]) => name)],
    (name) => definition.attributes[name]?.default !== undefined,
    { name: op, declared: undefined },
    call.span,
    context,
  )
  const inputs =
    spread?.operands ??
    (definition.inputs[0]?.variadic
      ? listOf(assigned.get(inputNames[0]!)!, context)
      : inputNames.map((name) => assigned.get(name)!))
  const values: Record<string, AttributeValue> = {}
  for (const [name, spec] of attributes) {
    const argument = assigned.get(name)
    if (argument) values[name] = attributeValue(name, spec, argument, op, context)
  }
  return applyPrimitive(
    op,
    inputs.map((argument) => argument.value),
    values,
    call,
    scope,
    context,
    inputs.map((argument) => argument.valueSpan),
  )
}

/** `einsum("ij,jk->ik", a, b)`: the text of an op that takes a list, and then the list without brackets. */
function textFirst(
  definition: OpDefinition,
  given: readonly GivenArgument[],
): { readonly settings: readonly GivenArgument[]; readonly operands: readonly GivenArgument[] } | undefined {
  const text = Object.entries(definition.attributes).find(([, { type, default: value }]) => type === "string" && !value)
  const [first, ...others] = given
  if (!definition.inputs[0]?.variadic || !text || first?.value.kind !== "string" || first.name !== undefined)
    return undefined
  const operands = others.filter((argument) => argument.name === undefined)
  if (operands.length === 0) return undefined
  return { settings: [{ ...first, name: text[0] }, ...others.filter((a) => a.name !== undefined)], operands }
}

function listOf(argument: GivenArgument, context: Elaboration): readonly GivenArgument[] {
  const { value } = argument
  if (value.kind !== "list") return context.wrongKind(argument.valueSpan, "what is joined", "a list of tensors", value)
  context.within(context.budget.spend(value.items.length), argument.valueSpan)
  return value.items.map((item) => ({ ...argument, value: item }))
}

/** Appends the node of an op. Numbers among tensors become constants. */
export function applyPrimitive(
  op: OpName,
  operands: readonly StaticValue[],
  attributes: Record<string, AttributeValue>,
  call: Expression,
  scope: Scope,
  context: Elaboration,
  places: readonly Span[] = operandSpans(call),
): StaticValue {
  const definition = opDefinition(op)
  context.enter(call.span, scope, op)
  // A number takes the type of the tensors it stands among; conditions are not what it is compared with.
  const dtype =
    operands.flatMap((v) => (v.kind === "tensor" && v.type.dtype !== "bool" ? [v.type.dtype] : []))[0] ?? "f32"
  const inputs = operands.map((operand, index): ValueId => {
    if (operand.kind === "tensor") return operand.value
    const number = definition.layout.kind === "elementwise" ? toNumber(operand, context) : undefined
    if (number === undefined) {
      const name = definition.inputs[Math.min(index, definition.inputs.length - 1)]?.name
      const hint =
        operand.kind === "none"
          ? NONE_HINT
          : operand.kind === "int"
            ? "the size of the batch is not known when compiling: use `mean` to divide by it"
            : undefined
      return context.wrongKind(places[index] ?? call.span, `\`${name}\` of \`${op}\``, "a tensor", operand, hint)
    }
    if (dtype === "f32") return context.builder.scalar(number)
    if (!isInt32(number)) {
      const message = `${formatValue(operand)} among tensors of i32 would have to be rounded: nothing is converted in silence`
      return context.fail({
        kind: "operation-refused",
        ...context.locate(places[index] ?? call.span),
        operation: op,
        operands: operands.flatMap((other, at) =>
          other.kind === "tensor" ? [context.operand(nameAt(places[at], context), other.value, other.type)] : [],
        ),
        message,
        hint: 'convert the tensor first, as in `cast(x, to = "f32")`',
      })
    }
    return context.builder.op("constant", [], { dtype, shape: [], values: [number] })
  })
  const complete = "key" in definition.attributes ? { ...attributes, key: randomKey(op, scope, context) } : attributes
  try {
    const outputs = appended(op, inputs, complete, context).map((value): StaticValue => ({
      kind: "tensor",
      value,
      type: context.builder.typeOf(value),
    }))
    if (outputs.length === 1) return outputs[0]!
    return { kind: "list", items: outputs }
  } catch (error) {
    if (!(error instanceof OpTypeError)) throw error
    return refuse(error, inputs, places, call, context)
  }
}

/** The results of a call: of one node, or of those that the op is written out with. */
function appended(
  op: OpName,
  inputs: readonly ValueId[],
  attributes: Attributes,
  { builder }: Elaboration,
): readonly ValueId[] {
  const { composition } = opDefinition(op)
  if (!composition) return builder.all(op, inputs, attributes)
  const types = inputs.map((value) => builder.typeOf(value))
  const complete = completeAttributes(op, attributes, types)
  // The mistakes of a call are told in the terms of what was called.
  inferTypes(op, types, complete, builder.sizes)
  const { op: one, all, scalar, typeOf } = builder
  return composition({ op: one, all, scalar, typeOf, inputs, attributes: complete })
}

const nameAt = (place: Span | undefined, context: Elaboration): string => (place ? context.nameOf(place) : "an operand")

/** A key that depends on names alone: two random numbers in one statement are told apart by their order in it. */
function randomKey(op: OpName, scope: Scope, context: Elaboration): string {
  const base = join(scope.naming.path, op)
  const uses = (context.randomKeys.get(base) ?? 0) + 1
  context.randomKeys.set(base, uses)
  return uses === 1 ? base : `${base}#${uses}`
}

function operandSpans(call: Expression): readonly Span[] {
  if (call.kind === "binary") return [call.left.span, call.right.span]
  if (call.kind === "unary") return [call.operand.span]
  return call.kind === "call" ? call.arguments.map((a) => a.value.span) : [call.span]
}

function attributeValue(
  name: string,
  spec: AttributeSpec,
  argument: GivenArgument,
  op: OpName,
  context: Elaboration,
): AttributeValue {
  const { value, valueSpan } = argument
  const what = `\`${name}\` of \`${op}\``
  const wrong = (expected: string, found: StaticValue = value): never =>
    context.wrongKind(valueSpan, what, expected, found)
  const whole = (item: StaticValue): number =>
    item.kind === "int" ? context.sizeOf(item.dim, valueSpan, what) : wrong("an integer", item)
  const list = (): readonly StaticValue[] => {
    if (value.kind === "int") return [value]
    if (value.kind !== "list") return wrong("a list of numbers")
    context.within(context.budget.spend(value.items.length), valueSpan)
    return value.items
  }
  switch (spec.type) {
    case "int":
    case "axis":
      return whole(value)
    case "axes":
    case "ints":
      return list().map(whole)
    case "float":
      return toNumber(value, context) ?? wrong("a number")
    case "floats":
      return list().map((item) => toNumber(item, context) ?? wrong("a number", item))
    case "bool":
      return value.kind === "bool" ? value.value : wrong("true or false")
    case "string":
    case "dtype":
      return value.kind === "string" ? value.value : wrong("a text")
    case "dims":
      return list().map((item): Dim => (item.kind === "int" ? item.dim : wrong("an integer", item)))
  }
}

/** Puts an op's structured problem into the user's terms. */
function refuse(
  error: OpTypeError,
  inputs: readonly ValueId[],
  places: readonly Span[],
  call: Expression,
  context: Elaboration,
): never {
  const { op, problem } = error
  const location = context.locate(call.span)
  const operands = inputs.map((value, index) => {
    const place = places[index]
    return context.operand(place ? context.nameOf(place) : `operand ${index + 1}`, value, context.builder.typeOf(value))
  })
  if (problem.kind === "dims-differ") {
    const side = (at: { readonly input: number; readonly axis: number }) => ({
      ...operands[at.input]!,
      axis: at.axis,
      dim: format(error.inputs[at.input]!.shape[at.axis]!),
    })
    return context.fail({
      kind: "dims-differ",
      ...location,
      operation: op,
      left: side(problem.left),
      right: side(problem.right),
      what: problem.what,
      hint: problem.hint,
    })
  }
  return context.fail({
    kind: "operation-refused",
    ...location,
    operation: op,
    operands,
    message: problemText(problem, error),
    hint: problem.hint,
  })
}

function problemText(problem: Exclude<ShapeProblem, { kind: "dims-differ" }>, error: OpTypeError): string {
  const type = "input" in problem ? error.inputs[problem.input] : undefined
  switch (problem.kind) {
    case "rank":
      return `${error.op} needs ${problem.expected}, this has shape ${type ? formatShape(type.shape) : "unknown"}`
    case "dtype":
      return `${error.op} needs elements of type ${problem.expected.join(" or ")}, these are ${type?.dtype}`
    case "attribute":
      return `\`${problem.name}\`: ${problem.message}`
    case "not-divisible":
      return `axis ${problem.axis} of ${type ? formatType(type) : "the operand"} is not divisible by ${problem.by}: ${problem.what}`
    case "other":
      return `${error.op}: ${problem.message}`
  }
}
