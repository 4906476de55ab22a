/**
 * Optimiser steps from batches: one batch a step, or the mean of several.
 *
 * Takes batches one after the other; gives the numbers of a step whenever one has been done. The last step of an epoch
 * takes the batches that are left, so that an epoch ends with a step and no gradient waits when a checkpoint is written.
 *
 * Why so: a checkpoint is of a whole step. Each batch of an accumulated step moves the normalisation statistics, and one of
 * them may fail (a broken file); so the statistics from before the step are kept, and `variables` gives those.
 */
import type { Batch } from "../data/loader.js"
import type { Feeds, HostTensor, NativeSession } from "../session.js"
import { EncodedNotes } from "./encoded-notes.js"
import { batchFeeds, type InputPlan } from "./feeds.js"

export interface StepResults {
  /** 1 for the first */
  readonly step: number
  /** means over the batches of the step, by loss; a loss that the program did not give is not there */
  readonly losses: Readonly<Record<string, number>>
  readonly total: number
  /** before clipping */
  readonly gradientNorm: number
  readonly learningRate: number
  /** ids of the cases it took */
  readonly cases: readonly string[]
  /** inside TensorFlow */
  readonly seconds: number
}

export interface StepRunnerParts {
  readonly session: NativeSession
  readonly plan: InputPlan
  /** names of the losses */
  readonly losses: readonly string[]
  /** batches for a step */
  readonly accumulate: number
  /** names of the variables that a batch moves by itself: normalisation statistics */
  readonly statistics: readonly string[]
}

/** Steps in an epoch of so many batches. */
export function stepsPerEpoch(batches: number, accumulate: number): number {
  return Math.ceil(batches / accumulate)
}

export class StepRunner {
  /** results of the batches whose gradients wait */
  private waiting: Readonly<Record<string, number>>[] = []
  /** cases of those batches */
  private cases: string[] = []
  /** statistics from before the first of them */
  private before: ReadonlyMap<string, HostTensor> = new Map()
  private seconds = 0
  private readonly statistics: ReadonlySet<string>

  /** undefined: the step reads the notes themselves */
  private readonly encoded: EncodedNotes | undefined

  constructor(private readonly parts: StepRunnerParts) {
    this.encoded = EncodedNotes.of(parts.session)
    this.statistics = new Set(parts.statistics)
  }

  /** Runs a batch. @param isLast of its epoch @returns undefined when the step needs more batches */
  run(batch: Batch, isLast: boolean): StepResults | undefined {
    const { session, accumulate } = this.parts
    if (this.waiting.length === 0) this.cases = []
    this.cases.push(...batch.ids)
    if (accumulate === 1) {
      const results = this.timed(() => session.trainStep(this.feeds(batch, "train_step")))
      return this.results([results], results)
    }
    if (this.waiting.length === 0 && this.statistics.size > 0) this.before = session.read(this.statistics)
    this.waiting.push(this.timed(() => session.addGradients(this.feeds(batch, "gradients"))))
    if (this.waiting.length < accumulate && !isLast) return undefined
    const batches = this.waiting
    this.waiting = []
    return this.results(
      batches,
      this.timed(() => session.applyGradients()),
    )
  }

  /** Cases of the step that was done last, or is half done. */
  get lastCases(): readonly string[] {
    return this.cases
  }

  /** All variables as they were after the last whole step. */
  variables(): ReadonlyMap<string, HostTensor> {
    const { session } = this.parts
    return this.waiting.length === 0 ? session.read() : new Map([...session.read(), ...this.before])
  }

  /** All that the signature takes for a batch: its data, and its notes encoded where the program wants them so. */
  feeds(batch: Batch, signature: "train_step" | "gradients"): Feeds {
    const { session, plan } = this.parts
    const feeds = batchFeeds(plan, batch, session, signature)
    if (!this.encoded) return feeds
    return { ...feeds, ...this.encoded.feeds(batchFeeds(plan, batch, session, "encode")) }
  }

  private results(
    batches: readonly Readonly<Record<string, number>>[],
    step: Readonly<Record<string, number>>,
  ): StepResults {
    const mean = (name: string): number => batches.reduce((sum, results) => sum + results[name]!, 0) / batches.length
    const { seconds, cases } = this
    this.seconds = 0
    const there = this.parts.losses.filter((name) => batches.every((results) => results[name] !== undefined))
    return {
      step: step["step"]!,
      losses: Object.fromEntries(there.map((name) => [name, mean(name)])),
      total: mean("total"),
      gradientNorm: step["gradient_norm"]!,
      learningRate: shortest(step["learning_rate"]!),
      cases,
      seconds,
    }
  }

  private timed<T>(call: () => T): T {
    const begun = performance.now()
    const result = call()
    this.seconds += (performance.now() - begun) / 1000
    return result
  }
}

/** The decimal number with the fewest digits among those that are this float32: 0.0003 for 0.0003000000142492354. */
export function shortest(float: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const rounded = Number(float.toPrecision(digits))
    if (Math.fround(rounded) === float) return rounded
  }
  return float
}
