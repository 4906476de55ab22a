/**
 * What a run writes down about itself: the lines of log.jsonl, and scores.json.
 *
 * Takes nothing; gives types, and which lines a checkpoint's past has (`isPast`). Steps count from 1 (the step that was just done), epochs from 0, times are in seconds; losses are the
 * weighted terms as the model states them.
 */
import type { Summary } from "../metrics/segmentation.js"
import type { BestScore, TrainingState } from "./checkpoint.js"

/** Means over a group of steps. */
export interface StepsEntry {
  readonly kind: "steps"
  readonly epoch: number
  /** the last of the group */
  readonly step: number
  /** how many */
  readonly steps: number
  readonly learning_rate: number
  readonly losses: Readonly<Record<string, number>>
  readonly total: number
  readonly gradient_norm: number
  /** per step, computing only; in a resumed run, of the steps since then */
  readonly seconds_per_step: number
  /** cases per second of computing; absent in runs of earlier versions */
  readonly images_per_second?: number
}

/** The validation split after some step. */
export interface EvaluationEntry {
  readonly kind: "evaluation"
  readonly epoch: number
  readonly step: number
  readonly losses: Readonly<Record<string, number>>
  /** sum of the losses */
  readonly total: number
  /** absent for a model without an output of its target's shape */
  readonly scores: Summary | undefined
  /** whether it is the best so far */
  readonly best: boolean
  readonly seconds: number
}

/** The end of an epoch: means over its steps. */
export interface EpochEntry {
  readonly kind: "epoch"
  readonly epoch: number
  readonly step: number
  readonly steps: number
  readonly learning_rate: number
  readonly losses: Readonly<Record<string, number>>
  readonly total: number
  readonly seconds: {
    /** inside training steps */
    readonly steps: number
    /** waiting for batches */
    readonly data: number
  }
}

export interface WarningEntry {
  readonly kind: "warning"
  readonly step: number
  readonly text: string
  /** the loss that it is about, if it is about one */
  readonly loss?: string
}

export type LogEntry = StepsEntry | EvaluationEntry | EpochEntry | WarningEntry

/**
 * Whether a line was written before training had got to `state`: what comes later is done again by a run that goes on from
 * there, and would be in the log twice. Lines of one step stand in the order steps, evaluation, epoch, warnings.
 */
export function isPast(entry: Pick<LogEntry, "kind" | "step">, state: TrainingState): boolean {
  if (entry.step !== state.step) return entry.step < state.step
  switch (entry.kind) {
    case "steps":
      return (state.pending?.length ?? 0) === 0
    case "evaluation":
      return state.evaluatedAt === state.step
    case "epoch":
      return state.sums.steps === 0
    case "warning":
      return state.step === 0 || state.sums.steps === 0
  }
}

/** Why training ended. */
export type Ending = "epochs" | "steps" | "early-stop" | "interrupted"

/** scores.json */
export interface RunScores {
  readonly format: 1
  readonly ended: Ending
  readonly step: number
  /** epochs that were finished */
  readonly epochs: number
  readonly best: BestScore | null
  /** the last evaluation of the validation split */
  readonly valid: Omit<EvaluationEntry, "kind" | "best" | "seconds"> | null
  readonly warnings: readonly string[]
}
