/**
 * The text tower of std/clip against Hugging Face transformers (scripts/fixtures/hf-clip-text.py): the projected features
 * of every token of padded notes, in float64.
 */

import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { interpret } from "../../src/compiler/targets/reference/interpret.js"
import { compileText, elaborated } from "../compiler/source-host.js"
import { parameterValue, uniform } from "./numbers-by-name.js"

interface Fixture {
  readonly sizes: {
    readonly vocabulary: number
    readonly width: number
    readonly layers: number
    readonly heads: number
    readonly T: number
    readonly lengths: readonly number[]
  }
  readonly features: { readonly shape: readonly number[]; readonly values: readonly number[] }
}

const { sizes, features } = JSON.parse(readFileSync("test/fixtures/hf-clip-text.json", "utf8")) as Fixture
const { vocabulary, width, layers, heads, T, lengths } = sizes
const BATCH = lengths.length

const { graph } = elaborated(
  compileText(`
import { ClipText } from "std/clip"

model Tower() {
  input note: tokens[N, T = ${T}] using words(${vocabulary})
  encoder language {
    let t = ClipText(${layers}, ${width}, ${heads}, note.vocabulary)(note.ids, note.valid)
  }
  output features = t
}
`),
)

const numbers = uniform("note", [BATCH, T]).data.map((number) => number / 2 + 0.5)
const valid = numbers.map((_, i) => (i % T < lengths[Math.floor(i / T)]! ? 1 : 0))
const inputs: Readonly<Record<string, Float64Array>> = {
  note_ids: numbers.map((number, i) => valid[i]! * (Math.floor(number * (vocabulary - 1)) + 1)),
  note_valid: valid,
}

test("every token's feature is transformers'", () => {
  const feeds = new Map([
    ...graph.inputs.map(({ name, value }) => [value, { shape: [BATCH, T], data: inputs[name]! }] as const),
    ...graph.parameters.map(({ name, value, shape }) => [value, parameterValue(name, shape)] as const),
  ])
  const { value } = graph.outputs.find((output) => output.name === "features")!
  const options = { sizes: new Map([...graph.sizes, ["N", BATCH] as const]), seed: 1, step: 1 }
  const result = interpret(graph, [value], feeds, options)[0]!
  expect(result.shape).toEqual(features.shape)
  const scale = Math.max(...features.values.map(Math.abs))
  const difference = features.values.map((expected, index) => Math.abs(result.data[index]! - expected))
  expect(Math.max(...difference) / scale).toBeLessThan(1e-8)
})
