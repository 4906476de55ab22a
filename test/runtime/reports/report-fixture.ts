/**
 * A report with something in every part, small enough to read.
 *
 * Takes: what a test wants to be different. Gives: `ReportData`.
 */
import { CalibrationTally } from "../../../src/runtime/metrics/calibration.js"
import { summariseMeasures } from "../../../src/runtime/metrics/case-measures.js"
import { underAllConventions } from "../../../src/runtime/metrics/conventions.js"
import { summarise } from "../../../src/runtime/metrics/segmentation.js"
import { maskPng } from "../../../src/runtime/data/pictures.js"
import { contourPath } from "../../../src/runtime/reports/contours.js"
import type { LossCheck } from "../../../src/runtime/reports/loss-checks.js"
import type { Measured, Picture, ReportData, Score } from "../../../src/runtime/reports/report-data.js"

export const SCORE: Score = {
  name: "test",
  detail: "3 unseen cases",
  cases: 3,
  dice: 0.8123,
  diceDeviation: 0.05,
  iou: 0.7001,
  convention: "lvit",
  threshold: 0.5,
}

/** The trainer's and the log's view of three losses: one as it should be, one dead, one that is not there. */
const LOSS_CHECKS: readonly LossCheck[] = [
  { name: "dice", epochs: 3, first: 2, last: 1, valid: 2.5, zero: [], constant: [], missing: [] },
  { name: "cvr", epochs: 3, first: 0, last: 0, valid: 0, zero: [1, 2, 3], constant: [], missing: [] },
  { name: "ccl", epochs: 3, first: undefined, last: undefined, valid: undefined, zero: [], constant: [], missing: [2] },
]

/** Three cases, in the last of which nothing is predicted. */
export function measured(): Measured {
  const tally = new CalibrationTally()
  tally.add([0.05, 0.95, 0.62], [0, 1, 1])
  const cases = [
    { dice: 0.9, iou: 0.8, tp: 8, fp: 1, fn: 1, tn: 6 },
    { dice: 0.6, iou: 0.5, tp: 4, fp: 2, fn: 2, tn: 8 },
    { dice: 0, iou: 0, tp: 0, fp: 0, fn: 4, tn: 12 },
  ]
  const interval = { mean: 0.2, low: 0.1, high: 0.3, p: 0.01 }
  const effect = {
    ...{ cases: 3, leftOut: 0, differing: 3, outputChanged: 3, own: { dice: 0.5, iou: 0.4 } },
    ...{ changed: { dice: 0.3, iou: 0.2 }, dice: interval, iou: interval },
    agreement: { mean: 0.75, std: 0, median: 0.75 },
  }
  return {
    split: "test",
    threshold: 0.5,
    cases: 3,
    dice: cases.map(({ dice }) => dice),
    summary: summarise(cases),
    conventions: underAllConventions(cases),
    measures: summariseMeasures([
      { precision: 0.875, recall: 0.9, specificity: 1, hausdorff95: 2.5 },
      { precision: 0.625, recall: 0.7, specificity: 1, hausdorff95: 3.5 },
      { precision: null, recall: 0, specificity: 1, hausdorff95: null },
    ]),
    calibration: tally.result()!,
    noteAdherence: {
      convention: "lvit",
      permutations: [1, 2],
      level: 0.95,
      emptyNoteTokens: 2,
      effects: [
        { change: "shuffled", ...effect },
        { change: "opposite-side", ...effect, cases: 0, own: null, changed: null, dice: null, iou: null, agreement: null }, // prettier-ignore
        { change: "empty", ...effect },
      ],
      movedToOtherHalf: null,
      cases: [],
    },
  }
}

export async function reportData(changes: Partial<ReportData> = {}): Promise<ReportData> {
  const size = { height: 4, width: 4 }
  const truth = Float32Array.from({ length: 16 }, (_, i) => (i === 5 ? 1 : 0))
  const picture: Picture = { type: "image/png", bytes: await maskPng(truth, size) }
  const outline = contourPath(truth, size.height, size.width, 0.5)
  return {
    created: new Date("2026-01-02T03:04:05Z"),
    model: {
      name: "RecLMIS",
      variant: "quick",
      reference: "models/reclmis.mdl#quick",
      parameters: { trainable: 12345, frozen: 678, state: 9 },
      sections: [
        { name: "vision", trainable: 12345, frozen: 0, state: 9, cost: { role: "encoder", macs: 2_500_000, trainingOnly: false } }, // prettier-ignore
        { name: "cvr", trainable: 0, frozen: 678, state: 0, cost: { role: "reconstruction", macs: 0, trainingOnly: true } }, // prettier-ignore
      ],
      macs: { inference: 2_500_000, training: 4_000_000 },
      sizes: { H: 4, W: 4 },
      sourceHash: "0123456789abcdef",
    },
    dataset: {
      root: "/data/set",
      layout: "qata",
      prompt: undefined,
      fingerprint: "fedcba9876543210",
      splits: [
        { name: "train", cases: 10, distinctNotes: 9, noteWords: { least: 3, median: 5.5, most: 12 }, subjects: undefined }, // prettier-ignore
        { name: "test", cases: 3, distinctNotes: 2, noteWords: { least: 4, median: 4, most: 4 }, subjects: undefined, masks: { empty: 1, foreground: 0.125 } }, // prettier-ignore
      ],
    },
    training: {
      seed: 7,
      batch: 2,
      epochs: 3,
      steps: 15,
      seconds: 125,
      optimizer: "adam(lr = 0.001)",
      schedule: undefined,
      ended: "all epochs done",
      checkpoint: "best, step 10",
      command: "mdl train models/reclmis.mdl#quick --data /data/set --run DIR --epochs 3 --batch 2 --seed 7",
    },
    scores: [SCORE],
    baselines: [{ ...SCORE, name: "no_text", detail: "without its note", dice: 0.4 }],
    measured: measured(),
    curves: {
      xLabel: "epoch",
      losses: [
        { name: "dice", train: [[1, 2], [2, 1]], valid: [[1, 2.5]] }, // prettier-ignore
        { name: "cvr", train: [[1, 0], [2, 0]], valid: [[1, 0]] }, // prettier-ignore
      ],
      learningRate: [[1, 1e-3]],
      gradientNorm: [[1, 4], [2, 3]], // prettier-ignore
      validDice: [[1, 0.5], [2, 0.75]], // prettier-ignore
      validIou: [[1, 0.4], [2, 0.65]], // prettier-ignore
      epochEnds: [1, 2],
      bestAt: 2,
    },
    lossChecks: LOSS_CHECKS,
    gallery: {
      split: "test",
      readsNotes: true,
      cases: [
        {
          rank: "best",
          id: "case-1",
          note: "upper left lung",
          noteTruncated: true,
          dice: 0.9,
          iou: 0.8,
          precision: 0.875,
          recall: 0.9,
          hausdorff95: null,
          image: { ...picture, size },
          overlay: { kind: "outlines", size, truth: outline, prediction: outline },
          heatmaps: [{ name: "poi", caption: "4x4 patches", picture }],
          heatmapsLeftOut: 0,
          attention: [{ name: "woi", words: [{ text: "upper", spaced: false, weight: 0.75 }, { text: "left", spaced: true, weight: 0.25 }] }], // prettier-ignore
        },
      ],
    },
    warnings: [{ about: "notes", text: "2 notes were cut" }],
    parity: {
      file: "model.onnx",
      opset: 17,
      bytes: 1_500_000,
      report: {
        tolerance: 1e-4,
        passed: true,
        cases: [
          {
            kind: "random",
            batch: 3,
            outputs: [{ name: "probability", maxAbs: 2e-7, maxRel: 3e-7, agreement: 1, problem: undefined }],
          },
        ],
      },
    },
    environment: [["Node", "20"]],
    sources: [{ path: "models/reclmis.mdl", text: 'model RecLMIS() { output x = a < b and "c" }' }],
    ...changes,
  }
}
