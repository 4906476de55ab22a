/**
 * A model in float64 beside the same network in PyTorch: every loss, every gradient, every statistic.
 *
 * Takes an elaborated model, feeds, and what a script in scripts/fixtures wrote; gives results, and expectations on them.
 * Both sides compute in float64, so what is left is rounding; a wrong axis, scale, mask or order is far above it.
 */

import { expect } from "vitest"
import { differentiate } from "../../src/compiler/autodiff/reverse.js"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import type { Graph, ValueId } from "../../src/compiler/ir/graph.js"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { evaluateProgram, trainProgram } from "../../src/compiler/passes/programs.js"
import { rewriteGraph } from "../../src/compiler/passes/rewrite.js"
import { interpret } from "../../src/compiler/targets/reference/interpret.js"
import { uniform } from "./numbers-by-name.js"

/** Norm of a gradient, and its inner product with `uniform("probe." + name)`. */
export type GradientRecord = readonly [norm: number, product: number]

/** One pass of the network in PyTorch. */
export interface RunRecord {
  readonly losses: Readonly<Record<string, number>>
  readonly gradients: Readonly<Record<string, GradientRecord>>
  readonly full: Readonly<Record<string, readonly number[]>>
}

/** A pass whose statistics of normalisation layers were kept. */
export interface TrainingRecord extends RunRecord {
  readonly statistics: Readonly<Record<string, readonly number[]>>
}

/** Outputs of a pass by name. */
export type OutputRecord = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>
>

/** What a graph is fed: its parameters too, and how many cases there are. */
export interface Feeding {
  readonly batch: number
  feeds(graph: Graph): ReadonlyMap<ValueId, NdArray>
}

/** Against the largest magnitude of what is compared: what the digits in the fixture allow. */
export const TOLERANCE = 1e-8

/** Losses are kept with all their digits. At 1e-7 a smoothing constant four times too large would pass. */
const LOSS_TOLERANCE = 1e-11

/** Milliseconds; one pass takes seconds, and tests share the machine. */
export const SLOW = 120_000

export interface Results {
  readonly losses: ReadonlyMap<string, NdArray>
  readonly outputs: ReadonlyMap<string, NdArray>
  readonly gradients: ReadonlyMap<string, NdArray>
  readonly updates: ReadonlyMap<string, NdArray>
}

type Named = readonly { readonly name: string; readonly value: ValueId }[]

function runGraph(graph: Graph, { batch, feeds }: Feeding, wanted: Record<keyof Results, Named>): Results {
  const groups = Object.entries(wanted) as [keyof Results, Named][]
  const values = interpret(
    graph,
    groups.flatMap(([, named]) => named.map((n) => n.value)),
    feeds(graph),
    { sizes: new Map([...graph.sizes, ["N", batch]]), seed: 1, step: 1 },
  )
  let next = 0
  const entries = groups.map(([group, named]) => [group, new Map(named.map((n) => [n.name, values[next++]!]))] as const)
  return Object.fromEntries(entries) as unknown as Results
}

const byParameter = (found: readonly { readonly parameter: string; readonly value: ValueId }[]): Named =>
  found.map(({ parameter, value }) => ({ name: parameter, value }))

/** The evaluation program with the gradient of the sum of its losses by all parameters. */
export function evaluated(model: ElaboratedModel, feeding: Feeding): Results {
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
  return runGraph(builder.finish(), feeding, { losses, outputs: copied(program.outputs), gradients, updates: [] })
}

/** The training program: losses, gradients, and what the statistics become. */
export function trained(model: ElaboratedModel, feeding: Feeding): Results {
  const { graph, losses, gradients, updates } = trainProgram(model)
  return runGraph(graph, feeding, {
    losses,
    outputs: [],
    gradients: byParameter(gradients),
    updates: byParameter(updates),
  })
}

/** The largest difference, against the largest expected magnitude. */
export function deviation(given: ArrayLike<number>, expected: readonly number[]): number {
  expect(given.length).toBe(expected.length)
  const scale = Math.max(...expected.map(Math.abs))
  return Math.max(...expected.map((value, index) => Math.abs(given[index]! - value))) / scale
}

export function expectLosses(results: Results, record: RunRecord): void {
  expect([...results.losses.keys()]).toEqual(Object.keys(record.losses))
  for (const [name, loss] of results.losses) {
    expect(deviation(loss.data, [record.losses[name]!]), name).toBeLessThan(LOSS_TOLERANCE)
  }
}

/** Gradients that are zero in exact arithmetic (a shift that softmax or a normalisation takes out) are noise on both sides. */
const NOISE = 1e-12

/** Every gradient by its norm and its product with numbers no symmetry explains; a few in full. */
export function expectGradients(results: Results, record: RunRecord): void {
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

/** Every running statistic moves as PyTorch's, and there is no other. */
export function expectStatistics(results: Results, { statistics }: TrainingRecord): void {
  expect([...results.updates.keys()].sort()).toEqual(Object.keys(statistics).sort())
  for (const [name, { data }] of results.updates) {
    expect(deviation(data, statistics[name]!), name).toBeLessThan(TOLERANCE)
  }
}

/** Only what the published classes own and never call has no gradient. */
export function expectOnlyUnusedWithoutGradient(model: ElaboratedModel, results: Results): void {
  const without = model.graph.parameters.filter((p) => p.role === "param" && !results.gradients.has(p.name))
  expect(without.length).toBeGreaterThan(0)
  expect(without.filter((p) => !p.name.includes("unused."))).toEqual([])
}

/** An output is PyTorch's, in shape and in every element. */
export function expectOutput(results: Results, name: string, outputs: OutputRecord): void {
  const { shape, values } = outputs[name]!
  expect(results.outputs.get(name)!.shape).toEqual(shape)
  expect(deviation(results.outputs.get(name)!.data, values)).toBeLessThan(TOLERANCE)
}
