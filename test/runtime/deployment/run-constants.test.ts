/** A run is compiled again from what it keeps: without the data files of its constants, whose values its checkpoints hold. */

import { describe, expect, test } from "vitest"
import { buildTrainer } from "../../../src/compiler/trainer.js"
import { compileRun } from "../../../src/runtime/deployment/export-source.js"
import { sourceHash } from "../../../src/runtime/model-file.js"
import type { RunRecord } from "../../../src/runtime/runs/run-folder.js"
import { compileWithData, elaborated } from "../../compiler/source-host.js"

const compiled = compileWithData(`model Table {
  input x: f32[N, 3]
  target y: f32[N, 4]
  const words: f32[K, 3] = load("words.npy")
  const more: f32[K, 3] = load("tensors.safetensors", "words")
  output product = linear(matmul(x, words + more, transpose_b = true), 4)
  loss distance = mse(product, y)
}`)
const model = elaborated(compiled)

/** As `mdl train` writes it and reads it back. */
const record = (constants: typeof model.constants): RunRecord =>
  JSON.parse(
    JSON.stringify({
      model: {
        reference: "test/fixtures/constants/model.mdl",
        sources: Object.fromEntries(compiled.sources),
        sourceHash: sourceHash(compiled.sources, model),
        constants,
      },
      description: buildTrainer(model, { batch: 1 }).description,
    }),
  ) as RunRecord

describe("a run with constants from files", () => {
  test("is the same model, its values left to the checkpoints", () => {
    const again = compileRun(record(model.constants))
    expect(again.graph.parameters.map(({ name, role, shape }) => ({ name, role, shape }))).toEqual(
      model.graph.parameters.map(({ name, role, shape }) => ({ name, role, shape })),
    )
    expect(again.constants).toEqual(model.constants)
    expect(again.graph.parameters[0]!.initializer).toMatchObject({ kind: "loaded", values: undefined })
  })
  test("that does not keep one is refused by name", () => {
    expect(() => compileRun(record(model.constants.slice(1)))).toThrow("words.npy")
  })
})
