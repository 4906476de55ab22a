/**
 * Training as a person reads it in plain lines, and the words that a terminal's view shares with them.
 *
 * Takes what the trainer tells; writes lines to a stream: one an epoch and one at least every half minute, so that a log
 * file stays readable and a silent process is not taken for a dead one. (On a terminal there is terminal-view.ts.)
 */
import type { Writable } from "node:stream"
import type { BestScore } from "../runs/checkpoint.js"
import type { EvaluationEntry, EpochEntry } from "../runs/run-log.js"
import type { StepReport, TrainingObserver, TrainingStart } from "./observer.js"

/** A stream that lines can be written to; `columns` and `isTTY` as terminals have them. */
export type ProgressStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

const SECONDS_BETWEEN_LINES = 30

/** `0.4213` */
export const numberText = (value: number): string =>
  Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toFixed(4)

/** `dice 0.3120  contrast 0.0211` */
export function lossText(losses: Readonly<Record<string, number>>): string {
  return Object.entries(losses)
    .map(([name, value]) => `${name} ${numberText(value)}`)
    .join("  ")
}

/** `Dice 0.7123, IoU 0.6011`, or the loss for a model that has no scores */
export function scoreText({ scores, total }: Pick<EvaluationEntry, "scores" | "total">): string {
  return scores ? `Dice ${scores.dice.mean.toFixed(4)}, IoU ${scores.iou.mean.toFixed(4)}` : `loss ${numberText(total)}`
}

/** `dice 0.7123 at step 300, epoch 3` */
export function bestText({ metric, score, step, epoch }: BestScore): string {
  return `${metric} ${numberText(score)} at step ${step}, epoch ${epoch + 1}`
}

/** `1 h 02 min`, `3 min 20 s`, `45 s` */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)]
  const two = (value: number): string => String(value).padStart(2, "0")
  if (hours > 0) return `${hours} h ${two(minutes)} min`
  return minutes > 0 ? `${minutes} min ${two(whole % 60)} s` : `${whole} s`
}

/** The first lines of a run. */
export function startText(start: TrainingStart): string {
  const parameters = `${start.trainableParameters.toLocaleString("en-US")} trainable parameters`
  const frozen = start.frozenParameters > 0 ? `, ${start.frozenParameters.toLocaleString("en-US")} frozen` : ""
  const from = start.checkpoint === undefined ? "" : `, from step ${start.startStep} (checkpoint ${start.checkpoint})`
  return (
    `${start.model}: ${parameters}${frozen}\n` +
    `${start.trainCases} cases in batches of ${start.batch}, ${start.validCases} for validation; ` +
    `up to ${start.totalSteps} steps${from}\n` +
    `run folder ${start.run}`
  )
}

/** How fast training goes over the last steps, without the time that evaluations take. */
export class Pace {
  private readonly gaps: { readonly milliseconds: number; readonly images: number }[] = []
  private before: number | undefined

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** A step of so many cases was done. */
  step(images: number): void {
    const now = this.now()
    if (this.before !== undefined) this.gaps.push({ milliseconds: now - this.before, images })
    if (this.gaps.length > 50) this.gaps.shift()
    this.before = now
  }

  /** What comes until the next step is no part of a step. */
  pause(): void {
    this.before = undefined
  }

  /** Seconds per step; undefined before two steps were done in a row. */
  get seconds(): number | undefined {
    return this.gaps.length === 0 ? undefined : this.total / this.gaps.length
  }

  /** Cases per second; undefined as `seconds`. */
  get imagesPerSecond(): number | undefined {
    if (this.gaps.length === 0) return undefined
    return this.gaps.reduce((sum, { images }) => sum + images, 0) / this.total
  }

  private get total(): number {
    return this.gaps.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000
  }
}

/** `12.4 images/s`, and how long the steps that are left will take; parts that are not known yet are left out. */
export function paceTexts(pace: Pace, stepsLeft: number): readonly string[] {
  const { seconds, imagesPerSecond } = pace
  if (seconds === undefined || imagesPerSecond === undefined) return []
  return [`${imagesPerSecond.toFixed(1)} images/s`, `ETA ${durationText(stepsLeft * seconds)}`]
}

/** Plain lines. */
export class LineProgress implements TrainingObserver {
  private start: TrainingStart | undefined
  private best: BestScore | null = null
  private readonly pace: Pace
  private spokenAt = 0

  constructor(
    private readonly stream: Pick<Writable, "write">,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.pace = new Pace(now)
  }

  started(start: TrainingStart): void {
    this.start = start
    this.best = start.best
    this.line(startText(start))
  }

  step(report: StepReport): void {
    this.pace.step(report.images)
    if (this.now() - this.spokenAt < SECONDS_BETWEEN_LINES * 1000) return
    this.numbers(report, lossText(report.losses), report.learningRate)
  }

  evaluating(): void {
    this.pace.pause()
  }

  evaluated(entry: EvaluationEntry, best: BestScore | null): void {
    this.best = best
    this.line(`${this.place(entry)}  valid ${scoreText(entry)}${entry.best ? " (best)" : ""}`)
  }

  epoch(entry: EpochEntry): void {
    this.numbers(entry, `mean ${lossText(entry.losses)}`, entry.learning_rate)
  }

  warning(text: string): void {
    this.line(`warning: ${text}`)
  }

  private numbers(at: { epoch: number; step: number }, losses: string, learningRate: number): void {
    const left = (this.start?.totalSteps ?? at.step) - at.step
    const best = this.best ? [`best ${bestText(this.best)}`] : []
    this.line(
      [this.place(at), losses, `lr ${learningRate.toExponential(2)}`, ...paceTexts(this.pace, left), ...best].join(
        "  ",
      ),
    )
  }

  private place({ epoch, step }: { epoch: number; step: number }): string {
    return `epoch ${epoch + 1}/${this.start?.epochs ?? "?"} step ${step}/${this.start?.totalSteps ?? "?"}`
  }

  private line(text: string): void {
    this.spokenAt = this.now()
    this.stream.write(`${text}\n`)
  }
}
