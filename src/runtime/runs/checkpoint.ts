/**
 * Checkpoints: everything a run needs to go on, or to be used, in one safetensors file.
 *
 * Takes the session's variables (parameters, normalisation statistics, optimiser moments, step, seed) and where training
 * has got to; gives `checkpoints/NAME.safetensors`, and the way back. Tensors are in the language's layout and under the
 * parameters' names, so that a checkpoint is also a weights file for other tools. `last` is where to go on from, `best`
 * what to use; each carries the whole state, so that either can stand in for the other.
 */
import { join } from "node:path"
import type { Position } from "../data/loader.js"
import type { HostTensor } from "../session.js"
import { UserError } from "../user-error.js"
import { type FileOperations, NODE_FILES } from "./atomic-file.js"
import { CHECKSUM, readSafetensors, readSafetensorsHeader, SafetensorsError, writeSafetensors } from "./safetensors.js"

export const CHECKPOINT_NAMES = ["best", "last"] as const
export type CheckpointName = (typeof CHECKPOINT_NAMES)[number]

/** What decides which checkpoint is the best one: a score of the validation split, or its summed loss. */
export type Metric = "dice" | "iou" | "loss"

/** The best validation result so far. Epochs count from 0. */
export interface BestScore {
  readonly metric: Metric
  readonly score: number
  readonly step: number
  readonly epoch: number
}

/** What an epoch has summed up so far, kept so that a resumed epoch reports as an unbroken one would. */
export interface EpochSums {
  readonly steps: number
  /** sum over the steps, by loss */
  readonly losses: Readonly<Record<string, number>>
  /** the value of each loss as long as it has been one and the same; null once it has changed */
  readonly constant: Readonly<Record<string, number | null>>
}

/** Where training has got to. */
export interface TrainingState {
  /** steps done */
  readonly step: number
  /** the next batch */
  readonly position: Position
  readonly best: BestScore | null
  /** the step after which the validation split was last scored; -1 before that */
  readonly evaluatedAt: number
  /** that of the last step; 0 before the first */
  readonly learningRate: number
  readonly sums: EpochSums
}

export interface Checkpoint {
  readonly name: CheckpointName
  readonly path: string
  readonly state: TrainingState
  readonly variables: ReadonlyMap<string, HostTensor>
  /** of the data, in hexadecimal; identifies the weights */
  readonly sha256: string
}

/** A checkpoint that cannot be used; `problem` says why. */
export class CheckpointError extends UserError {
  override readonly name = "CheckpointError"
}

/** `format` in the metadata. */
export const CHECKPOINT_FORMAT = "mdl-checkpoint/1"

export function checkpointPath(runFolder: string, name: CheckpointName): string {
  return join(runFolder, "checkpoints", `${name}.safetensors`)
}

/** Writes a checkpoint over the one of that name, in one piece. @returns the SHA-256 of its data */
export async function writeCheckpoint(
  runFolder: string,
  name: CheckpointName,
  variables: ReadonlyMap<string, HostTensor>,
  state: TrainingState,
  files: FileOperations = NODE_FILES,
): Promise<string> {
  const metadata = new Map([
    ["format", CHECKPOINT_FORMAT],
    ["step", String(state.step)],
    ["epoch", String(state.position.epoch)],
    ["batch", String(state.position.batch)],
    ...(state.best ? ([["best", `${state.best.metric} ${state.best.score}`]] as const) : []),
    ["state", JSON.stringify(state)],
  ])
  return writeSafetensors(checkpointPath(runFolder, name), variables, metadata, files)
}

/** Which checkpoints a run has, whole or not. */
export async function existingCheckpoints(runFolder: string): Promise<readonly CheckpointName[]> {
  const found: CheckpointName[] = []
  for (const name of CHECKPOINT_NAMES) {
    try {
      await readSafetensorsHeader(checkpointPath(runFolder, name))
      found.push(name)
    } catch (thrown) {
      if (!(thrown instanceof SafetensorsError)) throw thrown
      if (thrown.problem !== "does not exist") found.push(name)
    }
  }
  return found
}

/**
 * Reads and checks a checkpoint.
 *
 * @throws CheckpointError that says what is wrong with it, and whether the other one is whole
 */
export async function readCheckpoint(runFolder: string, name: CheckpointName): Promise<Checkpoint> {
  try {
    return await readWhole(runFolder, name)
  } catch (thrown) {
    if (!(thrown instanceof SafetensorsError)) throw thrown
    const other = CHECKPOINT_NAMES.find((candidate) => candidate !== name)!
    throw new CheckpointError(`${thrown.message}\n  ${await adviceOn(runFolder, other)}`, { cause: thrown })
  }
}

async function adviceOn(runFolder: string, other: CheckpointName): Promise<string> {
  try {
    const { path, state } = await readWhole(runFolder, other)
    return `${path} is whole (step ${state.step}): use it with --checkpoint ${other}`
  } catch (thrown) {
    if (!(thrown instanceof SafetensorsError)) throw thrown
    return `the other checkpoint cannot stand in: ${thrown.message}`
  }
}

async function readWhole(runFolder: string, name: CheckpointName): Promise<Checkpoint> {
  const path = checkpointPath(runFolder, name)
  const { metadata, tensors } = await readSafetensors(path)
  const format = metadata.get("format")
  if (format !== CHECKPOINT_FORMAT)
    throw new SafetensorsError(path, `is no checkpoint of a run: its format is ${format ?? "not given"}`)
  const sha256 = metadata.get(CHECKSUM)
  if (sha256 === undefined) throw new SafetensorsError(path, "is damaged: it has no checksum")
  return { name, path, state: parseState(metadata.get("state"), path), variables: tensors, sha256 }
}

function parseState(text: string | undefined, path: string): TrainingState {
  const damaged = (cause?: unknown): SafetensorsError =>
    new SafetensorsError(path, "is damaged: its metadata does not say where training had got to", { cause })
  if (text === undefined) throw damaged()
  let state: unknown
  try {
    state = JSON.parse(text)
  } catch (thrown) {
    throw damaged(thrown)
  }
  if (!isState(state)) throw damaged()
  return state
}

function isState(value: unknown): value is TrainingState {
  const state = value as Partial<TrainingState> | null
  const count = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0
  return (
    typeof state === "object" &&
    state !== null &&
    count(state.step) &&
    count(state.position?.epoch) &&
    count(state.position?.batch) &&
    Number.isSafeInteger(state.evaluatedAt) &&
    typeof state.learningRate === "number" &&
    (state.best === null || typeof state.best?.score === "number") &&
    count(state.sums?.steps) &&
    typeof state.sums?.losses === "object" &&
    typeof state.sums.constant === "object"
  )
}
