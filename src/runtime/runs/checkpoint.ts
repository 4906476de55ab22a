/**
 * Checkpoints: everything a run needs to go on, or to be used, in one safetensors file.
 *
 * Takes the session's variables (parameters, normalisation statistics, optimiser moments, step, seed) and where training
 * has got to; gives `checkpoints/NAME.safetensors`, and the way back. Tensors are in the language's layout and under the
 * parameters' names, so that a checkpoint is also a weights file for other tools. `last` is where to go on from, `best`
 * what to use, `previous` what `last` was before; each carries the whole state, so that any can stand in for another.
 */
import { stat } from "node:fs/promises"
import { join } from "node:path"
import type { Position } from "../data/loader.js"
import type { HostTensor } from "../session.js"
import { UserError } from "../user-error.js"
import { type FileOperations, NODE_FILES } from "./atomic-file.js"
import { CHECKSUM, readSafetensors, readSafetensorsHeader, SafetensorsError, writeSafetensors } from "./safetensors.js"

/** The latest ones, newest first; a run keeps as many of them as `--keep` says. */
const LATEST = ["last", "previous", "previous-2", "previous-3"] as const
export const CHECKPOINT_NAMES = ["best", ...LATEST] as const
export type CheckpointName = (typeof CHECKPOINT_NAMES)[number]

/** How many of the latest checkpoints a run keeps when it is not told, and at most. */
export const KEPT = 2
export const MOST_KEPT = LATEST.length

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

/** What a step gave, as far as the log tells it. */
export interface StepNumbers {
  readonly losses: Readonly<Record<string, number>>
  readonly total: number
  readonly gradientNorm: number
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
  /**
   * steps since the last line of the log about steps; absent in checkpoints of earlier versions, which wrote that line
   * before they were made
   */
  readonly pending?: readonly StepNumbers[]
  /** epochs in which a loss stood still, by loss; absent in checkpoints of earlier versions */
  readonly still?: Readonly<Record<string, number>>
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

/**
 * Writes `best` or `last`, in one piece. What was `last` becomes `previous`, and so on.
 *
 * @param keep of the latest ones, 1 to `MOST_KEPT`; older ones are removed
 * @returns the SHA-256 of its data
 * @throws DiskFull, UserError; the checkpoints that were there are whole then
 */
export async function writeCheckpoint(
  runFolder: string,
  name: "best" | "last",
  variables: ReadonlyMap<string, HostTensor>,
  state: TrainingState,
  files: FileOperations = NODE_FILES,
  keep: number = KEPT,
): Promise<string> {
  const metadata = new Map([
    ["format", CHECKPOINT_FORMAT],
    ["step", String(state.step)],
    ["epoch", String(state.position.epoch)],
    ["batch", String(state.position.batch)],
    ...(state.best ? ([["best", `${state.best.metric} ${state.best.score}`]] as const) : []),
    ["state", JSON.stringify(state)],
  ])
  const path = (of: CheckpointName): string => checkpointPath(runFolder, of)
  const displaced = name === "last" ? LATEST.slice(1, keep).map(path) : []
  const sha256 = await writeSafetensors(path(name), variables, metadata, files, { displaced })
  if (name === "last") for (const old of LATEST.slice(keep)) await files.rm(path(old), { force: true })
  return sha256
}

/**
 * The newest checkpoint that is there, whole or not: `last`, unless the process died over renaming it, or before it had
 * written any but `best`.
 */
export async function newestCheckpoint(runFolder: string): Promise<CheckpointName | undefined> {
  const there = await existingCheckpoints(runFolder)
  return [...LATEST, "best" as const].find((name) => there.includes(name))
}

/**
 * Before a run goes on from a checkpoint that is not its newest: those after it, and those that cannot be read, are
 * removed, because their steps are done again, and a process that died now would else go on from them. `previous` becomes
 * `last`.
 */
export async function forgetLater(
  runFolder: string,
  { name, path, state }: Pick<Checkpoint, "name" | "path" | "state">,
  files: FileOperations,
): Promise<void> {
  if (name === (await newestCheckpoint(runFolder))) return
  for (const other of LATEST) {
    if (other === name) continue
    const step = await stepOf(checkpointPath(runFolder, other))
    if (step === undefined || step >= state.step) await files.rm(checkpointPath(runFolder, other), { force: true })
  }
  if (name !== "best") await files.rename(path, checkpointPath(runFolder, "last"))
}

/** The step that the header of a checkpoint says; undefined for a file that is not there or not whole. */
async function stepOf(path: string): Promise<number | undefined> {
  try {
    const step = Number((await readSafetensorsHeader(path)).metadata.get("step"))
    return Number.isFinite(step) ? step : undefined
  } catch (thrown) {
    if (thrown instanceof SafetensorsError) return undefined
    throw thrown
  }
}

/** Bytes of the checkpoints that a run has. */
export async function checkpointBytes(runFolder: string): Promise<number> {
  let sum = 0
  for (const name of await existingCheckpoints(runFolder)) sum += (await stat(checkpointPath(runFolder, name))).size
  return sum
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
 * @throws CheckpointError that says what is wrong with it, and which other one is whole
 */
export async function readCheckpoint(runFolder: string, name: CheckpointName): Promise<Checkpoint> {
  try {
    return await readWhole(runFolder, name)
  } catch (thrown) {
    if (!(thrown instanceof SafetensorsError)) throw thrown
    throw new CheckpointError(`${thrown.message}\n  ${await adviceOn(runFolder, name)}`, { cause: thrown })
  }
}

/** What can stand in for `name`: the newest other checkpoint that is whole. */
async function adviceOn(runFolder: string, name: CheckpointName): Promise<string> {
  const there = await existingCheckpoints(runFolder)
  const problems: string[] = []
  for (const other of [...LATEST, "best" as const]) {
    if (other === name || !there.includes(other)) continue
    try {
      const { path, state } = await readWhole(runFolder, other)
      return `${path} is whole (step ${state.step}): use it with --checkpoint ${other}`
    } catch (thrown) {
      if (!(thrown instanceof SafetensorsError)) throw thrown
      problems.push(thrown.message)
    }
  }
  if (problems.length === 0) return "there is no other checkpoint that could stand in"
  return `no other checkpoint can stand in: ${problems.join("; ")}`
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
    typeof state.sums.constant === "object" &&
    (state.pending === undefined || Array.isArray(state.pending)) &&
    (state.still === undefined || typeof state.still === "object")
  )
}
