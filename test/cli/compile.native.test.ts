/**
 * `mdl compile`: the package trains on its own, in a process of its own, and computes what the session computes.
 */

import { execFile } from "node:child_process"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import { compileCommand } from "../../src/cli/compile.js"
import { synthesise } from "../../src/runtime/data/phantom.js"
import { NativeSession, type Feeds } from "../../src/runtime/session.js"
import { folderForPackages, modelText, type GeneratedTrainer } from "../compiler/package/package-model.js"

const SEED = 11
const root = folderForPackages()
const model = join(root, "tiny.mdl")
const output = join(root, "package")
const checkpoint = join(root, "weights.safetensors")

let program: GeneratedTrainer
let session: NativeSession
let report: { cases: Record<string, number>; batch: number }

/** Runs `mdl compile`; gives what it prints. */
async function compile(...args: string[]): Promise<string> {
  let printed = ""
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text)
    return true
  })
  try {
    const command = compileCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
    await command.parseAsync(args, { from: "user" })
  } finally {
    spy.mockRestore()
  }
  return printed
}

/** Runs the generated program; gives its lines. */
async function trainerIn(folder: string, ...args: string[]): Promise<Record<string, number | string>[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "trainer.mjs"), "--json", ...args])
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, number | string>)
}

const trainer = (...args: string[]): ReturnType<typeof trainerIn> => trainerIn(output, ...args)

const TYPES = { float32: "f32", int32: "i32", bool: "bool" } as const

function feeds(arrays: Readonly<Record<string, Float32Array | Int32Array>>, n: number): Feeds {
  return Object.fromEntries(
    Object.entries(program.INPUTS).map(([name, { dtype, shape }]) => [
      name,
      { dtype: TYPES[dtype as keyof typeof TYPES], shape: [n, ...shape], data: arrays[name]! },
    ]),
  )
}

beforeAll(async () => {
  writeFileSync(model, modelText())
  await synthesise({ root: join(root, "phantoms"), counts: { train: 9, valid: 5, test: 1 }, size: 32, seed: 5 })
  report = JSON.parse(await compile(model, "-o", output, "--data", join(root, "phantoms"), "--json")) as typeof report
  program = (await import(pathToFileURL(join(output, "trainer.mjs")).href)) as GeneratedTrainer
  session = await NativeSession.open(join(output, "model"))
}, 120_000)

afterAll(() => {
  session?.close()
  rmSync(root, { recursive: true, force: true })
})

describe("a trainer package", () => {
  test("trains on random numbers with the losses of the session, to the last bit", async () => {
    const lines = await trainer("--random", "--steps", "3", "--seed", String(SEED))
    session.init(SEED)
    const expected = [0, 1, 2].map((n) => {
      const batch = feeds(program.randomBatch(program.BATCH.train, SEED + n), program.BATCH.train)
      return { what: "train", epoch: 0, ...session.trainStep(batch) }
    })
    expect(lines).toEqual(expected)
    expect(new Set(lines.map((line) => line["total"])).size).toBe(3)
  }, 180_000)

  test("trains on its data, evaluates, saves, and goes on from there as if never stopped", async () => {
    expect(report).toMatchObject({ batch: 4, cases: { train: 9, valid: 5, test: 1 } })
    const all = await trainer("--epochs", "2", "--seed", String(SEED), "--checkpoint", join(root, "all.safetensors"))
    expect(all.map((line) => line["what"])).toEqual(["train", "train", "valid", "train", "train", "valid"])

    session.init(SEED, 2)
    const data = program.openData(join(output, "data"))
    const train = all.filter((line) => line["what"] === "train")
    train.forEach((line, n) => {
      const [epoch, b] = [Math.floor(n / 2), n % 2]
      const cases = program.epochOrder(9, SEED, epoch).slice(4 * b, 4 * b + 4)
      const batch = feeds(program.readBatch(data, "train", cases), 4)
      expect(line).toEqual({ what: "train", epoch, ...session.trainStep(batch) })
    })
    // cosine_restarts(period = 3, min = 1e-4) of 2e-3, stepped once an epoch
    expect(train.map((line) => line["learning_rate"])).toEqual([2e-3, 2e-3, 1.525e-3, 1.525e-3].map(Math.fround))
    const first = session.evaluate(feeds(program.readBatch(data, "valid", [0, 1, 2, 3]), 4)).losses
    const second = session.evaluate(feeds(program.readBatch(data, "valid", [4, 0, 1, 2]), 4)).losses
    expect(all.at(-1)!["dice"]).toBe(first["dice"]! / 2 + second["dice"]! / 2)

    // Stopped in the middle of the second epoch.
    await trainer("--steps", "3", "--seed", String(SEED), "--checkpoint", checkpoint)
    const resumed = await trainer("--epochs", "2", "--seed", String(SEED), "--resume", checkpoint)
    expect(resumed).toEqual(all.slice(4))
  }, 300_000)

  test("of a model with summed gradients and averages takes the same steps as the session", async () => {
    const folder = join(root, "summed")
    const text = modelText("accumulate = 3\n batch = 2\n average = ema(decay = 0.5)\n warmup = 2")
    writeFileSync(join(root, "summed.mdl"), text)
    await compile(join(root, "summed.mdl"), "-o", folder, "--data", join(root, "phantoms"))
    // 9 cases: 4 batches of 2, so a step of 3 batches and one of 1.
    const lines = await trainerIn(
      folder,
      "--epochs",
      "2",
      "--seed",
      String(SEED),
      "--checkpoint",
      join(root, "s.safetensors"),
    )
    const train = lines.filter((line) => line["what"] === "train")
    expect(train.map((line) => [line["epoch"], line["step"]])).toEqual([
      [0, 1],
      [0, 2],
      [1, 3],
      [1, 4],
    ])
    expect(train.map((line) => line["learning_rate"])).toEqual([5e-4, 5e-4, 1e-3, 1e-3].map(Math.fround))
    const own = await NativeSession.open(join(folder, "model"))
    own.init(SEED, 2)
    const data = program.openData(join(folder, "data"))
    for (const line of train) {
      const { epoch, step } = line as { epoch: number; step: number }
      const batches = step % 2 === 1 ? [0, 1, 2] : [3]
      const cases = program.epochOrder(9, SEED, epoch)
      const results = batches.map((b) =>
        own.addGradients(feeds(program.readBatch(data, "train", cases.slice(2 * b, 2 * b + 2)), 2)),
      )
      const mean = (name: string): number => results.reduce((sum, losses) => sum + losses[name]!, 0) / results.length
      const { accumulated, ...applied } = own.applyGradients()
      expect(accumulated).toBe(batches.length)
      const losses = Object.fromEntries(["dice", "cross_entropy", "total"].map((name) => [name, mean(name)]))
      expect(line).toEqual({ what: "train", epoch, ...losses, ...applied })
    }
    own.close()
  }, 300_000)

  test("in bf16 starts from the same weights and takes nearly the same steps", async () => {
    // Wide enough for its products to be worth rounding.
    const text = `model Wide {
      input image: f32[N, 3, H = 32, W = 32]
      target mask: f32[N, 1, H, W]
      let a = conv2d(image, 32, kernel = 3) |> relu()
      let b = conv2d(a, 32, kernel = 3) |> relu()
      output probability = sigmoid(conv2d(b, 1))
      loss dice = dice_loss(probability, mask)
      train { batch = 2 }
    }`
    writeFileSync(join(root, "wide.mdl"), text)
    const totals = async (precision: string): Promise<readonly number[]> => {
      await compile(join(root, "wide.mdl"), "-o", join(root, precision), "--precision", precision)
      const lines = await trainerIn(join(root, precision), "--random", "--steps", "2", "--seed", String(SEED))
      return lines.map((line) => line["total"] as number)
    }
    const [wide, narrow] = [await totals("f32"), await totals("bf16")]
    expect(narrow).not.toEqual(wide)
    expect(narrow).toHaveLength(2)
    narrow.forEach((total, step) => expect(total / wide[step]!).toBeCloseTo(1, 2))
  }, 180_000)

  test("says what is wrong when it has no data, and exits with 1", async () => {
    const failure = trainer("--data", join(root, "nowhere"))
    await expect(failure).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("has no index.json") })
  })
})

describe("the command", () => {
  test("says where the package is, how to run it, and what is left out", async () => {
    const other = join(root, "other")
    writeFileSync(join(root, "stop.mdl"), modelText("stop = patience(dice, 3)"))
    const printed = await compile(join(root, "stop.mdl"), "-o", other, "--batch", "2", "--size", "32")
    expect(printed).toContain(`${other}: Tiny, batch 2, H = 32, W = 32`)
    expect(printed).toContain("not in the generated trainer: stop")
    expect(printed).toContain(`node ${other}/trainer.mjs --random`)
    expect(existsSync(join(other, "data"))).toBe(false)
  })

  test("refuses a model without a loss, a folder in use, a missing file and a wrong number", async () => {
    const silent = join(root, "silent.mdl")
    writeFileSync(silent, modelText().replace(/^ {2}loss .*$/gm, ""))
    await expect(compile(silent, "-o", join(root, "x"))).rejects.toThrow(/Tiny has no loss/)
    await expect(compile(model, "-o", join(root, "phantoms"))).rejects.toThrow(/not empty and is no trainer package/)
    await expect(compile(join(root, "none.mdl"), "-o", join(root, "x"))).rejects.toThrow(/there is no file/)
    await expect(compile(model, "-o", join(root, "x"), "--batch", "0")).rejects.toThrow(/whole number/)
    expect(existsSync(join(root, "x"))).toBe(false)
  })
})
