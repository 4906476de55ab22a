/**
 * Mixed precision learns as f32 does: RecLMIS `quick` on phantoms, 200 steps, the same seed, data and masks.
 *
 * The two runs part slowly, as any two orders of summation do, so what is compared is the mean loss of each stretch of 50
 * steps.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { Precision } from "../../src/compiler/passes/precision.js"
import { synthesise } from "../../src/runtime/data/phantom.js"
import { train } from "../../src/runtime/training/trainer.js"

const STEPS = 200
const STRETCH = 50
const MOST_APART = 0.02

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mdl-bf16-"))
  await synthesise({ root: join(folder, "data"), counts: { train: 160, valid: 8, test: 1 }, size: 64, seed: 2 })
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The total loss after each step. */
async function curve(precision: Precision): Promise<readonly number[]> {
  const totals: number[] = []
  await train({
    model: "models/reclmis.mdl#quick",
    data: join(folder, "data"),
    run: join(folder, precision),
    batch: 8,
    epochs: 1000,
    steps: STEPS,
    evalEvery: STEPS,
    seed: 4,
    workers: 1,
    precision,
    observer: { step: ({ total }) => totals.push(total) },
  })
  return totals
}

function stretches(values: readonly number[]): readonly number[] {
  return Array.from({ length: values.length / STRETCH }, (_, index) => {
    const part = values.slice(index * STRETCH, (index + 1) * STRETCH)
    return part.reduce((a, b) => a + b, 0) / STRETCH
  })
}

test("200 steps in bf16 follow the loss of f32 within 2 %", async () => {
  const [wide, narrow] = [await curve("f32"), await curve("bf16")]
  expect(wide).toHaveLength(STEPS)
  expect(narrow).not.toEqual(wide)
  const [expected, actual] = [stretches(wide), stretches(narrow)]
  expect(expected.at(-1)! / expected[0]!).toBeLessThan(0.8)
  const apart = expected.map((value, index) => Math.abs(actual[index]! - value) / value)
  expect(Math.max(...apart)).toBeLessThan(MOST_APART)
}, 600_000)
