/**
 * Expressions of MDL and their gradients in TensorFlow against PyTorch's numbers, by the whole way a program takes: what
 * blocks and functions are made of, einsum written out, layouts, lowering. And what the library draws at random, against
 * the reference, which has the same bits.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { fromValues, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { compileText, elaborated } from "../source-host.js"
import { CASE_SEED, CASE_STEP, GraphRuns, relativeError } from "../targets/tensorflow/case-model.js"
import { modelOf, torchExpressions } from "./torch-expressions.js"

const cases = torchExpressions()

/** Scores of rows of five. */
const SCORES = { dtype: "f32", shape: [40, 5] } as const
const scores = fromValues(
  SCORES.shape,
  Array.from({ length: 200 }, (_, i) => Math.fround(Math.sin(i) * 2)),
)
const RANDOM = ["random_categorical(x0)", 'x0 + cast(reshape(random_permutation(5), [1, 5]), "f32")']
const drawn = RANDOM.map((mdl) => ({
  mdl,
  graph: elaborated(compileText(modelOf(mdl, [SCORES], "std/tensors"))).graph,
}))

describe("TensorFlow", () => {
  const runs = new GraphRuns()

  beforeAll(async () => {
    for (const { id, graph, feeds } of cases) runs.add(id, graph, feeds)
    for (const { mdl, graph } of drawn) runs.add(mdl, graph, new Map([["x0", scores]]))
    await runs.open()
  }, 300_000)

  afterAll(() => runs.close())

  test.each(cases.map((c) => [c.id, c] as const))("gives PyTorch's %s", (id, { expected }) => {
    const results = runs.of(id)
    expect([...results.keys()].sort()).toEqual([...expected.keys()].sort())
    for (const [name, { shape, data }] of expected) {
      expect(results.get(name)!.shape, name).toEqual(shape)
      expect(relativeError(results.get(name)!.data, data), name).toBeLessThan(1e-5)
    }
  })

  test.each(drawn.map((one) => [one.mdl, one.graph] as const))("draws what the reference draws: %s", (mdl, graph) => {
    const found = runs.of(mdl).get("y")!
    const feeds = new Map<number, NdArray>([[graph.inputs[0]!.value, scores]])
    const options = { sizes: graph.sizes, seed: CASE_SEED, step: CASE_STEP }
    const [expected] = interpret(graph, [graph.outputs[0]!.value], feeds, options)
    expect([...found.data]).toEqual([...expected!.data].map(Math.fround))
  })
})
