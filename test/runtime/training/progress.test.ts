/**
 * What a person sees of training, on a terminal and in a log file.
 */
import { Writable } from "node:stream"
import { describe, expect, test } from "vitest"
import type { EpochEntry, EvaluationEntry } from "../../../src/runtime/runs/run-log.js"
import type { TrainingStart } from "../../../src/runtime/training/observer.js"
import {
  BarProgress,
  durationText,
  LineProgress,
  lossText,
  Pace,
  progressFor,
} from "../../../src/runtime/training/progress.js"

const START: TrainingStart = {
  run: "runs/a",
  model: "m.mdl#tiny",
  trainCases: 40,
  validCases: 10,
  batch: 4,
  stepsPerEpoch: 10,
  epochs: 3,
  totalSteps: 30,
  startStep: 0,
  trainableParameters: 69_440_255,
  frozenParameters: 1000,
}
const step = (n: number) => ({
  step: n,
  epoch: Math.floor((n - 1) / 10),
  losses: { dice: 0.5, contrast: 0.00002 },
  total: 0.50002,
  gradientNorm: 1,
  learningRate: 3e-4,
})
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
const spread = (mean: number) => ({ mean, std: 0.1, median: mean })
const EVALUATION: EvaluationEntry = {
  kind: "evaluation",
  epoch: 0,
  step: 10,
  losses: { dice: 0.6 },
  total: 0.6,
  scores: { cases: 10, convention: "lvit", dice: spread(0.71234), iou: spread(0.6) },
  best: true,
  seconds: 1,
}

function collector(terminal = false): { stream: Writable & { isTTY: boolean; columns: number }; text(): string } {
  let text = ""
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString()
      done()
    },
  })
  // What cli-progress asks a terminal for.
  const terminalParts = { isTTY: terminal, columns: 200, cursorTo: () => true, moveCursor: () => true, clearLine: () => true, clearScreenDown: () => true } // prettier-ignore
  return { stream: Object.assign(stream, terminalParts), text: () => text }
}

describe("plain lines", () => {
  test("say what is trained, each evaluation and epoch, and warnings", () => {
    const { stream, text } = collector()
    const progress = new LineProgress(stream, () => 0)
    progress.started(START)
    progress.evaluated(EVALUATION)
    progress.epoch(EPOCH)
    progress.warning("37 of 240 notes were cut")
    expect(text()).toContain("m.mdl#tiny: 69,440,255 trainable parameters, 1,000 frozen")
    expect(text()).toContain("40 cases in batches of 4, 10 for validation; up to 30 steps")
    expect(text()).toContain("epoch 1/3 step 10/30  valid Dice 0.7123, IoU 0.6000 (best)\n")
    expect(text()).toMatch(/epoch 1\/3 step 10\/30 {2}mean dice 0\.5000 {2}lr 3\.00e-4/)
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
      progress.step(step(n))
    }
    expect(lines()).toBe(before)
    now += 9_000
    progress.step(step(4))
    expect(lines()).toBe(before + 1)
    expect(text()).toMatch(
      /epoch 1\/3 step 4\/30 {2}dice 0\.5000 {2}contrast 2\.00e-5 .* 0\.1 steps\/s {2}ETA 3 min 54 s\n$/,
    )
  })
})

describe("a terminal", () => {
  test("shows epoch, steps, losses, rate and score, and warnings above the bar", () => {
    const { stream, text } = collector(true)
    const progress = progressFor(stream)
    expect(progress).toBeInstanceOf(BarProgress)
    progress.started!(START)
    progress.evaluated!(EVALUATION)
    progress.warning!("something odd")
    progress.step!(step(11))
    progress.finished!(undefined)
    expect(text()).toContain("epoch 2/3")
    expect(text()).toContain("11/30 steps")
    expect(text()).toContain("dice 0.5000  contrast 2.00e-5  lr 3.00e-4")
    expect(text()).toContain("valid Dice 0.7123")
    expect(text()).toContain("something odd")
  })
})

test("a stream that is no terminal gets lines", () => {
  expect(progressFor(collector().stream)).toBeInstanceOf(LineProgress)
})

test("pace leaves out what is no step", () => {
  let now = 0
  const pace = new Pace(() => now)
  const at = (time: number): void => {
    now = time
    pace.step()
  }
  at(0)
  expect(pace.seconds).toBeUndefined()
  at(1000)
  pace.pause()
  at(60_000)
  at(62_000)
  expect(pace.seconds).toBe(1.5)
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
