/**
 * A small run record and state for the tests of run folders.
 */
import type { TrainingState } from "../../../src/runtime/runs/checkpoint.js"
import { programHash, type RunRecord } from "../../../src/runtime/runs/run-folder.js"
import type { HostTensor } from "../../../src/runtime/session.js"

export const PROGRAM = Buffer.from("not really a program")

export const RECORD: RunRecord = {
  format: 1,
  created: "2026-01-01T00:00:00.000Z",
  model: {
    reference: "m.mdl#tiny",
    selector: "tiny",
    sourceHash: "0".repeat(64),
    sources: { "m.mdl": "model M() {}" },
    programHash: programHash(PROGRAM),
  },
  description: {
    format: 2,
    model: "M",
    variant: "tiny",
    sizes: {},
    batch: { train: 2, evaluate: 2, predict: 1 },
    inputs: [],
    outputs: [],
    losses: ["a"],
    accumulate: 1,
    parameters: [],
    training: {},
  },
  data: { root: "/data", layout: "qata", splits: { train: 4, valid: 2, test: 2 }, fingerprint: "f" },
  tokenizers: {},
  options: { seed: 1, batch: 2, epochs: 3, steps: undefined, evalEvery: undefined, size: undefined },
  versions: {},
}

export const STATE: TrainingState = {
  step: 12,
  position: { epoch: 1, batch: 4 },
  best: { metric: "dice", score: 0.5, step: 8, epoch: 0 },
  evaluatedAt: 8,
  learningRate: 3e-4,
  sums: { steps: 4, losses: { a: 1.25 }, constant: { a: null } },
}

export const VARIABLES: ReadonlyMap<string, HostTensor> = new Map([
  ["weight", { dtype: "f32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ["step", { dtype: "i32", shape: [], data: Int32Array.of(12) }],
])
