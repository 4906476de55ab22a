/**
 * A training step that recomputes what it did not keep, on TensorFlow: in f32 every number of a run is the one that the
 * plain step gives. In bf16 the last places differ: where only one node is left to read the result of a product, TensorFlow
 * joins the two and rounds once less.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { buildTrainer, type Trainer } from "../../../src/compiler/trainer.js"
import { NativeSession, type Feeds } from "../../../src/runtime/session.js"
import { seededUniform } from "../ops/case-values.js"
import { compileText, elaborated } from "../source-host.js"

const BATCH = 4
const model = elaborated(
  compileText(`
import { ConvNormRelu } from "std/unet"
model Net {
  input image: f32[N, 3, H = 16, W = 16]
  target mask: f32[N, 1, H, W]
  encoder vision {
    let a = ConvNormRelu(8)(image) |> dropout(0.2)
    let b = ConvNormRelu(8)(a)
    let c = ConvNormRelu(16)(max_pool(b, 2)) |> dropout(0.2)
    let d = ConvNormRelu(16)(c) |> dropout(0.2)
  }
  decoder {
    let e = concat([b, upsample(d, 2)], axis = 1)
    let f = ConvNormRelu(8)(e) |> dropout(0.2)
    let g = tanh(ConvNormRelu(8)(f))
    output probability = sigmoid(conv2d(g, 1))
  }
  loss overlap = dice_loss(probability, mask)
  loss size = 0.1 * mse(tanh(d), 0.0 * d)
}`),
)

/** Images and masks of a step. */
function feedsAt(step: number): Feeds {
  const uniform = seededUniform(`step ${step}`)
  const numbers = (count: number, draw: () => number): Float32Array => Float32Array.from({ length: count }, draw)
  return {
    image: { dtype: "f32", shape: [BATCH, 3, 16, 16], data: numbers(BATCH * 768, uniform) },
    mask: { dtype: "f32", shape: [BATCH, 1, 16, 16], data: numbers(BATCH * 256, () => (uniform() < 0.5 ? 1 : 0)) },
  }
}

describe.each(["f32", "bf16"] as const)("rematerialisation in %s", (precision) => {
  const folder = mkdtempSync(join(tmpdir(), "mdl-memory-"))
  const sessions: NativeSession[] = []
  const build = (memory?: number): Trainer =>
    buildTrainer(model, { batch: BATCH, precision, ...(memory === undefined ? {} : { memory }) })
  const open = async ({ savedModel }: Trainer): Promise<NativeSession> => {
    const directory = mkdtempSync(join(folder, "program"))
    writeFileSync(join(directory, "saved_model.pb"), savedModel)
    const session = await NativeSession.open(directory)
    sessions.push(session)
    session.init(11)
    return session
  }
  afterAll(() => {
    for (const session of sessions) session.close()
    rmSync(folder, { recursive: true, force: true })
  })

  let plain: NativeSession
  let peak: number
  beforeAll(async () => {
    plain = await open(build())
    peak = build(Number.MAX_SAFE_INTEGER).report.memory!.before
  }, 120_000)

  test.each([0.85, 0.65])("six steps within %f of the memory", async (part) => {
    const limited = build(part * peak)
    const { memory } = limited.report
    expect(memory!.before).toBe(peak)
    expect(memory!.after).toBeLessThanOrEqual(part * peak)
    expect(memory!.recomputed).toBeGreaterThan(0)
    const session = await open(limited)
    plain.init(11)
    for (let step = 0; step < 6; step++) {
      const feeds = feedsAt(step)
      const [actual, expected] = [session.trainStep(feeds), plain.trainStep(feeds)]
      if (precision === "f32") expect(actual, `step ${step + 1}`).toEqual(expected)
      else expect(Math.abs(actual["total"]! / expected["total"]! - 1), `step ${step + 1}`).toBeLessThan(0.01)
    }
    if (precision === "f32") expect(session.read()).toEqual(plain.read())
  })
})
