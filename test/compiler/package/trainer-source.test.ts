/** The generated training program: what it says about the model, and that its numbers are those of `mdl train`. */

import { rmSync } from "node:fs"
import { join } from "node:path"
import { format } from "prettier"
import { afterAll, describe, expect, test } from "vitest"
import { rateSentence } from "../../../src/compiler/package/learning-rate.js"
import { settingsLeftOut } from "../../../src/compiler/package/trainer-source.js"
import { rateSpec } from "../../../src/compiler/training-plan.js"
import { zoo } from "../source-host.js"
import { folderForPackages, importPackage, packageOf, tinyModel, type GeneratedTrainer } from "./package-model.js"

const folder = folderForPackages()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let written = 0
const generated = async (train?: string): Promise<GeneratedTrainer> =>
  importPackage(join(folder, String(written++)), await packageOf(tinyModel(train)))

describe("the text", () => {
  test("is formatted, says what the model is made of, and comes out the same again", async () => {
    const files = await packageOf(tinyModel())
    const text = files.get("trainer.mjs") as string
    expect(await format(text, { parser: "babel", semi: false, printWidth: 120 })).toBe(text)
    expect(text).toContain(" * Finds what the note says.")
    expect(text).toContain(" *   vision    encoder  120 parameters: Looks at the picture.")
    expect(text).toContain(" *   language  encoder  256 parameters, frozen")
    expect(text).toContain(" *   cross_entropy\n")
    expect(await packageOf(tinyModel())).toEqual(files)
  })

  test("is short enough to be read", async () => {
    const text = (await packageOf(tinyModel())).get("trainer.mjs") as string
    expect(text.split("\n").length).toBeLessThan(420)
    expect(text.split("\n").filter((line) => line.length > 120)).toEqual([])
  })

  test("names the training settings that it leaves out", async () => {
    const stop = tinyModel("stop = patience(dice, 3)\n augment = [flip_rotate()]")
    expect(settingsLeftOut(stop.training)).toHaveLength(2)
    expect((await packageOf(stop)).get("trainer.mjs")).toContain(" *   stop: all epochs are trained")
    expect((await packageOf(tinyModel())).get("trainer.mjs")).not.toContain("leaves out")
  })

  test("tells where it came from, as program.json does", async () => {
    const files = await packageOf(tinyModel())
    const program = JSON.parse(files.get("program.json") as string) as {
      provenance: { sourceHash: string }
      description: { losses: string[] }
    }
    expect(files.get("trainer.mjs")).toContain(program.provenance.sourceHash)
    expect(program.description.losses).toEqual(["dice", "cross_entropy"])
  })
})

describe("the constants", () => {
  test("are those of the model", async () => {
    const program = await generated()
    expect(program.BATCH).toEqual({ train: 4, evaluate: 4, predict: 1 })
    expect(program.INPUTS).toEqual({
      image: { dtype: "float32", shape: [3, 16, 16] },
      note_ids: { dtype: "int32", shape: [24], below: 64 },
      note_valid: { dtype: "float32", shape: [24], binary: true },
      mask: { dtype: "float32", shape: [1, 16, 16], binary: true },
    })
    expect([...program.PREDICT_INPUTS].sort()).toEqual(["image", "note_ids", "note_valid"])
    expect(program.OUTPUTS).toEqual({ probability: [1, 16, 16] })
    expect(program.LOSSES).toEqual(["dice", "cross_entropy"])
    expect(program.TRAINING).toEqual({ epochs: 3, seed: 1, accumulate: 1 })
  })

  test("of a full model name every loss and input", async () => {
    const model = zoo("reclmis", { selector: "quick" })
    const program = await importPackage(join(folder, "quick"), await packageOf(model))
    expect(program.LOSSES).toEqual(model.graph.losses.map(({ name }) => name))
    expect(Object.keys(program.INPUTS).sort()).toEqual(["image", "mask", "note_ids", "note_valid"])
  })
})

describe("the learning rate is told in words", () => {
  test.each([
    ["batch = 4", "The same in all steps, 0.001."],
    ["optimizer = sgd(lr = 0.1, momentum = 0.9)\n schedule = constant_rate()", "The same in all steps, 0.1."],
    [
      "optimizer = adam(lr = 3e-4)\n schedule = cosine_restarts(period = 7, min = 1e-5, factor = 2)",
      "Falls from 0.0003 to 0.00001 along a cosine, and starts again after 7 epochs, each cycle 2 times as long as the one before.",
    ],
    [
      "schedule = exponential(gamma = 0.93, floor = 0.1)",
      "0.001, times 0.93 for each epoch, but never below 0.1 of it.",
    ],
    [
      "warmup = 1\n schedule = step(every = 30)",
      "Rises to 0.001 in 1 epoch. 0.001, times 0.1 whenever 30 epochs have passed.",
    ],
    [
      'schedule = cosine(length = 900, per = "step")\n warmup = 100',
      "Rises to 0.001 in 100 steps. Falls from 0.001 to 0 along a cosine in 900 steps, and stays there.",
    ],
    [
      "schedule = polynomial(length = 50, power = 0.9)",
      "Falls from 0.001 to 0 in 50 epochs, as (1 - t/50)^0.9, and stays there.",
    ],
    [
      "schedule = plateau(loss, patience = 3)",
      "0.001, times 0.1 when more than 3 scores in a row were not better, never below 0.",
    ],
  ])("%s", (train, sentence) => {
    expect(rateSentence(rateSpec(tinyModel(train).training))).toBe(sentence)
  })
})

describe("what a program has", () => {
  test("follows from the settings: summed gradients, a score", async () => {
    const text = async (train: string) => (await packageOf(tinyModel(train))).get("trainer.mjs") as string
    expect(await text("accumulate = 3")).toContain("export function trainStep(...batches)")
    expect(await text("schedule = plateau(loss)")).toContain("export function reportScore(score)")
    expect(await text("schedule = plateau(loss)")).toContain(" *   schedule: the rate stays as long as nothing calls")
    expect(await text("average = ema()")).toContain("evaluate and predict use averages of the weights")
    const plain = await text("batch = 4")
    for (const part of ["...batches) {", "reportScore", "averages"]) expect(plain).not.toContain(part)
  })
})

describe("batches", () => {
  test("of random numbers are repeatable and within what the model takes", async () => {
    const program = await generated()
    const batch = program.randomBatch(4, 9)
    expect(program.randomBatch(4, 9)).toEqual(batch)
    expect(program.randomBatch(4, 10)).not.toEqual(batch)
    expect(batch["image"]).toHaveLength(4 * 3 * 16 * 16)
    expect(batch["image"]!.every((value) => value >= 0 && value < 1)).toBe(true)
    expect(new Set(batch["mask"])).toEqual(new Set([0, 1]))
    expect(batch["note_ids"]).toBeInstanceOf(Int32Array)
    expect(batch["note_ids"]!.every((id) => id >= 0 && id < 64)).toBe(true)
    expect(new Set(batch["note_ids"]).size).toBeGreaterThan(5)
  })

  test("of an epoch hold every case once, in an order of its own", async () => {
    const program = await generated()
    const first = program.epochOrder(50, 1, 0)
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect(program.epochOrder(50, 1, 0)).toEqual(first)
    expect(program.epochOrder(50, 1, 1)).not.toEqual(first)
    expect(program.epochOrder(50, 2, 0)).not.toEqual(first)
  })
})
