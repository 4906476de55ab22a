/**
 * The gradient of the whole training program against central differences, in float64: `quick` with its dropout and its
 * random masks, on tiny images.
 *
 * Random numbers are keyed by (seed, name, step), so the loss at fixed seed and step is a function of the parameters, and
 * differences make sense. It is smooth but for kinks (ReLU, maxima) and for the masks, which jump when two ranks change
 * places. The step is so short that no rank changes, which is checked, and that no unit crosses a kink: at steps from
 * 3e-7 up some of the many thousand units do, and the two sides differ by a millionth and more; at 1e-7 and below they
 * differ by rounding only. Nothing that can change is detached here: differences would not know.
 */

import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import type { ValueId } from "../../src/compiler/ir/graph.js"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { trainProgram } from "../../src/compiler/passes/programs.js"
import { interpret } from "../../src/compiler/targets/reference/interpret.js"
import { compileText, elaborated } from "../compiler/source-host.js"
import { parameterValue, uniform } from "./numbers-by-name.js"

const BATCH = 2
const SIDE = 32
const TOKENS = 8

/** Relative; rounding of a loss of about 14 over a step of 1e-7 leaves some 1e-8. */
const TOLERANCE = 1e-6

/** How far a parameter moves, against numbers of the size of one. */
const STEP = 1e-7

const text = `${readFileSync("models/reclmis.mdl", "utf8")}
ablation tiny of RecLMIS {
  set H = ${SIDE}
  set W = ${SIDE}
  set T = ${TOKENS}
  set dim = 32
  set widths = [8, 12, 16, 24]
  set words = words(50)
  set detach_targets = false
}`
const model = elaborated(compileText(text, { selector: "quick+tiny" }))
const program = trainProgram(model)
const { graph } = program
const ranks = graph.nodes.filter((node) => node.op === "rank_descending").map((node) => node.outputs[0]!)

const share = (name: string, ...shape: number[]): NdArray => {
  const { data } = uniform(name, [BATCH, ...shape])
  return { shape: [BATCH, ...shape], data: data.map((number) => number / 2 + 0.5) }
}
const mapped = (x: NdArray, rule: (number: number, index: number) => number): NdArray => ({
  shape: x.shape,
  data: x.data.map(rule),
})
const isValid = (index: number): boolean => index % TOKENS < (index < TOKENS ? 6 : TOKENS)
const inputs: Readonly<Record<string, NdArray>> = {
  image: share("image", 3, SIDE, SIDE),
  note_ids: mapped(share("note", TOKENS), (number, i) => (isValid(i) ? Math.floor(number * 49) + 1 : 0)),
  note_valid: mapped(share("note", TOKENS), (_, i) => (isValid(i) ? 1 : 0)),
  mask: mapped(share("mask", 1, SIDE, SIDE), (number) => (number > 0.6 ? 1 : 0)),
}

/** `wanted` where each trainable parameter that `moves` is shifted by `distance` along its direction. */
function at(distance: number, moves: (name: string) => boolean, wanted: readonly ValueId[]): readonly NdArray[] {
  const feeds = new Map<ValueId, NdArray>()
  for (const { name, value } of graph.inputs) feeds.set(value, inputs[name]!)
  for (const { name, value, shape, role } of graph.parameters) {
    const { data } = parameterValue(name, shape)
    const direction = directionOf(name, shape)
    const moved = role === "param" && moves(name)
    feeds.set(value, { shape, data: moved ? data.map((number, i) => number + distance * direction[i]!) : data })
  }
  return interpret(graph, wanted, feeds, { sizes: new Map([...graph.sizes, ["N", BATCH]]), seed: 11, step: 3 })
}

const directionOf = (name: string, shape: readonly number[]): Float64Array => uniform(`direction.${name}`, shape).data

const values = at(
  0,
  () => false,
  program.gradients.map((g) => g.value),
)
const gradients = new Map(program.gradients.map(({ parameter }, index) => [parameter, values[index]!] as const))

/** The derivative along the direction, from the gradient. */
function slope(moves: (name: string) => boolean): number {
  let sum = 0
  for (const [name, { shape, data }] of gradients) {
    if (!moves(name)) continue
    const direction = directionOf(name, shape)
    sum += data.reduce((total, value, index) => total + value * direction[index]!, 0)
  }
  return sum
}

describe("the derivative of the total loss is that of central differences", () => {
  test("and the masks are at work", () => {
    expect(ranks.length).toBe(2)
    expect(graph.nodes.filter((node) => node.op === "random_uniform").length).toBeGreaterThan(2)
  })
  test.each(["vision", "language", "conditioned", "decoder", "cvr", "clr", "all sections"])("along %s", (section) => {
    const moves = (name: string): boolean => section === "all sections" || name.startsWith(`${section}.`)
    const [above, ...ranksAbove] = at(STEP, moves, [program.total, ...ranks])
    const [below, ...ranksBelow] = at(-STEP, moves, [program.total, ...ranks])
    expect(ranksAbove.map((r) => [...r.data])).toEqual(ranksBelow.map((r) => [...r.data]))
    const difference = (above!.data[0]! - below!.data[0]!) / (2 * STEP)
    const expected = slope(moves)
    expect(Math.abs(difference / expected - 1), `${difference} against ${expected}`).toBeLessThan(TOLERANCE)
  })
})
