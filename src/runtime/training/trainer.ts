/**
 * Training: from options to a run folder with a trained model.
 *
 * Takes the options of `mdl train`; gives the result, with everything in the run folder. This file opens what a run needs
 * (folder, data, session) and closes it again; what happens in between is training-loop.ts.
 */
import { availableParallelism } from "node:os"
import { AUGMENTATIONS, type Augmentation } from "../data/augment.js"
import { DataError } from "../data/data-error.js"
import { openDataset, samplesOf, type Dataset, type Sample } from "../data/dataset.js"
import type { ChannelOrder } from "../data/images.js"
import { type Loader, openLoader } from "../data/loader.js"
import type { SettingValue } from "../../compiler/elaborate/values.js"
import type { TrainerDescription } from "../../compiler/trainer.js"
import type { FileOperations } from "../runs/atomic-file.js"
import { type CheckpointName, existingCheckpoints, readCheckpoint } from "../runs/checkpoint.js"
import { RunFolder, type RunRecord } from "../runs/run-folder.js"
import { NativeSession } from "../session.js"
import { UserError } from "../user-error.js"
import { planInputs, type InputPlan } from "./feeds.js"
import type { TrainingObserver, TrainResult } from "./observer.js"
import { describeData, fingerprintOf, type NewRunOptions, prepareRun } from "./prepare.js"
import { FIRST_STATE, TrainingLoop } from "./training-loop.js"

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
  const { folder, dataset } = await prepareRun(options)
  return runFrom(folder, dataset, undefined, options, options.files)
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
  await requireSameData(record, dataset)
  const { steps, epochs } = options
  if (steps !== undefined || epochs !== undefined || dataset.root !== record.data.root) {
    const limits = steps === undefined && epochs === undefined ? {} : { steps, epochs: epochs ?? record.options.epochs }
    await folder.update({ options: { ...record.options, ...limits }, data: await describeData(dataset) })
  }
  const there = await existingCheckpoints(folder.path)
  const name = options.checkpoint ?? (there.length === 0 ? undefined : "last")
  if (name === undefined) {
    options.observer?.warning?.("no checkpoint had been written, so training starts from its first step")
  }
  return runFrom(folder, dataset, name, options, options.files)
}

async function requireSameData({ data }: RunRecord, dataset: Dataset): Promise<void> {
  if ((await fingerprintOf(dataset)) === data.fingerprint) return
  const now = (await describeData(dataset)).splits
  const counts = (splits: typeof now): string => `${splits.train} train, ${splits.valid} valid, ${splits.test} test cases`
  throw new UserError(
    `${dataset.root} is not the data set this run was trained on: it has ${counts(now)}, the run had ${counts(data.splits)}` +
      `${counts(now) === counts(data.splits) ? ", and other names, notes or files" : ""}\n` +
      "  a run can be resumed only on the data it began with; name it with --data, or start a new run",
  )
}

async function runFrom(
  folder: RunFolder,
  dataset: Dataset,
  checkpoint: CheckpointName | undefined,
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
  let result: TrainResult | undefined
  try {
    const saved = checkpoint && (await readCheckpoint(folder.path, checkpoint))
    const workers = running.workers ?? Math.min(4, Math.max(1, availableParallelism() - 1))
    const trainLoader = keep(await openSplit(record, plan, samplesOf(dataset, "train"), { training: true, workers }))
    const valid = samplesOf(dataset, "valid")
    const validLoader = keep(await openSplit(record, plan, valid, { training: false, workers: Math.min(workers, 1) }))
    const session = keep(await NativeSession.open(folder.modelPath))
    if (saved) session.write(saved.variables)
    else session.init(record.options.seed)
    if (saved) await folder.rewindLog(saved.state.step)
    else await folder.rewindLog(-1)
    const loop = new TrainingLoop({
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
    })
    result = await loop.run()
    return result
  } finally {
    for (const resource of opened.reverse()) await resource.close()
    running.observer?.finished?.(result)
  }
}

/** A loader of samples as the run wants them: `training` shuffles and augments, else the order is fixed and padded. */
export async function openSplit(
  record: Pick<RunRecord, "description" | "tokenizers" | "options">,
  plan: InputPlan,
  samples: readonly Sample[],
  { training, workers }: { training: boolean; workers: number },
): Promise<Loader> {
  const { description, options } = record
  return openLoader({
    samples,
    batch: training ? description.batch.train : description.batch.evaluate,
    size: plan.size,
    tokenizer: plan.note && record.tokenizers[plan.note.name],
    tokenLength: plan.tokenLength,
    seed: options.seed,
    shuffle: training,
    last: training ? "drop" : "pad",
    workers,
    augment: training ? augmentationsOf(description) : [],
    channels: channelsOf(description),
  })
}

/** The order of the image's planes that the model wants. */
export function channelsOf({ training }: TrainerDescription): ChannelOrder {
  return training["channels"] === "bgr" ? "bgr" : "rgb"
}

function augmentationsOf({ training }: TrainerDescription): readonly Augmentation[] {
  const settings = (training["augment"] ?? []) as readonly SettingValue[]
  return settings.map(({ name }) => {
    const found = AUGMENTATIONS.find((known) => known === name)
    if (found) return found
    throw new DataError({
      what: `the augmentation ${name} is not known`,
      fix: `use some of ${AUGMENTATIONS.map((known) => `${known}()`).join(", ")}`,
    })
  })
}
