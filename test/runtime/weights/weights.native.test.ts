/**
 * Weights out of a run and into another: exported files, and `mdl train --weights`.
 */
import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { checkpointPath, readCheckpoint } from "../../../src/runtime/runs/checkpoint.js"
import { RunFolder } from "../../../src/runtime/runs/run-folder.js"
import { readSafetensors, writeSafetensors } from "../../../src/runtime/runs/safetensors.js"
import type { HostTensor } from "../../../src/runtime/session.js"
import { prepareRun } from "../../../src/runtime/training/prepare.js"
import { resumeTraining, train } from "../../../src/runtime/training/trainer.js"
import { exportWeights } from "../../../src/runtime/weights/export-weights.js"
import { openWorkshop, recorder, TINY, type Workshop } from "../training/tiny.js"

/** One that keeps averages, and ablations that take its weights up. */
const MORE = `
ablation frozen_note of Tiny { freeze language, vision }
ablation resting of Tiny { set rate = 0.0  set train.schedule = constant_rate() }
`

let shop: Workshop
let model: string
let base: string
let exported: string
beforeAll(async () => {
  shop = await openWorkshop()
  model = join(shop.folder, "weights.mdl")
  await writeFile(model, TINY + MORE)
  base = shop.run("base")
  await train({ model: `${model}#everything`, data: shop.data, run: base, epochs: 2, workers: 0 })
  exported = join(shop.folder, "made", "base.safetensors")
  await exportWeights(base, exported)
})
afterAll(() => shop.remove())

const from = (weights: string, name: string, selector: string, steps = 3) =>
  train({ model: `${model}#${selector}`, data: shop.data, run: shop.run(name), steps, weights, workers: 0 })

const bytes = ({ data }: HostTensor): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")

async function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "nothing failed",
    (thrown: unknown) => `${(thrown as Error).name}: ${(thrown as Error).message}`,
  )
}

describe("an exported file", () => {
  test("is safetensors as its specification has it: every parameter, the averages in them, and where it comes from", async () => {
    const file = await readFile(exported)
    const length = Number(file.readBigUInt64LE())
    const header = JSON.parse(file.toString("utf8", 8, 8 + length)) as Record<string, Record<string, unknown>>
    const { __metadata__: metadata, ...entries } = header
    const { record } = await RunFolder.open(base)
    const { variables, state } = await readCheckpoint(base, "best")
    expect(Object.keys(entries).sort()).toEqual(record.description.parameters.map(({ name }) => name).sort())
    expect(metadata).toMatchObject({ format: "pt", model: "Tiny", variant: "everything", run: "base" })
    expect(metadata).toMatchObject({ step: `${state.step}`, source_hash: record.model.sourceHash })
    let averaged = 0
    for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
      const [start, end] = offsets as [number, number]
      const average = variables.get(`average/${name}`)
      if (average) averaged++
      const expected = average ?? variables.get(name)!
      expect([dtype, shape]).toEqual(["F32", expected.shape])
      expect(file.toString("hex", 8 + length + start, 8 + length + end), name).toBe(bytes(expected))
    }
    expect(averaged).toBeGreaterThan(5)
  })
})

describe("a run from weights", () => {
  test("starts from them, be they named by file, checkpoint or run", async () => {
    const weights = (await readSafetensors(exported)).tensors
    const sources = { file: exported, checkpoint: checkpointPath(base, "best"), run: base }
    for (const [name, source] of Object.entries(sources)) {
      const result = await from(source, `from-${name}`, "resting", 1)
      expect(result.warnings).toEqual([])
      const { record } = await RunFolder.open(result.run)
      const { variables } = await readCheckpoint(result.run, "last")
      // A learning rate of 0 leaves what was loaded; statistics move with the data.
      const kept = record.description.parameters.filter(({ role }) => role === "param").map((p) => p.name)
      expect(kept.length).toBeGreaterThan(5)
      for (const each of kept) expect(bytes(variables.get(each)!), each).toBe(bytes(weights.get(each)!))
      const hashed = name === "file" ? exported : checkpointPath(base, "best")
      expect(record.weights).toEqual({
        file: { file: "base.safetensors", checkpoint: "best.safetensors", run: "base" }[name],
        sha256: createHash("sha256")
          .update(await readFile(hashed))
          .digest("hex"),
        loaded: weights.size,
        missing: 0,
        leftOver: 0,
      })
    }
  })

  test("leaves frozen tensors and statistics as they were loaded, bit for bit", async () => {
    const weights = (await readSafetensors(exported)).tensors
    const { run, step } = await from(exported, "frozen", "frozen_note")
    expect(step).toBe(3)
    const { variables } = await readCheckpoint(run, "last")
    const isFrozen = (name: string): boolean => /^(language|vision)\./.test(name)
    const frozen = [...weights.keys()].filter(isFrozen)
    expect(frozen.some((name) => name.endsWith("running_mean"))).toBe(true)
    for (const name of frozen) expect(bytes(variables.get(name)!), name).toBe(bytes(weights.get(name)!))
    const trained = [...weights.keys()].filter((name) => !isFrozen(name))
    for (const name of trained) expect(bytes(variables.get(name)!), name).not.toBe(bytes(weights.get(name)!))
  })

  test("tells what an ablation has no use for, in the log too", async () => {
    const observer = recorder()
    const options = { model: `${model}#no_note`, data: shop.data, steps: 1, workers: 0, observer }
    const result = await train({ ...options, run: shop.run("ablated"), weights: base })
    expect(observer.warnings[0]).toMatch(/^3 tensors of .* not in no_note, so left out: language\.[^ ]+, language\./)
    expect(result.warnings).toContain(observer.warnings[0])
    expect((await RunFolder.open(result.run)).record.weights).toMatchObject({ missing: 0 })
  })

  test("tells what the file lacks, which starts from its first values", async () => {
    const tensors = new Map((await readSafetensors(exported)).tensors)
    const lacking = [...tensors.keys()].filter((name) => name.startsWith("decoder."))
    lacking.forEach((name) => tensors.delete(name))
    const part = join(shop.folder, "part.safetensors")
    await writeSafetensors(part, tensors, new Map())
    const fresh = { model: `${model}#resting`, data: shop.data, steps: 1, workers: 0 }
    const plain = await train({ ...fresh, run: shop.run("plain") })
    const result = await train({ ...fresh, run: shop.run("partly"), weights: part })
    expect(result.warnings[0]).toContain(`${lacking.length} tensors not in ${part}, so from their first values`)
    const [first, mixed] = [await readCheckpoint(plain.run, "last"), await readCheckpoint(result.run, "last")]
    for (const name of lacking) {
      expect(bytes(mixed.variables.get(name)!), name).toBe(bytes(first.variables.get(name)!))
    }
  })

  test("that was stopped before its first checkpoint does not go on from first values", async () => {
    const run = shop.run("stopped")
    await prepareRun({ model: `${model}#resting`, data: shop.data, run, weights: base })
    expect(await failureOf(resumeTraining({ run }))).toMatch(/UserError: .*started from the weights in base and was/)
  })
})

describe("weights that cannot be taken", () => {
  const changed = async (name: string, change: (tensors: Map<string, HostTensor>) => void): Promise<string> => {
    const tensors = new Map((await readSafetensors(exported)).tensors)
    change(tensors)
    const path = join(shop.folder, `${name}.safetensors`)
    await writeSafetensors(path, tensors, new Map())
    return path
  }
  const refusal = (weights: string) => failureOf(from(weights, "refused", "resting"))
  const scalar = (data: Float32Array | Int32Array): HostTensor => ({
    dtype: data instanceof Int32Array ? "i32" : "f32",
    shape: [data.length],
    data,
  })

  test("all tensors of another shape or type are listed with both", async () => {
    const weights = await changed("shapes", (tensors) => {
      const names = [...tensors.keys()].filter((name) => name.endsWith(".bias")).slice(0, 2)
      tensors.set(names[0]!, scalar(new Float32Array(99)))
      tensors.set(names[1]!, scalar(new Int32Array(tensors.get(names[1]!)!.data.length)))
    })
    const message = await refusal(weights)
    expect(message).toContain("does not fit resting: 2 tensors of another shape")
    expect(message).toMatch(/ is f32\[99\] in the file and f32\[\d+\] in the model/)
    expect(message).toMatch(/ is i32\[\d+\] in the file and f32\[\d+\] in the model/)
  })

  test.each([NaN, Infinity])("%d is found by the name of its tensor", async (value) => {
    let name = ""
    const weights = await changed("infinite", (tensors) => {
      name = [...tensors.keys()].find((each) => each.endsWith(".weight"))!
      tensors.get(name)!.data[1] = value
    })
    expect(await refusal(weights)).toContain(`not finite (NaN or infinite) in ${name}:`)
  })

  test("nothing in common", async () => {
    const weights = await changed("others", (tensors) => {
      tensors.clear()
      tensors.set("text_model.bias", scalar(new Float32Array(3)))
    })
    expect(await refusal(weights)).toContain("two models with no common part\n  the file has text_model.bias\n")
  })

  test("nothing is left behind", async () => {
    expect(await failureOf(RunFolder.open(shop.run("refused")))).toContain("is not the folder of a run")
  })
})
