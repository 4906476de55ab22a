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
import type { Batch, Loader } from "../data/loader.js"
import { type CheckpointName, type TrainingState, writeCheckpoint } from "../runs/checkpoint.js"
import { DEFAULT_INTERVAL, isDue } from "../runs/checkpoint-interval.js"
import type { EventLog } from "../runs/event-log.js"
import type { RunFolder } from "../runs/run-folder.js"
import type { Ending, EvaluationEntry, LogEntry } from "../runs/run-log.js"
import type { NativeSession } from "../session.js"
import { type GoodCheckpoint, notFinite, notFiniteVariables, TrainingDiverged } from "./diverged.js"
import { EpochMonitor } from "./epoch-monitor.js"
import type { InputPlan } from "./feeds.js"
import { Journal } from "./journal.js"
import type { TrainingObserver, TrainResult } from "./observer.js"
import { parameterCounts } from "./parameter-counts.js"
import { NotFinite, scoreSplit, type SplitScores } from "./scoring.js"
import { epochOfLastStep, isBetter, outOfPatience, scoreOf, type Tracking } from "./tracking.js"
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
  readonly events: EventLog
  readonly tracking: Tracking
  /** what the run goes on from; undefined: from first values */
  readonly checkpoint: CheckpointName | undefined
  readonly start: TrainingState
  /** why there is nothing to train: the process before had done everything but write down the result */
  readonly ended: Ending | undefined
  /** the log up to the start */
  readonly history: readonly LogEntry[]
}

/** The validation split was being scored when training was interrupted. */
class ScoringInterrupted extends Error {
  override readonly name = "ScoringInterrupted"
}

export class TrainingLoop {
  private state: TrainingState
  private monitor: EpochMonitor
  private readonly journal: Journal
  private readonly runner: StepRunner
  private readonly spent = { steps: 0, data: 0, evaluation: 0 }
  private epochSpent = { steps: 0, data: 0 }
  private valid: EvaluationEntry | null
  private lastGood: GoodCheckpoint | undefined
  private saved: { readonly step: number; readonly at: number }

  constructor(private readonly parts: LoopParts) {
    const { session, plan, folder, events, observer, history, start } = parts
    this.state = start
    this.monitor = new EpochMonitor(start.sums)
    const { pending = [], learningRate } = start
    this.journal = new Journal({ log: folder.log, events, observer, history, pending, learningRate })
    this.valid = history.findLast((entry) => entry.kind === "evaluation") ?? null
    const { losses, accumulate, parameters } = folder.record.description
    const statistics = parameters.flatMap(({ name, role }) => (role === "state" ? [name] : []))
    this.runner = new StepRunner({ session, plan, losses, accumulate, statistics })
    const { step, position } = start
    if (step > 0) this.lastGood = { step, epoch: epochOfLastStep(position) }
    this.saved = { step, at: performance.now() }
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
      checkpoint: this.parts.checkpoint,
      best: this.state.best,
      trainableParameters: counts.trainable,
      frozenParameters: counts.frozen,
    })
    await this.warnAboutNotes()
    const ended = this.parts.ended ?? (await this.epochs())
    await this.warnAboutStillLosses()
    await this.parts.folder.writeScores({
      format: 1,
      ended,
      step: this.state.step,
      epochs: this.state.position.epoch,
      best: this.state.best,
      valid: this.valid,
      warnings: this.journal.warnings,
    })
    return {
      run: folder.path,
      ended,
      step: this.state.step,
      epochs: this.state.position.epoch,
      best: this.state.best,
      valid: this.valid,
      warnings: this.journal.warnings,
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

  private async nextBatch(batches: AsyncGenerator<Batch, void, undefined>): Promise<Batch | undefined> {
    try {
      const next = await batches.next()
      return next.done ? undefined : next.value
    } catch (thrown) {
      await this.saveBeforeFailing()
      throw thrown
    }
  }

  /**
   * Data that cannot be read ends training, but not the work so far: the state is saved, and the data can be mended. Batches
   * of a step that is half done are done again then.
   */
  private async saveBeforeFailing(): Promise<void> {
    const { step } = this.state
    if (step === 0) return
    await this.save(["last"])
    await this.warn(
      `step ${step} was saved: mend the data, then go on with mdl train --resume ${this.parts.folder.path}`,
    )
  }

  /** Takes in what a step gave. */
  private async step(results: StepResults): Promise<void> {
    const { step, losses, total, gradientNorm, learningRate, seconds } = results
    const { epoch } = this.state.position
    const wrong = notFinite({ ...losses, total, "the gradient norm": gradientNorm })
    if (wrong.length > 0) throw this.diverged(step, epoch, wrong, learningRate)
    this.count("steps", seconds)
    this.monitor.add(losses)
    const { position } = this.parts.trainLoader
    this.state = { ...this.state, step, position, learningRate, sums: this.monitor.sums() }
    await this.journal.step(epoch, results)
  }

  private diverged(step: number, epoch: number, terms: readonly string[], learningRate = this.state.learningRate) {
    const { folder } = this.parts
    const bf16 = folder.record.options.precision === "bf16"
    const cases = this.runner.lastCases
    return new TrainingDiverged({
      run: folder.path,
      step,
      epoch,
      terms,
      cases,
      lastGood: this.lastGood,
      learningRate,
      bf16,
    })
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
    let evaluation: EvaluationEntry | undefined
    try {
      evaluation = due && step > 0 && evaluatedAt !== step ? await this.evaluate(epoch, regular) : undefined
    } catch (thrown) {
      if (thrown instanceof DataError) await this.saveBeforeFailing()
      if (!(thrown instanceof ScoringInterrupted)) throw thrown
      await this.save(["last"])
      return "interrupted"
    }
    if (epochEnded) await this.endEpoch(epoch)
    if (evaluation || epochEnded) await this.save(evaluation?.best ? ["best", "last"] : ["last"])
    else if (this.isCheckpointDue()) await this.save(["last"])
    if (evaluation && outOfPatience(this.parts.tracking, epoch, this.state.best)) return "early-stop"
    if (!evaluation && !epochEnded) return undefined
    return last ? (step >= steps ? "steps" : "epochs") : undefined
  }

  private isCheckpointDue(): boolean {
    const { checkpointEvery = DEFAULT_INTERVAL } = this.parts.folder.record.options
    const passed = { steps: this.state.step - this.saved.step, seconds: (performance.now() - this.saved.at) / 1000 }
    return passed.steps > 0 && isDue(checkpointEvery, passed)
  }

  /** @param regular not only because this call of the program ends: an unbroken run would do it too */
  private async evaluate(epoch: number, regular: boolean): Promise<EvaluationEntry> {
    const { session, plan, validLoader, validCases, observer, signal, tracking } = this.parts
    const { step } = this.state
    await this.journal.endGroup(epoch, step)
    const begun = performance.now()
    let scores: SplitScores
    try {
      const progress = (done: number): void => {
        observer.evaluating?.(done, validCases)
        if (signal?.aborted) throw new ScoringInterrupted()
      }
      scores = await scoreSplit(session, plan, validLoader, { progress })
    } catch (thrown) {
      if (!(thrown instanceof NotFinite)) throw thrown
      throw this.diverged(step, epoch, [thrown.what])
    }
    const { metric, plateau } = tracking
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
    await this.journal.evaluation(entry, this.state.best)
    return entry
  }

  private async endEpoch(epoch: number): Promise<void> {
    const { step } = this.state
    await this.journal.endGroup(epoch, step)
    const losses = this.monitor.means()
    await this.journal.epoch({
      kind: "epoch",
      epoch,
      step,
      steps: this.monitor.count,
      learning_rate: this.state.learningRate,
      losses,
      total: Object.values(losses).reduce((a, b) => a + b, 0),
      seconds: this.epochSpent,
    })
    await this.warnAboutEpoch(epoch)
    this.epochSpent = { steps: 0, data: 0 }
    this.monitor = new EpochMonitor()
    this.state = { ...this.state, sums: this.monitor.sums() }
  }

  /** Tells each loss that stood still, or was not there, in the first epoch that it happens. */
  private async warnAboutEpoch(epoch: number): Promise<void> {
    const steps = this.monitor.count
    const told = (loss: string): boolean => Object.hasOwn(this.state.still ?? {}, loss)
    for (const loss of this.monitor.missing(this.parts.folder.record.description.losses)) {
      const first = !told(loss)
      this.countStill(loss)
      if (first)
        await this.warn(`the loss ${loss} was not computed in any of the ${steps} steps of epoch ${epoch + 1}`, loss)
    }
    for (const { loss, value } of this.monitor.standingStill()) {
      const first = !told(loss)
      this.countStill(loss)
      if (!first) continue
      await this.warn(
        value === 0
          ? `the loss ${loss} was exactly 0 in all ${steps} steps of epoch ${epoch + 1}: it teaches nothing`
          : `the loss ${loss} was ${value} in all ${steps} steps of epoch ${epoch + 1}: it does not depend on the data`,
        loss,
      )
    }
  }

  private countStill(loss: string): void {
    const { still = {} } = this.state
    this.state = { ...this.state, still: { ...still, [loss]: (still[loss] ?? 0) + 1 } }
  }

  /** Writes checkpoints of the state as it is. `best` comes first: `last` then never speaks of a best that is not there. */
  private async save(names: readonly ("best" | "last")[]): Promise<void> {
    const { folder } = this.parts
    const { step, position } = this.state
    const epoch = epochOfLastStep(position)
    await this.journal.sync()
    const variables = this.runner.variables()
    const wrong = notFiniteVariables(variables)
    if (wrong.length > 0) throw this.diverged(step, epoch, wrong)
    const state = { ...this.state, pending: this.journal.pending }
    const { keep } = folder.record.options
    for (const name of names) await writeCheckpoint(folder.path, name, variables, state, folder.files, keep)
    this.lastGood = { step, epoch }
    this.saved = { step, at: performance.now() }
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
    for (const [loss, epochs] of Object.entries(this.state.still ?? {})) {
      if (epochs > 1) await this.warn(`the loss ${loss} did not change within an epoch, in ${epochs} epochs`, loss)
    }
  }

  private warn(text: string, loss?: string): Promise<void> {
    return this.journal.warn(this.state.step, text, loss)
  }

  private count(what: "steps" | "data", seconds: number): void {
    this.spent[what] += seconds
    this.epochSpent[what] += seconds
  }
}
