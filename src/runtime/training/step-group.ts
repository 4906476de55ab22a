/**
 * Means over a few steps, for one line of the log.
 *
 * Takes the numbers of each step, and how long it took; gives their means and starts anew. Times are not part of what a
 * checkpoint keeps: two runs with the same numbers have the same checkpoints.
 */
import type { StepNumbers } from "../runs/checkpoint.js"

/** How fast a step was. */
export interface StepPace {
  /** inside the step */
  readonly seconds: number
  /** cases it took */
  readonly images: number
}

export interface GroupMeans extends StepNumbers {
  readonly steps: number
  readonly secondsPerStep: number
  readonly imagesPerSecond: number
}

export class StepGroup {
  private waiting: StepNumbers[]
  private paces: StepPace[] = []

  /** @param start steps that had no line yet when the run stopped */
  constructor(start: readonly StepNumbers[] = []) {
    this.waiting = [...start]
  }

  /** The steps that wait for `take`. */
  get numbers(): readonly StepNumbers[] {
    return this.waiting
  }

  add(numbers: StepNumbers, pace: StepPace): void {
    this.waiting = [...this.waiting, numbers]
    this.paces.push(pace)
  }

  /** Means over the steps since the last call. There must be some. Paces are 0 when none of them was timed. */
  take(): GroupMeans {
    const { waiting, paces } = this
    this.waiting = []
    this.paces = []
    const mean = (of: (numbers: StepNumbers) => number): number =>
      waiting.reduce((sum, numbers) => sum + of(numbers), 0) / waiting.length
    const names = Object.keys(waiting[0]?.losses ?? {})
    const seconds = paces.reduce((sum, pace) => sum + pace.seconds, 0)
    const images = paces.reduce((sum, pace) => sum + pace.images, 0)
    return {
      steps: waiting.length,
      losses: Object.fromEntries(names.map((name) => [name, mean((numbers) => numbers.losses[name] ?? 0)])),
      total: mean((numbers) => numbers.total),
      gradientNorm: mean((numbers) => numbers.gradientNorm),
      secondsPerStep: paces.length === 0 ? 0 : seconds / paces.length,
      imagesPerSecond: seconds === 0 ? 0 : images / seconds,
    }
  }
}
