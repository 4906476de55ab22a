/**
 * Every op whose record says that it may be given bf16: TensorFlow has a kernel for it, which agrees with the float64
 * reference on operands that bf16 holds exactly, up to the rounding of a bf16 result.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Graph } from "../../../src/compiler/ir/graph.js"
import { opDefinition } from "../../../src/compiler/ops/registry.js"
import { fromValues, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { lowerPrecision } from "../../../src/compiler/passes/precision.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { allCases, buildCase, CASE_SIZES, drawCase, type NamedCase } from "../ops/case-values.js"
import { CASE_SEED, CASE_STEP, GraphRuns, relativeError } from "../targets/tensorflow/case-model.js"

/** Four units in the last of eight bits: some gradients round a partial sum before the result. */
const TOLERANCE = 2 ** -6

/** The nearest number with eight significant bits. */
function rounded(value: number): number {
  if (value === 0) return 0
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7)
  return Math.round(value / unit) * unit
}

const runnable = allCases().filter(({ op, case: c }) => {
  const { precision } = opDefinition(op)
  return precision.kind !== "full" && !c.skip?.tensorflow && c.inputs.some((input) => input.dtype === "f32")
})

function valuesOf({ op, case: c }: NamedCase): readonly NdArray[] {
  return drawCase(op, c).map((array, index) =>
    c.inputs[index]!.dtype === "f32" ? fromValues(array.shape, [...array.data].map(rounded)) : array,
  )
}

/** The case's graph with everything in bf16 that can be. */
function narrowed({ op, case: c }: NamedCase): { readonly graph: Graph; readonly count: number } {
  const { graph } = buildCase(op, c)
  const { graph: result, report } = lowerPrecision(graph, [], { sizes: CASE_SIZES, leastWork: 0, roundInputs: true })
  return { graph: result, count: report.narrowed }
}

describe("TensorFlow's bf16 kernels agree with the reference", () => {
  const runs = new GraphRuns()

  beforeAll(async () => {
    for (const named of runnable) {
      const values = valuesOf(named)
      const feeds = new Map(values.map((value, index) => [`i${index}`, value]))
      runs.add(named.id, narrowed(named).graph, feeds, named.op)
    }
    await runs.open()
  }, 300_000)

  afterAll(() => runs.close())

  test.each(runnable.map((named) => [named.id, named] as const))("%s", (_, named) => {
    const { graph, inputs, outputs } = buildCase(named.op, named.case)
    const values = valuesOf(named)
    const results = runs.of(named.id)
    const expected = interpret(graph, outputs, new Map(inputs.map((id, index) => [id, values[index]!])), {
      sizes: CASE_SIZES,
      seed: CASE_SEED,
      step: CASE_STEP,
    })
    graph.outputs.forEach((output, index) => {
      const actual = results.get(output.name)!
      expect(relativeError(actual.data, expected[index]!.data), output.name).toBeLessThanOrEqual(TOLERANCE)
    })
  })

  test("each of these ops is narrowed in at least one case", () => {
    const counts = new Map<string, number>()
    for (const named of runnable) counts.set(named.op, (counts.get(named.op) ?? 0) + narrowed(named).count)
    expect([...counts].filter(([, count]) => count === 0).map(([op]) => op)).toEqual([])
  })
})
