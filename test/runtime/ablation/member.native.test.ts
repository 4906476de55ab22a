/**
 * Members that are really trained: the run is the one that `mdl train` makes, an interrupted one goes on bit for bit, and
 * what is in a folder is what the plan says.
 */
import { copyFile, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Engine, TaskEnd } from "../../../src/runtime/ablation/engine.js"
import { runMember } from "../../../src/runtime/ablation/member.js"
import { memberFolder, membersOf, type Plan } from "../../../src/runtime/ablation/plan.js"
import { type PreparedSweep, prepareSweep, runSweep } from "../../../src/runtime/ablation/sweep.js"
import { readCheckpoint } from "../../../src/runtime/runs/checkpoint.js"
import { evaluateRun } from "../../../src/runtime/training/evaluate.js"
import { train } from "../../../src/runtime/training/trainer.js"
import { openWorkshop, type Workshop } from "../training/tiny.js"

let shop: Workshop
let prepared: PreparedSweep
let plan: Plan
beforeAll(async () => {
  shop = await openWorkshop()
  prepared = await prepareSweep({
    model: shop.model(),
    data: shop.data,
    run: shop.run("sweep"),
    seeds: [3, 4],
    only: ["no_note"],
    epochs: 3,
  })
  ;({ plan } = prepared)
})
afterAll(() => shop.remove())

const folderOf = (name: string): string => memberFolder(prepared.sweep, { name })
const member = (name: string, more: { signal?: AbortSignal; onEpoch?: () => void } = {}) =>
  runMember({
    sweep: prepared.sweep,
    plan,
    name,
    workers: 0,
    signal: more.signal,
    observer: { epoch: () => more.onEpoch?.() },
  })
const weightsOf = async (run: string): Promise<string> => (await readCheckpoint(run, "best")).sha256

/** Runs members in this process, where TensorFlow is loaded already. */
const inThisProcess: Engine = {
  name: "this process",
  async run(tasks) {
    const ends: TaskEnd[] = []
    for (const { name } of tasks) {
      await member(name)
      ends.push({ name, outcome: "done", code: 0, message: undefined })
    }
    return ends
  },
}

describe("a member", () => {
  test("is the run that mdl train makes with the same options, scored", async () => {
    const record = (await member("Tiny/seed-3"))!
    const byHand = shop.run("by-hand")
    await train({ model: shop.model(), data: shop.data, run: byHand, epochs: 3, batch: 4, seed: 3, workers: 0 })
    expect(record.checkpoint.sha256).toBe(await weightsOf(byHand))
    const own = await evaluateRun(byHand)
    expect(record.cases).toEqual(own.cases.map(({ id, dice, iou }) => ({ id, dice, iou })))
    const shuffled = await evaluateRun(byHand, { shuffleNotes: 1 })
    expect(record.shuffledNotes!.cases.map(({ dice }) => dice)).toEqual(shuffled.cases.map(({ dice }) => dice))
    expect(record).toMatchObject({ split: "test", convention: "lvit", ended: "epochs", steps: 9, warnings: [] })
    expect(record.stepSeconds).toBeGreaterThan(0)
  })
  test("that was stopped goes on and becomes the same, and one that reads no notes has no other notes", async () => {
    const controller = new AbortController()
    const stopped = await member("no_note/seed-3", { signal: controller.signal, onEpoch: () => controller.abort() })
    expect(stopped).toBeUndefined()
    const record = (await member("no_note/seed-3"))!
    const byHand = shop.run("no-note-by-hand")
    const model = shop.model("no_note")
    await train({ model, data: shop.data, run: byHand, epochs: 3, batch: 4, seed: 3, workers: 0 })
    expect(record.checkpoint.sha256).toBe(await weightsOf(byHand))
    expect(record.steps).toBe(9)
  })
  test("that is done is not trained or scored again", async () => {
    const before = await readFile(join(folderOf("Tiny/seed-3"), "evaluation.json"), "utf8")
    let epochs = 0
    await member("Tiny/seed-3", { onEpoch: () => epochs++ })
    expect(epochs).toBe(0)
    expect(await readFile(join(folderOf("Tiny/seed-3"), "evaluation.json"), "utf8")).toBe(before)
  })
  test("that is trained and not scored is only scored", async () => {
    const file = join(folderOf("Tiny/seed-3"), "evaluation.json")
    const before = JSON.parse(await readFile(file, "utf8")) as unknown
    await rm(file)
    let epochs = 0
    await member("Tiny/seed-3", { onEpoch: () => epochs++ })
    expect(epochs).toBe(0)
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(before)
  })
  test("that the plan does not have is refused", async () => {
    await expect(member("Tiny/seed-9")).rejects.toThrow("has no member Tiny/seed-9")
  })
  test("whose folder holds another run is refused", async () => {
    const other = folderOf("Tiny/seed-4")
    await train({ model: shop.model(), data: shop.data, run: other, epochs: 3, batch: 4, seed: 5, workers: 0 })
    await expect(member("Tiny/seed-4")).rejects.toThrow("its seed is 5, and the plan says 4")
    await rm(other, { recursive: true })
  })
  test("whose data has changed since the plan was made is refused, wherever it runs", async () => {
    const masks = join(shop.data, "valid", "masks")
    const [first, second] = (await readdir(masks)).sort()
    const bytes = await readFile(join(masks, first!))
    const { mtime } = await stat(join(masks, first!))
    try {
      await copyFile(join(masks, second!), join(masks, first!))
      await expect(member("Tiny/seed-4")).rejects.toThrow(
        /is not the data set this sweep began with[^]*changed: valid\//,
      )
    } finally {
      await writeFile(join(masks, first!), bytes)
      await utimes(join(masks, first!), mtime, mtime)
    }
  })
  test("whose text has changed since the plan was made is refused", async () => {
    const file = shop.model()
    const text = await readFile(file, "utf8")
    try {
      await writeFile(file, text.replace("kernel = 3)", "kernel = 1)"))
      await expect(member("Tiny/seed-4")).rejects.toThrow("has changed since the sweep began")
    } finally {
      await writeFile(file, text)
    }
  })
})

test("a sweep does what is left of it and concludes", async () => {
  const { result } = await runSweep(prepared, inThisProcess)
  expect(result!.complete).toBe(true)
  const [tiny, noNote] = result!.variants
  expect(tiny!.seeds.map(({ seed }) => seed)).toEqual([3, 4])
  expect(tiny!.notes).not.toBeNull()
  expect(noNote!.notes).toBeNull()
  expect(membersOf(plan)).toHaveLength(4)
  const { difference } = result!.comparisons[0]!
  expect(difference.mean).toBeCloseTo(noNote!.dice!.mean - tiny!.dice!.mean, 12)
})
