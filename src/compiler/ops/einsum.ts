/**
 * Sums of products by letters, as `torch.einsum`.
 *
 * A model's call is not kept as one op: it is written out as transposes, reshapes and matrix products (`composition`), so
 * that its gradient, its cost and its layouts are those of ops that every pass knows. The record itself has the kernels of
 * the targets, which is what the written-out form is proved against.
 */

import { constant, format, product, type Dim } from "../ir/dims.js"
import type { ValueId } from "../ir/graph.js"
import type { InferContext, NodeAppender, OpCase, OpDefinition } from "./definition.js"
import { build, stridesOf, type NdArray } from "./ndarray.js"
import { stringAttribute } from "./shapes.js"

/** The letters of each operand's axes, and of the result's. */
export interface Equation {
  readonly operands: readonly string[]
  readonly result: string
}

/** Reads an equation; gives a sentence when it is none. Without an arrow the result has all letters that stand once. */
export function parseEquation(text: string): Equation | string {
  const [left, right, ...more] = text.replaceAll(" ", "").split("->") as [string, string?, ...string[]]
  if (more.length > 0) return "there is more than one arrow"
  const operands = left.split(",")
  const letters = left.replaceAll(",", "")
  const once = [...new Set(letters)].filter((letter) => letters.split(letter).length === 2).sort()
  const result = right ?? once.join("")
  const stranger = [...letters, ...result].find((letter) => !/[A-Za-z]/.test(letter))
  if (stranger === ".") return "`...` is not supported: write a letter for every axis"
  if (stranger !== undefined) return `"${stranger}" is no letter`
  for (const [index, operand] of operands.entries()) {
    const repeated = repeatedLetter(operand)
    if (repeated) return `the letter ${repeated} stands twice in operand ${index + 1}; diagonals are not supported`
  }
  const repeated = repeatedLetter(result)
  if (repeated) return `the letter ${repeated} stands twice in the result`
  const unknown = [...result].find((letter) => !letters.includes(letter))
  return unknown === undefined ? { operands, result } : `the letter ${unknown} of the result stands in no operand`
}

const repeatedLetter = (letters: string): string | undefined =>
  [...letters].find((letter, position) => letters.indexOf(letter) !== position)

/** The equation of a node whose inference has accepted it. */
function acceptedEquation(text: string): Equation {
  const equation = parseEquation(text)
  if (typeof equation === "string") throw new Error(`equation "${text}": ${equation}`)
  return equation
}

function inferEinsum(context: InferContext): ReturnType<OpDefinition["infer"]> {
  const text = stringAttribute(context.attributes, "equation")
  const refuse = (message: string): never => context.fail({ kind: "attribute", name: "equation", message })
  const equation = parseEquation(text)
  if (typeof equation === "string") return refuse(equation)
  if (equation.operands.length !== context.inputs.length) {
    return refuse(`it has ${equation.operands.length} operands, ${context.inputs.length} are given`)
  }
  const sizes = new Map<string, { readonly dim: Dim; readonly input: number; readonly axis: number }>()
  equation.operands.forEach((letters, input) => {
    const { shape } = context.inputs[input]!
    if (letters.length !== shape.length) {
      context.fail({ kind: "rank", input, expected: `${letters.length} axes, by "${letters}" in the equation` })
    }
    ;[...letters].forEach((letter, axis) => {
      const known = sizes.get(letter)
      if (!known) sizes.set(letter, { dim: shape[axis]!, input, axis })
      else if (!context.same(known.dim, shape[axis]!)) {
        context.fail({
          kind: "dims-differ",
          left: { input: known.input, axis: known.axis },
          right: { input, axis },
          what: `the letter ${letter} of "${text}" is ${format(known.dim)} in operand ${known.input + 1} and ${format(shape[axis]!)} in operand ${input + 1}`,
        })
      }
    })
  })
  return [{ dtype: "f32", shape: [...equation.result].map((letter) => sizes.get(letter)!.dim) }]
}

// ------------------------------------------------------------------------------------------------------- written out

/** A tensor and the letters of its axes. */
interface Term {
  readonly value: ValueId
  readonly letters: string
}

const without = (letters: string, gone: string): string => [...letters].filter((l) => !gone.includes(l)).join("")
const common = (letters: string, other: string): string => [...letters].filter((l) => other.includes(l)).join("")

/** Appends what is needed to compute one equation. */
class Composer {
  constructor(private readonly appender: NodeAppender) {}

  /** The product of all terms, summed over the letters that the result does not have. */
  run(terms: readonly Term[], result: string): ValueId {
    const [first, ...others] = terms as readonly [Term, ...Term[]]
    let left = first
    others.forEach((term, index) => {
      const later = others.slice(index + 1).map((other) => other.letters)
      left = this.multiply(left, term, [result, ...later].join(""))
    })
    return this.ordered(this.summed(left, result), result)
  }

  /** Without the letters that nobody asks for. */
  private summed(term: Term, wanted: string): Term {
    const axes = [...term.letters].flatMap((letter, axis) => (wanted.includes(letter) ? [] : [axis]))
    if (axes.length === 0) return term
    return { value: this.appender.op("sum", [term.value], { axes }), letters: common(term.letters, wanted) }
  }

  private ordered(term: Term, letters: string): ValueId {
    if (term.letters === letters) return term.value
    return this.appender.op("transpose", [term.value], { perm: [...letters].map((l) => term.letters.indexOf(l)) })
  }

  private sizes(term: Term, letters: string): readonly Dim[] {
    const { shape } = this.appender.typeOf(term.value)
    return [...letters].map((letter) => shape[term.letters.indexOf(letter)]!)
  }

  private reshaped(value: ValueId, shape: readonly Dim[]): ValueId {
    const current = this.appender.typeOf(value).shape
    const isSame = current.length === shape.length && shape.every((dim, axis) => dim.key === current[axis]!.key)
    return isSame ? value : this.appender.op("reshape", [value], { shape })
  }

  /** Two terms become one, which has the letters of `wanted`. */
  private multiply(a: Term, b: Term, wanted: string): Term {
    const left = this.summed(a, wanted + b.letters)
    const right = this.summed(b, wanted + a.letters)
    const shared = common(left.letters, right.letters)
    const batch = common(shared, wanted)
    const inner = without(shared, wanted)
    const own = { left: without(left.letters, shared), right: without(right.letters, shared) }
    const letters = batch + own.left + own.right
    const ones = (count: number): readonly Dim[] => new Array<Dim>(count).fill(constant(1))
    if (inner === "") {
      // Nothing is summed: the elements are spread out against each other.
      const spreadLeft = [...this.sizes(left, batch + own.left), ...ones(own.right.length)]
      const spreadRight = [...this.sizes(right, batch), ...ones(own.left.length), ...this.sizes(right, own.right)]
      const operands = [
        this.reshaped(this.ordered(left, batch + own.left), spreadLeft),
        this.reshaped(this.ordered(right, batch + own.right), spreadRight),
      ]
      return { value: this.appender.op("mul", operands), letters }
    }
    // The operand whose axes stand that way already is multiplied as a transposed matrix instead of being transposed.
    const flipLeft = left.letters === batch + inner + own.left && own.left !== ""
    const flipRight = right.letters !== batch + inner + own.right
    const matrix = (term: Term, rows: string, columns: string): ValueId =>
      this.reshaped(this.ordered(term, batch + rows + columns), [
        ...this.sizes(term, batch),
        product(this.sizes(term, rows)),
        product(this.sizes(term, columns)),
      ])
    const operands = [
      flipLeft ? matrix(left, inner, own.left) : matrix(left, own.left, inner),
      flipRight ? matrix(right, own.right, inner) : matrix(right, inner, own.right),
    ]
    const result = this.appender.op("matmul", operands, { transpose_a: flipLeft, transpose_b: flipRight })
    const shape = [...this.sizes(left, batch + own.left), ...this.sizes(right, own.right)]
    return { value: this.reshaped(result, shape), letters }
  }
}

const terms = (values: readonly ValueId[], letters: readonly string[]): readonly Term[] =>
  values.map((value, index) => ({ value, letters: letters[index]! }))

// ---------------------------------------------------------------------------------------------------------- reference

/** The sum over all letters, one element of the result after the other. */
function einsumReference(inputs: readonly NdArray[], { operands, result }: Equation): NdArray {
  const extents = new Map<string, number>()
  operands.forEach((letters, input) => [...letters].forEach((l, axis) => extents.set(l, inputs[input]!.shape[axis]!)))
  const summed = [...extents.keys()].filter((letter) => !result.includes(letter))
  const strides = inputs.map(({ shape }) => stridesOf(shape))
  const at = new Map<string, number>()
  const term = (): number =>
    inputs.reduce((value, { data }, input) => {
      const offset = [...operands[input]!].reduce((sum, l, axis) => sum + at.get(l)! * strides[input]![axis]!, 0)
      return value * data[offset]!
    }, 1)
  const sum = (depth: number): number => {
    const letter = summed[depth]
    if (letter === undefined) return term()
    let total = 0
    for (let i = 0; i < extents.get(letter)!; i++) {
      at.set(letter, i)
      total += sum(depth + 1)
    }
    return total
  }
  const shape = [...result].map((letter) => extents.get(letter)!)
  return build(shape, (index) => {
    ;[...result].forEach((letter, axis) => at.set(letter, index[axis]!))
    return sum(0)
  })
}

const einsumCase = (equation: string, ...shapes: readonly (readonly number[])[]): OpCase => ({
  name: equation,
  inputs: shapes.map((shape) => ({ dtype: "f32", shape })),
  attributes: { equation },
})

const einsum: OpDefinition = {
  family: "products",
  doc:
    'Products summed by letters, as `torch.einsum`: `einsum("bqd,bkd->bqk", q, k)`. Each letter is an axis; letters that ' +
    "the result does not have are summed over. Three and more operands are multiplied from left to right. In a model it " +
    "is written out as transposes, reshapes and matrix products.",
  inputs: [{ name: "operands", dtypes: ["f32"], doc: "the factors, in the order of the equation", variadic: true }],
  attributes: {
    equation: { type: "string", doc: "the letters of the operands' axes and of the result's, \"ij,jk->ik\"" },
  },
  infer: inferEinsum,
  composition: ({ inputs, attributes, ...appender }) => {
    const { operands, result } = acceptedEquation(stringAttribute(attributes, "equation"))
    return [new Composer(appender).run(terms(inputs, operands), result)]
  },
  gradient: (context) => {
    const { operands, result } = acceptedEquation(stringAttribute(context.attributes, "equation"))
    const dy: Term = { value: context.gradients[0]!, letters: result }
    const all = terms(context.inputs, operands)
    return all.map((own, index) => {
      if (!context.needs[index]) return undefined
      const factors = [dy, ...all.filter((_, other) => other !== index)]
      // Letters that stand nowhere else were summed over: the gradient is the same all along them.
      const known = common(own.letters, factors.map((factor) => factor.letters).join(""))
      const gradient = new Composer(context).run(factors, known)
      const { shape } = context.typeOf(own.value)
      if (known === own.letters) return gradient
      const spread = shape.map((dim, axis) => (known.includes(own.letters[axis]!) ? dim : constant(1)))
      return context.op("broadcast_to", [context.op("reshape", [gradient], { shape: spread })], { shape })
    })
  },
  cost: (inputs, _outputs, attributes) => {
    const { operands } = acceptedEquation(stringAttribute(attributes, "equation"))
    if (operands.length === 1) return { macs: 0 }
    const extents = new Map(operands.flatMap((o, i) => [...o].map((l, axis) => [l, inputs[i]!.shape[axis]!] as const)))
    return { macs: [...extents.values()].reduce((a, b) => a * b, 1) * (operands.length - 1) }
  },
  layout: { kind: "fixed" },
  precision: { kind: "products" },
  tensorflow: (context) => [
    context.node("Einsum", context.inputs, {
      N: { i: context.inputs.length },
      T: context.type(context.float),
      equation: { s: equationText(acceptedEquation(stringAttribute(context.attributes, "equation"))) },
    }),
  ],
  onnx: (context) => {
    const equation = equationText(acceptedEquation(stringAttribute(context.attributes, "equation")))
    return context.node("Einsum", context.inputs, { equation: { string: equation } })
  },
  reference: (inputs, attributes) => [
    einsumReference(inputs, acceptedEquation(stringAttribute(attributes, "equation"))),
  ],
  cases: [
    einsumCase("ij,jk->ik", [2, 3], [3, 4]),
    einsumCase("ij,kj", [2, 3], [4, 3]),
    einsumCase("bhqd,bhkd->bhqk", [2, 2, 3, 4], [2, 2, 5, 4]),
    einsumCase("bhqk,bkhd->bqhd", [2, 2, 3, 5], [2, 5, 2, 4]),
    einsumCase("btc,oc->bto", [2, 3, 4], [5, 4]),
    einsumCase("nchw,nc->nhw", [2, 3, 2, 4], [2, 3]),
    einsumCase("i,j->ij", [3], [4]),
    einsumCase("bi,bi->b", [2, 5], [2, 5]),
    einsumCase("ij,ij->", [2, 3], [2, 3]),
    einsumCase("ijk,jl->li", [2, 3, 4], [3, 5]),
    einsumCase("ijk->ki", [2, 3, 4]),
    {
      ...einsumCase("bi,ij,bj->b", [2, 3], [3, 4], [2, 4]),
      skip: { tensorflow: "its kernel takes two operands at most" },
    },
  ],
}

const equationText = ({ operands, result }: Equation): string => `${operands.join(",")}->${result}`

/** The records, for the registry. */
export const einsumOps = { einsum } satisfies Record<string, OpDefinition>
