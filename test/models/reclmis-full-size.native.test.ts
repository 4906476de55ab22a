/**
 * RecLMIS as published, 224x224: its whole training graph is built, counted and run for one step at batch 2.
 *
 * Takes about 3 GB and a minute on two cores; small models cannot show that the full one fits together.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { buildTrainer } from "../../src/compiler/trainer.js"
import { RandomStream } from "../../src/runtime/data/random.js"
import { type HostTensor, NativeSession } from "../../src/runtime/session.js"
import { zoo } from "../compiler/source-host.js"

const directory = mkdtempSync(join(tmpdir(), "mdl-full-size-"))
afterAll(() => rmSync(directory, { recursive: true }))

const BATCH = 2
/** Of the T = 18 tokens: start, words, end; the rest is padding. */
const VALID = 11

test("one training step at full size gives finite losses and changes what is trained", async () => {
  const { description, savedModel } = buildTrainer(zoo("reclmis"), { batch: BATCH })
  const trainable = description.parameters.filter((p) => p.role === "param" && !p.frozen)
  const count = trainable.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  expect(count).toBe(69_440_255)
  expect(description.sizes).toEqual({ H: 224, W: 224, T: 18 })

  writeFileSync(join(directory, "saved_model.pb"), savedModel)
  const session = await NativeSession.open(directory)
  try {
    session.init(3407)
    const random = new RandomStream("full size")
    const feeds: Record<string, HostTensor> = {}
    for (const { name, kind, role, shape } of description.inputs) {
      const full = [BATCH, ...shape]
      const size = full.reduce((a, b) => a * b, 1)
      if (kind === "tokens") {
        const ids = Int32Array.from({ length: size }, (_, i) =>
          i % shape[0]! < VALID ? 1 + random.integer(49_000) : 0,
        )
        feeds[`${name}_ids`] = { dtype: "i32", shape: full, data: ids }
        feeds[`${name}_valid`] = { dtype: "f32", shape: full, data: Float32Array.from(ids, (id) => (id > 0 ? 1 : 0)) }
      } else {
        const values = Float32Array.from({ length: size }, () => random.uniform())
        feeds[name] = {
          dtype: "f32",
          shape: full,
          data: role === "target" ? values.map((v) => (v > 0.7 ? 1 : 0)) : values,
        }
      }
    }
    const step = session.trainStep(feeds)
    expect(Object.keys(step).sort()).toEqual(
      [
        "ccl.contrast",
        "clr.v2t",
        "cross_entropy",
        "cvr.t2v",
        "dice",
        "gradient_norm",
        "learning_rate",
        "step",
        "total",
      ].sort(),
    )
    for (const [name, value] of Object.entries(step)) expect(Number.isFinite(value), `${name} is ${value}`).toBe(true)
    // A probability near one half and a fair share of foreground: what an untrained model must give.
    expect(step["cross_entropy"]! / 2.5).toBeGreaterThan(0.4)
    expect(step["cross_entropy"]! / 2.5).toBeLessThan(1.2)
    const parts = ["ccl.contrast", "clr.v2t", "cross_entropy", "cvr.t2v", "dice"].map((name) => step[name]!)
    expect(step["total"]).toBeCloseTo(
      parts.reduce((a, b) => a + b, 0),
      3,
    )
    const again = session.trainStep(feeds)
    expect(again["step"]).toBe(2)
    expect(again["total"]!).toBeLessThan(step["total"]!)
  } finally {
    session.close()
  }
})
