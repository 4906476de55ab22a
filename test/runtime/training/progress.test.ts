/**
 * What a person reads of training in a log file.
 */
import { describe, expect, test } from "vitest"
import type { EpochEntry } from "../../../src/runtime/runs/run-log.js"
import {
  durationText,
  LineProgress,
  lossText,
  Pace,
  paceTexts,
  startText,
} from "../../../src/runtime/training/progress.js"
import { collector, EVALUATION, START, stepReport } from "./told.js"

const EPOCH: EpochEntry = {
  kind: "epoch",
  epoch: 0,
  step: 10,
  steps: 10,
  learning_rate: 3e-4,
  losses: { dice: 0.5 },
  total: 0.5,
  seconds: { steps: 1, data: 0 },
}
const BEST = { metric: "dice", score: 0.71234, step: 10, epoch: 0 } as const

describe("plain lines", () => {
  test("say what is trained, each evaluation and epoch, and warnings", () => {
    const { stream, text } = collector()
    const progress = new LineProgress(stream, () => 0)
    progress.started(START)
    progress.evaluated(EVALUATION, BEST)
    progress.epoch(EPOCH)
    progress.warning("37 of 240 notes were cut")
    expect(text()).toContain("m.mdl#tiny: 69,440,255 trainable parameters, 1,000 frozen")
    expect(text()).toContain("40 cases in batches of 4, 10 for validation; up to 30 steps")
    expect(text()).toContain("epoch 1/3 step 10/30  valid Dice 0.7123, IoU 0.6000 (best)\n")
    expect(text()).toContain(
      "epoch 1/3 step 10/30  mean dice 0.5000  lr 3.00e-4  best dice 0.7123 at step 10, epoch 1\n",
    )
    expect(text()).toMatch(/warning: 37 of 240 notes were cut\n$/)
  })

  test("come within an epoch only after half a minute of silence, with pace and time left", () => {
    let now = 0
    const { stream, text } = collector()
    const progress = new LineProgress(stream, () => now)
    progress.started(START)
    const lines = (): number => text().split("\n").length
    const before = lines()
    for (let n = 1; n <= 3; n++) {
      now += 9_000
      progress.step(stepReport(n))
    }
    expect(lines()).toBe(before)
    now += 9_000
    progress.step(stepReport(4))
    expect(lines()).toBe(before + 1)
    expect(text()).toMatch(
      /epoch 1\/3 step 4\/30 {2}dice 0\.5000 {2}contrast 2\.00e-5 .* 0\.4 images\/s {2}ETA 3 min 54 s\n$/,
    )
  })
})

test("a run that goes on says from which checkpoint", () => {
  expect(startText({ ...START, startStep: 12, checkpoint: "previous" })).toMatch(
    /up to 30 steps, from step 12 \(checkpoint previous\)\n/,
  )
})

test("pace leaves out what is no step", () => {
  let now = 0
  const pace = new Pace(() => now)
  const at = (time: number): void => {
    now = time
    pace.step(4)
  }
  at(0)
  expect(pace.seconds).toBeUndefined()
  expect(paceTexts(pace, 100)).toEqual([])
  at(1000)
  pace.pause()
  at(60_000)
  at(62_000)
  expect(pace.seconds).toBe(1.5)
  expect(pace.imagesPerSecond).toBeCloseTo(8 / 3, 12)
  expect(paceTexts(pace, 100)).toEqual(["2.7 images/s", "ETA 2 min 30 s"])
})

test("durations and numbers are short", () => {
  expect([0.4, 59.6, 61, 3600, 7384].map(durationText)).toEqual([
    "0 s",
    "1 min 00 s",
    "1 min 01 s",
    "1 h 00 min",
    "2 h 03 min",
  ])
  expect(lossText({ a: 0, b: 0.12345, c: 1e-5, d: 123456 })).toBe("a 0.0000  b 0.1235  c 1.00e-5  d 1.23e+5")
})
