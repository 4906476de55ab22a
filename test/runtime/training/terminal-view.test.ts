/**
 * Training on a terminal: what the lines say at each width, and that nothing is left of those that were drawn before.
 */
import { describe, expect, test } from "vitest"
import { LineProgress } from "../../../src/runtime/training/progress.js"
import {
  progressFor,
  TerminalProgress,
  viewLines,
  type ViewState,
} from "../../../src/runtime/training/terminal-view.js"
import { collector, EVALUATION, START, stepReport } from "./told.js"

const VIEW: ViewState = {
  step: 411,
  totalSteps: 1000,
  epoch: 4,
  epochs: 10,
  losses: { segmentation: 0.41234, t2v: 0.00002, v2t: 0.31, ccl: 0 },
  total: 0.72236,
  learningRate: 3e-4,
  gradientNorm: 1.25,
  pace: ["12.4 images/s", "ETA 3 min 20 s"],
  valid: "Dice 0.7123, IoU 0.6011",
  best: { metric: "dice", score: 0.7204, step: 300, epoch: 2 },
  doing: undefined,
}

const picture = (columns: number, changes: Partial<ViewState> = {}): string =>
  `\n${viewLines({ ...VIEW, ...changes }, columns).join("\n")}\n`

describe("the lines", () => {
  test("on a usual terminal", () => {
    expect(picture(100)).toBe(`
epoch 5/10  ██████████░░░░░░░░░░░░░░  411/1000 steps  41%
loss  total 0.7224  segmentation 0.4123  t2v 2.00e-5  v2t 0.3100  ccl 0.0000
pace  lr 3.00e-4  gradient 1.2500  12.4 images/s  ETA 3 min 20 s
valid Dice 0.7123, IoU 0.6011  best dice 0.7204 at step 300, epoch 3
`)
  })

  test("on a narrow one: no bar, and terms on as many lines as they need", () => {
    expect(picture(40)).toBe(`
epoch 5/10  411/1000 steps  41%
loss  total 0.7224  segmentation 0.4123
      t2v 2.00e-5  v2t 0.3100
      ccl 0.0000
pace  lr 3.00e-4  gradient 1.2500
      12.4 images/s  ETA 3 min 20 s
valid Dice 0.7123, IoU 0.6011
      best dice 0.7204 at step 300, epo…
`)
  })

  test("before the first step, and while the validation split is scored", () => {
    const nothing = { losses: {}, total: undefined, learningRate: undefined, gradientNorm: undefined, pace: [], valid: undefined, best: null } // prettier-ignore
    expect(picture(80, { ...nothing, step: 0, epoch: 0 })).toBe(`
epoch 1/10  ░░░░░░░░░░░░░░░░░░░░░░░░  0/1000 steps  0%
`)
    expect(picture(80, { ...nothing, step: 1000, epoch: 9, doing: "scoring 12/40" })).toBe(`
epoch 10/10  ████████████████████████  1000/1000 steps  100%  scoring 12/40
`)
  })

  test.each([20, 33, 59, 60, 61, 79, 80, 200])("are never wider than %i columns", (columns) => {
    const lines = viewLines({ ...VIEW, losses: { ["a_very_long_name_".repeat(5)]: 1, b: 2 } }, columns)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns)
  })
})

/** What is on a terminal after all that was written to it: lines, with the cursor moving up and erasing below. */
function screen(written: string): readonly string[] {
  const lines: string[] = [""]
  let row = 0
  // eslint-disable-next-line no-control-regex -- control sequences are what is read here
  for (const [part] of written.matchAll(/\x1b\[\d*[A-Za-z]|\n|[^\x1b\n]+/g)) {
    // eslint-disable-next-line no-control-regex -- as above
    const up = /^\x1b\[(\d+)A$/.exec(part)
    if (up) row -= Number(up[1])
    else if (part === "\x1b[J") lines.splice(row, lines.length, "")
    else if (part === "\n") lines[++row] ??= ""
    else lines[row] += part
  }
  return lines
}

describe("a terminal", () => {
  test("shows the newest state once, with warnings above it", () => {
    const { stream, text } = collector(true, 100)
    let now = 0
    const progress = new TerminalProgress(stream, () => now)
    progress.started(START)
    for (const step of [1, 2, 3, 4]) {
      now += 1000
      progress.step(stepReport(step))
      if (step === 2) progress.warning("37 of 240 notes were cut")
    }
    progress.evaluating(3, 10)
    progress.evaluated(EVALUATION, { metric: "dice", score: 0.71234, step: 10, epoch: 0 })
    progress.finished()
    expect(screen(text())).toEqual([
      "m.mdl#tiny: 69,440,255 trainable parameters, 1,000 frozen",
      "40 cases in batches of 4, 10 for validation; up to 30 steps",
      "run folder runs/a",
      "warning: 37 of 240 notes were cut",
      "epoch 1/3  ███░░░░░░░░░░░░░░░░░░░░░  4/30 steps  13%",
      "loss  total 0.5000  dice 0.5000  contrast 2.00e-5",
      "pace  lr 3.00e-4  gradient 1.0000  4.0 images/s  ETA 26 s",
      "valid Dice 0.7123, IoU 0.6000  best dice 0.7123 at step 10, epoch 1",
      "",
    ])
  })

  test("is drawn a few times a second, however fast the steps are", () => {
    const { stream, text } = collector(true)
    let now = 0
    const progress = new TerminalProgress(stream, () => now)
    progress.started(START)
    for (let step = 1; step <= 30; step++) {
      now += 20
      progress.step(stepReport(step))
    }
    // 600 ms: after 200, 400 and 600.
    expect(text().match(/\/30 steps/g)).toHaveLength(1 + 3)
  })

  test("has no colours when they are switched off", () => {
    const { stream, text } = collector(true)
    const progress = new TerminalProgress(stream)
    progress.started(START)
    progress.finished()
    // The test environment sets NO_COLOR.
    expect(text()).not.toMatch(/\[\d*m/)
  })

  test("gets the view, and what is no terminal gets lines", () => {
    expect(progressFor(collector(true).stream)).toBeInstanceOf(TerminalProgress)
    expect(progressFor(collector(false).stream)).toBeInstanceOf(LineProgress)
  })
})
