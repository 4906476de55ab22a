/**
 * Operations: calls of primitives become graph nodes.
 *
 * Takes an operation and its arguments; gives the values of the node. Numbers among tensors become constants of their element
 * type, attributes are checked against the operation's record, and what its shape rule refuses is told in the user's terms.
 */

import type { Expression, Span } from "../../../grammar/ast.js"
import { completeAttributes, inferTypes, OpTypeError } from "../ir/builder.js"
import { format, formatShape, type Dim } from "../ir/dims.js"
import type { Attributes, AttributeValue, ValueId } from "../ir/graph.js"
import type { AttributeSpec, OpDefinition, ShapeProblem } from "../ops/definition.js"
import type { OpName } from "../ops/names.js"
import { opDefinition } from "../ops/registry.js"
import { toNumber } from "./arithmetic.js"
import { assignArguments } from "./arguments.js"
import { staticMathValue } from "./builtins.js"
import type { Elaboration } from "./context.js"
import { join, type Scope } from "./environment.js"
import { type FlattenFix, flattenedBefore } from "./flatten-fix.js"
import { differenceHint, refusalHint } from "./shape-hints.js"
import { formatType, formatValue, type GivenArgument, isInt32, NONE_HINT, type StaticValue } from "./values.js"

/** Calls a primitive with what is written in the brackets. */
export function callPrimitive(
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
const randomKey = (op: OpName, scope: Scope, context: Elaboration): string =>
  context.randomKey(join(scope.naming.path, op))

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
      hint: problem.hint ?? differenceHint(problem, error.inputs, operands, context.sizes),
    })
  }
  return context.fail({
    kind: "operation-refused",
    ...location,
    operation: op,
    operands,
    message: problemText(problem, error),
    hint: refusalHint(problem, error.inputs, operands),
    flatten: missingFlatten(problem, error, inputs, context),
  })
}

/** Where a vector stands beside an image, the layer that should have been given a vector too. */
function missingFlatten(
  problem: ShapeProblem,
  { inputs: types }: OpTypeError,
  inputs: readonly ValueId[],
  context: Elaboration,
): FlattenFix | undefined {
  if (problem.kind !== "rank" || types[problem.input]!.shape.length > 2) return undefined
  const image = types.findIndex(({ shape }) => shape.length === 4)
  return image < 0 ? undefined : flattenedBefore(inputs[image]!, context)
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
