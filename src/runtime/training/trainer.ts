/**
 * Training: from options to a run folder with a trained model.
 *
 * Takes the options of `mdl train`; gives the result, with everything in the run folder. This file opens what a run needs
 * (folder, data, session) and closes it again; what happens in between is training-loop.ts.
 */
import { availableParallelism } from "node:os"
import { openRunDataset, samplesOf, type Dataset } from "../data/dataset.js"
import type { FileOperations } from "../runs/atomic-file.js"
import {
  checkpointBytes,
  checkpointPath,
  type CheckpointName,
  forgetLater,
  KEPT,
  newestCheckpoint,
  readCheckpoint,
  type TrainingState,
} from "../runs/checkpoint.js"
import type { CheckpointInterval } from "../runs/checkpoint-interval.js"
import { DiskFull, requireRoom } from "../runs/disk-space.js"
import { EventLog } from "../runs/event-log.js"
import { restore } from "../runs/open-run.js"
import { RunFolder, type RunOptions, type RunRecord } from "../runs/run-folder.js"
import { type Ending, isPast } from "../runs/run-log.js"
import { lockRun } from "../runs/run-lock.js"
import { NativeSession } from "../session.js"
import { UserError } from "../user-error.js"
import { loadStartWeights, type StartWeights } from "../weights/start-weights.js"
import { multipliesBf16, processorFlags, readProcessor } from "../native/probes.js"
import { planInputs } from "./feeds.js"
import type { TrainingObserver, TrainResult } from "./observer.js"
import { describeData, fingerprintOf, type NewRunOptions, prepareRun } from "./prepare.js"
import { openSplit } from "./split-loader.js"
import { NO_STEPS } from "./epoch-monitor.js"
import { explained } from "./out-of-memory.js"
import { stateBytes } from "./resources.js"
import { stepsPerEpoch } from "./step-runner.js"
import { endingOf, trackingOf } from "./tracking.js"
import { TrainingLoop } from "./training-loop.js"

export interface RunningOptions {
  /** data workers; by default one less than there are cores, at least 1 and at most 4 */
  readonly workers?: number | undefined
  readonly observer?: TrainingObserver | undefined
  /** when it aborts, the step that is going on is finished and `last` is written */
  readonly signal?: AbortSignal | undefined
}

export type TrainOptions = NewRunOptions & RunningOptions

export interface ResumeOptions extends RunningOptions {
  readonly run: string
  /** where the data set is now, if it was moved */
  readonly data?: string | undefined
  /** the newest by default */
  readonly checkpoint?: CheckpointName | undefined
  /** a new limit; it replaces both old ones */
  readonly steps?: number | undefined
  readonly epochs?: number | undefined
  /** replaces the run's own */
  readonly keep?: number | undefined
  readonly checkpointEvery?: CheckpointInterval | undefined
  readonly files?: FileOperations | undefined
}

/** Before the first step. */
const FIRST_STATE: TrainingState = {
  step: 0,
  position: { epoch: 0, batch: 0 },
  best: null,
  evaluatedAt: -1,
  learningRate: 0,
  sums: NO_STEPS,
  pending: [],
  still: {},
}

/**
 * Starts a new run.
 *
 * @throws UserError (bad options, a folder that is not free, TrainingDiverged, DiskFull, OutOfMemory), ModelError, DataError,
 *   BackendUnavailable
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { folder, dataset, weights, warnings } = await prepareRun(options)
  const start: Start = {
    folder,
    dataset,
    checkpoint: undefined,
    weights,
    warnings: [...warnings, ...(weights?.warnings ?? [])],
    goesOn: false,
    isNew: true,
  }
  return locked(folder, options, () => runFrom(start, options))
}

/**
 * Goes on with a run exactly where it was: same order of cases, same random numbers, same moments. A run that was stopped
 * before its first checkpoint starts from its first step.
 *
 * @throws as `train`, and CheckpointError for a checkpoint that is not whole
 */
export async function resumeTraining(options: ResumeOptions): Promise<TrainResult> {
  const folder = await RunFolder.open(options.run, options.files)
  const { record } = folder
  const dataset = await openRunDataset(record.data, { data: options.data })
  requireSameData(record, dataset)
  return locked(folder, options, async () => {
    const changed = changedOptions(record.options, options)
    if (changed || dataset.root !== record.data.root) {
      await folder.update({ options: changed ?? record.options, data: describeData(dataset) })
    }
    const newest = await newestCheckpoint(folder.path)
    const checkpoint = options.checkpoint ?? newest
    const { observer } = options
    if (checkpoint === undefined) {
      requireFirstValues(record, folder.path)
      observer?.warning?.("no checkpoint had been written, so training starts from its first step")
    } else if (options.checkpoint === undefined && checkpoint !== "last") {
      observer?.warning?.(
        `there is no checkpoint last: the process before ended while it was being written, so training goes on from ${checkpoint}`,
      )
    }
    const goesOn = options.steps !== undefined || options.epochs !== undefined
    const start = { folder, dataset, checkpoint, weights: undefined, warnings: [], goesOn, isNew: false }
    return runFrom(start, options)
  })
}

/** The options of a run that goes on with other limits or checkpoints; undefined when nothing changes. */
function changedOptions(
  old: RunOptions,
  { steps, epochs, keep, checkpointEvery }: ResumeOptions,
): RunOptions | undefined {
  const limits = steps === undefined && epochs === undefined ? {} : { steps, epochs: epochs ?? old.epochs }
  const changes = {
    ...limits,
    ...(keep === undefined ? {} : { keep }),
    ...(checkpointEvery === undefined ? {} : { checkpointEvery }),
  }
  return Object.keys(changes).length === 0 ? undefined : { ...old, ...changes }
}

/** Runs `body` while no other process may train in the folder. */
async function locked<T>(folder: RunFolder, { observer }: RunningOptions, body: () => Promise<T>): Promise<T> {
  const lock = await lockRun(folder.path)
  try {
    if (lock.takenOverFrom !== undefined) {
      observer?.warning?.(
        `process ${lock.takenOverFrom}, which trained here before, ended without a word: it was killed, perhaps for lack of memory`,
      )
    }
    return await body()
  } finally {
    await lock.release()
  }
}

function requireSameData({ data }: RunRecord, dataset: Dataset): void {
  if (fingerprintOf(dataset) === data.fingerprint) return
  const now = describeData(dataset).splits
  const counts = (splits: typeof now): string =>
    `${splits.train} train, ${splits.valid} valid, ${splits.test} test cases`
  throw new UserError(
    `${dataset.root} is not the data set this run was trained on: it has ${counts(now)}, the run had ${counts(data.splits)}` +
      `${counts(now) === counts(data.splits) ? ", but other names or notes" : ""}\n` +
      "  a run can be resumed only on the data it began with; name it with --data, or start a new run",
  )
}

/**
 * A run keeps no copy of the weights it started from, and first values would be another run.
 *
 * @throws UserError for a run that started from weights
 */
function requireFirstValues({ weights, model }: RunRecord, run: string): void {
  if (weights === undefined) return
  throw new UserError(
    `the run in ${run} started from the weights in ${weights.file} and was stopped before its first checkpoint: ` +
      `start it again in a new folder\n  mdl train ${model.reference} --weights ${weights.file} ...`,
  )
}

/**
 * Why there is nothing to train. A process can die after its last checkpoint and before it has written down the result:
 * then that is left to do.
 *
 * @throws UserError when the result is there too
 */
async function requireWorkLeft(
  ended: Exclude<Ending, "interrupted"> | undefined,
  state: TrainingState,
  folder: RunFolder,
): Promise<void> {
  if (ended === undefined) return
  const scores = await folder.readScores()
  if (scores?.step !== state.step || scores.ended !== ended) return
  const { steps, epochs } = folder.record.options
  const done = {
    steps: `has done its ${steps} steps`,
    epochs: `has done its ${epochs} epochs`,
    "early-stop": "has stopped early, for no better score came",
  }[ended]
  throw new UserError(`the run in ${folder.path} ${done}: to go on, give a greater --epochs or --steps`)
}

interface Start {
  readonly folder: RunFolder
  readonly dataset: Dataset
  /** undefined: from the first values */
  readonly checkpoint: CheckpointName | undefined
  /** of a new run; undefined: first values */
  readonly weights: StartWeights | undefined
  /** to be told and kept in the log */
  readonly warnings: readonly string[]
  /** whether the user wants more, though the run may have stopped early */
  readonly goesOn: boolean
  /** whether this call made the folder */
  readonly isNew: boolean
}

async function runFrom(start: Start, running: RunningOptions): Promise<TrainResult> {
  const { folder, dataset, checkpoint, weights, warnings, goesOn, isNew } = start
  const { record, files } = folder
  const { observer = {}, signal } = running
  const plan = planInputs(record.description)
  const opened: { close(): void | Promise<void> }[] = []
  const keep = <T extends { close(): void | Promise<void> }>(resource: T): T => {
    opened.push(resource)
    return resource
  }
  let loop: TrainingLoop | undefined
  let result: TrainResult | undefined
  try {
    if (record.options.precision === "bf16" && !multipliesBf16(processorFlags(readProcessor()))) {
      observer.warning?.("this processor has no bf16 instructions: on it, bf16 saves memory but no time")
    }
    const saved = checkpoint && (await readCheckpoint(folder.path, checkpoint))
    const { patience, ...tracked } = trackingOf(record.description.training, plan.scored !== undefined)
    const tracking = { ...tracked, patience: record.options.earlyStop === false ? undefined : patience }
    const waits = goesOn ? { ...tracking, patience: undefined } : tracking
    const ended = saved && endingOf(saved.state, record.options, waits)
    if (saved) await requireWorkLeft(ended, saved.state, folder)
    const workers = running.workers ?? Math.min(4, Math.max(1, availableParallelism() - 1))
    const trainLoader = keep(await openSplit(record, plan, samplesOf(dataset, "train"), { training: true, workers }))
    const valid = samplesOf(dataset, "valid")
    const validLoader = keep(await openSplit(record, plan, valid, { training: false, workers: Math.min(workers, 1) }))
    const session = keep(await NativeSession.open(folder.modelPath))
    if (!isNew) {
      const present = await checkpointBytes(folder.path)
      const size = stateBytes(session.signatures)
      await requireRoom(folder.path, { size, keep: record.options.keep ?? KEPT, present }, files)
    }
    if (saved) {
      restore(session, saved)
      await forgetLater(folder.path, saved, files)
    } else {
      session.init(record.options.seed, stepsPerEpoch(trainLoader.batchesPerEpoch, record.description.accumulate))
      if (weights) loadStartWeights(session, weights)
    }
    // What log and events say beyond the checkpoint is done again.
    await folder.log.rewind((entry) => saved !== undefined && isPast(entry, saved.state))
    const events = await EventLog.open(folder.eventsPath, saved?.state, files)
    for (const text of warnings) {
      observer.warning?.(text)
      await folder.log.append({ kind: "warning", step: 0, text })
    }
    loop = new TrainingLoop({
      folder,
      plan,
      session,
      trainLoader,
      validLoader,
      trainCases: record.data.splits.train,
      validCases: valid.length,
      observer,
      signal,
      events,
      tracking,
      checkpoint,
      start: saved?.state ?? FIRST_STATE,
      ended,
      history: await folder.readLog(),
    })
    result = await loop.run()
    return result
  } catch (thrown) {
    const stays = !isNew || loop?.hasStepped === true
    if (thrown instanceof DiskFull && stays) {
      observer.warning?.(`the run can go on when there is room: mdl train --resume ${folder.path}`)
    }
    throw explained(thrown, record, checkpointPath(folder.path, "last"))
  } finally {
    for (const resource of opened.reverse()) await resource.close()
    observer.finished?.(result)
    // A new run that failed before its first step has nothing to keep, and would only be in the way of the next try.
    if (isNew && !loop?.hasStepped) await folder.discard()
  }
}
