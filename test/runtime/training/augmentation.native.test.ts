/**
 * Training with every augmentation and a note that changes from epoch to epoch, on TensorFlow.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { openDataset, samplesOf } from "../../../src/runtime/data/dataset.js"
import { trainingNotes } from "../../../src/runtime/data/note-table.js"
import { readCheckpoint } from "../../../src/runtime/runs/checkpoint.js"
import { RunFolder } from "../../../src/runtime/runs/run-folder.js"
import { planInputs } from "../../../src/runtime/training/feeds.js"
import { augmentationsOf, openSplit } from "../../../src/runtime/training/split-loader.js"
import { resumeTraining, train, type TrainOptions } from "../../../src/runtime/training/trainer.js"
import { openWorkshop, recorder, TINY, type Workshop } from "./tiny.js"

let shop: Workshop
let model: string
beforeAll(async () => {
  shop = await openWorkshop()
  const file = join(shop.folder, "augmented.mdl")
  const variant = `ablation augmented of Tiny {
    set train.augment = [row_blur(), photometric(), flip_rotate(note_aware = true)]
    freeze language
  }`
  writeFileSync(file, `${TINY}\n${variant}\n`)
  model = `${file}#augmented`
})
afterAll(() => shop.remove())

const options = (run: string, more: Partial<TrainOptions> = {}): TrainOptions => ({
  model,
  data: shop.data,
  run: shop.run(run),
  workers: 0,
  ...more,
})

describe("a run with note-aware flips and a frozen text encoder", () => {
  test("sees the same in any number of workers, and after a stop", async () => {
    const [alone, pooled, one, two] = [recorder(), recorder(), recorder(), recorder()]
    await train(options("alone", { steps: 7, observer: alone }))
    await train(options("pooled", { steps: 7, workers: 2, observer: pooled }))
    expect(pooled.steps).toEqual(alone.steps)
    await train(options("stopped", { steps: 4, observer: one }))
    await resumeTraining({ run: shop.run("stopped"), steps: 7, workers: 1, observer: two })
    expect([...one.steps, ...two.steps]).toEqual(alone.steps)
    const [a, b] = await Promise.all(["alone", "stopped"].map((run) => readCheckpoint(shop.run(run), "last")))
    expect(b!.sha256).toBe(a!.sha256)
  })

  test("knows the words of mirrored notes, and feeds them", async () => {
    const { record } = await RunFolder.open(shop.run("alone"))
    const augment = augmentationsOf(record.description)
    expect(augment.map(({ name }) => name)).toEqual(["row_blur", "photometric", "flip_rotate"])
    const samples = samplesOf(await openDataset(shop.data), "train")
    const plan = planInputs(record.description)
    const loader = await openSplit(record, plan, samples, { training: true, workers: 0 })
    try {
      const own = new Set(samples.map(({ note }) => note))
      expect(new Set(loader.notes.map(({ note }) => note))).toEqual(new Set(trainingNotes(samples, augment)))
      const fed = new Set<string>()
      for (const epoch of [0, 1, 2, 3]) {
        for await (const batch of loader.epoch(epoch)) {
          batch.ids.forEach((id, row) => {
            const { note } = loader.notes[batch.note_index[row]!]!
            if (note !== samples.find((sample) => sample.id === id)!.note) fed.add(note)
          })
        }
      }
      // Some of the texts that are fed are in no file.
      expect([...fed].some((note) => !own.has(note))).toBe(true)
    } finally {
      await loader.close()
    }
    const words = JSON.stringify(record.tokenizers["note"])
    for (const word of ["left", "right"]) expect(words).toContain(word)
  })

  test("of an older version, whose settings are not all there, cannot go on", async () => {
    await train(options("older", { steps: 1 }))
    const file = join(shop.run("older"), "run.json")
    const text = readFileSync(file, "utf8")
    const older = text.replace(/"rows": 0\.5/, '"row": 0.5')
    expect(older).not.toBe(text)
    writeFileSync(file, older)
    await expect(resumeTraining({ run: shop.run("older"), steps: 2, workers: 0 })).rejects.toThrow(
      "the run's augmentation row_blur has no `rows`: the run was made by an older version of mdl",
    )
  })
})
