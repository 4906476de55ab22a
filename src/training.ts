/**
 * Training, scoring, prediction and export as a library: `import { train } from "mdl/training"`.
 *
 * What the commands do, without their output. These functions load TensorFlow (once for a process, about ten seconds) and
 * block the event loop while a step runs.
 *
 * @packageDocumentation
 */

export { exportModel, type ExportOptions, type ExportResult, ParityFailed } from "./runtime/deployment/export-model.js"
export { openRun, type OpenRun } from "./runtime/runs/open-run.js"
export { evaluateRun, type EvaluateOptions, type Evaluation } from "./runtime/training/evaluate.js"
export type { TrainingObserver, TrainResult } from "./runtime/training/observer.js"
export { resumeTraining, type ResumeOptions, train, type TrainOptions } from "./runtime/training/trainer.js"
export { writePrediction, type WrittenPrediction } from "./runtime/prediction/write-prediction.js"
