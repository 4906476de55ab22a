/**
 * Note adherence of trained runs: what it says is what evaluating with changed notes by other ways gives.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { openDataset, samplesOf } from "../../../src/runtime/data/dataset.js"
import { readImage, readMask } from "../../../src/runtime/data/images.js"
import { swapSides } from "../../../src/runtime/data/note-sides.js"
import { caseScores, foregroundOf } from "../../../src/runtime/metrics/segmentation.js"
import { openRun } from "../../../src/runtime/runs/open-run.js"
import { evaluateRun, type Evaluation } from "../../../src/runtime/training/evaluate.js"
import { maskAgreement, movedToOtherHalf } from "../../../src/runtime/training/note-adherence.js"
import { train } from "../../../src/runtime/training/trainer.js"
import { COUNTS, openWorkshop, type Workshop } from "./tiny.js"

let shop: Workshop
let run: string
let evaluation: Evaluation
const SPLIT = "valid"
const PERMUTATIONS = 2

const PLAIN = `
model Plain {
  input image: f32[N, 3, H = 32, W = 32]
  target mask: f32[N, 1, H, W]
  decoder { output probability = conv2d(image, 1, kernel = 3) |> sigmoid() }
  loss cross_entropy = bce(probability, mask)
  train { optimizer = adam(lr = 0.01)  batch = 4  epochs = 1 }
}
`

beforeAll(async () => {
  shop = await openWorkshop()
  run = shop.run("run")
  await train({ model: shop.model(), data: shop.data, run, epochs: 4, workers: 0 })
  evaluation = await evaluateRun(run, { split: SPLIT, workers: 0, noteAdherence: PERMUTATIONS })
})
afterAll(() => shop.remove())

const adherence = () => evaluation.noteAdherence!
const effect = (change: string) => adherence().effects.find((one) => one.change === change)!

test("the evaluation itself is as without it", async () => {
  const { noteAdherence, ...rest } = evaluation
  const { noteAdherence: none, ...alone } = await evaluateRun(run, { split: SPLIT, workers: 0 })
  expect(none).toBeNull()
  expect(rest).toEqual(alone)
  expect(noteAdherence!.cases.map(({ id, dice }) => [id, dice])).toEqual(alone.cases.map(({ id, dice }) => [id, dice]))
})

test("shuffled notes score as mdl eval --shuffle-notes does with the same seeds", async () => {
  const shuffled: Evaluation[] = []
  for (const seed of [1, 2]) shuffled.push(await evaluateRun(run, { split: SPLIT, workers: 0, shuffleNotes: seed }))
  const means = evaluation.cases.map(
    (_, i) => shuffled.reduce((sum, one) => sum + one.cases[i]!.dice, 0) / PERMUTATIONS,
  )
  adherence().cases.forEach((read, i) => expect(read.shuffled.dice).toBeCloseTo(means[i]!, 6))
  expect(adherence().permutations).toEqual([1, 2])
  expect(effect("shuffled")).toMatchObject({ cases: COUNTS.valid, leftOut: 0 })
  const mean = means.reduce((a, b) => a + b, 0) / COUNTS.valid
  expect(effect("shuffled").dice!.mean).toBeCloseTo(evaluation.summary.dice.mean - mean, 6)
})

test("empty and opposite-side notes score as predicting each case by itself does", async () => {
  const samples = samplesOf(await openDataset(shop.data), SPLIT)
  const open = await openRun(run)
  try {
    const { plan, session, channels } = open
    for (const [i, sample] of samples.entries()) {
      const image = await readImage(sample.imagePath, plan.size, channels)
      const truth = await readMask(sample.maskPath!, plan.size)
      const masks = ["", sample.note, swapSides(sample.note).note].map((note) => {
        const { data } = session.predict(open.feedsFor(image, note).feeds)["probability"]!
        return { dice: caseScores(data, truth).dice, mask: foregroundOf(data, 0.5) }
      })
      const [empty, own, opposite] = masks as [(typeof masks)[0], (typeof masks)[0], (typeof masks)[0]]
      const read = adherence().cases[i]!
      expect(read.empty.dice).toBeCloseTo(empty.dice, 6)
      expect(read.empty.agreement).toBeCloseTo(maskAgreement(own.mask, empty.mask), 6)
      const { swapped, note } = swapSides(sample.note)
      if (swapped === 0) expect(read.oppositeSide).toBeNull()
      else {
        expect(read.oppositeSide!.note).toBe(note)
        expect(read.oppositeSide!.dice).toBeCloseTo(opposite.dice, 6)
        const moved = movedToOtherHalf(own.mask, opposite.mask, plan.size.width)
        if (moved === undefined) expect(read.oppositeSide!.movedToOtherHalf).toBeNull()
        else expect(read.oppositeSide!.movedToOtherHalf).toBeCloseTo(moved, 6)
      }
    }
  } finally {
    open.close()
  }
  const sides = samples.filter(({ note }) => swapSides(note).swapped > 0).length
  expect(effect("opposite-side")).toMatchObject({ cases: sides, leftOut: COUNTS.valid - sides })
  expect(sides).toBeGreaterThan(0)
  expect(adherence().emptyNoteTokens).toBe(1)
  expect(effect("empty")).toMatchObject({ cases: COUNTS.valid, differing: COUNTS.valid })
})

test("differences have an interval around them that the seed fixes", async () => {
  const { dice } = effect("empty")
  expect(dice!.low!).toBeLessThanOrEqual(dice!.mean)
  expect(dice!.high!).toBeGreaterThanOrEqual(dice!.mean)
  const again = await evaluateRun(run, { split: SPLIT, workers: 0, noteAdherence: PERMUTATIONS })
  expect(again.noteAdherence).toEqual(adherence())
})

test("a model that has a note and does not read it is found out", async () => {
  const deaf = shop.run("deaf")
  await train({ model: shop.model("no_note"), data: shop.data, run: deaf, steps: 1, workers: 0 })
  const { noteAdherence } = await evaluateRun(deaf, { split: SPLIT, workers: 0, noteAdherence: 1 })
  for (const { outputChanged, dice, agreement } of noteAdherence!.effects) {
    expect([outputChanged, dice?.mean, agreement?.mean]).toEqual([0, 0, 1])
  }
  expect(effect("empty").outputChanged).toBe(COUNTS.valid)
})

test("a model without a note is refused, and so are notes that are shuffled already", async () => {
  const file = join(shop.folder, "plain.mdl")
  await writeFile(file, PLAIN)
  const plain = shop.run("plain")
  await train({ model: file, data: shop.data, run: plain, steps: 1, workers: 0 })
  const refused = evaluateRun(plain, { split: SPLIT, workers: 0, noteAdherence: 1 })
  await expect(refused).rejects.toThrow(/Plain has no note: note adherence can be measured of a model that reads notes/)
  await expect(refused).rejects.toMatchObject({ exitCode: 1 })
  await expect(evaluateRun(run, { workers: 0, noteAdherence: 1, shuffleNotes: 1 })).rejects.toThrow(
    /do not shuffle them/,
  )
})
