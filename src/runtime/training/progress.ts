/**
 * Training as a person sees it: a bar that moves on a terminal, plain lines elsewhere.
 *
 * Takes what the trainer tells; writes to a stream. Two lines on a terminal (progress; losses, rate, score), because all
 * terms of a loss do not fit beside a bar; elsewhere one line an epoch and one at least every half minute, so that a log
 * file stays readable and a silent process is not taken for a dead one.
 */
import type { Writable } from "node:stream"
import { MultiBar, type SingleBar } from "cli-progress"
import pc from "picocolors"
import type { EvaluationEntry, EpochEntry } from "../runs/run-log.js"
import type { StepReport, TrainingObserver, TrainingStart, TrainResult } from "./observer.js"

/** A stream that lines can be written to; `columns` and `isTTY` as terminals have them. */
export type ProgressStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** The observer that fits the stream. */
export function progressFor(stream: ProgressStream): TrainingObserver {
  return stream.isTTY ? new BarProgress(stream) : new LineProgress(stream)
}

/** `0.4213` */
const number = (value: number): string =>
  Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toFixed(4)

/** `dice 0.3120  contrast 0.0211` */
export function lossText(losses: Readonly<Record<string, number>>): string {
  return Object.entries(losses)
    .map(([name, value]) => `${name} ${number(value)}`)
    .join("  ")
}

/** `Dice 0.7123, IoU 0.6011`, or the loss for a model that has no scores */
export function scoreText({ scores, total }: Pick<EvaluationEntry, "scores" | "total">): string {
  return scores ? `Dice ${scores.dice.mean.toFixed(4)}, IoU ${scores.iou.mean.toFixed(4)}` : `loss ${number(total)}`
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
  const from = start.startStep > 0 ? `, from step ${start.startStep}` : ""
  return (
    `${start.model}: ${parameters}${frozen}\n` +
    `${start.trainCases} cases in batches of ${start.batch}, ${start.validCases} for validation; ` +
    `up to ${start.totalSteps} steps${from}\n` +
    `run folder ${start.run}`
  )
}

/** Steps per second over the last steps, without the time that evaluations take. */
export class Pace {
  private readonly gaps: number[] = []
  private before: number | undefined

  constructor(private readonly now: () => number = () => performance.now()) {}

  step(): void {
    const now = this.now()
    if (this.before !== undefined) this.gaps.push(now - this.before)
    if (this.gaps.length > 50) this.gaps.shift()
    this.before = now
  }

  /** What comes until the next step is no part of a step. */
  pause(): void {
    this.before = undefined
  }

  /** Seconds per step; undefined before two steps were done in a row. */
  get seconds(): number | undefined {
    if (this.gaps.length === 0) return undefined
    return this.gaps.reduce((a, b) => a + b, 0) / this.gaps.length / 1000
  }
}

/** Plain lines. */
export class LineProgress implements TrainingObserver {
  private start: TrainingStart | undefined
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
    this.line(startText(start))
  }

  step(report: StepReport): void {
    this.pace.step()
    if (this.now() - this.spokenAt < SECONDS_BETWEEN_LINES * 1000) return
    this.line(
      `${this.place(report)}  ${lossText(report.losses)}  lr ${report.learningRate.toExponential(2)}${this.left(report.step)}`,
    )
  }

  evaluating(): void {
    this.pace.pause()
  }

  evaluated(entry: EvaluationEntry): void {
    this.line(`${this.place(entry)}  valid ${scoreText(entry)}${entry.best ? " (best)" : ""}`)
  }

  epoch(entry: EpochEntry): void {
    this.line(
      `${this.place(entry)}  mean ${lossText(entry.losses)}  lr ${entry.learning_rate.toExponential(2)}${this.left(entry.step)}`,
    )
  }

  warning(text: string): void {
    this.line(`warning: ${text}`)
  }

  private place({ epoch, step }: { epoch: number; step: number }): string {
    return `epoch ${epoch + 1}/${this.start?.epochs ?? "?"} step ${step}/${this.start?.totalSteps ?? "?"}`
  }

  private left(step: number): string {
    const seconds = this.pace.seconds
    if (seconds === undefined || !this.start) return ""
    return `  ${(1 / seconds).toFixed(1)} steps/s  ETA ${durationText((this.start.totalSteps - step) * seconds)}`
  }

  private line(text: string): void {
    this.spokenAt = this.now()
    this.stream.write(`${text}\n`)
  }
}

const SECONDS_BETWEEN_LINES = 30

/** A progress bar with a line of numbers below. */
export class BarProgress implements TrainingObserver {
  private bars: MultiBar | undefined
  private bar: SingleBar | undefined
  private numbers: SingleBar | undefined
  private readonly pace = new Pace()
  private score = ""
  private losses = ""
  private start: TrainingStart | undefined

  constructor(private readonly stream: ProgressStream) {}

  started(start: TrainingStart): void {
    this.start = start
    this.stream.write(`${startText(start)}\n`)
    this.bars = new MultiBar({
      stream: this.stream,
      hideCursor: true,
      clearOnComplete: false,
      // The trainer finishes its step and writes a checkpoint on Ctrl-C; the bar must not end the process before.
      gracefulExit: false,
      barsize: 24,
      fps: 5,
      format: "{line}",
      emptyOnZero: true,
      autopadding: false,
      // What a person sees is the last state, also when the steps come faster than the bar is drawn.
      forceRedraw: true,
    })
    const bar = { format: `{epoch} ${pc.cyan("{bar}")} {value}/{total} steps  {pace}  {doing}` }
    const first = { epoch: `epoch ${this.epochOf(0)}`, pace: "", doing: "" }
    this.bar = this.bars.create(start.totalSteps, start.startStep, first, bar)
    this.numbers = this.bars.create(1, 0, { line: "" })
  }

  step({ step, epoch, losses, learningRate }: StepReport): void {
    this.pace.step()
    const seconds = this.pace.seconds
    const left =
      this.start && seconds !== undefined ? durationText((this.start.totalSteps - step) * seconds) : undefined
    const pace = seconds === undefined ? "" : `${(1 / seconds).toFixed(1)} steps/s  ETA ${left}`
    this.bar?.update(step, { epoch: `epoch ${this.epochOf(epoch)}`, pace, doing: "" })
    this.losses = `${lossText(losses)}  lr ${learningRate.toExponential(2)}`
    this.numbers?.update(0, { line: this.score + this.losses })
  }

  evaluating(done: number, of: number): void {
    this.pace.pause()
    this.bar?.update({ doing: `scoring ${done}/${of}` })
  }

  evaluated(entry: EvaluationEntry): void {
    this.score = `${pc.bold(`valid ${scoreText(entry)}`)}${entry.best ? pc.green(" best") : ""}  `
    this.bar?.update({ doing: "" })
    this.numbers?.update(0, { line: this.score + this.losses })
  }

  warning(text: string): void {
    const line = `${pc.yellow("warning")}: ${text}\n`
    if (this.bars) this.bars.log(line)
    else this.stream.write(line)
  }

  finished(_result: TrainResult | undefined): void {
    this.bars?.update()
    this.bars?.stop()
    this.bars = undefined
  }

  private epochOf(epoch: number): string {
    return `${epoch + 1}/${this.start?.epochs ?? "?"}`
  }
}
