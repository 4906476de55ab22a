/**
 * What frozen hoisting takes and what it leaves, and that encoding each note in whatever company and then running the rest
 * computes what the undivided program does.
 */

import { describe, expect, test } from "vitest"
import type { ElaboratedModel } from "../../../src/compiler/elaborate/model.js"
import { neededNodes, type Graph, type ValueId } from "../../../src/compiler/ir/graph.js"
import { verifyGraph } from "../../../src/compiler/ir/verify.js"
import { fromValues, sizeOf, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { splitFrozen } from "../../../src/compiler/passes/hoist.js"
import { trainProgram } from "../../../src/compiler/passes/programs.js"
import { concreteType, interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { seededUniform } from "../ops/case-values.js"
import { compileText, elaborated } from "../source-host.js"

const TEXT = new Set(["note_ids", "note_valid"])
const BATCH = 3
const TOWER = "let t = ClipText(1, 4, 2, note.vocabulary)(note.ids, note.valid)"

/** `language` is what the section holds besides the tower; it makes `word: [N, T, 4]`. */
function modelOf(language: string, { frozen = true } = {}): ElaboratedModel {
  return elaborated(
    compileText(`
import { ClipText } from "std/clip"
model M {
  input image: f32[N, 3, H = 4, W = 4]
  input note: tokens[N, T = 5] using words(16)
  target mask: f32[N, 1, H, W]
  ${frozen ? "frozen " : ""}encoder language { ${language} }
  decoder {
    let heard = dropout(linear(word, 4), 0.5) * reshape(note.valid, [N, T, 1])
    let field = reshape(mean(heard, axes = [1]), [N, 4, 1, 1])
    let seen = conv2d(image, 4)
    output probability = sigmoid(conv2d(seen * field, 1))
  }
  loss overlap = mean(square(probability - mask))
}`),
  )
}

function split(model: ElaboratedModel) {
  const program = trainProgram(model)
  const results = [program.total, ...program.gradients.map(({ value }) => value)]
  return { graph: program.graph, results, parts: splitFrozen(program.graph, results, TEXT) }
}

const sizesOf = (graph: Graph) => new Map([...graph.sizes, ["N", BATCH]])

/** Repeatable values for every input and parameter, the same for the same name; `given` comes first. */
function feedsOf(graph: Graph, given: ReadonlyMap<string, NdArray> = new Map()): ReadonlyMap<ValueId, NdArray> {
  return new Map(
    [...graph.inputs, ...graph.parameters].map(({ name, value }) => {
      const { dtype, shape } = concreteType(graph.values[value]!.type, sizesOf(graph))
      const uniform = seededUniform(name)
      const draw = dtype === "i32" ? () => Math.floor(16 * uniform()) : () => uniform()
      return [value, given.get(name) ?? fromValues(shape, Array.from({ length: sizeOf(shape) }, draw))]
    }),
  )
}

function run(graph: Graph, wanted: readonly ValueId[], feeds: ReadonlyMap<ValueId, NdArray>): readonly NdArray[] {
  return interpret(graph, wanted, feeds, { sizes: sizesOf(graph), seed: 3, step: 5 })
}

/** The rows of `array` in another order: a row may come more than once. */
function rows(array: NdArray, order: readonly number[]): NdArray {
  const width = array.data.length / array.shape[0]!
  const picked = order.flatMap((row) => [...array.data.slice(row * width, (row + 1) * width)])
  return fromValues([order.length, ...array.shape.slice(1)], picked)
}

const named = (graph: Graph, feeds: ReadonlyMap<ValueId, NdArray>): Map<string, NdArray> =>
  new Map(graph.inputs.map(({ name, value }) => [name, feeds.get(value)!]))

/**
 * Encodes the notes in another order, with one note twice and one missing, and that one beside its usual neighbours; then
 * runs the rest with what each note gave. Gives its results and those of the undivided program.
 */
function inOtherCompany({ graph, results, parts }: ReturnType<typeof split>) {
  const { encode, rest } = parts!
  const feeds = feedsOf(graph)
  const usual = named(graph, feeds)
  const outputs = encode.outputs.map(({ value }) => value)
  const encoded = (inputs: ReadonlyMap<string, NdArray>) => run(encode.graph, outputs, feedsOf(encode.graph, inputs))
  const shuffled = encoded(new Map([...usual].map(([name, array]) => [name, rows(array, [2, 0, 0])])))
  const direct = encoded(usual)
  const given = new Map(usual)
  encode.outputs.forEach(({ name }, index) => {
    const [first, second, third] = [rows(shuffled[index]!, [1]), rows(direct[index]!, [1]), rows(shuffled[index]!, [0])]
    const { shape } = direct[index]!
    given.set(name, fromValues(shape, [...first.data, ...second.data, ...third.data]))
  })
  return { expected: run(graph, results, feeds), actual: run(rest.graph, rest.results, feedsOf(rest.graph, given)) }
}

describe("a frozen text encoder", () => {
  const whole = split(modelOf(`${TOWER} let word = t`))
  const { graph } = whole
  const { encode, rest } = whole.parts!

  test("is taken whole, and only it", () => {
    expect(encode.outputs.map(({ name }) => name)).toEqual([expect.stringMatching(/^encoded\/language\.t/)])
    expect(rest.graph.nodes.filter((node) => node.origin.section === "language")).toEqual([])
    const sections = new Set(encode.graph.nodes.map((node) => node.origin.section))
    expect([...sections]).toEqual(["language"])
    // every weight of the tower is read by one of the two programs, and that is the first
    const readBy = (g: Graph): string[] => {
      const used = new Set(g.nodes.flatMap((node) => node.inputs))
      return g.parameters.filter((p) => p.section === "language" && used.has(p.value)).map((p) => p.name)
    }
    expect(readBy(rest.graph)).toEqual([])
    expect(readBy(encode.graph)).toEqual(readBy(graph))
  })

  test("leaves two sound programs, without dead code", () => {
    expect(verifyGraph(encode.graph)).toEqual([])
    expect(verifyGraph(rest.graph)).toEqual([])
    expect(neededNodes(rest.graph, rest.results).size).toBe(rest.graph.nodes.length)
  })

  test("gives the same for a note in whatever company", () => {
    const { actual, expected } = inOtherCompany(whole)
    expect(actual).toEqual(expected)
  })
})

describe("what is not of one note stays", () => {
  test("a trained encoder", () => {
    expect(split(modelOf(`${TOWER} let word = t`, { frozen: false })).parts).toBeUndefined()
  })

  test.each([
    ["a mean over the batch", "let word = t - mean(t, axes = [0], keep = true)"],
    ["a softmax over the batch", "let word = softmax(t, axis = 0)"],
    ["a mean over everything", "let word = t / (1.0 + mean(square(t)))"],
    [
      "scores between notes",
      "let s = mean(t, axes = [1]) let m = matmul(s, s, transpose_b = true) let word = t * reshape(mean(m, axes = [1]), [N, 1, 1])",
    ],
    ["notes in another place", "let word = transpose(transpose(t, perm = [1, 0, 2]) * 2.0, perm = [1, 0, 2])"],
  ])("%s", (_, statements) => {
    const parted = split(modelOf(`${TOWER} ${statements}`))
    const { encode, rest } = parted.parts!
    const tower = encode.graph.nodes
      .map((node) => node.origin.scope)
      .filter((scope) => /^language\.t(\.|$)/.test(scope))
    expect(tower.length).toBeGreaterThan(40)
    expect(rest.graph.nodes.some((node) => node.origin.scope.startsWith("language."))).toBe(true)
    const { actual, expected } = inOtherCompany(parted)
    expect(actual).toEqual(expected)
  })

  test("notes without weights: a mask is made in each step", () => {
    const { encode } = split(modelOf(`${TOWER} let word = t`)).parts!
    expect(encode.outputs).toHaveLength(1)
  })
})
