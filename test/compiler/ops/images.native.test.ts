/**
 * Image ops and their gradients in TensorFlow against PyTorch's numbers, by the whole way a program takes: autodiff,
 * layout, lowering, one session. Also the one case that a single op cannot have: the gradient of batch normalisation
 * needs what its forward node kept.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { GraphRuns, relativeError } from "../targets/tensorflow/case-model.js"
import { torchCases } from "./torch-cases.js"

const cases = torchCases()

describe("TensorFlow's results and gradients are PyTorch's", () => {
  const runs = new GraphRuns()

  beforeAll(async () => {
    for (const { id, graph, feeds } of cases) {
      runs.add(id, graph, new Map(graph.inputs.map(({ name, value }) => [name, feeds.get(value)!])))
    }
    await runs.open()
  }, 300_000)

  afterAll(() => runs.close())

  test.each(cases.map((c) => [c.id, c] as const))("%s", (id, { expected }) => {
    const results = runs.of(id)
    expect([...results.keys()].sort()).toEqual([...expected.keys()].sort())
    for (const [name, { shape, data }] of expected) {
      expect(results.get(name)!.shape, name).toEqual(shape)
      expect(relativeError(results.get(name)!.data, data), name).toBeLessThan(1e-5)
    }
  })
})
