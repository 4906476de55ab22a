/**
 * Programs drawn at random, with gradients, for the property that passes keep what a program computes.
 *
 * Takes a list of numbers, each of which makes one choice; every choice is legal, so nothing is thrown away. The graphs
 * hold what passes look for: numbers next to values, moves that cancel, things computed twice, dead ends, random ops.
 * Constants are small sums of powers of two and all sizes are powers of two, so that float32 and float64 agree on what
 * is computed from constants, and results can be compared bit for bit.
 */

import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant, evaluate, symbol, type Dim } from "../../../src/compiler/ir/dims.js"
import type { ValueId } from "../../../src/compiler/ir/graph.js"
import { fromValues, sizeOf, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import type { Program } from "../../../src/compiler/passes/pass.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { seededUniform } from "../ops/case-values.js"

/** The size of the batch, which graphs do not know. */
const SIZES = new Map([["N", 2]])

const NUMBERS = [0, 1, -1, 2, 0.5, -2, 3] as const
const UNARY: readonly OpName[] = ["neg", "tanh", "relu", "abs", "square", "exp", "stop_gradient"]
const BINARY: readonly OpName[] = ["add", "sub", "mul", "maximum"]

/** A program whose results are some of its values and the gradients of their sum. */
export function randomProgram(choices: readonly number[]): Program {
  let next = 0
  const pick = (count: number): number => choices[next++ % choices.length]! % count
  const builder = new GraphBuilder(new Map())
  const { op } = builder
  const initializer = { kind: "constant", value: 0 } as const
  const parameter = (name: string, shape: readonly number[]): ValueId =>
    builder.parameter({ name, role: "param", shape, dtype: "f32", initializer, section: "", frozen: false })
  const x = builder.input("x", { dtype: "f32", shape: [symbol("N"), constant(2), constant(4)] }, "input")
  const values: ValueId[] = [x, parameter("w", [2, 4]), parameter("row", [4]), parameter("unit", [1, 2, 1, 4])]
  const shapeOf = (value: ValueId): readonly Dim[] => builder.typeOf(value).shape
  const known = (shape: readonly Dim[]): boolean => shape.every((dim) => evaluate(dim, new Map()) !== undefined)

  for (let step = 0; step < 12; step++) {
    const a = values[values.length - 1 - pick(Math.min(5, values.length))]!
    const shape = shapeOf(a)
    const rank = shape.length
    const number = NUMBERS[pick(NUMBERS.length)]!
    switch (pick(12)) {
      case 0:
        values.push(op(UNARY[pick(UNARY.length)]!, [a]))
        break
      case 1:
      case 2: {
        const scalar = pick(2)
          ? builder.scalar(number)
          : op("constant", [], { shape: shape.map(() => 1), values: [number] })
        const operands = pick(3) ? [a, scalar] : [scalar, a]
        values.push(op(BINARY[pick(3)]!, operands))
        break
      }
      case 3:
        values.push(op("div", [a, builder.scalar([1, 2, 0.5, 4][pick(4)]!)]))
        break
      case 4:
        values.push(op(BINARY[pick(BINARY.length)]!, [a, a]))
        break
      case 5: {
        const perm = shape.map((_, axis) => (axis + 1) % Math.max(1, rank))
        values.push(op("transpose", [a], { perm }))
        if (pick(2)) values.push(op("transpose", [values.at(-1)!], { perm }))
        break
      }
      case 6:
        values.push(op("reshape", [a], { shape: pick(2) ? [constant(1), ...shape] : shape }))
        break
      case 7: {
        const wide = [...(known(shape) ? [constant(2)] : []), ...shape]
        values.push(op("mul", [op("broadcast_to", [a], { shape: wide }), pick(2) ? a : builder.scalar(number)]))
        break
      }
      case 8:
        if (rank > 0) values.push(op(pick(2) ? "sum" : "mean", [a], { axes: [pick(rank)], keep: pick(2) === 1 }))
        break
      case 9: {
        if (rank === 0) break
        const zero = shape.map(() => constant(0))
        const one = shape.map((_, axis) => constant(axis === rank - 1 ? pick(2) : 0))
        values.push(op("slice", [op("pad", [a], { before: zero, after: one })], { starts: zero, sizes: shape }))
        break
      }
      case 10: {
        const drawn = op("random_uniform", [], { shape, key: `key${pick(2)}` })
        const kept = op("greater_equal", [drawn, builder.scalar(0.5)])
        values.push(op("select", [kept, a, builder.scalar(number)]))
        break
      }
      case 11: {
        const filled = op("constant", [], { shape: [2, 4], values: [number] })
        const always = op("less", [filled, builder.scalar(1)])
        values.push(op("select", [always, op("add", [filled, builder.scalar(2)]), filled]))
        if (rank > 0) values.push(op("concat", pick(2) ? [a] : [a, a], { axis: 0 }))
        break
      }
    }
  }
  const results = [values.at(-1)!, values.at(-2 - pick(3))!]
  const total = results.map((value) => op("sum", [value])).reduce((a, b) => op("add", [a, b]))
  const gradients = differentiate(builder, total, values.slice(1, 3)).filter((value) => value !== undefined)
  builder.output("first", results[0]!)
  return { graph: builder.finish(), results: [...results, total, ...gradients] }
}

/** What a program gives in the float64 interpreter, for inputs drawn by name. */
export function valuesOf({ graph, results }: Program): readonly NdArray[] {
  const feeds = new Map<ValueId, NdArray>()
  for (const { name, value } of [...graph.inputs, ...graph.parameters]) {
    const shape = graph.values[value]!.type.shape.map((dim) => evaluate(dim, SIZES)!)
    const uniform = seededUniform(name)
    feeds.set(
      value,
      fromValues(
        shape,
        Array.from({ length: sizeOf(shape) }, () => Math.fround(2 * uniform() - 1)),
      ),
    )
  }
  return interpret(graph, results, feeds, { sizes: SIZES, seed: 5, step: 1 })
}

/** Equal as numbers: 0 and -0 are, and NaN is NaN. */
export function sameNumbers(a: readonly NdArray[], b: readonly NdArray[]): boolean {
  return (
    a.length === b.length &&
    a.every(
      (array, index) =>
        array.shape.join() === b[index]!.shape.join() &&
        array.data.every((value, i) => value === b[index]!.data[i] || Object.is(value, b[index]!.data[i])),
    )
  )
}
