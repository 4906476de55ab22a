/**
 * RecLMIS as PyTorch computes it, and our model of the same size with the same weights and inputs.
 *
 * Takes test/fixtures/torch-reclmis.json; gives its records, the model to compare, and feeds. Weights and inputs are made
 * from names (numbers-by-name.ts), so the fixture holds results only.
 */

import { readFileSync } from "node:fs"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import type { Graph, ValueId } from "../../src/compiler/ir/graph.js"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { compileText, elaborated } from "../compiler/source-host.js"
import { parameterValue, uniform } from "./numbers-by-name.js"
import type { OutputRecord, RunRecord, TrainingRecord } from "./torch-comparison.js"

interface Fixture {
  readonly sizes: {
    readonly base: number
    readonly layers: number
    readonly text_layers: number
    readonly text_heads: number
    readonly vocabulary: number
    readonly H: number
    readonly W: number
    readonly T: number
    readonly lengths: readonly number[]
  }
  readonly evaluation: RunRecord & { readonly outputs: OutputRecord }
  readonly given_masks: RunRecord
  readonly switched: RunRecord
  readonly training: TrainingRecord
  readonly adam: { readonly rate: number; readonly losses: readonly Readonly<Record<string, number>>[] }
}

export const fixture = JSON.parse(readFileSync("test/fixtures/torch-reclmis.json", "utf8")) as Fixture

const { sizes } = fixture
export const BATCH = sizes.lengths.length
const PATCHES = (sizes.H / 16) * (sizes.W / 16)

/** At the fixture's size; all of it trainable, so that the gradients of the text tower are compared too; no dropout. */
const SMALL = `ablation small of RecLMIS {
  set dim = ${8 * sizes.base}
  set widths = [${[1, 2, 4, 8].map((factor) => factor * sizes.base).join(", ")}]
  set layers = ${sizes.layers}
  set text_layers = ${sizes.text_layers}
  set text_heads = ${sizes.text_heads}
  set words = words(${sizes.vocabulary})
  set H = ${sizes.H}
  set W = ${sizes.W}
  set T = ${sizes.T}
  set dropout = 0.0
  set mask_image = 1.0
  set mask_text = 1.0
  set train.optimizer = adam(lr = ${fixture.adam.rate})
  set train.schedule = constant_rate()
  unfreeze language
}`

const published = readFileSync("models/reclmis.mdl", "utf8")

/** The model of the zoo with every token hidden from the reconstructors. */
export function hidingAll(): ElaboratedModel {
  return elaborated(compileText(`${published}\n${SMALL}`, { selector: "small" }))
}

/** What `hide_tokens` gives, for an input that says which tokens stay. */
const given = (tokens: string, kept: string, length: number | "T"): string =>
  `{ tokens: ${tokens} * reshape(${kept}, [N, ${length}, 1]), hidden: 1 - ${kept} }`

/** Every peculiarity of the published code, the other way round. */
const SWITCHED = `ablation switched of small {
  set double_softmax = false
  set causal = false
  set detach_targets = true
  set all_tokens = false
  set padding_keys = false
  set balanced = true
  set dice_scale = 1.0
}`

/** The same, but which tokens are hidden is an input: 1 where a token stays. */
export function hidingGiven(selector: "small" | "switched" = "small"): ElaboratedModel {
  const edited = published
    .replace(
      "  target mask:",
      `  input kept_words: f32[N, T]\n  input kept_patches: f32[N, ${PATCHES}]\n  target mask:`,
    )
    .replace(/hide_tokens\(tokens_of\(v\)[^)]*\)/, given("tokens_of(v)", "kept_patches", PATCHES))
    .replace(/hide_tokens\(e[^)]*\)/, given("e", "kept_words", "T"))
  return elaborated(compileText(`${edited}\n${SMALL}\n${SWITCHED}`, { selector }))
}

/** The inputs of every run, by name. */
export function inputArrays(): Readonly<Record<string, NdArray>> {
  const { T, H, W, vocabulary, lengths } = sizes
  const share = (name: string, ...shape: number[]): NdArray => {
    const { data } = uniform(name, [BATCH, ...shape])
    return { shape: [BATCH, ...shape], data: data.map((number) => number / 2 + 0.5) }
  }
  const mapped = ({ shape, data }: NdArray, rule: (number: number, index: number) => number): NdArray => ({
    shape,
    data: data.map(rule),
  })
  const isValid = (index: number): boolean => index % T < lengths[Math.floor(index / T)]!
  const words = share("note", T)
  return {
    image: share("image", 3, H, W),
    note_ids: mapped(words, (number, i) => (isValid(i) ? Math.floor(number * (vocabulary - 1)) + 1 : 0)),
    note_valid: mapped(words, (_, i) => (isValid(i) ? 1 : 0)),
    mask: mapped(share("mask", 1, H, W), (number) => (number > 0.6 ? 1 : 0)),
    kept_words: mapped(share("hidden_words", T), (number, i) => (number > 0.5 && isValid(i) ? 0 : 1)),
    kept_patches: mapped(share("hidden_patches", PATCHES), (number) => (number > 0.5 ? 0 : 1)),
  }
}

/** Feeds of a graph for the reference target: `inputs` by name, parameters made from their names. */
export function feedsFor(graph: Graph, inputs: Readonly<Record<string, NdArray>>): ReadonlyMap<ValueId, NdArray> {
  const feeds = new Map<ValueId, NdArray>()
  for (const { name, value } of graph.inputs) feeds.set(value, inputs[name]!)
  for (const { name, value, shape } of graph.parameters) feeds.set(value, parameterValue(name, shape))
  return feeds
}
