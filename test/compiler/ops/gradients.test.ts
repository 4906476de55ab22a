/**
 * Every gradient rule against central differences, in float64, on every case of the registry.
 *
 * The function differentiated is a weighted sum of the op's outputs, so a rule that confuses elements cannot pass.
 */

import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import { constant } from "../../../src/compiler/ir/dims.js"
import type { ValueId } from "../../../src/compiler/ir/graph.js"
import { differentiate, NotDifferentiable } from "../../../src/compiler/autodiff/reverse.js"
import type { OpName } from "../../../src/compiler/ops/names.js"
import { fromValues, sizeOf, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { opDefinition } from "../../../src/compiler/ops/registry.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import {
  allCases,
  buildCase,
  buildGradientCase,
  CASE_SIZES,
  drawCase,
  seededUniform,
  type NamedCase,
} from "./case-values.js"
import { MeasuredErrors } from "./measured-errors.js"

const options = { sizes: CASE_SIZES, seed: 7, step: 3 }

/** Ops of which only some outputs carry a gradient, by index. */
const OUTPUTS_WITH_GRADIENT: { readonly [name in OpName]?: readonly number[] } = {
  // The others are statistics, which training reads but does not differentiate.
  batch_norm_training: [0],
}

/** Inputs that get no gradient by decision although the op depends on them. */
const NO_GRADIENT_BY_DECISION: { readonly [name in OpName]?: { readonly inputs: readonly number[]; reason: string } } =
  {
    stop_gradient: { inputs: [0], reason: "that is what it is for" },
    batch_norm: { inputs: [3, 4], reason: "running statistics are updated, not trained" },
  }

const STEP = 1e-5
/** Against max(1, |gradient|): the error of a central difference with this step is about 1e-10 for functions of size 1. */
const TOLERANCE = 1e-6
const errors = new MeasuredErrors("differences")

/** More elements than this are sampled. */
const ELEMENTS = 48

/** Whether anything comes out of the case that a loss can be made of (a cast to an integer has no such output). */
function hasFloatOutput({ op, case: c }: NamedCase): boolean {
  const { graph, outputs } = buildCase(op, c)
  return outputs.some((value) => graph.values[value]!.type.dtype === "f32")
}

const differentiable = allCases().filter(
  (named) =>
    typeof opDefinition(named.op).gradient === "function" &&
    // Where outputs are chosen above, an exception in the record is about the others.
    (named.case.skip?.gradient === undefined || OUTPUTS_WITH_GRADIENT[named.op] !== undefined) &&
    named.case.inputs.some((input) => input.dtype === "f32") &&
    hasFloatOutput(named),
)

function sample(count: number, label: string): number[] {
  if (count <= ELEMENTS) return Array.from({ length: count }, (_, index) => index)
  const uniform = seededUniform(label)
  return Array.from({ length: ELEMENTS }, () => Math.floor(uniform() * count))
}

test.each(differentiable)("the gradient of $id equals finite differences", ({ id, op, case: c }) => {
  const built = buildGradientCase(op, c, OUTPUTS_WITH_GRADIENT[op])
  const values = drawCase(op, c)
  const feeds = new Map<ValueId, NdArray>(built.inputs.map((value, index) => [value, values[index]!]))
  built.weights.forEach((weight, index) => {
    if (weight !== undefined) feeds.set(weight, built.weightValues[index]!)
  })
  const loss = (): number => interpret(built.graph, [built.loss], feeds, options)[0]!.data[0]!
  const present = built.gradients.filter((value): value is ValueId => value !== undefined)
  const computed = interpret(built.graph, present, feeds, options)

  built.gradients.forEach((gradient, index) => {
    if (c.inputs[index]!.dtype !== "f32") return
    const found = gradient === undefined ? undefined : computed[present.indexOf(gradient)]!
    if (found === undefined && NO_GRADIENT_BY_DECISION[op]?.inputs.includes(index)) return
    const { data, shape } = values[index]!
    if (found) expect(found.shape).toEqual(shape)
    for (const element of sample(data.length, id)) {
      const middle = data[element]!
      data[element] = middle + STEP
      const above = loss()
      data[element] = middle - STEP
      const below = loss()
      data[element] = middle
      const expected = (above - below) / (2 * STEP)
      const actual = found ? found.data[element]! : 0
      const error = Math.abs(actual - expected) / Math.max(1, Math.abs(expected))
      errors.record(op, error)
      expect(error, `input ${index}, element ${element}: rule ${actual}, differences ${expected}`).toBeLessThan(
        TOLERANCE,
      )
    }
  })
})

test("no error is larger than docs/operators.md says (else: node scripts/docs/measure-operators.mjs)", () => {
  expect(errors.grown()).toEqual([])
})

test("every op with a gradient rule has a case that proves it", () => {
  const proved = new Set(differentiable.map((named) => named.op))
  const unproved = allCases().filter(({ op }) => typeof opDefinition(op).gradient === "function" && !proved.has(op))
  expect(unproved.map((named) => named.id)).toEqual([])
})

// ------------------------------------------------------------------------------------------- conventions at kinks, ties

/** The gradient of sum(weights * op(inputs)) by the first operand. */
function gradientAt(op: OpName, inputs: readonly number[][], attributes = {}, weights?: readonly number[]): number[] {
  const builder = new GraphBuilder(CASE_SIZES)
  const ids = inputs.map((values, index) =>
    builder.input(`i${index}`, { dtype: "f32", shape: [constant(values.length)] }, "input"),
  )
  const y = builder.op(op, ids, attributes)
  const weight = builder.op("constant", [], {
    shape: builder.typeOf(y).shape.length === 0 ? [] : [weights?.length ?? inputs[0]!.length],
    values: weights ?? [1],
  })
  const loss = builder.op("sum", [builder.op("mul", [y, weight])])
  const [gradient] = differentiate(builder, loss, [ids[0]!])
  const feeds = new Map(ids.map((id, index) => [id, fromValues([inputs[index]!.length], inputs[index]!)]))
  const [result] = interpret(builder.finish(), [gradient!], feeds, options)
  return [...result!.data].map((value) => value + 0)
}

describe("conventions at kinks and ties, those of PyTorch", () => {
  test("relu and abs have slope 0 at 0", () => {
    expect(gradientAt("relu", [[-1, 0, 2]])).toEqual([0, 0, 1])
    expect(gradientAt("abs", [[-1, 0, 2]])).toEqual([-1, 0, 1])
  })

  test("clamp passes the gradient at its bounds", () => {
    expect(gradientAt("clamp", [[-2, -1, 0, 1, 2]], { min: -1, max: 1 })).toEqual([0, 1, 1, 1, 0])
  })

  test("ties of max and min share the gradient equally", () => {
    expect(gradientAt("max", [[1, 3, 3, 0]], {}, [6])).toEqual([0, 3, 3, 0])
    expect(gradientAt("min", [[2, 2, 5, 2]], {}, [6])).toEqual([2, 2, 0, 2])
  })

  test("ties of maximum and minimum are halved", () => {
    const sides = [
      [1, 2, 3],
      [1, 1, 4],
    ]
    expect(gradientAt("maximum", sides, {}, [2, 2, 2])).toEqual([1, 2, 0])
    expect(gradientAt("minimum", sides, {}, [2, 2, 2])).toEqual([1, 0, 2])
  })

  test("the gradient of binary cross-entropy stays finite at certain probabilities", () => {
    const [wrong, right] = gradientAt("binary_cross_entropy", [
      [0, 1],
      [1, 1],
    ]) as [number, number]
    expect(wrong).toBeCloseTo(-1e12, -3)
    expect(right).toBe(0)
  })

  test("a negative base gives the exponent of pow no gradient, and no NaN", () => {
    const builder = new GraphBuilder(CASE_SIZES)
    const a = builder.input("a", { dtype: "f32", shape: [] }, "input")
    const b = builder.input("b", { dtype: "f32", shape: [] }, "input")
    const gradients = differentiate(builder, builder.op("pow", [a, b]), [a, b]) as ValueId[]
    const feeds = new Map([
      [a, fromValues([], [-2])],
      [b, fromValues([], [3])],
    ])
    const [byBase, byExponent] = interpret(builder.finish(), gradients, feeds, options)
    expect(byBase!.data[0]).toBeCloseTo(12, 12)
    expect(byExponent!.data[0]! + 0).toBe(0)
  })
})

test("the gradient stops at stop_gradient and is refused at floor and dropout", () => {
  const builder = new GraphBuilder(CASE_SIZES)
  const x = builder.input("x", { dtype: "f32", shape: [constant(3)] }, "input")
  const stopped = builder.op("sum", [builder.op("stop_gradient", [x])])
  expect(differentiate(builder, stopped, [x])).toEqual([undefined])
  for (const blocked of [builder.op("floor", [x]), builder.op("dropout", [x], { rate: 0.5, key: "k" })]) {
    expect(() => differentiate(builder, builder.op("sum", [blocked]), [x])).toThrow(NotDifferentiable)
  }
})

test("weights of the generated losses are drawn for every element", () => {
  const { weightValues } = buildGradientCase("mul", opDefinition("mul").cases[0]!)
  expect(weightValues[0]!.data.length).toBe(sizeOf([2, 3]))
  expect(new Set(weightValues[0]!.data).size).toBe(6)
})
