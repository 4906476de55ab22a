/** What a run is told of weights it starts from: whose words a table has; and that they are let go of. */

import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { writeSafetensors } from "../../../src/runtime/runs/safetensors.js"
import type { HostTensor, NativeSession } from "../../../src/runtime/session.js"
import { WordsTokenizer } from "../../../src/runtime/tokenizers/words.js"
import { loadStartWeights, readStartWeights } from "../../../src/runtime/weights/start-weights.js"
import { vocabulariesText } from "../../../src/runtime/weights/vocabularies.js"
import { compileText, elaborated } from "../../compiler/source-host.js"
import { temporaryFolder } from "../data/temporary.js"

const model = elaborated(
  compileText(`model Reader() {
  input note: tokens[N, T = 4] using words(9)
  encoder language {
    let words = Embedding(note.vocabulary, 2)(note.ids)
    let t = linear(words, 3)
  }
  output features = t
}`),
)
const mine = { note: WordsTokenizer.fromNotes(["left lung upper"]).describe() }
const others = { note: WordsTokenizer.fromNotes(["right lung lower"]).describe() }

const zeros = (...shape: number[]): HostTensor => ({
  dtype: "f32",
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
})
const LINEAR = { "language.t.weight": zeros(3, 2), "language.t.bias": zeros(3) }
const ALL = { "language.words.weight": zeros(9, 2), ...LINEAR }

async function warningsOf(
  tensors: Readonly<Record<string, HostTensor>>,
  metadata: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const path = join(await temporaryFolder(), "w.safetensors")
  await writeSafetensors(path, new Map(Object.entries(tensors)), new Map(Object.entries(metadata)))
  return (await readStartWeights(path, model, mine)).warnings.map((text) => text.replaceAll(path, "FILE"))
}

describe("a table of words", () => {
  test("of the same words is nothing to speak of, and of unknown words neither", async () => {
    expect(await warningsOf(ALL, { vocabularies: vocabulariesText(mine) })).toEqual([])
    expect(await warningsOf(ALL, {})).toEqual([])
    expect(await warningsOf(ALL, { vocabularies: "not of ours" })).toEqual([])
  })

  test("of other words is warned of", async () => {
    expect(await warningsOf(ALL, { vocabularies: vocabulariesText(others) })).toEqual([
      "the words of note are numbered by this run's training notes, and the word table in FILE is for other ones: " +
        "its rows mean other words here",
    ])
  })

  test("of a published model is warned of with whose it is", async () => {
    const warnings = await warningsOf(ALL, { published_names: "OpenAI" })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain("is for those of OpenAI, which has a tokenizer of its own")
  })

  test("that is not loaded is not", async () => {
    const warnings = await warningsOf(LINEAR, { vocabularies: vocabulariesText(others) })
    expect(warnings.map((text) => text.replace(/:.*/, ""))).toEqual([
      "1 tensor not in FILE, so from their first values",
    ])
  })
})

test("weights are let go of once a session has them", async () => {
  const path = join(await temporaryFolder(), "w.safetensors")
  await writeSafetensors(path, new Map(Object.entries(ALL)), new Map())
  const weights = await readStartWeights(path, model, mine)
  expect(weights.tensors.size).toBe(3)
  let written: ReadonlyMap<string, HostTensor> = new Map()
  const session = {
    read: () => new Map([...Object.entries(ALL), ["average/language.t.bias", zeros(3)], ["step", zeros()]]),
    write: (variables: ReadonlyMap<string, HostTensor>) => void (written = new Map(variables)),
  } as unknown as NativeSession
  loadStartWeights(session, weights)
  expect([...written.keys()].sort()).toEqual([...Object.keys(ALL), "average/language.t.bias", "step"].sort())
  expect(written.get("average/language.t.bias")).toBe(written.get("language.t.bias"))
  expect(weights.tensors.size).toBe(0)
})
