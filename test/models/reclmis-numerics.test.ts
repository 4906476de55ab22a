/**
 * RecLMIS in float64 against an independent implementation in PyTorch (scripts/fixtures/torch-reclmis.py): every loss,
 * the outputs, the gradient of every parameter, the statistics after a training step.
 *
 * Both sides compute in float64, so what is left is rounding; a wrong axis, scale, mask or order is far above it.
 */

import { beforeAll, describe, expect, test } from "vitest"
import { differentiate } from "../../src/compiler/autodiff/reverse.js"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import type { Graph, ValueId } from "../../src/compiler/ir/graph.js"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { evaluateProgram, trainProgram } from "../../src/compiler/passes/programs.js"
import { rewriteGraph } from "../../src/compiler/passes/rewrite.js"
import { interpret } from "../../src/compiler/targets/reference/interpret.js"
import { uniform } from "./numbers-by-name.js"
import { BATCH, feedsFor, fixture, hidingAll, hidingGiven, inputArrays, type RunRecord } from "./reclmis-fixture.js"

/** Against the largest magnitude of what is compared: what the digits in the fixture allow. */
const TOLERANCE = 1e-8

/** Losses are kept with all their digits. At 1e-7 a smoothing constant four times too large would pass. */
const LOSS_TOLERANCE = 1e-11

/** Milliseconds; one pass takes seconds, and tests share the machine. */
const SLOW = 120_000

interface Results {
  readonly losses: ReadonlyMap<string, NdArray>
  readonly outputs: ReadonlyMap<string, NdArray>
  readonly gradients: ReadonlyMap<string, NdArray>
  readonly updates: ReadonlyMap<string, NdArray>
}

type Named = readonly { readonly name: string; readonly value: ValueId }[]

function runGraph(graph: Graph, wanted: Record<keyof Results, Named>): Results {
  const groups = Object.entries(wanted) as [keyof Results, Named][]
  const values = interpret(
    graph,
    groups.flatMap(([, named]) => named.map((n) => n.value)),
    feedsFor(graph, inputArrays()),
    { sizes: new Map([...graph.sizes, ["N", BATCH]]), seed: 1, step: 1 },
  )
  let next = 0
  const entries = groups.map(([group, named]) => [group, new Map(named.map((n) => [n.name, values[next++]!]))] as const)
  return Object.fromEntries(entries) as unknown as Results
}

const byParameter = (found: readonly { readonly parameter: string; readonly value: ValueId }[]): Named =>
  found.map(({ parameter, value }) => ({ name: parameter, value }))

/** The evaluation program with the gradient of the sum of its losses by all parameters. */
function evaluated(model: ElaboratedModel): Results {
  const program = evaluateProgram(model)
  const { builder, map } = rewriteGraph(
    program.graph,
    [...program.losses, ...program.outputs].map((v) => v.value),
  )
  const copied = (named: Named): Named => named.map(({ name, value }) => ({ name, value: map(value) }))
  const losses = copied(program.losses)
  const total = losses.map((l) => l.value).reduce((a, b) => builder.op("add", [a, b]))
  const trainable = program.graph.parameters.filter((p) => p.role === "param")
  const found = differentiate(
    builder,
    total,
    trainable.map((p) => map(p.value)),
  )
  const gradients = trainable.flatMap(({ name }, index) => {
    const value = found[index]
    return value === undefined ? [] : [{ name, value }]
  })
  return runGraph(builder.finish(), { losses, outputs: copied(program.outputs), gradients, updates: [] })
}

function trained(model: ElaboratedModel): Results {
  const { graph, losses, gradients, updates } = trainProgram(model)
  return runGraph(graph, {
    losses,
    outputs: [],
    gradients: byParameter(gradients),
    updates: byParameter(updates),
  })
}

/** The largest difference, against the largest expected magnitude. */
function deviation(given: ArrayLike<number>, expected: readonly number[]): number {
  expect(given.length).toBe(expected.length)
  const scale = Math.max(...expected.map(Math.abs))
  return Math.max(...expected.map((value, index) => Math.abs(given[index]! - value))) / scale
}

function expectLosses(results: Results, record: RunRecord): void {
  expect([...results.losses.keys()]).toEqual(Object.keys(record.losses))
  for (const [name, loss] of results.losses) {
    expect(deviation(loss.data, [record.losses[name]!]), name).toBeLessThan(LOSS_TOLERANCE)
  }
}

/** Gradients that are zero in exact arithmetic (a shift that softmax or a normalisation takes out) are noise on both sides. */
const NOISE = 1e-12

/** Every gradient by its norm and its product with numbers no symmetry explains; a few in full. */
function expectGradients(results: Results, record: RunRecord): void {
  expect([...results.gradients.keys()].sort()).toEqual(Object.keys(record.gradients).sort())
  for (const [name, { shape, data }] of results.gradients) {
    const probe = uniform(`probe.${name}`, shape).data
    const norm = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0))
    const product = data.reduce((sum, value, index) => sum + value * probe[index]!, 0)
    const [expectedNorm, expectedProduct] = record.gradients[name]!
    const allowed = TOLERANCE * expectedNorm + NOISE
    expect(Math.abs(norm - expectedNorm), `norm of ${name}: ${norm}, not ${expectedNorm}`).toBeLessThan(allowed)
    expect(Math.abs(product - expectedProduct), `direction of ${name}`).toBeLessThan(allowed)
  }
  for (const [name, values] of Object.entries(record.full)) {
    expect(deviation(results.gradients.get(name)!.data, values), name).toBeLessThan(TOLERANCE)
  }
}

describe("in evaluation form, all tokens hidden", () => {
  let results: Results
  beforeAll(() => {
    results = evaluated(hidingAll())
  }, SLOW)
  test("every loss is PyTorch's", () => expectLosses(results, fixture.evaluation))
  test.each(["probability", "poi", "woi"])("%s is PyTorch's", (name) => {
    const { shape, values } = fixture.evaluation.outputs[name]!
    expect(results.outputs.get(name)!.shape).toEqual(shape)
    expect(deviation(results.outputs.get(name)!.data, values)).toBeLessThan(TOLERANCE)
  })
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.evaluation))
})

describe("in evaluation form, given tokens hidden", () => {
  let results: Results
  beforeAll(() => {
    results = evaluated(hidingGiven())
  }, SLOW)
  test("every loss is PyTorch's", () => {
    expectLosses(results, fixture.given_masks)
    // What is hidden matters: otherwise this would say nothing more than the case before.
    expect(fixture.given_masks.losses["cvr.t2v"]).not.toBeCloseTo(fixture.evaluation.losses["cvr.t2v"]!, 4)
    expect(fixture.given_masks.losses["clr.v2t"]).not.toBeCloseTo(fixture.evaluation.losses["clr.v2t"]!, 4)
  })
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.given_masks))
})

describe("in training form, with the statistics of the batch", () => {
  let results: Results
  const model = hidingAll()
  beforeAll(() => {
    results = trained(model)
  }, SLOW)
  test("every loss is PyTorch's", () => expectLosses(results, fixture.training))
  test("every gradient is PyTorch's", () => expectGradients(results, fixture.training))
  test("every running statistic moves as PyTorch's", () => {
    const { statistics } = fixture.training
    expect([...results.updates.keys()].sort()).toEqual(Object.keys(statistics).sort())
    for (const [name, { data }] of results.updates) {
      expect(deviation(data, statistics[name]!), name).toBeLessThan(TOLERANCE)
    }
  })
  test("only what the published classes own and never call has no gradient", () => {
    const without = model.graph.parameters.filter((p) => p.role === "param" && !results.gradients.has(p.name))
    expect(without.length).toBeGreaterThan(0)
    expect(without.filter((p) => !p.name.includes(".unused."))).toEqual([])
  })
})
