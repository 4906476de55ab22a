/**
 * A report with something in every part, small enough to read.
 *
 * Takes: what a test wants to be different. Gives: `ReportData`.
 */
import { maskPng } from "../../../src/runtime/data/pictures.js"
import type { ReportData, Score } from "../../../src/runtime/reports/report-data.js"

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

export async function reportData(changes: Partial<ReportData> = {}): Promise<ReportData> {
  const size = { height: 4, width: 4 }
  const truth = Float32Array.from({ length: 16 }, (_, i) => (i === 5 ? 1 : 0))
  const png = await maskPng(truth, size)
  return {
    created: new Date("2026-01-02T03:04:05Z"),
    model: {
      name: "RecLMIS",
      variant: "quick",
      reference: "models/reclmis.mdl#quick",
      parameters: { trainable: 12345, frozen: 678, state: 9 },
      sections: [{ name: "vision", trainable: 12345, frozen: 0 }],
      sizes: { H: 4, W: 4 },
      sourceHash: "0123456789abcdef",
    },
    dataset: { root: "/data/set", counts: { train: 10, valid: 2, test: 3 } },
    training: {
      seed: 7,
      batch: 2,
      epochs: 3,
      steps: 15,
      seconds: 125,
      optimizer: "adam(lr = 0.001)",
      schedule: undefined,
      ended: "all epochs done",
    },
    scores: [SCORE],
    baselines: [{ ...SCORE, name: "no_text", detail: "without its note", dice: 0.4 }],
    curves: {
      xLabel: "epoch",
      losses: [{ name: "dice", train: [[1, 2], [2, 1]], valid: [[1, 2.5]] }], // prettier-ignore
      learningRate: [[1, 1e-3]],
      validDice: [[1, 0.5], [2, 0.75]], // prettier-ignore
    },
    gallery: {
      split: "test",
      cases: [
        {
          rank: "best",
          id: "case-1",
          note: "upper left lung",
          noteTruncated: true,
          dice: 0.9,
          iou: 0.8,
          image: { png, size },
          maps: { size, truth, probability: truth, threshold: 0.5 },
          heatmaps: [{ name: "poi", caption: "4x4 patches", png }],
          attention: [{ name: "woi", words: [{ text: "upper", spaced: false, weight: 0.75 }] }],
        },
      ],
    },
    warnings: ["2 notes were cut"],
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
