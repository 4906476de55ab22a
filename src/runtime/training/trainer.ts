/**
 * Training: from options to a run folder with a trained model.
 *
 * Takes the options of `mdl train`; gives the result, with everything in the run folder. This file opens what a run needs
 * (folder, data, session) and closes it again; what happens in between is training-loop.ts.
 */
import { availableParallelism } from "node:os"
import { openDataset, samplesOf, type Dataset } from "../data/dataset.js"
import type { FileOperations } from "../runs/atomic-file.js"
import { type Checkpoint, type CheckpointName, existingCheckpoints, readCheckpoint } from "../runs/checkpoint.js"
import { restore } from "../runs/open-run.js"
import { RunFolder, type RunRecord } from "../runs/run-folder.js"
import { lockRun } from "../runs/run-lock.js"
import { NativeSession } from "../session.js"
import { UserError } from "../user-error.js"
import { loadStartWeights, type StartWeights } from "../weights/start-weights.js"
import { multipliesBf16, processorFlags, readProcessor } from "../native/probes.js"
import { planInputs } from "./feeds.js"
import type { TrainingObserver, TrainResult } from "./observer.js"
import { describeData, fingerprintOf, type NewRunOptions, prepareRun } from "./prepare.js"
import { openSplit } from "./split-loader.js"
import { stepsPerEpoch } from "./step-runner.js"
import { FIRST_STATE, hasWorkLeft, TrainingLoop } from "./training-loop.js"

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
  /** `last` by default */
  readonly checkpoint?: CheckpointName | undefined
  /** a new limit; it replaces both old ones */
  readonly steps?: number | undefined
  readonly epochs?: number | undefined
  readonly files?: FileOperations | undefined
}

/**
 * Starts a new run.
 *
 * @throws UserError (bad options, a folder that is not free, TrainingDiverged), ModelError, DataError, BackendUnavailable
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { folder, dataset, weights } = await prepareRun(options)
  const start: Start = { folder, dataset, checkpoint: undefined, weights, isNew: true }
  return locked(folder, () => runFrom(start, options, options.files))
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
  const dataset = await openDataset(options.data ?? record.data.root)
  requireSameData(record, dataset)
  return locked(folder, async () => {
    const { steps, epochs } = options
    if (steps !== undefined || epochs !== undefined || dataset.root !== record.data.root) {
      const limits =
        steps === undefined && epochs === undefined ? {} : { steps, epochs: epochs ?? record.options.epochs }
      await folder.update({ options: { ...record.options, ...limits }, data: describeData(dataset) })
    }
    const there = await existingCheckpoints(folder.path)
    const checkpoint = options.checkpoint ?? (there.length === 0 ? undefined : "last")
    if (checkpoint === undefined) {
      requireFirstValues(record, folder.path)
      options.observer?.warning?.("no checkpoint had been written, so training starts from its first step")
    }
    return runFrom({ folder, dataset, checkpoint, weights: undefined, isNew: false }, options, options.files)
  })
}

/** Runs `body` while no other process may train in the folder. */
async function locked<T>(folder: RunFolder, body: () => Promise<T>): Promise<T> {
  const lock = await lockRun(folder.path)
  try {
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

/** @throws UserError when the run is at its limit */
function requireWorkLeft({ state }: Checkpoint, { options }: RunRecord, run: string): void {
  if (hasWorkLeft(state, options)) return
  const { steps, epochs } = options
  const done = steps !== undefined && state.step >= steps ? `${steps} steps` : `${epochs} epochs`
  throw new UserError(`the run in ${run} has done its ${done}: to go on, give a greater --epochs or --steps`)
}

interface Start {
  readonly folder: RunFolder
  readonly dataset: Dataset
  /** undefined: from the first values */
  readonly checkpoint: CheckpointName | undefined
  /** of a new run; undefined: first values */
  readonly weights: StartWeights | undefined
  /** whether this call made the folder */
  readonly isNew: boolean
}

async function runFrom(
  { folder, dataset, checkpoint, weights, isNew }: Start,
  running: RunningOptions,
  files: FileOperations | undefined,
): Promise<TrainResult> {
  const { record } = folder
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
      running.observer?.warning?.("this processor has no bf16 instructions: on it, bf16 saves memory but no time")
    }
    const saved = checkpoint && (await readCheckpoint(folder.path, checkpoint))
    if (saved) requireWorkLeft(saved, record, folder.path)
    const workers = running.workers ?? Math.min(4, Math.max(1, availableParallelism() - 1))
    const trainLoader = keep(await openSplit(record, plan, samplesOf(dataset, "train"), { training: true, workers }))
    const valid = samplesOf(dataset, "valid")
    const validLoader = keep(await openSplit(record, plan, valid, { training: false, workers: Math.min(workers, 1) }))
    const session = keep(await NativeSession.open(folder.modelPath))
    if (saved) restore(session, saved)
    else {
      session.init(record.options.seed, stepsPerEpoch(trainLoader.batchesPerEpoch, record.description.accumulate))
      if (weights) loadStartWeights(session, weights)
    }
    // What the log says beyond the checkpoint is done again.
    await folder.rewindLog(saved ? saved.state.step : -1)
    for (const text of weights?.warnings ?? []) {
      running.observer?.warning?.(text)
      await folder.log({ kind: "warning", step: 0, text })
    }
    loop = new TrainingLoop({
      folder,
      plan,
      session,
      trainLoader,
      validLoader,
      trainCases: record.data.splits.train,
      validCases: valid.length,
      observer: running.observer ?? {},
      signal: running.signal,
      files,
      start: saved?.state ?? FIRST_STATE,
      history: await folder.readLog(),
    })
    result = await loop.run()
    return result
  } finally {
    for (const resource of opened.reverse()) await resource.close()
    running.observer?.finished?.(result)
    // A new run that failed before its first step has nothing to keep, and would only be in the way of the next try.
    if (isNew && !loop?.hasStepped) await folder.discard()
  }
}
