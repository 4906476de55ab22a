/** Predictions of a folder with an ONNX file: what is written, what breaks, and going on. TensorFlow is not loaded. */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readMask, readPixels } from "../../../src/runtime/data/images.js"
import { listCases, type PredictionCase } from "../../../src/runtime/prediction/case-list.js"
import { openOnnxPredictor } from "../../../src/runtime/prediction/onnx-predictor.js"
import { predictCase } from "../../../src/runtime/prediction/predict-case.js"
import { predictMany } from "../../../src/runtime/prediction/predict-many.js"
import { type IndexEntry, readIndex } from "../../../src/runtime/prediction/prediction-index.js"
import type { Predictor } from "../../../src/runtime/prediction/predictor.js"
import { resizeNearest } from "../../../src/runtime/prediction/resize.js"
import { openServedFiles, type ServedFiles } from "../serving/served-files.js"

let files: ServedFiles
let predictor: Predictor
let cases: PredictionCase[]
beforeAll(async () => {
  files = await openServedFiles()
  predictor = await openOnnxPredictor(files.onnx, 2)
  cases = await listCases({ kind: "data", root: files.data, split: "test" }, true)
})
afterAll(async () => {
  await predictor.close()
  files.remove()
})

const out = (name: string): string => join(files.folder, name)
const predict = (name: string, more: Partial<Parameters<typeof predictMany>[1]> = {}, by = predictor) =>
  predictMany(by, { cases, out: out(name), threshold: 0.5, resume: false, ...more })
const indexOf = async (name: string): Promise<IndexEntry[]> => (await readIndex(out(name)))!

describe("predictMany", () => {
  it("writes for each case what one prediction gives, and an index", async () => {
    const steps: number[][] = []
    const result = await predict("all", { progress: (...step) => steps.push(step) })
    expect(result).toMatchObject({ cases: 5, predicted: 5, kept: 0, failed: [] })
    expect(steps).toEqual([2, 4, 5].map((done) => [done, 5]))
    const entries = await indexOf("all")
    expect(entries.map(({ id }) => id)).toEqual(cases.map(({ id }) => id))
    for (const [row, entry] of entries.entries()) {
      const { probability, size, words } = await predictCase(predictor, cases[row]!.image, cases[row]!.note)
      const mask = await readPixels(join(out("all"), entry.mask))
      const expected = resizeNearest(probability, size, { height: 40, width: 40 }).map((p) => (p > 0.5 ? 255 : 0))
      // Rows of a batch do not change each other, but they may be summed in another order.
      const differing = mask.data.filter((value, index) => value !== expected[index]).length
      expect(differing).toBeLessThanOrEqual(2)
      expect(entry.words[0]!.words.map(({ text }) => text)).toEqual(words[0]!.words.map(({ text }) => text))
      for (const file of [entry.overlay, ...entry.heatmaps.map((map) => map.file)]) {
        expect(await readPixels(join(out("all"), file))).toMatchObject({ height: 40, width: 40 })
      }
    }
  })

  it("scores the cases whose truth is known, by the counts of their pixels", async () => {
    const { scores } = await predict("scored")
    const dice = await Promise.all(
      cases.map(async ({ image, note, truth }) => {
        const { probability, size } = await predictCase(predictor, image, note)
        const mask = await readMask(truth!.path, size)
        const [p, g] = [probability.map((value) => (value > 0.5 ? 1 : 0)), mask]
        const both = p.reduce((sum, value, index) => sum + value * g[index]!, 0)
        return (2 * both) / (p.reduce((a, b) => a + b) + g.reduce((a, b) => a + b) + 1e-5)
      }),
    )
    expect(scores).toMatchObject({ cases: 5, convention: "lvit" })
    expect(scores!.dice).toBeCloseTo(dice.reduce((a, b) => a + b) / 5, 3)
    const without = await predict("unscored", { cases: cases.map(({ id, image, note }) => ({ id, image, note })) })
    expect(without.scores).toBeNull()
  })

  it("goes on after broken files, and does only these again", async () => {
    const images = out("images")
    mkdirSync(images)
    for (const { id, image } of cases) copyFileSync(image, join(images, `${id}.png`))
    const own = await listCases({ kind: "folder", folder: images, note: "left lung" }, true)
    const [second, last] = [own[1]!, own[4]!]
    const whole = readFileSync(second.image)
    writeFileSync(second.image, whole.subarray(0, 200))
    rmSync(last.image)
    const first = await predict("broken", { cases: own })
    expect(first).toMatchObject({ predicted: 3, failed: [{ id: second.id }, { id: last.id }] })
    expect(first.failed[0]!.problem).toMatch(/cut off or damaged/)
    expect(first.failed[1]!.problem).toMatch(/does not exist/)
    expect((await indexOf("broken")).map(({ id }) => id)).toEqual([own[0]!.id, own[2]!.id, own[3]!.id])

    writeFileSync(second.image, whole)
    writeFileSync(last.image, whole)
    const again = await predict("broken", { cases: own, resume: true })
    expect(again).toMatchObject({ predicted: 2, kept: 3, failed: [] })
    expect((await indexOf("broken")).map(({ id }) => id)).toEqual(own.map(({ id }) => id))
  })

  it("goes on after an interruption, wherever it was, to the same files", async () => {
    await predict("unbroken")
    await predict("cut")
    const index = join(out("cut"), "predictions.jsonl")
    const lines = readFileSync(index, "utf8").split("\n")
    writeFileSync(index, `${lines.slice(0, 2).join("\n")}\n`)
    appendFileSync(index, lines[2]!.slice(0, 40))
    rmSync(join(out("cut"), "overlays"), { recursive: true })
    mkdirSync(join(out("cut"), "overlays"))
    copyFileSync(
      join(out("unbroken"), "overlays", `${cases[0]!.id}.png`),
      join(out("cut"), "overlays", `${cases[0]!.id}.png`),
    )
    expect(await predict("cut", { resume: true })).toMatchObject({ predicted: 4, kept: 1 })
    const contents = (name: string): Record<string, string> =>
      Object.fromEntries(
        readdirSync(out(name), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => {
            const path = join(entry.parentPath, entry.name)
            return [path.slice(out(name).length), readFileSync(path).toString("base64")]
          }),
      )
    expect(contents("cut")).toEqual(contents("unbroken"))
  })

  it("does again what another note, threshold, image or model would give otherwise", async () => {
    await predict("changed")
    const others = cases.map((one, index) => (index === 0 ? { ...one, note: "right" } : one))
    expect(await predict("changed", { cases: others, resume: true })).toMatchObject({ predicted: 1, kept: 4 })
    expect(await predict("changed", { cases: others, threshold: 0.4, resume: true })).toMatchObject({ predicted: 5 })
    const origin = { ...predictor.origin, sha256: "another" } as Predictor["origin"]
    const other = { ...predictor, origin }
    expect(await predict("changed", { cases: others, threshold: 0.4, resume: true }, other)).toMatchObject({ kept: 0 })
  })

  it("keeps what the folder holds of other images", async () => {
    await predict("parts", { cases: cases.slice(0, 2) })
    const rest = await predict("parts", { cases: cases.slice(1), resume: true })
    expect(rest).toMatchObject({ cases: 4, predicted: 3, kept: 1 })
    expect(new Set((await indexOf("parts")).map(({ id }) => id))).toEqual(new Set(cases.map(({ id }) => id)))
  })

  it("does not mix with other predictions unasked", async () => {
    await predict("once")
    await expect(predict("once")).rejects.toThrow(/already holds predictions: go on with --resume/)
    writeFileSync(join(out("once"), "predictions.jsonl"), "{\n")
    await expect(predict("once", { resume: true })).rejects.toThrow(/predictions\.jsonl:1 is damaged/)
  })

  it("never writes over an image", async () => {
    const id = "here"
    const image = join(out("over"), "masks", `${id}.png`)
    mkdirSync(join(out("over"), "masks"), { recursive: true })
    copyFileSync(cases[0]!.image, image)
    const before = readFileSync(image)
    const result = await predict("over", { cases: [{ id, image, note: "left" }] })
    expect(result.failed[0]!.problem).toMatch(/is the input image/)
    expect(readFileSync(image)).toEqual(before)
    expect(existsSync(join(out("over"), "overlays"))).toBe(false)
  })
})
