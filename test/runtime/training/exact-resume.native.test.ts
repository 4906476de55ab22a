/**
 * A process may die at any write, and the run goes on as if it had not: log, events, checkpoints and scores are in the end
 * those of a run that was never interrupted, bit for bit.
 */
import { existsSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { resumeTraining, train, type TrainOptions } from "../../../src/runtime/training/trainer.js"
import { Died, mortalFiles } from "../runs/mortal-files.js"
import { runContents } from "./run-contents.js"
import { openWorkshop, runOptions, type Workshop } from "./tiny.js"

let shop: Workshop
/** What the run that was not interrupted left, and the file operations it took. */
let whole: Awaited<ReturnType<typeof runContents>>
let operations: readonly string[]

/** Summed gradients, averages and a plateau schedule: 2 steps an epoch, of 4 batches and of 2. */
const options = (run: string, more: Partial<TrainOptions> = {}): TrainOptions =>
  runOptions(shop, run, { model: shop.model("everything"), epochs: 2, checkpointEvery: { steps: 1 }, ...more })

beforeAll(async () => {
  shop = await openWorkshop()
  const files = mortalFiles()
  await train(options("whole", { files }))
  whole = await runContents(shop.run("whole"))
  operations = files.operations
})
afterAll(() => shop.remove())

/** What changes a file. Dying at anything else leaves what dying at the next of these leaves. */
const CHANGES = /^(write|truncate|rename|rm) /

/** The last time that each kind of change to each file is begun, and the first for checkpoints. */
function chosen(): readonly number[] {
  // After that the run has done all that it had to do.
  const end = operations.indexOf("rename scores.json")
  const points = operations
    .filter((name) => CHANGES.test(name))
    .flatMap((name) => [
      operations.lastIndexOf(name, end),
      ...(name.endsWith(".safetensors") ? [operations.indexOf(name)] : []),
    ])
  return [...new Set(points)].filter((point) => point >= 0).sort((a, b) => a - b)
}

/** Goes on with what a dead process left; without a run, starts it. */
async function goOn(run: string): Promise<void> {
  if (existsSync(shop.run(run))) await resumeTraining({ run: shop.run(run), workers: 0 })
  else await train(options(run))
}

test("the run that is compared with wrote everything there is to write", () => {
  const names = [...new Set(operations.map((operation) => operation.split(" ").at(-1)!.replace(/\d+$/, "N")))]
  for (const name of ["run.json", "saved_model.pb", "log.jsonl", "events.out.tfevents.N", "scores.json"]) {
    expect(names).toContain(name)
  }
  expect(operations.filter((name) => name === "rename last.safetensors")).toHaveLength(4)
  expect(operations).toContain("rename previous.safetensors")
  expect(Object.keys(whole.checkpoints)).toEqual(["best.safetensors", "last.safetensors", "previous.safetensors"])
  expect(whole.log.length).toBeGreaterThan(4)
  expect(whole.events.length).toBeGreaterThan(20)
})

test("dying at any kind of write on any file changes nothing in the end", async () => {
  expect(chosen().length).toBeGreaterThan(15)
  for (const point of chosen()) {
    const run = `died-${point}`
    const files = mortalFiles(point)
    await expect(train(options(run, { files })), operations[point]).rejects.toBeInstanceOf(Died)
    await goOn(run)
    expect(await runContents(shop.run(run)), `died at ${operations[point]} (${point})`).toEqual(whole)
  }
})

describe("dying again and again", () => {
  test("in the processes that go on, changes nothing in the end", async () => {
    const run = "died-often"
    // Far enough apart that each process does something new: opening a run takes about 20 operations.
    for (const point of [Math.floor(operations.length / 3), 25, 33, 41]) {
      const files = mortalFiles(point)
      const going = existsSync(shop.run(run))
        ? resumeTraining({ run: shop.run(run), workers: 0, files })
        : train(options(run, { files }))
      await expect(going, `${point}: ${files.operations.at(-1)}`).rejects.toBeInstanceOf(Died)
    }
    await goOn(run)
    expect(await runContents(shop.run(run))).toEqual(whole)
  })
})

test("when checkpoints are written changes nothing in the results", async () => {
  await train(options("seldom", { checkpointEvery: { seconds: 3600 }, keep: 1 }))
  const { checkpoints, ...rest } = await runContents(shop.run("seldom"))
  const { checkpoints: often, ...expected } = whole
  expect(rest).toEqual(expected)
  expect(checkpoints).toEqual({
    "best.safetensors": often["best.safetensors"],
    "last.safetensors": often["last.safetensors"],
  })
})
