/**
 * The report of `mdl eval`.
 */
import { expect, test } from "vitest"
import { chosenCases, evaluationText } from "../../src/cli/eval.js"
import { type CaseScores, summarise } from "../../src/runtime/metrics/segmentation.js"
import type { Evaluation } from "../../src/runtime/training/evaluate.js"

const scored = (dice: number): CaseScores & { id: string; note: string } => ({
  id: `case-${Math.round(dice * 100)}`,
  note: `a note\nof ${"many words ".repeat(9)}`,
  dice,
  iou: dice / 2,
  tp: 1,
  fp: 1,
  fn: 1,
})
const cases = [0.9, 0.1, 0.5, 0.7, 0.3, 0.2, 0.8, 0.4, 0.6].map(scored)

const evaluation: Evaluation = {
  run: "runs/a",
  model: "m.mdl#tiny",
  data: "data",
  split: "test",
  checkpoint: { name: "best", step: 40, sha256: "0" },
  shuffledNotes: { seed: 3, differing: 8 },
  truncatedNotes: 2,
  threshold: 0.5,
  summary: summarise(cases),
  losses: { bce: 0.25 },
  cases,
}

test("worst, middle and best cases are chosen, worst first", () => {
  const chosen = chosenCases(cases, 6).map(({ rank, scored: { dice } }) => `${rank} ${dice}`)
  expect(chosen).toEqual(["worst 0.1", "worst 0.2", "median 0.4", "median 0.5", "best 0.8", "best 0.9"])
})

test("few cases are all shown, and none when none are wanted", () => {
  expect(chosenCases(cases, 9).map(({ rank }) => rank)).toEqual(Array<string>(9).fill(""))
  expect(chosenCases(cases, 0)).toEqual([])
})

test("the report names model, cases, checkpoint, shuffling, convention and threshold", () => {
  const text = evaluationText(evaluation, 3)
  expect(text).toContain("m.mdl#tiny: 9 test cases, best checkpoint (step 40)")
  expect(text).toContain("notes shuffled among cases (seed 3): 8 of 9 read another text")
  expect(text).toContain("warning: 2 of 9 notes were cut")
  expect(text).toMatch(/Dice +0\.5000 +0\.2739 +0\.5000/)
  expect(text).toMatch(/mIoU +0\.2500 +0\.1369 +0\.2500/)
  expect(text).toContain('convention "lvit", threshold 0.5')
  expect(text).toContain("losses: bce 0.2500")
  expect(text).toMatch(/worst +case-10 +0\.1000 +0\.0500 +a note of many words .*\.\.\./)
})
