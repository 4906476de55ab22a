/**
 * LViT in float64 against an independent implementation in PyTorch (scripts/fixtures/torch-lvit.py): losses, output, the
 * gradient of every parameter, the statistics after a training step; as published, and with its switches turned around.
 *
 * Weights and inputs are made from names (numbers-by-name.ts), so the fixture holds results only. The image is oblong, so
 * that a swap of rows and columns shows.
 */

import { readFileSync } from "node:fs"
import { beforeAll, describe, expect, test } from "vitest"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { compileText, elaborated } from "../compiler/source-host.js"
import { parameterValue, uniform } from "./numbers-by-name.js"
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
  type OutputRecord,
  type Results,
  type RunRecord,
  type TrainingRecord,
} from "./torch-comparison.js"

interface Fixture {
  readonly sizes: {
    readonly widths: readonly number[]
    readonly H: number
    readonly W: number
    readonly T: number
    readonly E: number
    readonly batch: number
    readonly share: number
  }
  readonly evaluation: RunRecord & { readonly outputs: OutputRecord }
  readonly training: TrainingRecord
  readonly switched: RunRecord
}

const fixture = JSON.parse(readFileSync("test/fixtures/torch-lvit.json", "utf8")) as Fixture
const { sizes } = fixture

const ABLATIONS = `
ablation tiny of LViT {
  set dim = ${sizes.widths.at(-1)!}
  set widths = [${sizes.widths.join(", ")}]
  set H = ${sizes.H}
  set W = ${sizes.W}
  set T = ${sizes.T}
  set E = ${sizes.E}
  set dropout = 0.0
}
ablation switched of tiny {
  set second_gelu = false
  set text_at_all_levels = true
  set balanced = false
  set dice_scale = 1.0
}`

const compiled = (selector: string): ElaboratedModel =>
  elaborated(compileText(`${readFileSync("models/lvit.mdl", "utf8")}${ABLATIONS}`, { selector }))

function inputs(): Readonly<Record<string, NdArray>> {
  const { batch, T, E, H, W } = sizes
  const mapped = (name: string, shape: readonly number[], rule: (number: number) => number): NdArray => {
    const { data } = uniform(name, [batch, ...shape])
    return { shape: [batch, ...shape], data: data.map(rule) }
  }
  return {
    image: mapped("image", [3, H, W], (number) => number / 2 + 0.5),
    note: mapped("note", [T, E], (number) => number),
    mask: mapped("mask", [1, H, W], (number) => (number > 0.4 ? 1 : 0)),
  }
}

const FEEDING: Feeding = {
  batch: sizes.batch,
  feeds: (graph) =>
    new Map([
      ...graph.inputs.map(({ name, value }) => [value, inputs()[name]!] as const),
      ...graph.parameters.map(({ name, value, shape }) => {
        const { data } = parameterValue(name, shape)
        const share = shape.length > 1 ? sizes.share : 1
        return [value, { shape, data: data.map((number) => share * number) }] as const
      }),
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
