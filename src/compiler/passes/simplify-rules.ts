/**
 * The rules of the algebraic clean-up, as one table.
 *
 * A rule looks at a node and what makes its operands, and gives a value that is already there, or one node instead. It
 * never asks how often a value is used: no rule makes a graph larger, used once or often. Nor does it ask whether two
 * operands are the same, so that sharing expressions afterwards makes no rule apply. The engine (`simplify.ts`)
 * drops a replacement of another type, so that rules need not think of broadcasting.
 *
 * `rounding` says what a rule does to numbers: `exact` keeps every bit; `zero sign` at most turns 0 into -0 or back,
 * which compare equal; `rounds` may change the last place and is left out of training programs, whose results do not
 * depend on whether the clean-up ran. Scaling by a power of two is exact where nothing overflows or underflows.
 */

import { asConstant, add as addDims, type Sizes } from "../ir/dims.js"
import type { Attributes, GraphNode, TensorType, ValueId } from "../ir/graph.js"
import type { OpName } from "../ops/names.js"
import { reducedAxes } from "../ops/reductions.js"
import { integersAttribute } from "../ops/shapes.js"
import { dimList } from "../ops/sized-attributes.js"
import { isIdentity, isUnit } from "./permutations.js"

/** A node that is there, or would be. */
export interface Candidate {
  readonly op: OpName
  readonly inputs: readonly ValueId[]
  readonly attributes: Attributes
  readonly type: TensorType
}

/** What a rule may ask of the graph. */
export interface Look {
  readonly sizes: Sizes
  typeOf(value: ValueId): TensorType
  producerOf(value: ValueId): GraphNode | undefined
}

/** A value, or a scalar f32 constant that is still to be made. */
export type Operand = ValueId | { readonly scalar: number }

export type Replacement =
  ValueId | { readonly op: OpName; readonly inputs: readonly Operand[]; readonly attributes: Attributes }

export interface SimplifyRule {
  readonly name: string
  readonly ops: readonly OpName[]
  readonly rounding: "exact" | "zero sign" | "rounds"
  apply(node: Candidate, look: Look): Replacement | undefined
}

const rule = (
  name: string,
  ops: readonly OpName[],
  rounding: SimplifyRule["rounding"],
  apply: SimplifyRule["apply"],
): SimplifyRule => ({ name, ops, rounding, apply })

// --------------------------------------------------------------------------------------------------- looking around

/** Ops whose kernels broadcast their operands themselves. */
const BROADCASTING: readonly OpName[] = [
  ...(["add", "sub", "mul", "div", "pow", "maximum", "minimum", "equal", "less", "less_equal", "greater"] as const),
  ...(["greater_equal", "not_equal", "logical_and", "logical_or", "select"] as const),
]

/** The number that every element of `value` is, when it is a constant of that kind. */
function numberOf(look: Look, value: ValueId): number | undefined {
  const node = look.producerOf(value)
  if (node?.op !== "constant") return undefined
  const values = integersAttribute(node.attributes, "values")
  return values.length === 1 ? values[0] : undefined
}

/** The operands of the node that makes `value`, when that is an `op`. */
function operandsOf(look: Look, value: ValueId, op: OpName): readonly ValueId[] | undefined {
  const node = look.producerOf(value)
  return node?.op === op ? node.inputs : undefined
}

/** A value and a number, in whichever order a commutative node has them. */
function withNumber(look: Look, inputs: readonly ValueId[]): { value: ValueId; number: number } | undefined {
  const [a, b] = inputs as [ValueId, ValueId]
  const right = numberOf(look, b)
  if (right !== undefined) return { value: a, number: right }
  const left = numberOf(look, a)
  return left === undefined ? undefined : { value: b, number: left }
}

const isZero = (value: number | undefined): boolean => value === 0
const isFloat = ({ type }: Candidate): boolean => type.dtype === "f32"

/** A power of two by which a product is exact, with a good margin from overflow. */
function isPowerOfTwo(value: number): boolean {
  const exponent = Math.log2(Math.abs(value))
  return Number.isInteger(exponent) && Math.abs(exponent) <= 32
}

const node = (op: OpName, inputs: readonly Operand[], attributes: Attributes = {}): Replacement => ({
  op,
  inputs,
  attributes,
})

// ------------------------------------------------------------------------------------------------------- arithmetic

const neutral: readonly SimplifyRule[] = [
  rule("x + 0 is x", ["add"], "zero sign", ({ inputs }, look) => {
    const found = withNumber(look, inputs)
    return found && isZero(found.number) ? found.value : undefined
  }),
  rule("x - 0 is x", ["sub"], "exact", ({ inputs: [x, y] }, look) => (isZero(numberOf(look, y!)) ? x : undefined)),
  rule("x * 1 is x", ["mul"], "exact", ({ inputs }, look) => {
    const found = withNumber(look, inputs)
    return found?.number === 1 ? found.value : undefined
  }),
  rule("x / 1 and x to the power 1 are x", ["div", "pow"], "exact", ({ inputs: [x, y] }, look) =>
    numberOf(look, y!) === 1 ? x : undefined,
  ),
]

const signs: readonly SimplifyRule[] = [
  rule("-(-x) is x, and so is not (not x)", ["neg", "logical_not"], "exact", ({ op, inputs: [x] }, look) =>
    operandsOf(look, x!, op)?.at(0),
  ),
  rule("x + (-y) is x - y", ["add"], "exact", ({ inputs: [x, y] }, look) => {
    const right = operandsOf(look, y!, "neg")
    if (right) return node("sub", [x!, right[0]!])
    const left = operandsOf(look, x!, "neg")
    return left && node("sub", [y!, left[0]!])
  }),
  rule("x - (-y) is x + y", ["sub"], "exact", ({ inputs: [x, y] }, look) => {
    const right = operandsOf(look, y!, "neg")
    return right && node("add", [x!, right[0]!])
  }),
  rule("0 - x is -x", ["sub"], "zero sign", ({ inputs: [x, y] }, look) =>
    isZero(numberOf(look, x!)) ? node("neg", [y!]) : undefined,
  ),
  rule("-(x - y) is y - x", ["neg"], "zero sign", ({ inputs: [x] }, look) => {
    const inner = operandsOf(look, x!, "sub")
    return inner && node("sub", [inner[1]!, inner[0]!])
  }),
  rule("x * -1 is -x", ["mul"], "exact", ({ inputs }, look) => {
    const found = withNumber(look, inputs)
    return found?.number === -1 ? node("neg", [found.value]) : undefined
  }),
  rule("(-x) * (-y) is x * y", ["mul"], "exact", ({ inputs: [x, y] }, look) => {
    const [left, right] = [operandsOf(look, x!, "neg"), operandsOf(look, y!, "neg")]
    return left && right && node("mul", [left[0]!, right[0]!])
  }),
  rule("(-x) * c is x * (-c)", ["mul"], "exact", (candidate, look) => {
    const found = isFloat(candidate) ? withNumber(look, candidate.inputs) : undefined
    const inner = found && operandsOf(look, found.value, "neg")
    return inner && node("mul", [inner[0]!, { scalar: -found.number }])
  }),
  rule("-(x * c) is x * (-c)", ["neg"], "exact", (candidate, look) => {
    const inner = isFloat(candidate) ? operandsOf(look, candidate.inputs[0]!, "mul") : undefined
    const found = inner && withNumber(look, inner)
    return found && node("mul", [found.value, { scalar: -found.number }])
  }),
  rule("abs(-x) is abs(x), and the squares are the same", ["abs", "square"], "exact", ({ op, inputs: [x] }, look) => {
    const inner = operandsOf(look, x!, "neg")
    return inner && node(op, inner)
  }),
  rule("doing it twice changes nothing more", ["abs", "relu", "floor"], "exact", ({ op, inputs: [x] }, look) =>
    operandsOf(look, x!, op) ? x : undefined,
  ),
]

/** `(x * c) * d` as `x * (c * d)`, when `may` allows it for these two. */
const scaledTwice =
  (may: (c: number, d: number) => boolean): SimplifyRule["apply"] =>
  (candidate, look) => {
    const outer = isFloat(candidate) ? withNumber(look, candidate.inputs) : undefined
    const products = outer && operandsOf(look, outer.value, "mul")
    const inner = products && withNumber(look, products)
    if (!inner || !may(inner.number, outer.number)) return undefined
    const factor = Math.fround(Math.fround(inner.number) * Math.fround(outer.number))
    return node("mul", [inner.value, { scalar: factor }])
  }

const scalars: readonly SimplifyRule[] = [
  rule("x / c is x * (1/c) for a power of two", ["div"], "exact", (candidate, look) => {
    const divisor = isFloat(candidate) ? numberOf(look, candidate.inputs[1]!) : undefined
    if (divisor === undefined || divisor === 1 || !isPowerOfTwo(divisor)) return undefined
    return node("mul", [candidate.inputs[0]!, { scalar: 1 / divisor }])
  }),
  rule("(x * c) * d is x * (c * d) when one is a power of two", ["mul"], "exact", (candidate, look) =>
    scaledTwice((c, d) => isPowerOfTwo(c) || isPowerOfTwo(d))(candidate, look),
  ),
  rule("(x * c) * d is x * (c * d)", ["mul"], "rounds", scaledTwice(Number.isFinite)),
  rule("(x + c) + d is x + (c + d)", ["add"], "rounds", (candidate, look) => {
    const outer = isFloat(candidate) ? withNumber(look, candidate.inputs) : undefined
    const terms = outer && operandsOf(look, outer.value, "add")
    const inner = terms && withNumber(look, terms)
    return inner && node("add", [inner.value, { scalar: Math.fround(inner.number + outer.number) }])
  }),
  rule("x to the power 2 is a square", ["pow"], "rounds", ({ inputs: [x, y] }, look) =>
    numberOf(look, y!) === 2 ? node("square", [x!]) : undefined,
  ),
]

const choices: readonly SimplifyRule[] = [
  rule("a choice that is always the same is none", ["select"], "exact", ({ inputs: [condition, x, y] }, look) => {
    const always = numberOf(look, condition!)
    return always === undefined ? undefined : always === 0 ? y : x
  }),
  rule("after gradients are made, nothing stops them", ["stop_gradient"], "exact", ({ inputs: [x] }) => x),
  rule("a cast to the type it has is none", ["cast"], "exact", ({ inputs: [x] }) => x),
]

// -------------------------------------------------------------------------------------------------------- movements

const shapes: readonly SimplifyRule[] = [
  rule("a reshape to the same shape is none", ["reshape"], "exact", ({ inputs: [x] }) => x),
  rule("a reshape of a reshape is one", ["reshape"], "exact", ({ inputs: [x], attributes }, look) => {
    const inner = operandsOf(look, x!, "reshape")
    return inner && node("reshape", inner, attributes)
  }),
  rule("a transpose that moves no axis is none", ["transpose"], "exact", ({ inputs: [x], attributes }) =>
    isIdentity(integersAttribute(attributes, "perm")) ? x : undefined,
  ),
  rule("a transpose of a transpose is one", ["transpose"], "exact", ({ inputs: [x], attributes }, look) => {
    const first = look.producerOf(x!)
    if (first?.op !== "transpose") return undefined
    const inner = integersAttribute(first.attributes, "perm")
    const perm = integersAttribute(attributes, "perm").map((axis) => inner[axis]!)
    return node("transpose", first.inputs, { perm })
  }),
  rule("a transpose that moves only axes of size 1 is a reshape", ["transpose"], "exact", (candidate, look) => {
    const { shape } = look.typeOf(candidate.inputs[0]!)
    const moved = integersAttribute(candidate.attributes, "perm").filter((axis) => !isUnit(shape[axis]!, look.sizes))
    const kept = moved.every((axis, position) => position === 0 || moved[position - 1]! < axis)
    return kept ? node("reshape", candidate.inputs, { shape: candidate.type.shape }) : undefined
  }),
  rule("a broadcast to the same shape is none", ["broadcast_to"], "exact", ({ inputs: [x] }) => x),
  rule("a broadcast of a broadcast is one", ["broadcast_to"], "exact", ({ inputs: [x], attributes }, look) => {
    const inner = operandsOf(look, x!, "broadcast_to")
    return inner && node("broadcast_to", inner, attributes)
  }),
  rule("a slice of everything is none", ["slice"], "exact", ({ inputs: [x] }) => x),
  rule("a slice of a slice is one", ["slice"], "exact", ({ inputs: [x], attributes }, look) => {
    const first = look.producerOf(x!)
    if (first?.op !== "slice") return undefined
    const inner = dimList(first.attributes, "starts")
    const starts = dimList(attributes, "starts").map((start, axis) => addDims(start, inner[axis]!))
    return node("slice", first.inputs, { starts, sizes: attributes["sizes"]! })
  }),
  rule("a border of nothing is none", ["pad"], "exact", ({ inputs: [x], attributes }) =>
    [...dimList(attributes, "before"), ...dimList(attributes, "after")].every((dim) => asConstant(dim) === 0)
      ? x
      : undefined,
  ),
  rule("one part is the whole", ["concat"], "exact", ({ inputs }) => (inputs.length === 1 ? inputs[0] : undefined)),
  rule(
    "a reduction over axes of size 1 is a reshape",
    ["sum", "mean", "max", "min"],
    "exact",
    ({ inputs, attributes, type }, look) => {
      const { shape } = look.typeOf(inputs[0]!)
      const axes = reducedAxes(attributes, shape.length)
      if (!axes.every((axis) => isUnit(shape[axis]!, look.sizes))) return undefined
      return node("reshape", inputs, { shape: type.shape })
    },
  ),
]

/** The engine refuses it for the operand from which alone the result has its shape. */
const broadcasts: readonly SimplifyRule[] = [0, 1, 2].flatMap((index) => [
  rule(
    `operand ${index + 1} need not be broadcast first`,
    BROADCASTING,
    "exact",
    ({ op, inputs, attributes }, look) => {
      const source = index < inputs.length ? operandsOf(look, inputs[index]!, "broadcast_to") : undefined
      return source && node(op, inputs.with(index, source[0]!), attributes)
    },
  ),
  rule(`operand ${index + 1}, one number, is a scalar`, BROADCASTING, "exact", ({ op, inputs, attributes }, look) => {
    const number = index < inputs.length ? numberOf(look, inputs[index]!) : undefined
    if (number === undefined) return undefined
    const { dtype, shape } = look.typeOf(inputs[index]!)
    if (dtype !== "f32" || shape.length === 0) return undefined
    return node(op, (inputs as readonly Operand[]).with(index, { scalar: number }), attributes)
  }),
])

/** In the order in which they are tried. */
export const RULES: readonly SimplifyRule[] = [...neutral, ...choices, ...shapes, ...signs, ...scalars, ...broadcasts]
