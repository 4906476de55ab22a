/**
 * Means over a few steps, for one line of the log.
 *
 * Takes the numbers of each step; gives their means and starts anew.
 */

export interface StepNumbers {
  readonly losses: Readonly<Record<string, number>>
  readonly total: number
  readonly gradientNorm: number
  /** inside the step */
  readonly seconds: number
}

export class StepGroup {
  private numbers: StepNumbers[] = []

  get count(): number {
    return this.numbers.length
  }

  add(numbers: StepNumbers): void {
    this.numbers.push(numbers)
  }

  /** Means over the steps since the last call. There must be some. */
  take(): StepNumbers & { readonly steps: number } {
    const taken = this.numbers
    this.numbers = []
    const mean = (of: (numbers: StepNumbers) => number): number =>
      taken.reduce((sum, numbers) => sum + of(numbers), 0) / taken.length
    const names = Object.keys(taken[0]?.losses ?? {})
    return {
      steps: taken.length,
      losses: Object.fromEntries(names.map((name) => [name, mean((numbers) => numbers.losses[name] ?? 0)])),
      total: mean((numbers) => numbers.total),
      gradientNorm: mean((numbers) => numbers.gradientNorm),
      seconds: mean((numbers) => numbers.seconds),
    }
  }
}
