/**
 * What one compilation may use up.
 *
 * Takes nothing from outside: the bounds are the same for every text, so that a text compiles everywhere or nowhere.
 * Gives a meter that elaboration runs down. MDL has no recursion, but loops in loops, lists that double and functions
 * that call the one below twice grow without any; a bound on the steps and one on what a value holds end them all, long
 * before the machine's memory or stack does. RecLMIS at full size takes about a hundredth of each.
 */

import type { StaticValue } from "./values.js"

/** Compiling always has to end. */
export const LIMITS = {
  /** calls within calls */
  calls: 64,
  /** expressions within expressions, over all calls; the stack of a default Node holds several times as many */
  depth: 500,
  /** nodes of the graph before gradients */
  nodes: 120_000,
  /** values that one value holds, counted through lists and records */
  items: 100_000,
  /** characters of one text */
  characters: 100_000,
  /** bytes of all constants from files; a SavedModel can hold twice as much */
  constantBytes: 2 ** 30,
  /** expressions evaluated, and list items made, in sixteens */
  steps: 2_500_000,
  /** definitions that use one another in a row */
  definitions: 512,
} as const

/** A limit that was passed: what there is too much of. */
export interface Excess {
  readonly what: string
  readonly limit: number
}

/** Counts what an elaboration uses up. */
export class Budget {
  private stepsTaken = 0
  private depthNow = 0
  private peak = 0
  /** Lists and records can share their parts, so that looking at all of one again and again would take for ever. */
  private readonly sizes = new WeakMap<StaticValue, number>()

  /** One expression deeper. Every call needs its `leave`. */
  enter(): Excess | undefined {
    this.depthNow++
    if (this.depthNow > this.peak) this.peak = this.depthNow
    if (this.depthNow > LIMITS.depth) return { what: "expressions within one another", limit: LIMITS.depth }
    return this.spend(1)
  }

  leave(): void {
    this.depthNow--
  }

  get steps(): number {
    return this.stepsTaken
  }

  get depth(): number {
    return this.depthNow
  }

  /** What `body` gives, the steps it took, and how many expressions within one another it came to. */
  measured<T>(body: () => T): { readonly result: T; readonly steps: number; readonly depth: number } {
    const { stepsTaken, depthNow, peak } = this
    this.peak = depthNow
    try {
      const result = body()
      return { result, steps: this.stepsTaken - stepsTaken, depth: this.peak - depthNow }
    } finally {
      this.peak = Math.max(peak, this.peak)
    }
  }

  spend(steps: number): Excess | undefined {
    this.stepsTaken += steps
    return this.stepsTaken > LIMITS.steps ? { what: "steps of evaluation", limit: LIMITS.steps } : undefined
  }

  /** Accounts for a value that has just been made. */
  made(value: StaticValue): Excess | undefined {
    if (value.kind === "string") {
      if (value.value.length > LIMITS.characters) return { what: "characters in a text", limit: LIMITS.characters }
      return this.spend(value.value.length >> 4)
    }
    if (value.kind !== "list" && value.kind !== "record") return undefined
    const size = this.sizeOf(value)
    if (size > LIMITS.items) return { what: "items", limit: LIMITS.items }
    return this.spend((value.kind === "list" ? value.items.length : value.fields.size) >> 4)
  }

  /** How many values `value` holds, those inside lists and records included, shared ones as often as they are held. */
  sizeOf(value: StaticValue): number {
    if (value.kind !== "list" && value.kind !== "record") return 0
    const known = this.sizes.get(value)
    if (known !== undefined) return known
    let size = 0
    for (const part of value.kind === "list" ? value.items : value.fields.values()) size += 1 + this.sizeOf(part)
    this.sizes.set(value, size)
    return size
  }
}
