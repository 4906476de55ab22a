/**
 * Wrong input to the commands that train and use models: each is told what is wrong and where, the code is 1, stdout
 * stays empty, and what was written before is still there.
 */

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { synthesise } from "../../src/runtime/data/phantom.js"
import { openWorkshop, TINY, type Workshop } from "../runtime/training/tiny.js"
import { mdl, type Outcome } from "./command-line.js"

let workshop: Workshop
/** A finished run of two steps. */
let run: string

const path = (...names: string[]): string => join(workshop.folder, ...names)

beforeAll(async () => {
  workshop = await openWorkshop()
  run = workshop.run("finished")
  const { code, stderr } = await mdl("train", workshop.model(), "--data", workshop.data, "--run", run, "--steps", "2")
  expect({ code, stderr }).toMatchObject({ code: 0 })
})
afterAll(() => workshop.remove())

/** A copy of the data set with something done to it. */
function damagedData(name: string, damage: (folder: string) => void): string {
  const copy = path(name)
  rmSync(copy, { recursive: true, force: true })
  cpSync(workshop.data, copy, { recursive: true })
  damage(copy)
  return copy
}

/** Trains for two steps; what is left of the run folder is named. */
async function trained(data: string, model = workshop.model()): Promise<Outcome & { readonly folder: string }> {
  const folder = workshop.run(`run-${Math.random().toString(36).slice(2)}`)
  return { ...(await mdl("train", model, "--data", data, "--run", folder, "--steps", "2")), folder }
}

function expectRefused(outcome: Outcome, ...expected: string[]): void {
  const { code, stdout, stderr } = outcome
  for (const text of expected) expect(stderr).toContain(text)
  expect(stderr).not.toContain("internal error")
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
}

const files = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()

describe("train refuses", () => {
  test("a model with an unknown name, and makes no folder", async () => {
    writeFileSync(path("unknown.mdl"), TINY.replace("bce(probability, mask)", "bce(probabilty, mask)"))
    const outcome = await trained(workshop.data, path("unknown.mdl"))
    expectRefused(outcome, "`probabilty`", "did you mean `probability`?", "unknown.mdl:")
    expect(existsSync(outcome.folder)).toBe(false)
  })

  test("a model whose sizes do not fit, and makes no folder", async () => {
    writeFileSync(path("mismatch.mdl"), TINY.replace("then v + reshape", "then image + reshape"))
    const outcome = await trained(workshop.data, path("mismatch.mdl"))
    expectRefused(outcome, "Sizes do not fit", "mismatch.mdl:")
    expect(existsSync(outcome.folder)).toBe(false)
  })

  test("a model without anything to train on", async () => {
    writeFileSync(path("no-loss.mdl"), "model M {\n  input image: f32[N, 3, H = 32, W = 32]\n  output y = image\n}\n")
    expectRefused(await trained(workshop.data, path("no-loss.mdl")), "loss")
  })

  test("a data set without one of its masks", async () => {
    let mask = ""
    const data = damagedData("no-mask", (folder) => {
      mask = readdirSync(join(folder, "train", "masks")).sort()[0]!
      unlinkSync(join(folder, "train", "masks", mask))
    })
    expectRefused(await trained(data), mask.replace(/^mask_/, ""))
  })

  test("a data set with a picture that was cut off", async () => {
    let image = ""
    const data = damagedData("cut-off", (folder) => {
      image = readdirSync(join(folder, "train", "images")).sort()[0]!
      truncateSync(join(folder, "train", "images", image), 120)
    })
    expectRefused(await trained(data), image)
  })

  test("an empty data folder", async () => {
    const data = damagedData("empty", (folder) => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
    })
    expectRefused(await trained(data), data)
  })

  test("a data folder that is not there", async () => {
    expectRefused(await trained(path("nowhere")), path("nowhere"))
  })

  test("an annotation that is not JSON, with the place", async () => {
    const data = damagedData("no-json", (folder) => {
      writeFileSync(join(folder, "annotation.json"), '{"train": [\n  {"image_path": }\n]}')
    })
    expectRefused(await trained(data), "annotation.json:2:18: not valid JSON")
  })

  test("a folder that holds a run, and leaves the run as it was", async () => {
    const before = files(run)
    const record = readFileSync(join(run, "run.json"), "utf8")
    const outcome = await mdl("train", workshop.model(), "--data", workshop.data, "--run", run, "--steps", "2")
    expectRefused(outcome, run, "--resume")
    expect(files(run)).toEqual(before)
    expect(readFileSync(join(run, "run.json"), "utf8")).toBe(record)
  })

  test("a folder that holds something else, and leaves it as it was", async () => {
    const before = files(workshop.data)
    const outcome = await mdl(
      "train",
      workshop.model(),
      "--data",
      workshop.data,
      "--run",
      workshop.data,
      "--steps",
      "2",
    )
    expectRefused(outcome, workshop.data)
    expect(files(workshop.data)).toEqual(before)
  })

  test.each([
    ["no data", ["--run", "x"], "--data"],
    ["steps that are no number", ["--data", "x", "--run", "y", "--steps", "many"], "--steps"],
    ["no steps at all", ["--data", "x", "--run", "y", "--steps", "0"], "--steps"],
    ["a precision that there is not", ["--data", "x", "--run", "y", "--precision", "f16"], "bf16"],
  ])("%s", async (_, words, expected) => {
    expectRefused(await mdl("train", workshop.model(), ...words), expected)
  })
})

describe("notes longer than the model reads", () => {
  test("are cut, counted and told, and training goes on", async () => {
    const { code, stdout, stderr } = await trained(workshop.data, workshop.model("short"))
    expect(code).toBe(0)
    expect(`${stdout}${stderr}`).toMatch(/\d+ of 17 notes are longer than 5 tokens and were cut/)
  })
})

describe("a checkpoint that was cut off", () => {
  /** A copy of the finished run whose checkpoint `name` is half as long. */
  function cut(name: "best" | "last"): string {
    const copy = path(`cut-${name}`)
    rmSync(copy, { recursive: true, force: true })
    cpSync(run, copy, { recursive: true })
    const file = join(copy, "checkpoints", `${name}.safetensors`)
    truncateSync(file, Math.floor(readFileSync(file).length / 2))
    return copy
  }

  test("is not evaluated; the message offers the one that is whole", async () => {
    const folder = cut("best")
    const before = files(folder)
    expectRefused(await mdl("eval", folder, "--data", workshop.data, "--json"), "best.safetensors", "--checkpoint last")
    expect(files(folder)).toEqual(before)
    const other = await mdl("eval", folder, "--data", workshop.data, "--checkpoint", "last", "--json")
    expect(other.code).toBe(0)
    expect((JSON.parse(other.stdout) as { cases: unknown[] }).cases).toHaveLength(3)
  })

  test("is not gone on from, and nothing is written over it", async () => {
    const folder = cut("last")
    const bytes = readFileSync(join(folder, "checkpoints", "last.safetensors"))
    expectRefused(await mdl("train", "--resume", folder, "--steps", "4"), "last.safetensors", "best")
    expect(readFileSync(join(folder, "checkpoints", "last.safetensors"))).toEqual(bytes)
  })
})

describe("eval refuses", () => {
  test("a folder that holds no run", async () => {
    expectRefused(await mdl("eval", workshop.data), workshop.data)
  })

  test("a folder that is not there", async () => {
    expectRefused(await mdl("eval", path("nowhere")), path("nowhere"))
  })

  test("a split that there is not", async () => {
    expectRefused(await mdl("eval", run, "--split", "holdout"), "holdout")
  })

  test("a data set without cases in the split", async () => {
    const data = path("no-test-cases")
    await synthesise({ root: data, counts: { train: 2, valid: 1, test: 0 }, size: 32, seed: 1 })
    expectRefused(await mdl("eval", run, "--data", data), "test")
  })
})

describe("predict refuses", () => {
  const out = (): string => path("prediction.png")

  test("a picture that was cut off, and writes nothing", async () => {
    const image = join(workshop.data, "test", "images", readdirSync(join(workshop.data, "test", "images"))[0]!)
    writeFileSync(path("cut.png"), readFileSync(image).subarray(0, 120))
    expectRefused(await mdl("predict", run, "--image", path("cut.png"), "--note", "a note", "-o", out()), "cut.png")
    expect(existsSync(out())).toBe(false)
  })

  test("a picture that is not there", async () => {
    expectRefused(await mdl("predict", run, "--image", path("none.png"), "--note", "a note", "-o", out()), "none.png")
  })
})

describe("with --json, stdout holds JSON and nothing else", () => {
  test("of train", async () => {
    const folder = workshop.run("json")
    const { code, stdout } = await mdl(
      ...["train", workshop.model(), "--data", workshop.data, "--run", folder, "--steps", "1", "--json"],
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ step: 1, ended: "steps" })
  })

  test.each([
    ["data inspect", () => ["data", "inspect", workshop.data, "--json"]],
    ["doctor", () => ["doctor", "--no-load", "--json"]],
  ])("of %s", async (_, words) => {
    const { stdout } = await mdl(...words())
    expect(typeof JSON.parse(stdout)).toBe("object")
  })
})
