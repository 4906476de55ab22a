/**
 * The same text, seed and data give the same program, the same losses and the same weights, to the last bit, on one
 * machine; and the same ONNX file.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { buildTrainer } from "../../src/compiler/trainer.js"
import { exportModel } from "../../src/runtime/deployment/export-model.js"
import { synthesise } from "../../src/runtime/data/phantom.js"
import { checkpointPath } from "../../src/runtime/runs/checkpoint.js"
import { train } from "../../src/runtime/training/trainer.js"
import { zoo } from "../compiler/source-host.js"

describe.each([
  ["unet", undefined],
  ["reclmis", "quick"],
  ["reclmis", "quick+no_aux"],
] as const)("the program of %s#%s", (file, selector) => {
  test.each([
    ["f32", false],
    ["bf16", true],
  ] as const)("is the same from two readings of the text, in %s", (precision, hoist) => {
    const bytes = (): Uint8Array => {
      const model = zoo(file, selector === undefined ? {} : { selector })
      return buildTrainer(model, { batch: 2, precision, hoist }).savedModel
    }
    expect(Buffer.compare(bytes(), bytes())).toBe(0)
  })
})

describe("two runs of RecLMIS quick", () => {
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "mdl-determinism-"))
    await synthesise({ root: join(folder, "data"), counts: { train: 8, valid: 3, test: 1 }, size: 64, seed: 3 })
  }, 60_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(["f32", "bf16"] as const)(
    "in %s",
    async (precision) => {
      const run = async (name: string, workers: number) => {
        const losses: unknown[] = []
        // The file names the run that its weights are from, so both are called the same.
        const path = join(folder, `${precision}-${name}`, "run")
        mkdirSync(join(folder, `${precision}-${name}`))
        await train({
          model: "models/reclmis.mdl#quick",
          data: join(folder, "data"),
          run: path,
          batch: 4,
          epochs: 2,
          seed: 9,
          workers,
          precision,
          observer: { step: (step) => losses.push(step), evaluated: ({ seconds: _, ...entry }) => losses.push(entry) },
        })
        await exportModel({ source: path, out: join(path, "model.onnx"), parity: false })
        return {
          losses,
          weights: await readFile(checkpointPath(path, "last")),
          onnx: readFileSync(join(path, "model.onnx")),
        }
      }
      // How many threads read images ahead must not matter either.
      const [first, second] = [await run("first", 0), await run("second", 2)]
      expect(first.losses).toHaveLength(4 + 2)
      expect(second.losses).toEqual(first.losses)
      expect(second.weights.equals(first.weights)).toBe(true)
      expect(second.onnx.equals(first.onnx)).toBe(true)
    },
    240_000,
  )
})
