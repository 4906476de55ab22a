/**
 * The loop over epochs and batches.
 *
 * Takes an open session, loaders and where to start; gives the result of the run, with checkpoints, log and scores in the
 * run folder.
 *
 * Why so: the state that a checkpoint holds is kept in one value and is complete after every step, so training can stop
 * anywhere and go on as if it had not. What an epoch's end brings (means, evaluation, checkpoints) is decided from that
 * state too, not from where the code is; a run that is interrupted between the last step of an epoch and its evaluation
 * does the evaluation when it is resumed.
 */
import { setImmediate } from "node:timers/promises"
import { DataError } from "../data/data-error.js"
import type { Batch, Loader, Position } from "../data/loader.js"
import type { FileOperations } from "../runs/atomic-file.js"
import { type TrainingState, writeCheckpoint } from "../runs/checkpoint.js"
import type { RunFolder, RunRecord } from "../runs/run-folder.js"
import type { Ending, EvaluationEntry, LogEntry } from "../runs/run-log.js"
import type { NativeSession } from "../session.js"
import { type GoodCheckpoint, notFinite, notFiniteVariables, TrainingDiverged } from "./diverged.js"
import { EpochMonitor, NO_STEPS } from "./epoch-monitor.js"
import type { InputPlan } from "./feeds.js"
import type { TrainingObserver, TrainResult } from "./observer.js"
import { parameterCounts } from "./prepare.js"
import { NotFinite, scoreSplit, type SplitScores } from "./scoring.js"
import { isBetter, outOfPatience, scoreOf, type Tracking, trackingOf } from "./tracking.js"
import { StepGroup } from "./step-group.js"
import { type StepResults, StepRunner, stepsPerEpoch } from "./step-runner.js"

export interface LoopParts {
  readonly folder: RunFolder
  readonly plan: InputPlan
  readonly session: NativeSession
  readonly trainLoader: Loader
  readonly validLoader: Loader
  readonly trainCases: number
  readonly validCases: number
  readonly observer: TrainingObserver
  readonly signal: AbortSignal | undefined
  readonly files: FileOperations | undefined
  readonly start: TrainingState
  /** the log up to the start */
  readonly history: readonly LogEntry[]
}

/** Before the first step. */
export const FIRST_STATE: TrainingState = {
  step: 0,
  position: { epoch: 0, batch: 0 },
  best: null,
  evaluatedAt: -1,
  learningRate: 0,
  sums: NO_STEPS,
}

/** Steps that one line of the log is the mean of. */
const GROUP = 10
/** A long epoch is not lost: `last` is written at least so often. */
const SECONDS_BETWEEN_CHECKPOINTS = 600

/**
 * Whether a run that stopped in `state` has anything to do: steps before its limits, or the evaluation that is due at the
 * end of an epoch or of the run.
 */
export function hasWorkLeft(state: TrainingState, { epochs, steps = Infinity }: RunRecord["options"]): boolean {
  if (state.position.epoch < epochs && state.step < steps) return true
  const epochEnded = state.position.batch === 0 && state.sums.steps > 0
  return epochEnded || (state.step > 0 && state.evaluatedAt !== state.step)
}

/** The epoch of the step before the next batch. */
function epochOfLastStep({ epoch, batch }: Position): number {
  return batch === 0 && epoch > 0 ? epoch - 1 : epoch
}

export class TrainingLoop {
  private state: TrainingState
  private monitor: EpochMonitor
  private readonly group: StepGroup
  private readonly runner: StepRunner
  private readonly tracking: Tracking
  private readonly warnings: string[]
  /** epochs of this call in which a loss stood still */
  private readonly still = new Map<string, number>()
  private readonly spent = { steps: 0, data: 0, evaluation: 0 }
  private epochSpent = { steps: 0, data: 0 }
  private valid: EvaluationEntry | null
  private lastGood: GoodCheckpoint | undefined
  private savedAt = performance.now()

  constructor(private readonly parts: LoopParts) {
    const { description } = parts.folder.record
    this.state = parts.start
    this.monitor = new EpochMonitor(parts.start.sums)
    this.group = new StepGroup()
    this.warnings = parts.history.flatMap((entry) => (entry.kind === "warning" ? [entry.text] : []))
    this.valid = parts.history.findLast((entry) => entry.kind === "evaluation") ?? null
    const { losses, accumulate } = description
    this.runner = new StepRunner({ session: parts.session, plan: parts.plan, losses, accumulate })
    this.tracking = trackingOf(description.training, parts.plan.scored !== undefined)
    const { step, position } = parts.start
    if (step > 0) this.lastGood = { step, epoch: epochOfLastStep(position) }
  }

  /** Whether there is anything to keep. */
  get hasStepped(): boolean {
    return this.state.step > 0
  }

  /** Trains until a limit, early stop or interruption. @throws TrainingDiverged, DataError, UserError */
  async run(): Promise<TrainResult> {
    const begun = performance.now()
    const { folder, observer, trainLoader, trainCases, validCases } = this.parts
    const { epochs, steps, batch } = this.limits()
    const { description } = folder.record
    const counts = parameterCounts(description)
    const perEpoch = stepsPerEpoch(trainLoader.batchesPerEpoch, description.accumulate)
    observer.started?.({
      run: folder.path,
      model: folder.record.model.reference,
      trainCases,
      validCases,
      batch: batch * description.accumulate,
      stepsPerEpoch: perEpoch,
      epochs,
      totalSteps: Math.min(steps, epochs * perEpoch),
      startStep: this.state.step,
      trainableParameters: counts.trainable,
      frozenParameters: counts.frozen,
    })
    await this.warnAboutNotes()
    const ended = await this.epochs()
    await this.warnAboutStillLosses()
    await this.parts.folder.writeScores({
      format: 1,
      ended,
      step: this.state.step,
      epochs: this.state.position.epoch,
      best: this.state.best,
      valid: this.valid,
      warnings: this.warnings,
    })
    return {
      run: folder.path,
      ended,
      step: this.state.step,
      epochs: this.state.position.epoch,
      best: this.state.best,
      valid: this.valid,
      warnings: this.warnings,
      seconds: { ...this.spent, total: (performance.now() - begun) / 1000 },
    }
  }

  private limits(): { readonly epochs: number; readonly steps: number; readonly batch: number } {
    const { epochs, steps = Infinity, batch } = this.parts.folder.record.options
    return { epochs, steps, batch }
  }

  private async epochs(): Promise<Ending> {
    // A run that stopped between the last step of an epoch and its end does the end now.
    const early = await this.afterStep()
    if (early) return early
    for (;;) {
      const ended = await this.epoch()
      if (ended) return ended
    }
  }

  /** The rest of the epoch that the state is in. */
  private async epoch(): Promise<Ending | undefined> {
    const { trainLoader } = this.parts
    const { epoch, batch: from } = this.state.position
    const batches = trainLoader.epoch(epoch, { from })
    for (;;) {
      const asked = performance.now()
      const next = await this.nextBatch(batches)
      if (!next) return undefined
      this.count("data", (performance.now() - asked) / 1000)
      const done = this.runner.run(next, trainLoader.position.batch === 0)
      trainLoader.release(next)
      if (done) await this.step(done)
      // Batches that are ready come without a turn of the event loop, and signals and workers need one.
      await setImmediate()
      const ended = done && (await this.afterStep())
      if (ended) {
        await batches.return()
        return ended
      }
    }
  }

  /**
   * A broken file ends training, but not the work so far: the state is saved, and the file can be mended. Batches of a step
   * that is half done are done again then.
   */
  private async nextBatch(batches: AsyncGenerator<Batch, void, undefined>): Promise<Batch | undefined> {
    try {
      const next = await batches.next()
      return next.done ? undefined : next.value
    } catch (thrown) {
      if (thrown instanceof DataError && this.state.step > 0) {
        await this.save(["last"])
        await this.warn(
          `step ${this.state.step} was saved: mend the data, then go on with mdl train --resume ${this.parts.folder.path}`,
        )
      }
      throw thrown
    }
  }

  /** Takes in what a step gave. */
  private async step({ step, losses, total, gradientNorm, learningRate, seconds }: StepResults): Promise<void> {
    const { observer, trainLoader, folder } = this.parts
    const { epoch } = this.state.position
    const wrong = notFinite({ ...losses, total, "the gradient norm": gradientNorm })
    if (wrong.length > 0) throw new TrainingDiverged(folder.path, step, epoch, wrong, this.lastGood, learningRate)
    this.count("steps", seconds)
    this.monitor.add(losses)
    this.group.add({ losses, total, gradientNorm, seconds })
    this.state = { ...this.state, step, position: trainLoader.position, learningRate, sums: this.monitor.sums() }
    observer.step?.({ step, epoch, losses, total, gradientNorm, learningRate })
    if (this.group.count === GROUP) await this.flushGroup(epoch)
  }

  /**
   * What is due after a step (or before the first of a resumed run): evaluation, the epoch's end, checkpoints, stopping.
   */
  private async afterStep(): Promise<Ending | undefined> {
    const { signal, folder } = this.parts
    const { step, position, sums, evaluatedAt } = this.state
    const { steps, epochs } = this.limits()
    const { evalEvery } = folder.record.options
    const epochEnded = position.batch === 0 && sums.steps > 0
    const epoch = epochEnded ? position.epoch - 1 : position.epoch
    if (signal?.aborted && step > 0) {
      await this.save(["last"])
      return "interrupted"
    }
    const last = step >= steps || (epochEnded && position.epoch >= epochs)
    const regular = evalEvery === undefined ? epochEnded : step > 0 && step % evalEvery === 0
    const due = last || regular
    const evaluation = due && step > 0 && evaluatedAt !== step ? await this.evaluate(epoch, regular) : undefined
    if (epochEnded) await this.endEpoch(epoch)
    if (evaluation || epochEnded) await this.save(evaluation?.best ? ["best", "last"] : ["last"])
    else if (performance.now() - this.savedAt > SECONDS_BETWEEN_CHECKPOINTS * 1000) await this.save(["last"])
    if (evaluation && outOfPatience(this.tracking, epoch, this.state.best)) return "early-stop"
    if (!evaluation && !epochEnded) return undefined
    return last ? (step >= steps ? "steps" : "epochs") : undefined
  }

  /** @param regular not only because this call of the program ends: an unbroken run would do it too */
  private async evaluate(epoch: number, regular: boolean): Promise<EvaluationEntry> {
    const { session, plan, validLoader, validCases, observer, folder } = this.parts
    const { step } = this.state
    await this.flushGroup(epoch)
    const begun = performance.now()
    let scores: SplitScores
    try {
      const progress = (done: number): void => observer.evaluating?.(done, validCases)
      scores = await scoreSplit(session, plan, validLoader, { progress })
    } catch (thrown) {
      if (!(thrown instanceof NotFinite)) throw thrown
      throw new TrainingDiverged(folder.path, step, epoch, [thrown.what], this.lastGood, this.state.learningRate)
    }
    const { metric, plateau } = this.tracking
    if (plateau && regular) session.reportScore(scoreOf(plateau, scores))
    const score = scoreOf(metric, scores)
    const best = isBetter(metric, score, this.state.best)
    const seconds = (performance.now() - begun) / 1000
    this.spent.evaluation += seconds
    this.state = {
      ...this.state,
      evaluatedAt: step,
      best: best ? { metric, score, step, epoch } : this.state.best,
    }
    const { losses, total, summary } = scores
    const entry: EvaluationEntry = { kind: "evaluation", epoch, step, losses, total, scores: summary, best, seconds }
    this.valid = entry
    await folder.log(entry)
    observer.evaluated?.(entry)
    return entry
  }

  private async endEpoch(epoch: number): Promise<void> {
    const { folder, observer } = this.parts
    await this.flushGroup(epoch)
    const losses = this.monitor.means()
    const entry = {
      kind: "epoch",
      epoch,
      step: this.state.step,
      steps: this.monitor.count,
      learning_rate: this.state.learningRate,
      losses,
      total: Object.values(losses).reduce((a, b) => a + b, 0),
      seconds: this.epochSpent,
    } as const
    await folder.log(entry)
    observer.epoch?.(entry)
    for (const { loss, value } of this.monitor.standingStill()) {
      const before = this.still.get(loss) ?? 0
      this.still.set(loss, before + 1)
      if (before > 0) continue
      await this.warn(
        value === 0
          ? `the loss ${loss} was exactly 0 in all ${entry.steps} steps of epoch ${epoch + 1}: it teaches nothing`
          : `the loss ${loss} was ${value} in all ${entry.steps} steps of epoch ${epoch + 1}: it does not depend on the data`,
      )
    }
    this.epochSpent = { steps: 0, data: 0 }
    this.monitor = new EpochMonitor()
    this.state = { ...this.state, sums: this.monitor.sums() }
  }

  private async flushGroup(epoch: number): Promise<void> {
    if (this.group.count === 0) return
    const means = this.group.take()
    await this.parts.folder.log({
      kind: "steps",
      epoch,
      step: this.state.step,
      steps: means.steps,
      learning_rate: this.state.learningRate,
      losses: means.losses,
      total: means.total,
      gradient_norm: means.gradientNorm,
      seconds_per_step: means.seconds,
    })
  }

  /** Writes checkpoints of the state as it is. `best` comes first: `last` then never speaks of a best that is not there. */
  private async save(names: readonly ("best" | "last")[]): Promise<void> {
    const { session, folder, files } = this.parts
    const { step, position } = this.state
    const epoch = epochOfLastStep(position)
    await this.flushGroup(epoch)
    const variables = session.read()
    const wrong = notFiniteVariables(variables)
    if (wrong.length > 0) {
      throw new TrainingDiverged(folder.path, step, epoch, wrong, this.lastGood, this.state.learningRate)
    }
    for (const name of names) await writeCheckpoint(folder.path, name, variables, this.state, files)
    this.lastGood = { step, epoch }
    this.savedAt = performance.now()
  }

  private async warnAboutNotes(): Promise<void> {
    const { trainLoader, validLoader, trainCases, validCases, plan } = this.parts
    const cut = trainLoader.truncatedNotes + validLoader.truncatedNotes
    if (cut === 0) return
    await this.warn(
      `${cut} of ${trainCases + validCases} notes are longer than ${plan.tokenLength} tokens and were cut`,
    )
  }

  /** Losses that stood still in more epochs than the one that was told. */
  private async warnAboutStillLosses(): Promise<void> {
    for (const [loss, epochs] of this.still) {
      if (epochs > 1) await this.warn(`the loss ${loss} did not change within an epoch, in ${epochs} epochs`)
    }
  }

  private async warn(text: string): Promise<void> {
    this.parts.observer.warning?.(text)
    // A resumed run is told again, but its log holds each warning once.
    if (this.warnings.includes(text)) return
    this.warnings.push(text)
    await this.parts.folder.log({ kind: "warning", step: this.state.step, text })
  }

  private count(what: "steps" | "data", seconds: number): void {
    this.spent[what] += seconds
    this.epochSpent[what] += seconds
  }
}
