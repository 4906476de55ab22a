/**
 * The image layers of the library and attention in windows in TensorFlow against PyTorch, by the whole way a program
 * takes: elaboration, autodiff, layout, lowering, one session. Parameters are fed as inputs.
 */

import { afterAll, beforeAll, expect, test } from "vitest"
import { constant } from "../../../src/compiler/ir/dims.js"
import type { Graph } from "../../../src/compiler/ir/graph.js"
import { GraphRuns, relativeError } from "../targets/tensorflow/case-model.js"
import { torchExpressions } from "./torch-expressions.js"

const cases = torchExpressions("torch-image-blocks")
const runs = new GraphRuns()

/** The parameters of a graph as inputs of it. */
function fedParameters(graph: Graph): Graph {
  const parameters = graph.parameters.map(({ name, value }) => ({
    name,
    value,
    role: "input" as const,
    doc: undefined,
  }))
  return { ...graph, inputs: [...graph.inputs, ...parameters], parameters: [] }
}

beforeAll(async () => {
  for (const { id, graph, feeds } of cases) runs.add(id, fedParameters(graph), feeds)
  await runs.open()
}, 300_000)

afterAll(() => runs.close())

test.each(cases.map((c) => [c.id, c] as const))("TensorFlow's results and gradients: %s", (id, { expected }) => {
  const results = runs.of(id)
  expect([...results.keys()].sort()).toEqual([...expected.keys()].sort())
  for (const [name, { shape, data }] of expected) {
    const found = results.get(name)!
    expect(found.shape.map(constant), name).toEqual(shape.map(constant))
    expect(relativeError(found.data, data), name).toBeLessThan(2e-5)
  }
})
