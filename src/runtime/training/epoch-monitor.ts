/**
 * What an epoch amounts to: mean losses, and losses that stood still or were not there.
 *
 * Takes the losses of each step; gives their means, the names of losses that had one and the same value at every step, and
 * of those that no step had.
 *
 * Why so: a loss term that is switched off by accident looks like a term that is small, and the published RecLMIS code can
 * train whole runs with all auxiliary losses at 0 without a word. So a constant or missing loss is told.
 */
import type { EpochSums } from "../runs/checkpoint.js"

export const NO_STEPS: EpochSums = { steps: 0, losses: {}, constant: {} }

export class EpochMonitor {
  private steps: number
  private readonly losses: Map<string, number>
  private readonly constant: Map<string, number | null>

  /** @param start what the epoch had summed up when it was interrupted */
  constructor(start: EpochSums = NO_STEPS) {
    this.steps = start.steps
    this.losses = new Map(Object.entries(start.losses))
    this.constant = new Map(Object.entries(start.constant))
  }

  add(losses: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(losses)) {
      this.losses.set(name, (this.losses.get(name) ?? 0) + value)
      const same = this.steps === 0 || this.constant.get(name) === value
      this.constant.set(name, same ? value : null)
    }
    this.steps++
  }

  get count(): number {
    return this.steps
  }

  /** Mean over the steps, by loss. */
  means(): Record<string, number> {
    return Object.fromEntries([...this.losses].map(([name, sum]) => [name, sum / this.steps]))
  }

  /** Losses that never changed, with their value. One step shows nothing, so there are none then. */
  standingStill(): readonly { readonly loss: string; readonly value: number }[] {
    if (this.steps < 2) return []
    return [...this.constant].flatMap(([loss, value]) => (value === null ? [] : [{ loss, value }]))
  }

  /** Losses of the model that no step had. */
  missing(declared: readonly string[]): readonly string[] {
    return this.steps === 0 ? [] : declared.filter((name) => !this.losses.has(name))
  }

  sums(): EpochSums {
    return {
      steps: this.steps,
      losses: Object.fromEntries(this.losses),
      constant: Object.fromEntries(this.constant),
    }
  }
}
