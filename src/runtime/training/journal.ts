/**
 * What a run writes down while it trains: log.jsonl, event files, and what the observer is told.
 *
 * Takes what each step, evaluation and epoch gave; gives lines of the log (means over a group of steps), scalars for
 * TensorBoard (each step), and the warnings so far.
 *
 * Why so: what is written depends on the steps alone, not on when a checkpoint was made: steps that wait for their line
 * are part of the checkpoint (`pending`). So the log of a run that was killed and went on is the log of one that was not.
 */
import type { BestScore, StepNumbers } from "../runs/checkpoint.js"
import type { EventLog } from "../runs/event-log.js"
import { PACE_TAG, VALID_TAG } from "../runs/event-log.js"
import type { LogFile } from "../runs/log-file.js"
import type { EpochEntry, EvaluationEntry, LogEntry } from "../runs/run-log.js"
import type { TrainingObserver } from "./observer.js"
import { StepGroup } from "./step-group.js"
import type { StepResults } from "./step-runner.js"

/** Steps that one line of the log is the mean of. */
const GROUP = 10

export interface JournalParts {
  readonly log: LogFile
  readonly events: EventLog
  readonly observer: TrainingObserver
  /** the log so far */
  readonly history: readonly LogEntry[]
  /** steps that were waiting for their line when the run stopped */
  readonly pending: readonly StepNumbers[]
  /** of the last step there was */
  readonly learningRate: number
}

export class Journal {
  readonly warnings: string[]
  private readonly group: StepGroup
  private learningRate: number

  constructor(private readonly parts: JournalParts) {
    this.group = new StepGroup(parts.pending)
    this.learningRate = parts.learningRate
    this.warnings = parts.history.flatMap((entry) => (entry.kind === "warning" ? [entry.text] : []))
  }

  /** Steps that wait for their line. */
  get pending(): readonly StepNumbers[] {
    return this.group.numbers
  }

  /** @param epoch of the step, from 0 */
  async step(epoch: number, results: StepResults): Promise<void> {
    const { step, losses, total, gradientNorm, learningRate, cases, seconds } = results
    const { events, observer } = this.parts
    this.learningRate = learningRate
    this.group.add({ losses, total, gradientNorm }, { seconds, images: cases.length })
    events.scalars(step, {
      ...tagged("train/loss/", losses),
      "train/total_loss": total,
      "train/learning_rate": learningRate,
      "train/gradient_norm": gradientNorm,
    })
    observer.step?.({ step, epoch, losses, total, gradientNorm, learningRate, images: cases.length })
    if (this.group.numbers.length >= GROUP) await this.endGroup(epoch, step)
  }

  /** Writes the line of the steps that wait, if there are some. What comes after them in the log calls this first. */
  async endGroup(epoch: number, step: number): Promise<void> {
    if (this.group.numbers.length === 0) return
    const { steps, losses, total, gradientNorm, secondsPerStep, imagesPerSecond } = this.group.take()
    this.parts.events.scalars(step, { [PACE_TAG]: imagesPerSecond })
    await this.parts.events.flush()
    await this.parts.log.append({
      kind: "steps",
      epoch,
      step,
      steps,
      learning_rate: this.learningRate,
      losses,
      total,
      gradient_norm: gradientNorm,
      seconds_per_step: secondsPerStep,
      images_per_second: imagesPerSecond,
    })
  }

  /** @param best the best score so far, this one included */
  async evaluation(entry: EvaluationEntry, best: BestScore | null): Promise<void> {
    const { losses, total, scores, step } = entry
    const { events, log, observer } = this.parts
    events.scalars(step, {
      ...tagged(`${VALID_TAG}loss/`, losses),
      [`${VALID_TAG}total_loss`]: total,
      ...(scores && { [`${VALID_TAG}dice`]: scores.dice.mean, [`${VALID_TAG}iou`]: scores.iou.mean }),
    })
    await events.flush()
    await log.append(entry)
    observer.evaluated?.(entry, best)
  }

  async epoch(entry: EpochEntry): Promise<void> {
    await this.parts.log.append(entry)
    this.parts.observer.epoch?.(entry)
  }

  /** @param loss that it is about */
  async warn(step: number, text: string, loss?: string): Promise<void> {
    this.parts.observer.warning?.(text)
    // A resumed run is told again, but its log holds each warning once.
    if (this.warnings.includes(text)) return
    this.warnings.push(text)
    await this.parts.log.append({ kind: "warning", step, text, ...(loss === undefined ? {} : { loss }) })
  }

  /** Brings everything to the disk: a checkpoint that is written next does not know more than log and events. */
  async sync(): Promise<void> {
    await this.parts.events.flush()
    await this.parts.events.sync()
    await this.parts.log.sync()
  }
}

function tagged(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]))
}
