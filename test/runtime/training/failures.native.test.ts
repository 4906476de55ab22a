/**
 * What can go wrong in the middle of a training, and that the run goes on from it as if it had not.
 */
import { readdir, rename, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { epochOrder } from "../../../src/runtime/data/loader.js"
import { checkpointPath, existingCheckpoints, readCheckpoint } from "../../../src/runtime/runs/checkpoint.js"
import { NODE_FILES } from "../../../src/runtime/runs/file-operations.js"
import { RunFolder } from "../../../src/runtime/runs/run-folder.js"
import { TrainingDiverged } from "../../../src/runtime/training/diverged.js"
import { resumeTraining, train, type TrainOptions } from "../../../src/runtime/training/trainer.js"
import { failingFiles } from "../runs/failing-files.js"
import { runContents } from "./run-contents.js"
import { breakPicture, COUNTS, failureOf, openWorkshop, recorder, runOptions, type Workshop } from "./tiny.js"

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.remove())

const options = (run: string, more: Partial<TrainOptions> = {}): TrainOptions =>
  runOptions(shop, run, { epochs: 2, ...more })

describe("a broken picture", () => {
  test("in the middle of an accumulated step: normalisation statistics do not move twice", async () => {
    const accumulated = (run: string) => options(run, { model: shop.model("everything") })
    await train(accumulated("accumulated"))
    // Batches of 2, 4 to a step, in an epoch of 6: batch 5 is the second of the second step.
    const { name, mend } = await breakPicture(shop, "train", epochOrder(COUNTS.train, 1, 0)[2 * 5]!)
    const failed = await failureOf(train(accumulated("halfway"))).finally(mend)
    expect(failed.message).toContain(name)
    expect((await readCheckpoint(shop.run("halfway"), "last")).state).toMatchObject({
      step: 1,
      position: { epoch: 0, batch: 4 },
    })
    await resumeTraining({ run: shop.run("halfway"), workers: 0 })
    const [a, b] = await Promise.all(["accumulated", "halfway"].map((run) => readCheckpoint(shop.run(run), "last")))
    expect(b!.sha256).toBe(a!.sha256)
  })

  test("of the validation split: the epoch is saved, and scored when the picture is mended", async () => {
    await train(options("unbroken"))
    const { name, mend } = await breakPicture(shop, "valid", 2)
    const observer = recorder()
    const failed = await failureOf(train(options("unscored", { observer }))).finally(mend)
    expect(failed.message).toContain(name)
    expect(observer.warnings.join()).toMatch(/step 3 was saved: mend the data/)
    await resumeTraining({ run: shop.run("unscored"), workers: 0 })
    const { checkpoints, ...rest } = await runContents(shop.run("unscored"))
    const { checkpoints: expected, ...others } = await runContents(shop.run("unbroken"))
    expect(rest).toEqual(others)
    expect(checkpoints["last.safetensors"]).toBe(expected["last.safetensors"])
  })
})

describe("a full disk", () => {
  // Each after the first epoch and before the end; the model is one that has warnings to keep.
  test.each([
    ["log.jsonl", 4],
    ["tfevents", 4],
    ["last.safetensors", 1],
    ["best.safetensors", 0],
    ["scores.json", 0],
  ])("while %s is written: the message names it and the room there is; the run goes on", async (part, late) => {
    const run = `full-${part.length}-${late}`
    let times = 0
    const files = failingFiles("write", "ENOSPC", part, () => times++ >= late)
    const observer = recorder()
    const failed = await failureOf(train(options(run, { files, observer, model: shop.model("still") })))
    expect(failed.message).toMatch(new RegExp(`${part}.* cannot be written: ENOSPC[^]* are free on its disk`))
    expect(failed).toMatchObject({ exitCode: 1, name: "DiskFull" })
    expect(observer.warnings.at(-1)).toMatch(/the run can go on when there is room: mdl train --resume .*full-/)
    await resumeTraining({ run: shop.run(run), workers: 0 })
    await train(options(`${run}-whole`, { model: shop.model("still") }))
    expect(await runContents(shop.run(run))).toEqual(await runContents(shop.run(`${run}-whole`)))
  })

  test("that is too small for the checkpoints is refused before the run begins, and leaves no folder", async () => {
    const files = { ...NODE_FILES, statfs: () => Promise.resolve({ bavail: 1000, bsize: 1000 }) }
    const failed = await failureOf(train(options("no-room", { files })))
    expect(failed.message).toMatch(/no-room does not fit on its disk: 1MB are free, and it needs 16/)
    expect(await readdir(shop.folder)).not.toContain("no-room")
  })

  test("is refused when a run goes on, too", async () => {
    await train(options("room-once", { epochs: 1 }))
    const files = { ...NODE_FILES, statfs: () => Promise.resolve({ bavail: 1000, bsize: 1000 }) }
    const going = resumeTraining({ run: shop.run("room-once"), epochs: 2, workers: 0, files })
    expect((await failureOf(going)).message).toMatch(/does not fit on its disk/)
  })
})

/** Multiplies all pixels with each other, twice: more bytes than a process can address, on any machine. */
const HUGE = `
model Huge() {
  input image: f32[N, 3, H = 64, W = 64]
  target mask: f32[N, 1, H, W]
  decoder { output probability = conv2d(image, 1, kernel = 3) |> sigmoid() }
  loss bce = bce(probability, mask)
  reconstruction pixels {
    let pairs = reshape(probability, [N, H * W, 1]) * reshape(probability, [N, 1, H * W])
    loss spread = mean(reshape(pairs, [N, H * W * H * W, 1]) * reshape(pairs, [N, 1, H * W * H * W]))
  }
  train { batch = 1  epochs = 1 }
}
`

test("out of memory: what failed, the batch, and what to change; no folder is left in the way", async () => {
  await writeFile(join(shop.folder, "huge.mdl"), HUGE)
  const observer = recorder()
  const failed = await failureOf(train(options("huge", { model: join(shop.folder, "huge.mdl"), observer })))
  expect(failed).toMatchObject({ name: "OutOfMemory", exitCode: 1 })
  expect(failed.message).toMatch(/out of memory while training with batch 1, without --memory: .*OOM when allocating/)
  expect(failed.message).toMatch(/--batch [^]*--size[^]*--memory/)
  expect(observer.warnings.join()).toMatch(
    /training needs about \d+GB of memory and .* are available: it may be killed/,
  )
  expect(await readdir(shop.folder)).not.toContain("huge")
})

test("a loss that is no number names the cases of the step, and what to try", async () => {
  const failed = await failureOf(train(options("nan", { model: shop.model("exploding"), evalEvery: 2 })))
  expect(failed).toBeInstanceOf(TrainingDiverged)
  const { cases, message } = failed as TrainingDiverged
  expect(cases).toHaveLength(4)
  expect(message).toContain(`the cases of that step: ${cases.join(", ")}`)
  expect(message).toMatch(/smaller learning rate \(it was .*\), gradient clipping .*, a warm-up/)
  expect(message).toMatch(/--resume would do the same steps again/)
})

test("an interruption while the validation split is scored does not wait for its end", async () => {
  const controller = new AbortController()
  const observer = { ...recorder(), evaluating: () => controller.abort() }
  const stopped = await train(options("scoring", { observer, signal: controller.signal }))
  expect(stopped).toMatchObject({ ended: "interrupted", step: 3, valid: null })
  expect((await readCheckpoint(shop.run("scoring"), "last")).state.evaluatedAt).toBe(-1)
  await resumeTraining({ run: shop.run("scoring"), workers: 0 })
  await train(options("not-interrupted"))
  const { log, scores } = await runContents(shop.run("not-interrupted"))
  expect(await runContents(shop.run("scoring"))).toMatchObject({ log, scores })
})

describe("going on", () => {
  test("from what is left when the process died over a rename", async () => {
    await train(options("renamed"))
    await rename(checkpointPath(shop.run("renamed"), "last"), join(shop.folder, "lost"))
    const observer = recorder()
    const result = await resumeTraining({ run: shop.run("renamed"), workers: 0, observer })
    expect(result.step).toBe(6)
    expect(observer.warnings.join()).toMatch(/there is no checkpoint last: .*goes on from previous/)
    expect((await existingCheckpoints(result.run)).includes("last")).toBe(true)
  })

  test("from an older checkpoint, when the last is damaged, ends as the unbroken run did", async () => {
    await train(options("damaged"))
    const before = await runContents(shop.run("damaged"))
    await truncate(checkpointPath(shop.run("damaged"), "last"), 1000)
    const failed = await failureOf(resumeTraining({ run: shop.run("damaged"), workers: 0 }))
    expect(failed.message).toMatch(/last\.safetensors is cut off[^]*previous\.safetensors is whole \(step 3\)/)
    await resumeTraining({ run: shop.run("damaged"), checkpoint: "previous", workers: 0 })
    expect(await runContents(shop.run("damaged"))).toEqual(before)
  })

  test("with other checkpoints: how many and how often are kept in the run", async () => {
    await train(options("often", { epochs: 1, keep: 1 }))
    expect(await existingCheckpoints(shop.run("often"))).toEqual(["best", "last"])
    await resumeTraining({ run: shop.run("often"), epochs: 2, keep: 3, checkpointEvery: { steps: 1 }, workers: 0 })
    expect(await existingCheckpoints(shop.run("often"))).toEqual(["best", "last", "previous", "previous-2"])
    const { record } = await RunFolder.open(shop.run("often"))
    expect(record.options).toMatchObject({ keep: 3, checkpointEvery: { steps: 1 }, epochs: 2 })
  })

  test("after an early stop is refused without a new limit, and goes on with one", async () => {
    const stopped = await train(options("stopped", { model: shop.model("standing"), epochs: 9 }))
    expect(stopped.ended).toBe("early-stop")
    const failed = await failureOf(resumeTraining({ run: stopped.run, workers: 0 }))
    expect(failed.message).toMatch(/has stopped early, for no better score came: to go on, give a greater --epochs/)
    const result = await resumeTraining({ run: stopped.run, epochs: 12, workers: 0 })
    expect(result.epochs).toBeGreaterThan(stopped.epochs)
  })
})
