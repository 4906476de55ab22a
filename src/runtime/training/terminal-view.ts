/**
 * Training as a person sees it on a terminal: a few lines that are drawn anew as steps are done.
 *
 * Takes what the trainer tells; writes to a terminal: progress, each term of the loss, rate and pace, scores. What the
 * lines say is a pure function of a state and a width (`viewLines`), so that it can be compared with a picture. Lines are
 * never wider than the terminal, because a line that wraps cannot be drawn over.
 */
import pc from "picocolors"
import type { BestScore } from "../runs/checkpoint.js"
import type { EvaluationEntry } from "../runs/run-log.js"
import type { StepReport, TrainingObserver, TrainingStart } from "./observer.js"
import {
  bestText,
  LineProgress,
  numberText,
  Pace,
  paceTexts,
  type ProgressStream,
  scoreText,
  startText,
} from "./progress.js"

/** The observer that fits the stream. */
export function progressFor(stream: ProgressStream): TrainingObserver {
  return stream.isTTY ? new TerminalProgress(stream) : new LineProgress(stream)
}

/** What the lines are made of. */
export interface ViewState {
  readonly step: number
  readonly totalSteps: number
  /** from 0 */
  readonly epoch: number
  readonly epochs: number
  readonly losses: Readonly<Record<string, number>>
  readonly total: number | undefined
  readonly learningRate: number | undefined
  readonly gradientNorm: number | undefined
  /** `12.4 images/s`, `ETA 3 min 20 s` */
  readonly pace: readonly string[]
  /** the last evaluation, in words */
  readonly valid: string | undefined
  readonly best: BestScore | null
  /** `scoring 12/40`; undefined while training */
  readonly doing: string | undefined
}

const BAR = 24
const LABEL = 6

/** The lines, none wider than `columns`. */
export function viewLines(view: ViewState, columns: number): readonly string[] {
  const { step, totalSteps, epoch, epochs, doing } = view
  const share = totalSteps === 0 ? 1 : Math.min(1, step / totalSteps)
  const bar = columns < 60 ? [] : [barText(share)]
  const head = [`epoch ${epoch + 1}/${epochs}`, ...bar, `${step}/${totalSteps} steps`, `${Math.floor(share * 100)}%`]
  const losses = [
    ...(view.total === undefined ? [] : [`total ${numberText(view.total)}`]),
    ...Object.entries(view.losses).map(([name, value]) => `${name} ${numberText(value)}`),
  ]
  const rates = [
    ...(view.learningRate === undefined ? [] : [`lr ${view.learningRate.toExponential(2)}`]),
    ...(view.gradientNorm === undefined ? [] : [`gradient ${numberText(view.gradientNorm)}`]),
    ...view.pace,
  ]
  const scores = [
    ...(view.valid === undefined ? [] : [view.valid]),
    ...(view.best === null ? [] : [`best ${bestText(view.best)}`]),
  ]
  return [
    clipped([...head, ...(doing === undefined ? [] : [doing])].join("  "), columns),
    ...wrapped("loss", losses, columns),
    ...wrapped("pace", rates, columns),
    ...wrapped("valid", scores, columns),
  ]
}

/** A bar that is full at 1. */
export function barText(share: number): string {
  const done = Math.round(share * BAR)
  return `${"█".repeat(done)}${"░".repeat(BAR - done)}`
}

/** Words after a label, on as many lines as they need. */
function wrapped(label: string, words: readonly string[], columns: number): readonly string[] {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 2 + word.length <= columns) lines[lines.length - 1] = `${last}  ${word}`
    else lines.push(`${(lines.length === 0 ? label : "").padEnd(LABEL)}${word}`)
  }
  return lines.map((line) => clipped(line, columns))
}

function clipped(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`
}

/** Colours on a line that has its final width: the bar, and the label in front. */
function coloured(line: string): string {
  return line
    .replace(/[█░]+/, (bar) => pc.cyan(bar))
    .replace(/^(loss|pace|valid) /, (label) => pc.dim(label))
    .replace(/best .*$/, (best) => pc.green(best))
}

const MILLISECONDS_BETWEEN_DRAWINGS = 200
const ESCAPE = "\x1b["

/** The lines at the bottom of a terminal; warnings stay above them. */
export class TerminalProgress implements TrainingObserver {
  private view: ViewState | undefined
  private readonly pace: Pace
  /** lines that are on the terminal now */
  private drawn = 0
  private drawnAt = -Infinity

  constructor(
    private readonly stream: ProgressStream,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.pace = new Pace(now)
  }

  started(start: TrainingStart): void {
    this.stream.write(`${startText(start)}\n`)
    this.view = {
      step: start.startStep,
      totalSteps: start.totalSteps,
      epoch: Math.min(start.epochs - 1, Math.floor(start.startStep / start.stepsPerEpoch)),
      epochs: start.epochs,
      losses: {},
      total: undefined,
      learningRate: undefined,
      gradientNorm: undefined,
      pace: [],
      valid: undefined,
      best: start.best,
      doing: undefined,
    }
    this.draw()
  }

  step({ step, epoch, losses, total, learningRate, gradientNorm, images }: StepReport): void {
    this.pace.step(images)
    const left = (this.view?.totalSteps ?? step) - step
    this.change({
      step,
      epoch,
      losses,
      total,
      learningRate,
      gradientNorm,
      pace: paceTexts(this.pace, left),
      doing: undefined,
    })
  }

  evaluating(done: number, of: number): void {
    this.pace.pause()
    this.change({ doing: `scoring ${done}/${of}` })
  }

  evaluated(entry: EvaluationEntry, best: BestScore | null): void {
    this.change({ valid: scoreText(entry), best, doing: undefined })
  }

  warning(text: string): void {
    this.erase()
    this.stream.write(`${pc.yellow("warning")}: ${text}\n`)
    this.draw()
  }

  finished(): void {
    this.draw()
    this.drawn = 0
    this.view = undefined
  }

  private change(changes: Partial<ViewState>): void {
    if (!this.view) return
    this.view = { ...this.view, ...changes }
    if (this.now() - this.drawnAt >= MILLISECONDS_BETWEEN_DRAWINGS) this.draw()
  }

  private draw(): void {
    if (!this.view) return
    this.erase()
    // One column less: some terminals wrap a line that fills the last one.
    const lines = viewLines(this.view, Math.max(20, (this.stream.columns ?? 80) - 1))
    this.stream.write(lines.map((line) => `${coloured(line)}\n`).join(""))
    this.drawn = lines.length
    this.drawnAt = this.now()
  }

  private erase(): void {
    if (this.drawn > 0) this.stream.write(`${ESCAPE}${this.drawn}A${ESCAPE}J`)
    this.drawn = 0
  }
}
