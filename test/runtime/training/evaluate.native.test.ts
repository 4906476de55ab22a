/**
 * Scores of a run: by hand and by `evaluateRun`, with own notes and with others'.
 */
import { cp, rm, truncate } from "node:fs/promises"
import sharp from "sharp"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { openDataset, samplesOf } from "../../../src/runtime/data/dataset.js"
import { readImage, readMask } from "../../../src/runtime/data/images.js"
import { ratesOf } from "../../../src/runtime/metrics/case-measures.js"
import { caseScores, foregroundOf } from "../../../src/runtime/metrics/segmentation.js"
import { hausdorff95 } from "../../../src/runtime/metrics/surface-distance.js"
import { checkpointPath } from "../../../src/runtime/runs/checkpoint.js"
import { openRun } from "../../../src/runtime/runs/open-run.js"
import { evaluateRun } from "../../../src/runtime/training/evaluate.js"
import { train } from "../../../src/runtime/training/trainer.js"
import { COUNTS, openWorkshop, type Workshop } from "./tiny.js"

let shop: Workshop
let run: string
beforeAll(async () => {
  shop = await openWorkshop()
  run = shop.run("run")
  await train({ model: shop.model(), data: shop.data, run, epochs: 4, workers: 0 })
})
afterAll(() => shop.remove())

test("every case of the split is scored once, padding never, and as prediction by itself scores it", async () => {
  const evaluation = await evaluateRun(run, { workers: 0 })
  const samples = samplesOf(await openDataset(shop.data), "test")
  expect(evaluation.cases.map((scored) => scored.id)).toEqual(samples.map((sample) => sample.id))
  expect(evaluation).toMatchObject({ split: "test", data: shop.data, shuffledNotes: null, threshold: 0.5 })
  const open = await openRun(run)
  try {
    for (const [index, sample] of samples.entries()) {
      const image = await readImage(sample.imagePath, open.plan.size, open.channels)
      const { probability } = open.session.predict(open.feedsFor(image, sample.note).feeds)
      const truth = await readMask(sample.maskPath!, open.plan.size)
      const scores = caseScores(probability!.data, truth)
      const distance = hausdorff95(foregroundOf(probability!.data, 0.5), truth, open.plan.size) ?? null
      expect(evaluation.cases[index]).toEqual({
        ...{ id: sample.id, note: sample.note, ...scores, ...ratesOf(scores) },
        hausdorff95: distance,
      })
    }
  } finally {
    open.close()
  }
  const mean = evaluation.cases.reduce((sum, scored) => sum + scored.dice, 0) / COUNTS.test
  expect(evaluation.summary.dice.mean).toBeCloseTo(mean, 12)
  expect(evaluation.summary).toMatchObject({ cases: COUNTS.test, convention: "lvit" })
  expect(evaluation.calibration!.pixels).toBe(COUNTS.test * 32 * 32)
})

test("masks without foreground: what each convention makes of them, and measures that have no value", async () => {
  const empty = `${shop.data}-empty`
  await cp(shop.data, empty, { recursive: true })
  for (const { maskPath } of samplesOf(await openDataset(empty), "test")) {
    await sharp(Buffer.alloc(32 * 32), { raw: { width: 32, height: 32, channels: 1 } }).toFile(maskPath!)
  }
  const { cases, conventions, measures, summary } = await evaluateRun(run, {
    data: empty,
    workers: 0,
    convention: "monai",
  })
  const predicted = cases.filter(({ fp }) => fp > 0).length
  expect(summary.dice.mean).toBeCloseTo(1 - predicted / COUNTS.test, 12)
  expect(conventions.find(({ convention }) => convention === "monai-ignore-empty")).toMatchObject({
    cases: 0,
    dice: null,
  })
  expect(conventions.find(({ convention }) => convention === "torchmetrics")!.leftOut).toBe(COUNTS.test - predicted)
  for (const measure of ["recall", "hausdorff95"] as const) {
    expect(measures[measure]).toEqual({ cases: 0, undefinedIn: COUNTS.test, spread: null })
  }
  const failed = evaluateRun(run, { data: empty, workers: 0, convention: "monai-ignore-empty" })
  await expect(failed).rejects.toThrow(/no case of the test split is scored under the convention monai-ignore-empty/)
  await expect(failed).rejects.toMatchObject({ exitCode: 1 })
})

test("what training said about the validation split is found again", async () => {
  const { summary, checkpoint, losses } = await evaluateRun(run, { split: "valid", workers: 0 })
  const open = await openRun(run)
  open.close()
  expect(summary.dice.mean).toBe(open.checkpoint.state.best!.score)
  expect(checkpoint).toEqual({ name: "best", step: open.checkpoint.state.step, sha256: open.checkpoint.sha256 })
  const entry = (await open.folder.readLog()).find(
    (line) => line.kind === "evaluation" && line.step === checkpoint.step,
  )
  expect(entry).toMatchObject({ losses })
})

test("other cases' notes change what a model that reads them predicts", async () => {
  const own = await evaluateRun(run, { split: "train", workers: 0 })
  const others = await evaluateRun(run, { split: "train", workers: 0, shuffleNotes: 1 })
  expect(others.shuffledNotes?.seed).toBe(1)
  expect(others.shuffledNotes?.differing).toBeGreaterThan(COUNTS.train / 2)
  expect(others.cases.map((scored) => scored.id)).toEqual(own.cases.map((scored) => scored.id))
  expect(others.losses["cross_entropy"]).not.toBe(own.losses["cross_entropy"])
})

test("a visitor sees every case with its outputs", async () => {
  const seen: string[] = []
  const evaluation = await evaluateRun(run, {
    split: "valid",
    workers: 0,
    visit: ({ id, image, mask, outputs, scores }) => {
      expect([image.length, mask.length, outputs["probability"]!.shape]).toEqual([3 * 32 * 32, 32 * 32, [1, 32, 32]])
      expect(caseScores(outputs["probability"]!.data, mask)).toEqual(scores)
      seen.push(id)
    },
  })
  expect(seen).toEqual(evaluation.cases.map((scored) => scored.id))
})

describe("a run that cannot be scored is refused", () => {
  test("for a checkpoint that is cut off, naming it and the whole one", async () => {
    const other = shop.run("cut")
    await train({ model: shop.model(), data: shop.data, run: other, steps: 1, workers: 0 })
    await truncate(checkpointPath(other, "best"), 100)
    const failed = evaluateRun(other, { workers: 0 })
    await expect(failed).rejects.toThrow(/best\.safetensors is cut off in its header[^]*--checkpoint last/)
    await expect(failed).rejects.toMatchObject({ exitCode: 1 })
    for (const name of ["best", "last"] as const) await rm(checkpointPath(other, name))
    await expect(evaluateRun(other, { workers: 0 })).rejects.toThrow(/has no checkpoint yet/)
  })

  test("for a folder that is no run", async () => {
    await expect(evaluateRun(shop.data)).rejects.toThrow(/is not the folder of a run/)
  })
})
