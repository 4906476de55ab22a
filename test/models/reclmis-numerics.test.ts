/**
 * RecLMIS in float64 against an independent implementation in PyTorch (scripts/fixtures/torch-reclmis.py): every loss,
 * the outputs, the gradient of every parameter, the statistics after a training step.
 */

import { beforeAll, describe, expect, test } from "vitest"
import { BATCH, feedsFor, fixture, hidingAll, hidingGiven, inputArrays } from "./reclmis-fixture.js"
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

const FEEDING: Feeding = { batch: BATCH, feeds: (graph) => feedsFor(graph, inputArrays()) }

describe("in evaluation form, all tokens hidden", () => {
  let results: Results
  beforeAll(() => {
    results = evaluated(hidingAll(), FEEDING)
  }, SLOW)
  test("every loss is PyTorch's", () => expectLosses(results, fixture.evaluation))
  test.each(["probability", "poi", "woi"])("%s is PyTorch's", (name) =>
    expectOutput(results, name, fixture.evaluation.outputs),
  )
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.evaluation))
})

describe("in evaluation form, given tokens hidden", () => {
  let results: Results
  beforeAll(() => {
    results = evaluated(hidingGiven(), FEEDING)
  }, SLOW)
  test("every loss is PyTorch's", () => {
    expectLosses(results, fixture.given_masks)
    // What is hidden matters: otherwise this would say nothing more than the case before.
    expect(fixture.given_masks.losses["cvr.t2v"]).not.toBeCloseTo(fixture.evaluation.losses["cvr.t2v"]!, 4)
    expect(fixture.given_masks.losses["clr.v2t"]).not.toBeCloseTo(fixture.evaluation.losses["clr.v2t"]!, 4)
  })
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.given_masks))
})

describe("with every peculiarity of the published code switched", () => {
  let results: Results
  beforeAll(() => {
    // The training program, because only that keeps the targets' gradients away.
    results = trained(hidingGiven("switched"), FEEDING)
  }, SLOW)
  test("every loss is PyTorch's, and none is what it was", () => {
    expectLosses(results, fixture.switched)
    for (const [name, loss] of Object.entries(fixture.switched.losses)) {
      expect(Math.abs(loss / fixture.training.losses[name]! - 1), name).toBeGreaterThan(1e-4)
    }
  })
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.switched))
})

describe("in training form, with the statistics of the batch", () => {
  let results: Results
  const model = hidingAll()
  beforeAll(() => {
    results = trained(model, FEEDING)
  }, SLOW)
  test("every loss is PyTorch's", () => expectLosses(results, fixture.training))
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.training))
  test("every running statistic moves as PyTorch's", () => expectStatistics(results, fixture.training))
  test("only what the published classes own and never call has no gradient", () =>
    expectOnlyUnusedWithoutGradient(model, results))
})
