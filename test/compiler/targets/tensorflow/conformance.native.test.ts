/**
 * Every conformance case of every op: TensorFlow, through the layout pass and the lowering, against the float64
 * reference; forward and, where the op has a gradient, backward. All cases are signatures of one SavedModel.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Graph, type ValueId } from "../../../../src/compiler/ir/graph.js"
import type { OpName } from "../../../../src/compiler/ops/names.js"
import { opDefinition } from "../../../../src/compiler/ops/registry.js"
import type { NdArray } from "../../../../src/compiler/ops/ndarray.js"
import { interpret } from "../../../../src/compiler/targets/reference/interpret.js"
import { allCases, buildCase, buildGradientCase, drawCase, type NamedCase } from "../../ops/case-values.js"
import { MeasuredErrors } from "../../ops/measured-errors.js"
import { CASE_SEED, CASE_STEP, GraphRuns, relativeError } from "./case-model.js"

const TOLERANCE = 2e-5
const cases = allCases()
const runnable = cases.filter(({ case: c }) => !c.skip?.tensorflow)
/** Cases through which a gradient passes: the op has a rule, and something real goes in and comes out. */
const differentiable = runnable.filter(({ op, case: c }) => {
  if (typeof opDefinition(op).gradient !== "function" || c.skip?.gradient || op === "stop_gradient") return false
  const { graph, outputs } = buildCase(op, c)
  return c.inputs.some((input) => input.dtype === "f32") && outputs.some((v) => graph.values[v]!.type.dtype === "f32")
})

/** The inputs of a graph with the values they are fed. */
interface Fed {
  readonly graph: Graph
  readonly values: ReadonlyMap<ValueId, NdArray>
}

function forward({ op, case: c }: NamedCase): Fed {
  const { graph, inputs } = buildCase(op, c)
  const drawn = drawCase(op, c)
  return { graph, values: new Map(inputs.map((value, index) => [value, drawn[index]!])) }
}

function backward({ op, case: c }: NamedCase): Fed {
  const { graph, inputs, weights, weightValues } = buildGradientCase(op, c)
  const drawn = drawCase(op, c)
  const values = new Map(inputs.map((value, index) => [value, drawn[index]!]))
  weights.forEach((value, index) => value !== undefined && values.set(value, weightValues[index]!))
  return { graph, values }
}

const feedsOf = ({ graph, values }: Fed): ReadonlyMap<string, NdArray> =>
  new Map(graph.inputs.map(({ name, value }) => [name, values.get(value)!]))

describe("TensorFlow agrees with the reference", () => {
  const runs = new GraphRuns()

  beforeAll(async () => {
    const add = (name: string, op: OpName, fed: Fed): void => runs.add(name, fed.graph, feedsOf(fed), op)
    for (const named of runnable) add(named.id, named.op, forward(named))
    for (const named of differentiable) add(`gradient of ${named.id}`, named.op, backward(named))
    await runs.open()
  }, 300_000)

  afterAll(() => runs.close())

  const errors = { forward: new MeasuredErrors("tensorflow"), gradient: new MeasuredErrors("tensorflow-gradient") }

  function check(name: string, op: OpName, fed: Fed, tolerance: number): void {
    const results = runs.of(name)
    const options = { sizes: fed.graph.sizes, seed: CASE_SEED, step: CASE_STEP }
    const wanted = fed.graph.outputs.map((output) => output.value)
    const expected = interpret(fed.graph, wanted, fed.values, options)
    fed.graph.outputs.forEach((output, index) => {
      const actual = results.get(output.name)!
      expect(actual.shape, output.name).toEqual(expected[index]!.shape)
      const error = relativeError(actual.data, expected[index]!.data)
      errors[output.name.startsWith("g") ? "gradient" : "forward"].record(op, error)
      expect(error, output.name).toBeLessThanOrEqual(tolerance)
    })
  }

  test.each(runnable.map((named) => [named.id, named] as const))("%s", (_, named) => {
    check(named.id, named.op, forward(named), named.case.tolerance ?? TOLERANCE)
  })

  test.each(differentiable.map((named) => [named.id, named] as const))("gradient of %s", (_, named) => {
    check(`gradient of ${named.id}`, named.op, backward(named), Math.max(named.case.tolerance ?? 0, 5 * TOLERANCE))
  })

  test("no error is larger than docs/operators.md says (else: node scripts/docs/measure-operators.mjs)", () => {
    expect([...errors.forward.grown(), ...errors.gradient.grown()]).toEqual([])
  })

  test("every case is either run or says why not", () => {
    for (const { id, case: c } of cases) {
      if (c.skip?.tensorflow !== undefined) expect(c.skip.tensorflow, id).toMatch(/\S{3}/)
    }
    expect(runnable.length).toBeGreaterThan(100)
  })
})
