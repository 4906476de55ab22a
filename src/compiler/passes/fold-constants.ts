/**
 * Constant folding: what depends on constants alone is computed now.
 *
 * Takes a typed program; gives one in which such nodes are constants, computed by the reference implementations and
 * rounded to float32 after each node, as the machine would. So with ops of which IEEE 754 fixes every bit the result is
 * the machine's own; the others (exp, sums of many) are folded only where results may round differently. Random ops are
 * never folded, nor anything whose size depends on the batch. A constant must not be much larger than what it is made
 * from, or the file would grow; one number that fills a shape is no large constant, whatever the shape.
 */

import { evaluate, symbolsOf, type Sizes } from "../ir/dims.js"
import type { Graph, GraphNode, TensorType, ValueId } from "../ir/graph.js"
import { sizeOf, type NdArray } from "../ops/ndarray.js"
import type { ReferenceRandom } from "../ops/definition.js"
import type { OpName } from "../ops/names.js"
import { opDefinition } from "../ops/registry.js"
import { integersAttribute } from "../ops/shapes.js"
import { attributesAt, symbolsInAttributes } from "../ops/sized-attributes.js"
import type { Pass, PassOptions } from "./pass.js"
import { rewriteProgram } from "./rewrite.js"

/** Every bit of the result is fixed by the operands: moves, comparisons, and one correctly rounded operation each. */
// prettier-ignore
const EXACT: ReadonlySet<OpName> = new Set<OpName>([
  "neg", "abs", "sign", "relu", "floor", "ceil", "round", "logical_not", "clamp", "cast", "square", "sqrt",
  "add", "sub", "mul", "div", "maximum", "minimum", "select",
  "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "max", "min",
  "reshape", "transpose", "concat", "slice", "pad", "roll", "flip", "broadcast_to", "iota", "gather", "one_hot",
])
/** A constant may always have so many elements; beyond, no more than what it is made from. */
const SMALL = 1024
/** More elements than this are not computed at compile time. */
const MOST_WORK = 65_536

/** Ops that only repeat or rearrange what they are given. */
const MOVES: ReadonlySet<OpName> = new Set<OpName>(["broadcast_to", "reshape", "transpose"])

type NodeParts = Pick<GraphNode, "op" | "attributes">

interface Operand {
  readonly node: NodeParts
  readonly type: TensorType
}

/** Whether a node gives other numbers in every step: it draws them by a key. */
export function isRandom({ attributes }: NodeParts): boolean {
  return "key" in attributes
}

/** The constants that a node reads, or undefined when one of its inputs is none. */
export type Operands = readonly Operand[] | undefined

/**
 * The attributes of the constant that `node` is, or undefined when it is not to be folded.
 *
 * @param types of its outputs; only nodes with one are folded
 */
export function foldedNode(
  node: NodeParts,
  operands: Operands,
  types: readonly TensorType[],
  sizes: Sizes,
  { rounding, open = [] }: Pick<PassOptions, "rounding" | "open">,
): GraphNode["attributes"] | undefined {
  const [type] = types
  if (!operands || !type || types.length !== 1 || node.op === "constant" || isRandom(node)) return undefined
  if (open.length > 0 && symbolsIn(node, type).some((name) => open.includes(name))) return undefined
  if (rounding === "exact" && !EXACT.has(node.op)) return undefined
  const shape = sizesOf(type, sizes)
  if (!shape || type.dtype === "bf16" || operands.some((operand) => operand.type.dtype === "bf16")) return undefined
  const numbers = operands.map((operand) => integersAttribute(operand.node.attributes, "values"))
  if (operands.length > 0 && numbers.every((values) => values.length === 1)) {
    if (MOVES.has(node.op)) return { dtype: type.dtype, shape, values: numbers[0]! }
    // One number each, and an op that works element by element: so is the result, whatever the shape.
    if (opDefinition(node.op).layout.kind === "elementwise") {
      const values = compute(
        node,
        operands.map((operand) => asArray(operand, [])),
        type,
        [],
        sizes,
      )
      return values && { dtype: type.dtype, shape, values }
    }
  }
  const given = numbers.reduce((sum, values) => sum + values.length, 0)
  if (sizeOf(shape) > Math.max(SMALL, given)) return undefined
  if (operands.some((operand) => sizeOf(sizesOf(operand.type, sizes)!) > MOST_WORK)) return undefined
  const values = compute(
    node,
    operands.map((operand) => asArray(operand)),
    type,
    shape,
    sizes,
  )
  if (!values) return undefined
  const same = values.length > 0 && values.every((value) => Object.is(value, values[0]))
  return { dtype: type.dtype, shape, values: same ? [values[0]!] : values }
}

/** The symbols that a node's result and its attributes are made of. */
function symbolsIn({ attributes }: NodeParts, { shape }: TensorType): string[] {
  return [...shape.flatMap(symbolsOf), ...symbolsInAttributes(attributes)]
}

function sizesOf(type: TensorType, sizes: Sizes): number[] | undefined {
  const shape = type.shape.map((dim) => evaluate(dim, sizes))
  return shape.every((size) => size !== undefined) ? shape : undefined
}

/** The elements of a constant, in the machine's precision. */
function asArray({ node, type }: Operand, shape = integersAttribute(node.attributes, "shape")): NdArray {
  const values = integersAttribute(node.attributes, "values")
  const data = values.length === 1 ? new Float64Array(sizeOf(shape)).fill(values[0]!) : Float64Array.from(values)
  return { shape, data: type.dtype === "f32" ? data.map(Math.fround) : data }
}

const noRandom: ReferenceRandom = {
  uniform: () => neverDrawn(),
  normal: () => neverDrawn(),
}

function neverDrawn(): never {
  throw new Error("random numbers differ from step to step; they are never folded")
}

/** The elements that the reference implementation gives, in the precision of the machine. */
function compute(
  { op, attributes }: NodeParts,
  operands: readonly NdArray[],
  type: TensorType,
  shape: readonly number[],
  sizes: Sizes,
): number[] | undefined {
  const concrete = [{ dtype: type.dtype, shape }]
  const [result] = opDefinition(op).reference(operands, attributesAt(attributes, sizes), concrete, noRandom)
  const values = Array.from(type.dtype === "f32" ? result!.data.map(Math.fround) : result!.data)
  // Numbers that the machine's integers do not hold are left to the machine.
  return type.dtype === "i32" && !values.every((value) => value === (value | 0)) ? undefined : values
}

export const foldConstants: Pass = {
  name: "constant folding",
  doc: "What depends on constants alone, and is not large, is computed by the reference implementation.",
  requires: ["typed"],
  ensures: ["constants folded"],
  destroys: ["simplified", "no repeated expressions", "no dead nodes"],
  run: (program, options) => {
    const { graph } = program
    if (!graph.nodes.some((node) => foldable(node, graph, options))) return { program }
    const folded = rewriteProgram(program, (node, inputs, builder) => {
      const types = node.outputs.map((value) => graph.values[value]!.type)
      const attributes = foldedNode(node, constantsOf(inputs, builder), types, graph.sizes, options)
      return attributes ? builder.all("constant", [], attributes) : undefined
    })
    return { program: folded }
  },
}

/** Whether `node` reads only constants, and is to be one itself. */
export function foldable(node: GraphNode, graph: Graph, options: Pick<PassOptions, "rounding" | "open">): boolean {
  const look = {
    typeOf: (value: ValueId) => graph.values[value]!.type,
    producerOf: (value: ValueId) => graph.nodes[graph.values[value]!.node],
  }
  const types = node.outputs.map(look.typeOf)
  return foldedNode(node, constantsOf(node.inputs, look), types, graph.sizes, options) !== undefined
}

/** The constants among which `inputs` are, when all of them are. */
export function constantsOf(
  inputs: readonly ValueId[],
  look: { producerOf(value: ValueId): GraphNode | undefined; typeOf(value: ValueId): TensorType },
): Operands {
  const operands = []
  for (const value of inputs) {
    const node = look.producerOf(value)
    if (node?.op !== "constant") return undefined
    operands.push({ node, type: look.typeOf(value) })
  }
  return operands
}
