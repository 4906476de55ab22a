/** Published weights through `mdl weights import` and `mdl train --weights`: what is frozen stays as it was published. */

import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { parseReference, requireModel } from "../../../src/runtime/model-file.js"
import { readCheckpoint } from "../../../src/runtime/runs/checkpoint.js"
import { RunFolder } from "../../../src/runtime/runs/run-folder.js"
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "../../../src/runtime/runs/safetensors.js"
import type { HostTensor } from "../../../src/runtime/session.js"
import { train } from "../../../src/runtime/training/trainer.js"
import { importWeights } from "../../../src/runtime/weights/import-weights.js"
import { openWorkshop, type Workshop } from "../training/tiny.js"
import { checkpointFile } from "./published-fixture.js"

const MODEL = `import { ClipText } from "std/clip"

block Stem()(x: f32[N, C, H, W]) {
  let conv = conv2d(x, 16, kernel = 3)
  let norm = batch_norm(conv)
  return relu(norm)
  weights "Others" { conv = "features.0"  norm = "features.1" }
}

model Reader() {
  input image: f32[N, 3, H = 32, W = 32]
  input note: tokens[N, T = 24] using words(40)
  target mask: f32[N, 1, H, W]
  frozen encoder vision { let v = Stem()(image) }
  frozen encoder language { let t = ClipText(2, 16, 4, note.vocabulary)(note.ids, note.valid) }
  decoder {
    let words = linear(mean(t, axes = [1]), 16)
    let joined = conv2d(v + reshape(words, [N, 16, 1, 1]), 4, kernel = 3) |> batch_norm()
    output probability = conv2d(joined, 1) |> sigmoid()
  }
  loss overlap = dice_loss(probability, mask)
  train { optimizer = adamw(lr = 0.05, weight_decay = 0.1)  batch = 4  epochs = 9  average = ema(decay = 0.5) }
}
`

let shop: Workshop
let model: string
let published: string
beforeAll(async () => {
  shop = await openWorkshop()
  model = join(shop.folder, "reader.mdl")
  await writeFile(model, MODEL)
  const { tensors } = await readSafetensors(checkpointFile("clip-openai"))
  const values = (shape: readonly number[], from: number): HostTensor => {
    const size = shape.reduce((product, dim) => product * dim, 1)
    return { dtype: "f32", shape, data: Float32Array.from({ length: size }, (_, i) => from + Math.sin(i) / 7) }
  }
  const stem: Readonly<Record<string, HostTensor>> = {
    "features.0.weight": values([16, 3, 3, 3], 0),
    "features.0.bias": values([16], 0.1),
    "features.1.weight": values([16], 1),
    "features.1.bias": values([16], 0.2),
    "features.1.running_mean": values([16], 0.3),
    "features.1.running_var": values([16], 2),
  }
  published = join(shop.folder, "published.safetensors")
  await writeSafetensors(published, new Map([...tensors, ...Object.entries(stem)]), new Map([["format", "pt"]]))
})
afterAll(() => shop.remove())

const bytes = ({ data }: HostTensor): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")

const importedTo = async (name: string, only: readonly string[] = []) => {
  const { model: reader } = requireModel(parseReference(model))
  return importWeights(published, reader, "hash of the source", join(shop.folder, name), only)
}

describe("imported weights", () => {
  test("are in the model's own names, and say where they come from", async () => {
    const result = await importedTo("imported.safetensors")
    const { metadata, entries } = await readSafetensorsHeader(result.file)
    const sha256 = createHash("sha256")
      .update(await readFile(published))
      .digest("hex")
    expect(result.source).toEqual({ file: "published.safetensors", sha256 })
    expect(Object.fromEntries(metadata)).toMatchObject({
      format: "pt",
      model: "Reader",
      variant: "Reader",
      imported_from: "published.safetensors",
      imported_sha256: sha256,
      published_names: "OpenAI, Others",
    })
    expect(entries).toHaveLength(43)
    expect(entries.every(({ name }) => /^(language\.t|vision\.v)\./.test(name))).toBe(true)
    expect(result.published.map(({ scheme, found, of }) => [scheme, found, of])).toEqual([
      ["OpenAI", 37, 37],
      ["Others", 6, 6],
    ])
    expect(result.leftOver).toHaveLength(21)
    const { data } = (await readSafetensors(published)).tensors.get("features.1.running_var")!
    expect((await readSafetensors(result.file)).tensors.get("vision.v.norm.running_var")!.data).toEqual(data)
  })

  test("of one section are that section's", async () => {
    const { tensors, sections, leftOver } = await importedTo("vision.safetensors", ["vision"])
    expect([tensors, sections.map(({ section }) => section)]).toEqual([6, ["vision"]])
    expect(leftOver).toContain("token_embedding.weight")
  })

  test("that are frozen are after training what they were, bit for bit, statistics too", async () => {
    const { file } = await importedTo("frozen.safetensors")
    const imported = (await readSafetensors(file)).tensors
    for (const weights of [file, published]) {
      const run = shop.run(`from-${weights === file ? "imported" : "published"}`)
      const result = await train({ model, data: shop.data, run, steps: 6, weights, workers: 0 })
      expect(result.step).toBe(6)
      const { variables } = await readCheckpoint(run, "last")
      for (const [name, tensor] of imported) {
        expect(bytes(variables.get(name)!), name).toBe(bytes(tensor))
        // What is frozen has no average beside it that could have moved.
        const average = variables.get(`average/${name}`)
        if (average) expect(bytes(average), `the average of ${name}`).toBe(bytes(tensor))
      }
      const trained = [...variables.keys()].filter((name) => name.startsWith("decoder."))
      expect(trained.length).toBeGreaterThan(6)
      const { record } = await RunFolder.open(run)
      expect(record.weights).toMatchObject({ loaded: 43, missing: trained.length })
      expect(record.weights!.published?.map(({ scheme }) => scheme)).toEqual(
        weights === file ? undefined : ["OpenAI", "Others"],
      )
      // The words of this run are not those of the published table.
      expect(result.warnings.some((text) => text.includes("the words of note are numbered by this run's"))).toBe(true)
    }
    const [one, two] = [await readCheckpoint(shop.run("from-imported"), "last"), await readCheckpoint(shop.run("from-published"), "last")] // prettier-ignore
    for (const [name, tensor] of one.variables) expect(bytes(two.variables.get(name)!), name).toBe(bytes(tensor))
  })

  test("learn when the section does", async () => {
    const { file } = await importedTo("thawed.safetensors")
    const imported = (await readSafetensors(file)).tensors
    const thawed = join(shop.folder, "thawed.mdl")
    await writeFile(thawed, `${MODEL}\nablation free of Reader { unfreeze language, vision }\n`)
    const run = shop.run("thawed")
    await train({ model: `${thawed}#free`, data: shop.data, run, steps: 2, weights: file, workers: 0 })
    const { variables } = await readCheckpoint(run, "last")
    for (const name of ["language.t.layer.1.attn.v.weight", "vision.v.norm.running_mean"]) {
      expect(bytes(variables.get(name)!), name).not.toBe(bytes(imported.get(name)!))
    }
  })
})
