/**
 * LViT in float64 against an independent implementation in PyTorch (scripts/fixtures/torch-lvit.py): losses, output, the
 * gradient of every parameter, the statistics after a training step; as published, and with its switches turned around.
 */

import { beforeAll, describe, expect, test } from "vitest"
import { BATCH, compiled, fixture, inputArrays, valueOf } from "./lvit-fixture.js"
import {
  evaluated,
  expectGradients,
  expectLosses,
  expectOnlyUnusedWithoutGradient,
  expectOutput,
  expectStatistics,
  SLOW,
  trained,
  type Feeding,
  type Results,
} from "./torch-comparison.js"

const FEEDING: Feeding = {
  batch: BATCH,
  feeds: (graph) =>
    new Map([
      ...graph.inputs.map(({ name, value }) => [value, inputArrays()[name]!] as const),
      ...graph.parameters.map(({ name, value, shape }) => [value, valueOf(name, shape)] as const),
    ]),
}

describe("in evaluation form", () => {
  let results: Results
  beforeAll(() => {
    results = evaluated(compiled("tiny"), FEEDING)
  }, SLOW)
  test("both losses are PyTorch's", () => expectLosses(results, fixture.evaluation))
  test("the probability is PyTorch's", () => expectOutput(results, "probability", fixture.evaluation.outputs))
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.evaluation))
})

describe("in training form, with the statistics of the batch", () => {
  let results: Results
  const model = compiled("tiny")
  beforeAll(() => {
    results = trained(model, FEEDING)
  }, SLOW)
  test("both losses are PyTorch's", () => expectLosses(results, fixture.training))
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.training))
  test("every running statistic moves as PyTorch's", () => expectStatistics(results, fixture.training))
  test("only what the published classes own and never call has no gradient", () =>
    expectOnlyUnusedWithoutGradient(model, results))
})

describe("with every switch turned around", () => {
  let results: Results
  beforeAll(() => {
    results = evaluated(compiled("switched"), FEEDING)
  }, SLOW)
  test("both losses are PyTorch's, and others than those of the published form", () => {
    expectLosses(results, fixture.switched)
    for (const [name, loss] of Object.entries(fixture.switched.losses)) {
      expect(loss).not.toBeCloseTo(fixture.evaluation.losses[name]!, 4)
    }
  })
  test("every gradient is PyTorch's, also where only the switch makes one", () => {
    expectGradients(results, fixture.switched)
    const added = Object.keys(fixture.switched.gradients).filter((name) => !(name in fixture.evaluation.gradients))
    expect(added.filter((name) => !/^hybrid\.down[234]\.told\.mixed\./.test(name))).toEqual([])
    expect(added).toHaveLength(3 * 4)
  })
})
