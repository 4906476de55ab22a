import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { predictCommand } from "../../src/cli/predict.js"
import { readPixels } from "../../src/runtime/data/images.js"
import { listCases } from "../../src/runtime/prediction/case-list.js"
import { openOnnxPredictor } from "../../src/runtime/prediction/onnx-predictor.js"
import { predictCase, prepareCase } from "../../src/runtime/prediction/predict-case.js"
import { predictMany } from "../../src/runtime/prediction/predict-many.js"
import type { Predictor } from "../../src/runtime/prediction/predictor.js"
import { resizeNearest } from "../../src/runtime/prediction/resize.js"
import { openRunPredictor } from "../../src/runtime/prediction/run-predictor.js"
import { writePrediction } from "../../src/runtime/prediction/write-prediction.js"
import { openModelToServe } from "../../src/runtime/serving/served-model.js"
import { evaluateRun } from "../../src/runtime/training/evaluate.js"
import { openWorkshop, trainLooking, type Workshop } from "../runtime/deployment/looking-model.js"

const NOTE = "upper left lung"
let workshop: Workshop
let folder: string
let run: Predictor
let image: string
beforeAll(async () => {
  workshop = await openWorkshop()
  folder = await trainLooking(workshop)
  run = await openRunPredictor(folder, { checkpoint: "best", batch: 1 })
  const images = join(workshop.data, "test", "images")
  image = join(workshop.folder, "wide.png")
  // Neither the network's size nor its proportions.
  await sharp(join(images, readdirSync(images)[0]!))
    .resize(70, 45, { fit: "fill" })
    .toFile(image)
})
afterAll(async () => {
  await run.close()
  workshop.remove()
})

const out = (name: string): string => join(workshop.folder, name)
const predict = (more: Partial<Parameters<typeof writePrediction>[1]> = {}) =>
  writePrediction(run, { image, note: NOTE, out: out("mask.png"), threshold: 0.5, ...more })

describe("writePrediction", () => {
  it("writes the mask at the image's own size, an overlay and heat maps", async () => {
    const threshold = 0.4
    const written = await predict({ out: out("new/mask.png"), threshold })
    expect(written.size).toEqual({ height: 45, width: 70 })
    expect(readdirSync(out("new")).sort()).toEqual(["mask.overlay.png", "mask.png", "mask.poi.png"])
    for (const file of [written.mask, written.overlay, written.heatmaps[0]!.file]) {
      expect(await sharp(file).metadata()).toMatchObject({ format: "png", height: 45, width: 70 })
    }
    const mask = await readPixels(written.mask)
    expect([...new Set(mask.data)].every((value) => value === 0 || value === 255)).toBe(true)
    expect(written.foreground.pixels).toBe(mask.data.filter((value) => value === 255).length)
    expect(written.warnings).toEqual([])
  })

  it("gives the network's own pixels, cut at the threshold", async () => {
    const { probability, size } = await predictCase(run, image, NOTE)
    const threshold = [...probability].sort((a, b) => a - b)[probability.length >> 1]!
    const { mask } = await predict({ threshold })
    const expected = resizeNearest(probability, size, { height: 45, width: 70 }).map((p) => (p > threshold ? 255 : 0))
    expect([...(await readPixels(mask)).data]).toEqual([...expected])
    expect(new Set(expected)).toEqual(new Set([0, 255]))
  })

  it("says how much each word counts", async () => {
    const { words } = await predict()
    expect(words).toHaveLength(1)
    expect(words[0]!.words.map(({ text }) => text)).toEqual(["upper", "left", "lung"])
    expect(words[0]!.words.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 4)
  })

  it("says that a note was cut", async () => {
    const { warnings } = await predict({ note: `${NOTE} `.repeat(5) })
    expect(warnings).toEqual(["the note is longer than this model reads: 15 tokens were cut to 12"])
  })

  it("never writes over the image, by whatever name", async () => {
    const copy = out("same.png")
    copyFileSync(image, copy)
    const before = readFileSync(copy)
    symlinkSync(copy, out("link.png"))
    await expect(predict({ image: copy, out: copy })).rejects.toThrow("is the input image")
    await expect(predict({ image: copy, out: out("link.png") })).rejects.toThrow("is the input image")
    const overlay = out("x.overlay.png")
    copyFileSync(image, overlay)
    await expect(predict({ image: overlay, out: out("x.png") })).rejects.toThrow("is the input image")
    expect(readFileSync(copy)).toEqual(before)
    expect(existsSync(out("x.png"))).toBe(false)
  })

  it("refuses bad input before anything is written", async () => {
    writeFileSync(out("broken.png"), readFileSync(image).subarray(0, 200))
    const refusal = (more: Parameters<typeof predict>[0]) =>
      predict({ out: out("refused.png"), ...more }).then(
        () => "written",
        (error: unknown) => `${(error as { exitCode?: number }).exitCode}: ${(error as Error).message}`,
      )
    expect(await refusal({ note: undefined })).toMatch(/^1: .*reads a note/)
    expect(await refusal({ threshold: 1.5 })).toMatch(/^1: .*threshold of 1.5/)
    expect(await refusal({ out: out("mask.jpg") })).toMatch(/^1: .*PNG/)
    expect(await refusal({ image: out("none.png") })).toMatch(/^1: .*does not exist/)
    expect(await refusal({ image: out("broken.png") })).toMatch(/^1: .*cut off or damaged/)
    expect(existsSync(out("refused.png"))).toBe(false)
  })

  it("works without a note for a model that reads none, and says when one was given", async () => {
    const blind = await openRunPredictor(await trainLooking(workshop, "Blind"), { checkpoint: "best", batch: 1 })
    try {
      const request = { image, out: out("blind.png"), threshold: 0.5 }
      expect((await writePrediction(blind, { ...request, note: undefined })).heatmaps).toEqual([])
      expect((await writePrediction(blind, { ...request, note: NOTE })).warnings).toEqual([
        "this model reads no note: --note was not used",
      ])
    } finally {
      await blind.close()
    }
  })
})

describe("a run in batches", () => {
  it("predicts as one case at a time, also where the last batch is not full", async () => {
    const cases = await listCases({ kind: "data", root: workshop.data, split: "test" }, true)
    const many = await openRunPredictor(folder, { checkpoint: "best", batch: 3 })
    try {
      expect(many.origin).toEqual(run.origin)
      const request = { cases, threshold: 0.5, resume: false }
      const batched = await predictMany(many, { ...request, out: out("batched") })
      const single = await predictMany(run, { ...request, out: out("single") })
      expect(batched).toMatchObject({ predicted: 5, failed: [] })
      expect(batched.scores!.dice).toBeCloseTo(single.scores!.dice, 4)
      const prepared = await Promise.all(cases.map(({ image, note }) => prepareCase(many, image, note)))
      const [together, alone] = [await many.run(prepared.slice(3)), await run.run([prepared[4]!])]
      expect(together).toHaveLength(2)
      for (const [name, { data }] of Object.entries(alone[0]!)) {
        const other = together[1]![name]!.data
        expect(Math.max(...data.map((value, index) => Math.abs(value - other[index]!)))).toBeLessThan(1e-5)
      }
    } finally {
      await many.close()
    }
  })

  it("is what mdl eval scores", async () => {
    const { summary } = await evaluateRun(folder, { split: "test", workers: 0 })
    const cases = await listCases({ kind: "data", root: workshop.data, split: "test" }, true)
    const { scores } = await predictMany(run, { cases, threshold: 0.5, resume: false, out: out("scored") })
    expect(scores!.dice).toBeCloseTo(summary.dice.mean, 4)
  })
})

describe("a run that is served", () => {
  it("is exported in memory, with cases of its data set, and gives the same mask", async () => {
    const served = await openModelToServe(folder)
    expect(served).toMatchObject({ weights: "run-Looking, checkpoint best, step 2", remarks: [] })
    expect(served.examples.map(({ split }) => split)).toEqual(Array.from({ length: 5 }, () => "test"))
    const file = out("served.onnx")
    writeFileSync(file, served.bytes)
    const onnx = await openOnnxPredictor(file, 1)
    try {
      expect(onnx.ports).toEqual(run.ports)
      const [ours, theirs] = [await predictCase(onnx, image, NOTE), await predictCase(run, image, NOTE)]
      const differences = ours.probability.map((value, index) => Math.abs(value - theirs.probability[index]!))
      expect(Math.max(...differences)).toBeLessThan(1e-4)
      expect(ours.words[0]!.words.map(({ text }) => text)).toEqual(theirs.words[0]!.words.map(({ text }) => text))
      expect(ours.tokens).toEqual(theirs.tokens)
    } finally {
      await onnx.close()
    }
  })

  it("has no examples when its data set is gone, and says so", async () => {
    const copy = out("moved")
    cpSync(folder, copy, { recursive: true })
    const path = join(copy, "run.json")
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(workshop.data, join(workshop.folder, "gone")))
    const served = await openModelToServe(copy)
    expect(served.examples).toEqual([])
    expect(served.remarks[0]).toMatch(/^no examples: .*gone does not exist/)
  })
})

describe("mdl predict", () => {
  it("prints nothing but the JSON with --json", async () => {
    let stdout = ""
    const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      stdout += String(text)
      return true
    })
    try {
      const argv = [folder, "--image", image, "--note", NOTE, "-o", out("cli.png"), "--json"]
      await predictCommand().exitOverride().parseAsync(argv, { from: "user" })
    } finally {
      spy.mockRestore()
    }
    expect(JSON.parse(stdout)).toMatchObject({
      mask: out("cli.png"),
      overlay: out("cli.overlay.png"),
      heatmaps: [{ output: "poi", file: out("cli.poi.png") }],
      checkpoint: { name: "best", step: 2 },
    })
  })
})
