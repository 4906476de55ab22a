/**
 * What is refused before TensorFlow is loaded and before anything is written.
 */
import { existsSync } from "node:fs"
import { mkdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { openDataset } from "../../../src/runtime/data/dataset.js"
import { ModelError } from "../../../src/runtime/model-file.js"
import { UserError } from "../../../src/runtime/user-error.js"
import { describeData, fingerprintOf, type NewRunOptions, prepareRun } from "../../../src/runtime/training/prepare.js"
import { parameterCounts } from "../../../src/runtime/training/parameter-counts.js"
import { withNotesShuffled } from "../../../src/runtime/training/changed-notes.js"
import { writeInto, writePictures } from "../data/layouts/files.js"
import { temporaryFolder, writeTinySet } from "../data/temporary.js"
import { RECORD } from "../runs/records.js"
import { openWorkshop, type Workshop } from "./tiny.js"

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.remove())

async function refusal(options: Partial<NewRunOptions>): Promise<Error & { exitCode?: number }> {
  const run = shop.run("refused")
  const error = await prepareRun({ model: shop.model(), data: shop.data, run, ...options }).then(
    () => new Error("nothing was refused"),
    (thrown: unknown) => thrown as Error,
  )
  expect((error as { exitCode?: number }).exitCode, error.message).toBe(1)
  expect(existsSync(run)).toBe(false)
  return error
}

const file = async (text: string): Promise<string> => {
  const path = join(await temporaryFolder(), "m.mdl")
  await writeFile(path, text)
  return path
}

test("a folder that holds something, before the model is even read", async () => {
  const message = (await refusal({ run: shop.folder, model: "none.mdl" })).message
  expect(message).toMatch(/not empty and holds no run: data, tiny\.mdl/)
})

test("a model that is not there, or has errors", async () => {
  expect((await refusal({ model: "none.mdl" })).message).toMatch(/there is no file none\.mdl/)
  expect(await refusal({ model: shop.model("no_such") })).toBeInstanceOf(ModelError)
})

test("a step of more batches than an epoch has", async () => {
  const { message } = await refusal({ accumulate: 4 })
  expect(message).toMatch(/a step takes 4 batches, but an epoch has only 3 \(12 cases in batches of 4\)/)
})

test("a plateau schedule on a score that the model has not", async () => {
  const model = await file(
    "model M() { input image: f32[N, 3, H = 32, W = 32]\n target mask: f32[N, 1, H, W]\n" +
      "decoder { output p = mean(conv2d(image, 1), axes = [2]) }\n loss a = mean(p)\n" +
      "train { schedule = plateau(iou) } }",
  )
  expect((await refusal({ model })).message).toMatch(/plateau waits for a better iou, but no output has the shape/)
})

test("--size for a model without H and W names the symbols there are", async () => {
  const model = await file(
    "model M() { input image: f32[N, 3, S = 32, S]\n target mask: f32[N, 1, S, S]\n" +
      "decoder { output p = conv2d(image, 1) |> sigmoid() }\n loss a = bce(p, mask) }",
  )
  expect((await refusal({ model, size: 64 })).message).toMatch(/sets the symbols H and W, and .* its symbols are S/)
})

test("a model without a loss", async () => {
  const model = await file(
    "model M() { input image: f32[N, 3, H = 32, W = 32]\n decoder { output p = conv2d(image, 1) } }",
  )
  const error = await refusal({ model })
  expect(error).toBeInstanceOf(UserError)
  expect(error.message).toMatch(/M has no loss/)
})

test("a data folder that is missing, empty, or has an image without its mask", async () => {
  expect((await refusal({ data: shop.run("none") })).message).toMatch(/none does not exist/)
  expect((await refusal({ data: await temporaryFolder() })).message).toMatch(/is empty/)
  const data = await temporaryFolder()
  await writeTinySet(data, [{ split: "train", name: "a.png", note: "x", mask: undefined }])
  expect((await refusal({ data })).message).toMatch(/image without a mask .*train\/images\/a\.png/)
})

test("a data set without a split to train or validate on", async () => {
  const data = await temporaryFolder()
  await writeTinySet(data, [{ split: "train", name: "a.png", note: "x" }])
  expect((await refusal({ data })).message).toMatch(/no sample in the split "valid"/)
})

test("the fingerprint tells other cases and notes, and no other folder or picture", async () => {
  const cases = [{ split: "train", name: "a.png", note: "left" }, { split: "train", name: "b.png", note: "right" }] // prettier-ignore
  const make = async (...changed: typeof cases): Promise<string> => {
    const root = await temporaryFolder()
    await writeTinySet(root, changed)
    return fingerprintOf(await openDataset(root))
  }
  const original = await make(...cases)
  expect(await make(...cases)).toBe(original)
  expect(await make(cases[0]!, { ...cases[1]!, note: "Right" })).not.toBe(original)
  expect(await make(cases[0]!, { ...cases[1]!, name: "c.png" })).not.toBe(original)
  expect(await make(cases[0]!)).not.toBe(original)
})

test("a run keeps which prompt its notes are, and another one is other data", async () => {
  const root = await temporaryFolder()
  await writePictures(root, "images/a.png", "masks/a.png")
  const prompts = { p1: "polyp", p6: "one small polyp", p7: ["a polyp", "one polyp"] }
  await writeInto(root, "anns/train.json", JSON.stringify([{ img_name: "a.png", mask_name: "a.png", prompts }]))
  const of = async (prompt?: string) => describeData(await openDataset(root, { prompt }))
  expect(await of()).toMatchObject({ layout: "prompts", prompt: "p6" })
  expect(await of("p7")).toMatchObject({ prompt: "p7" })
  const fingerprints = await Promise.all([of(), of("p1"), of("p7"), of("random")])
  expect(new Set(fingerprints.map(({ fingerprint }) => fingerprint)).size).toBe(4)
})

test("parameters are counted without statistics", () => {
  const parameter = (role: "param" | "state", shape: number[], frozen: boolean) => ({ name: "", role, shape, section: "", frozen }) // prettier-ignore
  const parameters = [parameter("param", [2, 3], false), parameter("param", [5], true), parameter("state", [7], false)]
  expect(parameterCounts({ ...RECORD.description, parameters })).toEqual({ trainable: 6, frozen: 5 })
})

test("shuffled notes: every case gets another one's, the same for the same seed", async () => {
  const samples = Array.from({ length: 20 }, (_, i) => ({
    id: `c${i}`,
    split: "test" as const,
    imagePath: `${i}`,
    maskPath: `${i}`,
    note: `note ${i}`,
  }))
  const shuffled = withNotesShuffled(samples, 3)
  expect(shuffled.every((sample, i) => sample.note !== samples[i]!.note && sample.id === samples[i]!.id)).toBe(true)
  expect(new Set(shuffled.map((sample) => sample.note)).size).toBe(20)
  expect(withNotesShuffled(samples, 3)).toEqual(shuffled)
  expect(withNotesShuffled(samples, 4)).not.toEqual(shuffled)
  expect(() => withNotesShuffled(samples.slice(0, 1), 3)).toThrow(/two cases or more/)
})

test("an empty folder is free for a run", async () => {
  const run = shop.run("empty")
  await mkdir(run)
  const error = await prepareRun({ model: "none.mdl", data: shop.data, run }).catch(
    (thrown: unknown) => thrown as Error,
  )
  expect((error as Error).message).toMatch(/there is no file/)
  await rm(run, { recursive: true })
})
