import { copyFileSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { predictCommand } from "../../src/cli/predict.js"
import { readPixels } from "../../src/runtime/data/images.js"
import { resizeNearest } from "../../src/runtime/prediction/predict-case.js"
import { writePrediction } from "../../src/runtime/prediction/write-prediction.js"
import { type OpenRun, openRun } from "../../src/runtime/runs/open-run.js"
import { openWorkshop, trainLooking, type Workshop } from "../runtime/deployment/looking-model.js"

const NOTE = "upper left lung"
let workshop: Workshop
let folder: string
let run: OpenRun
let image: string
beforeAll(async () => {
  workshop = await openWorkshop()
  folder = await trainLooking(workshop)
  run = await openRun(folder)
  const images = join(workshop.data, "test", "images")
  image = join(workshop.folder, "wide.png")
  // Neither the network's size nor its proportions.
  await sharp(join(images, readdirSync(images)[0]!))
    .resize(70, 45, { fit: "fill" })
    .toFile(image)
})
afterAll(() => {
  run.close()
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
    const { predictCase } = await import("../../src/runtime/prediction/predict-case.js")
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
    const blind = await openRun(await trainLooking(workshop, "Blind"))
    try {
      const request = { image, out: out("blind.png"), threshold: 0.5 }
      expect((await writePrediction(blind, { ...request, note: undefined })).heatmaps).toEqual([])
      expect((await writePrediction(blind, { ...request, note: NOTE })).warnings).toEqual([
        "this model reads no note: --note was not used",
      ])
    } finally {
      blind.close()
    }
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
