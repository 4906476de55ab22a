/**
 * What a trainer tells while it trains. Types only.
 *
 * Takes nothing. The trainer knows one observer; progress bars, lines and tests are observers.
 */
import type { Ending, EvaluationEntry, EpochEntry } from "../runs/run-log.js"
import type { BestScore, CheckpointName } from "../runs/checkpoint.js"

export interface TrainingStart {
  readonly run: string
  readonly model: string
  readonly trainCases: number
  readonly validCases: number
  /** of a step: what the gradient is the mean of */
  readonly batch: number
  readonly stepsPerEpoch: number
  readonly epochs: number
  /** all steps that can come, those of a resumed run's past included */
  readonly totalSteps: number
  /** steps done before; 0 for a new run */
  readonly startStep: number
  /** the checkpoint that training goes on from; undefined: from first values */
  readonly checkpoint: CheckpointName | undefined
  /** the best score so far */
  readonly best: BestScore | null
  readonly trainableParameters: number
  readonly frozenParameters: number
}

export interface StepReport {
  /** 1 for the first */
  readonly step: number
  /** from 0 */
  readonly epoch: number
  readonly losses: Readonly<Record<string, number>>
  readonly total: number
  readonly gradientNorm: number
  readonly learningRate: number
  /** cases it took */
  readonly images: number
}

export interface TrainResult {
  /** absolute path of the run folder */
  readonly run: string
  readonly ended: Ending
  readonly step: number
  /** epochs that were finished */
  readonly epochs: number
  readonly best: BestScore | null
  /** the last evaluation; null when training was interrupted before the first */
  readonly valid: EvaluationEntry | null
  readonly warnings: readonly string[]
  /** of this call */
  readonly seconds: {
    readonly steps: number
    readonly data: number
    readonly evaluation: number
    readonly total: number
  }
}

export interface TrainingObserver {
  started?(start: TrainingStart): void
  step?(report: StepReport): void
  /** the validation split is being scored: cases done, of how many */
  evaluating?(done: number, of: number): void
  /** @param best the best score so far, this one included */
  evaluated?(entry: EvaluationEntry, best: BestScore | null): void
  epoch?(entry: EpochEntry): void
  warning?(text: string): void
  /** always the last call, also when training failed; the result is there when it did not */
  finished?(result: TrainResult | undefined): void
}
