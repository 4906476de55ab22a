/**
 * Published checkpoints load by name and compute what their own libraries compute: CLIP's text tower and BERT against
 * transformers (scripts/fixtures/published-weights.py), on padded notes, in float64.
 */

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import type { ElaboratedModel } from "../../../src/compiler/elaborate/model.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { readSafetensors, writeSafetensors } from "../../../src/runtime/runs/safetensors.js"
import type { HostTensor } from "../../../src/runtime/session.js"
import { fitWeights } from "../../../src/runtime/weights/fit.js"
import { readFitted } from "../../../src/runtime/weights/read-fitted.js"
import { openWeights } from "../../../src/runtime/weights/weights-file.js"
import { bertModel, checkpointFile, clipModel, FIXTURE } from "./published-fixture.js"

const folder = mkdtempSync(join(tmpdir(), "mdl-published-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function loaded(file: string, model: ElaboratedModel) {
  const opened = await openWeights(file)
  const fit = fitWeights(opened, model)
  return { fit, tensors: await readFitted(file, opened, fit, model.variant) }
}

/** The checkpoint under other names. */
async function renamed(file: string, rename: (name: string) => string): Promise<string> {
  const { tensors } = await readSafetensors(file)
  const path = join(folder, "renamed.safetensors")
  await writeSafetensors(path, new Map([...tensors].map(([name, tensor]) => [rename(name), tensor])), new Map())
  return path
}

const bytes = ({ data }: HostTensor): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")

/** The largest difference of an output from what is recorded, as a share of the largest number. */
function difference(
  model: ElaboratedModel,
  tensors: ReadonlyMap<string, HostTensor>,
  output: string,
  { shape, values }: (typeof FIXTURE.expected)["clip"],
): number {
  const { graph } = model
  const { T, lengths } = FIXTURE.sizes
  const N = lengths.length
  const inputs: Readonly<Record<string, readonly number[]>> = {
    note_ids: FIXTURE.ids.flat(),
    note_valid: lengths.flatMap((length) => Array.from({ length: T }, (_, at) => (at < length ? 1 : 0))),
    segments: FIXTURE.segments.flat(),
  }
  const feeds = new Map([
    ...graph.inputs.map(
      ({ name, value }) => [value, { shape: [N, T], data: Float64Array.from(inputs[name]!) }] as const,
    ),
    ...graph.parameters.map(({ name, value, shape: sizes }) => {
      return [value, { shape: sizes, data: Float64Array.from(tensors.get(name)!.data) }] as const
    }),
  ])
  const { value } = graph.outputs.find(({ name }) => name === output)!
  const options = { sizes: new Map([...graph.sizes, ["N", N] as const]), seed: 1, step: 1 }
  const result = interpret(graph, [value], feeds, options)[0]!
  expect(result.shape).toEqual(shape)
  const scale = Math.max(...values.map(Math.abs))
  return Math.max(...values.map((expected, index) => Math.abs(result.data[index]! - expected))) / scale
}

describe("CLIP's text tower", () => {
  test("by the names of Hugging Face gives transformers' features; the vision tower is left over", async () => {
    const model = clipModel()
    const { fit, tensors } = await loaded(checkpointFile("clip-hugging-face"), model)
    expect(fit.schemes).toEqual([{ scheme: "Hugging Face", root: "language.t", prefix: "", found: 37, of: 37 }])
    expect([fit.missing, fit.misshaped]).toEqual([[], []])
    expect(fit.extra.filter((name) => !/^(vision_model|visual_projection|logit_scale)/.test(name))).toEqual([])
    expect(fit.extra).toHaveLength(25)
    expect(difference(model, tensors, "features", FIXTURE.expected.clip)).toBeLessThan(1e-8)
  })

  test("by OpenAI's names, query, key and value in one, is the same to the last bit", async () => {
    const model = clipModel()
    const { tensors: expected } = await loaded(checkpointFile("clip-hugging-face"), model)
    const { fit, tensors } = await loaded(checkpointFile("clip-openai"), model)
    expect(fit.schemes).toEqual([{ scheme: "OpenAI", root: "language.t", prefix: "", found: 37, of: 37 }])
    expect(fit.extra.every((name) => name.startsWith("visual.") || name === "logit_scale")).toBe(true)
    expect([...tensors.keys()].sort()).toEqual([...expected.keys()].sort())
    for (const [name, tensor] of tensors) {
      expect(tensor.shape, name).toEqual(expected.get(name)!.shape)
      expect(bytes(tensor), name).toBe(bytes(expected.get(name)!))
    }
  })

  test("with fewer positions takes the first rows of the table, and gives the same", async () => {
    const model = clipModel(9)
    const { fit, tensors } = await loaded(checkpointFile("clip-openai"), model)
    expect(fit.misshaped).toEqual([])
    expect(tensors.get("language.t.positional_embedding")!.shape).toEqual([9, FIXTURE.sizes.width])
    expect(difference(model, tensors, "features", FIXTURE.expected.clip)).toBeLessThan(1e-8)
  })

  test("alone in its file, as transformers 5 saves it, lacks the projection and nothing else", async () => {
    const file = await renamed(checkpointFile("clip-hugging-face"), (name) =>
      name.startsWith("text_model.") ? name.slice("text_model.".length) : `other/${name}`,
    )
    const { fit } = await loaded(file, clipModel())
    expect(fit.missing).toEqual(["language.t.text_projection"])
  })
})

describe("BERT", () => {
  test("gives transformers' features and pooled vectors", async () => {
    const model = bertModel()
    const { fit, tensors } = await loaded(checkpointFile("bert"), model)
    expect(fit.schemes).toEqual([
      { scheme: "Hugging Face", root: "language.t", prefix: "bert.", found: 37, of: 37 },
      { scheme: "Hugging Face", root: "language.p", prefix: "bert.", found: 2, of: 2 },
    ])
    expect(fit.missing).toEqual([])
    expect(fit.extra.every((name) => name.startsWith("cls."))).toBe(true)
    expect(difference(model, tensors, "features", FIXTURE.expected.bert)).toBeLessThan(1e-8)
    expect(difference(model, tensors, "pooled", FIXTURE.expected.pooled)).toBeLessThan(1e-8)
  })

  test("tells the tokens of two texts apart", async () => {
    const model = bertModel(true)
    const { tensors } = await loaded(checkpointFile("bert"), model)
    expect(difference(model, tensors, "features", FIXTURE.expected.segmented)).toBeLessThan(1e-8)
    expect(difference(model, tensors, "features", FIXTURE.expected.bert)).toBeGreaterThan(1e-3)
  })

  test("loads without its prefix, and by the first files' gamma and beta", async () => {
    const model = bertModel()
    const { tensors: expected } = await loaded(checkpointFile("bert"), model)
    const file = await renamed(checkpointFile("bert"), (name) =>
      name
        .replace(/^bert\./, "")
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta"),
    )
    const { fit, tensors } = await loaded(file, model)
    expect(fit.schemes.map(({ prefix }) => prefix)).toEqual(["", ""])
    for (const [name, tensor] of expected) expect(bytes(tensors.get(name)!), name).toBe(bytes(tensor))
  })
})
