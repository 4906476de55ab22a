/**
 * Elementwise ops of two and three operands, broadcast as NumPy does. Factories fill in what each kind shares, so that a
 * record says only what is its own.
 *
 * Operands must have the same element type: nothing is promoted silently.
 */

import type { DataType, LanguageType, ValueId } from "../ir/graph.js"
import type { InferContext, OnnxContext, OpCase, OpDefinition } from "./definition.js"
import { free } from "./definition.js"
import { at, broadcastShapes, build } from "./ndarray.js"
import { broadcastDims, broadcastTypes } from "./shapes.js"

/** Fails when the operands from `first` on are not all of the same element type. */
function requireSameType(context: InferContext, first = 0): void {
  const { dtype } = context.inputs[first]!
  context.inputs.forEach((type, input) => {
    if (input > first && type.dtype !== dtype) {
      context.fail({
        kind: "dtype",
        input,
        expected: [dtype],
        hint: `element types are not converted silently; write cast(..., to = "${dtype}")`,
      })
    }
  })
}

type BinaryParts = Pick<OpDefinition, "doc" | "gradient" | "cases"> & {
  /** accepted element types */
  readonly dtypes: readonly DataType[]
  /** element type of the result when it is not that of the operands */
  readonly result?: DataType
  /** full if not given */
  readonly precision?: OpDefinition["precision"]
  readonly tensorflow: string
  readonly onnx: string | ((context: OnnxContext) => readonly string[])
  readonly apply: (a: number, b: number, dtype: DataType) => number
}

function binary(parts: BinaryParts): OpDefinition {
  const { doc, dtypes, result, apply, gradient, cases } = parts
  return {
    family: "elementwise",
    doc,
    inputs: [
      { name: "a", dtypes, doc: "left operand" },
      { name: "b", dtypes, doc: "right operand, of the same element type; broadcast as NumPy does" },
    ],
    attributes: {},
    infer: (context) => {
      requireSameType(context)
      return [{ dtype: result ?? context.inputs[0]!.dtype, shape: broadcastDims(context) }]
    },
    gradient,
    cost: free,
    layout: { kind: "elementwise" },
    precision: parts.precision ?? { kind: "full" },
    tensorflow: (context) => [
      // The logical ops know one type only, and have no attribute for it.
      context.node(
        parts.tensorflow,
        context.inputs,
        dtypes.includes("bool") ? {} : { T: context.type(context.inputTypes[0]!.dtype) },
      ),
    ],
    onnx: (context) => {
      const { onnx } = parts
      return typeof onnx === "string" ? context.node(onnx, context.inputs) : onnx(context)
    },
    reference: ([a, b], _attributes, [type]) => [
      build(broadcastShapes(a!.shape, b!.shape), (index) => apply(at(a!, index), at(b!, index), type!.dtype)),
    ],
    cases,
  }
}

const arithmetic = (parts: Omit<BinaryParts, "dtypes">): OpDefinition => binary({ dtypes: ["f32", "i32"], ...parts })

type Operand = Pick<OpCase["inputs"][number], "low" | "high" | "awayFromZero">

/** Equal shapes, broadcasts on either side, both sides at once, and scalars. */
function cases(dtype: LanguageType, a: Operand = {}, b: Operand = a): readonly OpCase[] {
  const shapes: readonly (readonly [string, readonly number[], readonly number[]])[] = [
    ["same shape", [2, 3], [2, 3]],
    ["channel broadcast", [2, 3, 4, 5], [3, 1, 1]],
    ["broadcast of both", [2, 1, 4], [3, 1]],
    ["scalar on the right", [2, 3, 2], []],
    ["vector on the left", [3], [2, 3]],
  ]
  return shapes.map(([name, left, right]) => ({
    name: dtype === "f32" ? name : `${name}, ${dtype}`,
    inputs: [
      { dtype, shape: left, ...a },
      { dtype, shape: right, ...b },
    ],
  }))
}

const integerCases = (low: number, high: number, right = low): readonly OpCase[] =>
  cases("i32", { low, high }, { low: right, high }).slice(0, 2)

/** Operands of a comparison: small integers so that equality happens, and floats. */
const comparisonCases: readonly OpCase[] = [
  ...cases("f32"),
  ...cases("i32", { low: 0, high: 3 }),
  {
    name: "ties",
    inputs: [
      { dtype: "f32", shape: [4], values: [0, 1, -1, 0.5] },
      { dtype: "f32", shape: [4], values: [0, 0.5, 1, 0.5] },
    ],
  },
]

const comparison = (
  doc: string,
  name: string,
  onnx: BinaryParts["onnx"],
  apply: (a: number, b: number) => boolean,
): OpDefinition =>
  binary({
    doc,
    dtypes: ["f32", "i32"],
    result: "bool",
    tensorflow: name,
    onnx,
    apply: (a, b) => Number(apply(a, b)),
    gradient: { none: "a comparison is constant where it does not jump" },
    cases: comparisonCases,
  })

const logical = (doc: string, name: string, onnx: string, apply: (a: boolean, b: boolean) => boolean): OpDefinition =>
  binary({
    doc,
    dtypes: ["bool"],
    tensorflow: name,
    onnx,
    apply: (a, b) => Number(apply(a !== 0, b !== 0)),
    gradient: { none: "booleans have no gradient" },
    cases: cases("bool"),
  })

/** The larger or smaller operand; `wins` is the comparison that says that the left one does. */
const extremum = (
  name: string,
  onnx: string,
  wins: "greater" | "less",
  apply: (a: number, b: number) => number,
): OpDefinition =>
  arithmetic({
    doc: `The ${wins === "greater" ? "larger" : "smaller"} of two elements. At a tie each operand gets half of the gradient, as in \`torch.${name.toLowerCase()}\`.`,
    tensorflow: name,
    onnx,
    apply,
    gradient: ({ gradients: [dy], inputs: [a, b], op, scalar, unbroadcast, typeOf, needs }) => {
      const half = op("mul", [dy!, scalar(0.5)])
      const tied = op("select", [op("equal", [a!, b!]), half, scalar(0)])
      const left = op("select", [op(wins, [a!, b!]), dy!, tied])
      return [
        needs[0] ? unbroadcast(left, typeOf(a!)) : undefined,
        needs[1] ? unbroadcast(op("sub", [dy!, left]), typeOf(b!)) : undefined,
      ]
    },
    cases: [...cases("f32", { awayFromZero: 0.02 }), ...integerCases(-3, 4)],
  })

/** Division of integers that rounds down, and what it leaves: of the sign of the divisor, as in Python. */
const wholeDivision = (parts: Pick<BinaryParts, "doc" | "tensorflow" | "onnx" | "apply">): OpDefinition =>
  binary({
    ...parts,
    dtypes: ["i32"],
    gradient: { none: "integers have no gradient" },
    apply: (a, b, dtype) => {
      if (b === 0) throw new RangeError("integer division by zero")
      return parts.apply(a, b, dtype)
    },
    cases: [
      ...cases("i32", { low: -9, high: 10 }, { low: 1, high: 5 }),
      {
        name: "negative divisors",
        inputs: [
          { dtype: "i32", shape: [6], values: [-7, 7, -6, 6, 0, 1] },
          { dtype: "i32", shape: [6], values: [-2, -2, -2, -2, -2, -2] },
        ],
      },
    ],
  })

/** Integer division as C does it; a zero divisor is an error there too. */
function divide(a: number, b: number, dtype: DataType): number {
  if (dtype !== "i32") return a / b
  if (b === 0) throw new RangeError("integer division by zero")
  return Math.trunc(a / b)
}

const select: OpDefinition = {
  family: "elementwise",
  doc: "Where the condition holds the element of `a`, elsewhere that of `b`, as `torch.where`. All three broadcast.",
  inputs: [
    { name: "condition", dtypes: ["bool"], doc: "which operand to take" },
    { name: "a", dtypes: ["f32", "i32", "bool"], doc: "taken where the condition is true" },
    { name: "b", dtypes: ["f32", "i32", "bool"], doc: "taken where it is false; of the same element type as `a`" },
  ],
  attributes: {},
  infer: (context) => {
    requireSameType(context, 1)
    return [{ dtype: context.inputs[1]!.dtype, shape: broadcastTypes(context, [0, 1, 2]) }]
  },
  gradient: ({ gradients: [dy], inputs: [condition, a, b], op, scalar, unbroadcast, typeOf, needs }) => [
    undefined,
    needs[1] ? unbroadcast(op("select", [condition!, dy!, scalar(0)]), typeOf(a!)) : undefined,
    needs[2] ? unbroadcast(op("select", [condition!, scalar(0), dy!]), typeOf(b!)) : undefined,
  ],
  cost: free,
  layout: { kind: "elementwise" },
  precision: { kind: "follows" },
  tensorflow: (context) => [
    context.node("SelectV2", context.inputs, { T: context.type(context.inputTypes[1]!.dtype) }),
  ],
  onnx: (context) => {
    if (context.inputTypes[1]!.dtype !== "bool") return context.node("Where", context.inputs)
    // Where has no boolean kernel in ONNX Runtime: (condition and a) or (not condition and b).
    const [condition, a, b] = context.inputs as [string, string, string]
    const [otherwise] = context.node("Not", [condition])
    const [left] = context.node("And", [condition, a])
    const [right] = context.node("And", [otherwise!, b])
    return context.node("Or", [left!, right!])
  },
  reference: ([condition, a, b]) => {
    const shape = broadcastShapes(broadcastShapes(condition!.shape, a!.shape), b!.shape)
    return [build(shape, (index) => (at(condition!, index) !== 0 ? at(a!, index) : at(b!, index)))]
  },
  cases: [
    { name: "same shape", inputs: selectInputs("f32", [2, 3], [2, 3], [2, 3]) },
    { name: "mask over channels", inputs: selectInputs("f32", [2, 1, 4, 4], [2, 3, 4, 4], [3, 1, 1]) },
    { name: "scalar otherwise", inputs: selectInputs("f32", [2, 3, 4], [2, 3, 4], []) },
    { name: "condition is smaller", inputs: selectInputs("f32", [3, 1], [2, 3, 4], [4]) },
    { name: "integers", inputs: selectInputs("i32", [2, 3], [2, 3], [3]) },
    { name: "booleans", inputs: selectInputs("bool", [2, 3], [2, 3], [3]) },
  ],
}

function selectInputs(dtype: LanguageType, condition: number[], a: number[], b: number[]): OpCase["inputs"] {
  return [
    { dtype: "bool", shape: condition },
    { dtype, shape: a },
    { dtype, shape: b },
  ]
}

export const elementwiseBinary = {
  add: arithmetic({
    precision: { kind: "follows" },
    doc: "The sum of two tensors, element by element.",
    tensorflow: "AddV2",
    onnx: "Add",
    apply: (a, b) => a + b,
    gradient: ({ gradients: [dy], inputs: [a, b], unbroadcast, typeOf, needs }) => [
      needs[0] ? unbroadcast(dy!, typeOf(a!)) : undefined,
      needs[1] ? unbroadcast(dy!, typeOf(b!)) : undefined,
    ],
    cases: [...cases("f32"), ...integerCases(-3, 4)],
  }),
  sub: arithmetic({
    precision: { kind: "follows" },
    doc: "The difference of two tensors, element by element.",
    tensorflow: "Sub",
    onnx: "Sub",
    apply: (a, b) => a - b,
    gradient: ({ gradients: [dy], inputs: [a, b], op, unbroadcast, typeOf, needs }) => [
      needs[0] ? unbroadcast(dy!, typeOf(a!)) : undefined,
      // Negated after the sum, where there may be fewer elements.
      needs[1] ? op("neg", [unbroadcast(dy!, typeOf(b!))]) : undefined,
    ],
    cases: [...cases("f32"), ...integerCases(-3, 4)],
  }),
  mul: arithmetic({
    precision: { kind: "follows" },
    doc: "The product of two tensors, element by element.",
    tensorflow: "Mul",
    onnx: "Mul",
    apply: (a, b) => a * b,
    gradient: ({ gradients: [dy], inputs: [a, b], op, unbroadcast, typeOf, needs }) => [
      needs[0] ? unbroadcast(op("mul", [dy!, b!]), typeOf(a!)) : undefined,
      needs[1] ? unbroadcast(op("mul", [dy!, a!]), typeOf(b!)) : undefined,
    ],
    cases: [...cases("f32"), ...integerCases(-3, 4)],
  }),
  div: arithmetic({
    doc: "The quotient of two tensors, element by element; integers are divided with truncation towards zero.",
    tensorflow: "Div",
    onnx: "Div",
    apply: divide,
    gradient: ({ gradients: [dy], inputs: [a, b], outputs: [y], op, unbroadcast, typeOf, needs }) => {
      const scaled = op("div", [dy!, b!])
      return [
        needs[0] ? unbroadcast(scaled, typeOf(a!)) : undefined,
        needs[1] ? op("neg", [unbroadcast(op("mul", [scaled, y!]), typeOf(b!))]) : undefined,
      ]
    },
    cases: [...cases("f32", {}, { low: 0.5, high: 2 }), ...integerCases(-9, 10, 1)],
  }),
  floor_div: wholeDivision({
    doc: "The quotient of two integers, rounded down, as `torch.floor_divide` and Python's `//`.",
    tensorflow: "FloorDiv",
    onnx: (context) => {
      const [a, b] = context.inputs as [string, string]
      const [rest] = context.node("Mod", [a, b])
      return context.node("Div", [context.node("Sub", [a, rest!])[0]!, b])
    },
    apply: (a, b) => Math.floor(a / b),
  }),
  remainder: wholeDivision({
    doc: "What division rounded down leaves, with the sign of the divisor, as `torch.remainder` and Python's `%`.",
    tensorflow: "FloorMod",
    onnx: "Mod",
    apply: (a, b) => a - Math.floor(a / b) * b,
  }),
  pow: binary({
    doc:
      "The power a^b. The gradient by the exponent is 0 where the base is not positive (there the logarithm does not " +
      "exist).",
    dtypes: ["f32"],
    tensorflow: "Pow",
    onnx: "Pow",
    apply: (a, b) => a ** b,
    gradient: ({ gradients: [dy], inputs: [a, b], outputs: [y], op, scalar, unbroadcast, typeOf, needs }) => {
      const byBase = (): ValueId => op("mul", [b!, op("pow", [a!, op("sub", [b!, scalar(1)])])])
      const byExponent = (): ValueId => {
        const positive = op("greater", [a!, scalar(0)])
        return op("mul", [y!, op("select", [positive, op("log", [a!]), scalar(0)])])
      }
      return [
        needs[0] ? unbroadcast(op("mul", [dy!, byBase()]), typeOf(a!)) : undefined,
        needs[1] ? unbroadcast(op("mul", [dy!, byExponent()]), typeOf(b!)) : undefined,
      ]
    },
    cases: cases("f32", { low: 0.5, high: 2 }, { low: -2, high: 2 }),
  }),
  maximum: extremum("Maximum", "Max", "greater", (a, b) => Math.max(a, b)),
  minimum: extremum("Minimum", "Min", "less", (a, b) => Math.min(a, b)),
  equal: comparison("Whether two elements are equal.", "Equal", "Equal", (a, b) => a === b),
  not_equal: comparison(
    "Whether two elements differ.",
    "NotEqual",
    (context) => context.node("Not", context.node("Equal", context.inputs)),
    (a, b) => a !== b,
  ),
  less: comparison("Whether the left element is smaller.", "Less", "Less", (a, b) => a < b),
  less_equal: comparison("Whether the left element is not larger.", "LessEqual", "LessOrEqual", (a, b) => a <= b),
  greater: comparison("Whether the left element is larger.", "Greater", "Greater", (a, b) => a > b),
  greater_equal: comparison(
    "Whether the left element is not smaller.",
    "GreaterEqual",
    "GreaterOrEqual",
    (a, b) => a >= b,
  ),
  logical_and: logical("True where both operands are.", "LogicalAnd", "And", (a, b) => a && b),
  logical_or: logical("True where either operand is.", "LogicalOr", "Or", (a, b) => a || b),
  select,
} satisfies Record<string, OpDefinition>
