/**
 * The report of `mdl eval`.
 */
import { expect, test } from "vitest"
import { chosenCases, evalCommand, evaluationText } from "../../src/cli/eval.js"
import { CalibrationTally } from "../../src/runtime/metrics/calibration.js"
import { summariseMeasures } from "../../src/runtime/metrics/case-measures.js"
import { underAllConventions } from "../../src/runtime/metrics/conventions.js"
import { summarise } from "../../src/runtime/metrics/segmentation.js"
import type { EvaluatedCase, Evaluation } from "../../src/runtime/training/evaluate.js"
import type { NoteAdherence } from "../../src/runtime/training/note-adherence.js"

const scored = (dice: number): EvaluatedCase => ({
  id: `case-${Math.round(dice * 100)}`,
  note: `a note\nof ${"many words ".repeat(9)}`,
  dice,
  iou: dice / 2,
  ...{ tp: 1, fp: 1, fn: 1, tn: 6 },
  precision: dice,
  recall: 0.5,
  specificity: 1,
  hausdorff95: dice > 0.5 ? 2 : null,
})
const cases = [0.9, 0.1, 0.5, 0.7, 0.3, 0.2, 0.8, 0.4, 0.6].map(scored)
const tally = new CalibrationTally()
tally.add([0.25, 0.75], [0, 1])

const evaluation: Evaluation = {
  run: "runs/a",
  model: "m.mdl#tiny",
  data: "data",
  prompt: null,
  split: "test",
  checkpoint: { name: "best", step: 40, sha256: "0" },
  shuffledNotes: { seed: 3, differing: 8 },
  truncatedNotes: 2,
  threshold: 0.5,
  summary: summarise(cases),
  conventions: underAllConventions([...cases, { tp: 0, fp: 0, fn: 0 }]),
  measures: summariseMeasures(cases),
  calibration: tally.result()!,
  noteAdherence: null,
  losses: { bce: 0.25 },
  cases,
}

const own = { dice: 0.8, iou: 0.7 }
const interval = { mean: 0.2, low: 0.15, high: 0.25, p: 0.0002 }
const effect = {
  cases: 9,
  leftOut: 0,
  differing: 18,
  outputChanged: 4,
  own,
  changed: { dice: 0.6, iou: 0.5 },
  dice: interval,
  iou: interval,
}
const adherence: NoteAdherence = {
  convention: "lvit",
  permutations: [1, 2],
  level: 0.95,
  emptyNoteTokens: 1,
  effects: [
    { change: "shuffled", ...effect, agreement: { mean: 0.75, std: 0, median: 0.75 } },
    {
      change: "opposite-side",
      ...effect,
      cases: 1,
      leftOut: 8,
      dice: { mean: -0.1, low: null, high: null, p: null },
      agreement: null,
    },
    { change: "empty", ...effect, cases: 0, own: null, changed: null, dice: null, iou: null, agreement: null },
  ],
  movedToOtherHalf: { mean: 0.4, low: 0.3, high: 0.5, p: 0.03, cases: 6 },
  cases: cases.map(({ id, note, dice, iou }, i) => ({
    ...{ id, note, dice, iou },
    shuffled: { dice, iou, agreement: 1 },
    oppositeSide: i === 0 ? { note, dice, iou, agreement: 1, movedToOtherHalf: 0 } : null,
    empty: { dice, iou, agreement: 1 },
  })),
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
  expect(text).toMatch(/Dice +0\.5000 +0\.2739 +0\.5000 +9 of 9/)
  expect(text).toMatch(/mIoU +0\.2500 +0\.1369 +0\.2500 +9 of 9/)
  expect(text).toContain('convention "lvit", threshold 0.5')
  expect(text).toContain("losses: bce 0.2500")
  expect(text).toMatch(/worst +case-10 +0\.1000 +0\.0500 +a note of many words .*\.\.\./)
})

test("the report has the measures with their cases, every convention, and calibration", () => {
  const text = evaluationText(evaluation, 3)
  expect(text).toMatch(/recall +0\.5000 +0\.0000 +0\.5000 +9 of 9/)
  expect(text).toMatch(/HD95 +2\.0000 +0\.0000 +2\.0000 +4 of 9/)
  expect(text).toMatch(/lvit +0\.4500 +0\.3000 +10 +0/)
  expect(text).toMatch(/monai +0\.5500 +0\.4000 +10 +0/)
  expect(text).toMatch(/monai-ignore-empty +0\.5000 +0\.3333 +9 +1/)
  expect(text).toMatch(/torchmetrics-global +0\.5000 +0\.3333 +10 +0/)
  expect(text).toContain("expected error 0.2500 (15 bins), Brier 0.0625")
  expect(evaluationText({ ...evaluation, calibration: null }, 3)).not.toContain("Brier")
})

test("a case that the convention leaves out has no score in the table", () => {
  const empty: EvaluatedCase = { ...scored(1), id: "empty", leftOut: true }
  expect(evaluationText({ ...evaluation, cases: [...cases, empty] }, 20)).toMatch(/empty +- +- +a note/)
})

test("note adherence is told by a row for each change, with its interval", () => {
  expect(evaluationText(evaluation, 3)).not.toContain("Note adherence")
  const text = evaluationText({ ...evaluation, noteAdherence: adherence }, 3)
  expect(text).toMatch(/another case's +9 +0\.8000 +0\.6000 +\+0\.2000 +\[\+0\.1500, \+0\.2500\] +< 0\.001 +0\.7500/)
  expect(text).toMatch(/opposite side +1 +0\.8000 +0\.6000 +-0\.1000 +- +- +-/)
  expect(text).toMatch(/empty +0 +- +- +- +- +- +-/)
  expect(text).toContain("the mean of 2 shufflings (seeds 1, 2)")
  expect(text).toContain("8 of 9 notes name no side")
  expect(text).toContain(
    "+0.4000 [+0.3000, +0.5000] of the predicted foreground moves to the other half of the image (6 cases)",
  )
  expect(text).toContain("the model reads 1 token")
  expect(text).not.toContain("does not read the note")
  const effects = adherence.effects.map((one) => ({ ...one, outputChanged: 0 }))
  const deaf = evaluationText({ ...evaluation, noteAdherence: { ...adherence, effects } }, 3)
  expect(deaf).toContain("the model does not read the note: no value of its output changed")
})

test.each([
  ["--note-adherence", "0", /whole number above 0/],
  ["--convention", "paper", /Allowed choices are lvit, monai, monai-ignore-empty, torchmetrics/],
])("%s %s is refused", async (option, value, message) => {
  const command = evalCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  await expect(command.parseAsync(["run", option, value], { from: "user" })).rejects.toThrow(message)
})
