/**
 * What a trainer tells, for the tests of those that listen.
 *
 * Takes nothing. Gives the start of a run, steps, an evaluation, and a stream that keeps what is written to it.
 */
import { Writable } from "node:stream"
import type { EvaluationEntry } from "../../../src/runtime/runs/run-log.js"
import type { StepReport, TrainingStart } from "../../../src/runtime/training/observer.js"

/** 3 epochs of 10 steps of 4 cases. */
export const START: TrainingStart = {
  run: "runs/a",
  model: "m.mdl#tiny",
  trainCases: 40,
  validCases: 10,
  batch: 4,
  stepsPerEpoch: 10,
  epochs: 3,
  totalSteps: 30,
  startStep: 0,
  checkpoint: undefined,
  best: null,
  trainableParameters: 69_440_255,
  frozenParameters: 1000,
}

export const stepReport = (step: number): StepReport => ({
  step,
  epoch: Math.floor((step - 1) / 10),
  losses: { dice: 0.5, contrast: 0.00002 },
  total: 0.50002,
  gradientNorm: 1,
  learningRate: 3e-4,
  images: 4,
})

const spread = (mean: number) => ({ mean, std: 0.1, median: mean })
export const EVALUATION: EvaluationEntry = {
  kind: "evaluation",
  epoch: 0,
  step: 10,
  losses: { dice: 0.6 },
  total: 0.6,
  scores: { cases: 10, convention: "lvit", dice: spread(0.71234), iou: spread(0.6) },
  best: true,
  seconds: 1,
}

export interface Collector {
  readonly stream: Writable & { isTTY: boolean; columns: number }
  text(): string
}

/** @param terminal whether it says that it is one, of `columns` columns */
export function collector(terminal = false, columns = 80): Collector {
  let text = ""
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString()
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY: terminal, columns }), text: () => text }
}
