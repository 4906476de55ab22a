/**
 * A sweep from request to conclusion, with an engine that scores instead of training: what is planned, what a second call
 * does, what it refuses.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { memberFolder, membersOf, trainCommand } from "../../../src/runtime/ablation/plan.js"
import type { AblationResult } from "../../../src/runtime/ablation/result.js"
import { concludeSweep, prepareSweep, runSweep, type SweepRequest } from "../../../src/runtime/ablation/sweep.js"
import { openWorkshop, TINY, type Workshop } from "../training/tiny.js"
import { type Score, scoringEngine } from "./sweeps.js"

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.remove())

let count = 0
let sweep: string
beforeEach(() => {
  sweep = shop.run(`sweep-${count++}`)
})

const score: Score = ({ label, seed, index }) =>
  0.5 + 0.01 * seed + 0.02 * Math.sin(index + (label === "Tiny" ? 0 : seed)) - (label === "no_note" ? 0.2 : 0)

const request = (more: Partial<SweepRequest> = {}): SweepRequest => ({
  model: shop.model(),
  data: shop.data,
  run: sweep,
  seeds: [1, 2],
  only: ["no_note", "short"],
  ...more,
})

async function run(more: Partial<SweepRequest> = {}, failing: Record<string, number | null> = {}) {
  const prepared = await prepareSweep(request(more))
  const engine = scoringEngine(sweep, score, failing)
  return { ...(await runSweep(prepared, engine)), ran: engine.ran, prepared }
}

async function refusal(more: Partial<SweepRequest> = {}): Promise<string> {
  return prepareSweep(request(more)).then(
    () => "nothing was refused",
    (thrown: unknown) => (thrown as Error).message,
  )
}

describe("a sweep", () => {
  test("runs every variant with every seed, seed by seed, and concludes", async () => {
    const { result, ran } = await run()
    expect(ran).toEqual([
      "Tiny/seed-1",
      "no_note/seed-1",
      "short/seed-1",
      "Tiny/seed-2",
      "no_note/seed-2",
      "short/seed-2",
    ])
    expect(result).toMatchObject({ complete: true, missing: [], base: "Tiny", convention: "lvit" })
    expect(result!.comparisons[0]).toMatchObject({ label: "no_note", verdict: "worse" })
    for (const file of ["plan.json", "cases.json", "ablation.md", "ablation.html", "plots/differences.svg"])
      expect(existsSync(join(sweep, file))).toBe(true)
    expect(JSON.parse(readFileSync(join(sweep, "ablation.json"), "utf8")) as AblationResult).toEqual(result)
  })
  test("gives every member the base's budget, in a command that trains it by hand", async () => {
    const { plan } = await prepareSweep(request({ only: ["standing"], size: 16, evalEvery: 2 }))
    expect(plan.budget).toEqual({
      epochs: 2,
      steps: null,
      batch: 4,
      size: 16,
      precision: "f32",
      evalEvery: 2,
      earlyStop: false,
    })
    const member = membersOf(plan)[3]!
    // The ablation has nine epochs of its own; a comparison gives all the same.
    expect(trainCommand(plan, member, "RUN").slice(2)).toEqual(
      `--data ${shop.data} --run RUN --epochs 2 --batch 4 --size 16 --seed 2 --eval-every 2 --no-early-stop`.split(" "),
    )
  })
  test("does what is missing when it is run again: failed members, new seeds, new variants", async () => {
    const first = await run({}, { "no_note/seed-2": 1 })
    expect(first.result).toMatchObject({ complete: false })
    expect(first.result!.missing).toEqual([
      { member: "no_note/seed-2", message: "error: no_note/seed-2 broke", code: 1 },
    ])
    expect(first.ends.map(({ outcome }) => outcome)).toEqual(["done", "done", "done", "done", "failed", "done"])
    const second = await run()
    expect(second.ran).toEqual(["no_note/seed-2"])
    expect(second.result!.complete).toBe(true)
    expect((await run({ seeds: [1, 2, 3] })).ran).toEqual(["Tiny/seed-3", "no_note/seed-3", "short/seed-3"])
    expect((await run({ only: ["no_note", "short", "square"] })).ran).toEqual(["square/seed-1", "square/seed-2"])
    const last = await run()
    expect(last.ran).toEqual([])
    expect(last.result!.variants.map(({ label }) => label)).toEqual(["Tiny", "no_note", "short"])
  })
  test("that is stopped concludes from what is there, and from nothing not at all", async () => {
    const prepared = await prepareSweep(request())
    const controller = new AbortController()
    const stopped = await runSweep(prepared, scoringEngine(sweep, score), {
      signal: controller.signal,
      ended: () => controller.abort(),
    })
    expect(stopped.result!.missing).toHaveLength(5)
    expect(stopped.result!.missing[0]!.message).toBeNull()
    const aborted = await runSweep(
      await prepareSweep(request({ run: shop.run("none") })),
      scoringEngine(sweep, score),
      {
        signal: AbortSignal.abort(),
      },
    )
    expect(aborted.result).toBeUndefined()
    await expect(concludeSweep(shop.run("none"), prepared.plan)).rejects.toThrow("no member of the sweep")
  })
  test("does a member again whose record is of another model", async () => {
    const { prepared } = await run()
    const file = join(memberFolder(sweep, membersOf(prepared.plan)[0]!), "evaluation.json")
    const record = JSON.parse(readFileSync(file, "utf8")) as object
    writeFileSync(file, JSON.stringify({ ...record, identity: "another" }))
    expect((await run()).ran).toEqual(["Tiny/seed-1"])
    writeFileSync(file, "{")
    expect(await refusal()).toMatch(/evaluation\.json is damaged.*remove it/)
  })
})

describe("a sweep does not go on as another one", () => {
  test.each<[string, Partial<SweepRequest>, RegExp]>([
    ["epochs", { epochs: 3 }, /has epochs 2, and 3 is asked for/],
    ["batch", { batch: 2 }, /has batch 4, and 2 is asked for/],
    ["size", { size: 16 }, /has size not set, and 16 is asked for/],
    ["split", { split: "valid" }, /has split test, and valid is asked for/],
  ])("with other %s", async (_, change, message) => {
    await run()
    expect(await refusal(change)).toMatch(message)
  })
  test.each(["images", "masks"])(
    "with another data set, by one file of %s: refused by its hash, by name",
    async (kind) => {
      const other = await openWorkshop()
      try {
        const data = { data: other.data }
        const prepared = await prepareSweep(request(data))
        const folder = join(other.data, "test", kind)
        const [first, second] = readdirSync(folder).sort()
        copyFileSync(join(folder, second!), join(folder, first!))
        expect(await refusal(data)).toMatch(/is not the data set this sweep began with: SHA-256 [0-9a-f]{12}, it was/)
        const name = first!.replace(/^mask_|\.\w+$/g, "")
        expect(await refusal(data)).toContain(`changed: test/${name}\n`)
        // Also in the middle of a sweep, before the next member.
        await expect(runSweep(prepared, scoringEngine(sweep, score))).rejects.toThrow("is not the data set")
      } finally {
        other.remove()
      }
    },
  )
  test("with other notes, also in the middle of it", async () => {
    const other = await openWorkshop()
    try {
      const prepared = await prepareSweep(request({ data: other.data }))
      const notes = join(other.data, "annotation.json")
      writeFileSync(notes, readFileSync(notes, "utf8").replace(/"caption": ?"/, "$&Other. "))
      expect(await refusal({ data: other.data })).toMatch(/changed: train\//)
      await expect(prepared.requireUnchanged()).rejects.toThrow("is not the data set")
    } finally {
      other.remove()
    }
  })
  test("with another text", async () => {
    await run()
    const file = shop.model()
    try {
      writeFileSync(file, TINY.replace("conv2d(image, 6, kernel = 3)", "conv2d(image, 6, kernel = 5)"))
      expect(await refusal()).toMatch(/Tiny is not the model that the sweep in .* began with/)
      writeFileSync(file, `// a remark\n${TINY}`)
      expect(await refusal()).toBe("nothing was refused")
    } finally {
      writeFileSync(file, TINY)
    }
  })
  test("in a folder that holds something else", async () => {
    expect(await refusal({ run: shop.data })).toMatch(/is not empty and holds no run/)
  })
  test("while another process runs it", async () => {
    const prepared = await prepareSweep(request())
    writeFileSync(join(sweep, "run.lock"), JSON.stringify({ pid: process.ppid, host: hostname() }))
    await expect(runSweep(prepared, scoringEngine(sweep, score))).rejects.toThrow(/is being trained by process/)
  })
})
