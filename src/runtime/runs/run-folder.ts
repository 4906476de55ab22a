/**
 * A run on disk: what was trained, on what, how, and what came of it.
 *
 *   run.json                      what is being trained: model text, description, data, tokenizers, options, versions
 *   model/saved_model.pb          the programs
 *   checkpoints/NAME.safetensors  `last`, those before it, and `best`
 *   log.jsonl                     one line per group of steps, per evaluation, per epoch, per warning
 *   events/                       the same and every step, as TensorBoard reads it
 *   scores.json                   the result, written at the end
 *
 * Takes a folder and a record; gives a folder that stands on its own: using or resuming a run needs neither the model's
 * text nor the compiler. It is made beside its place and renamed, so it is there as a whole or not at all, and a folder
 * that holds anything is never written into.
 */
import { createHash } from "node:crypto"
import { mkdir, readdir, readFile } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import type { LoadedConstant } from "../../compiler/elaborate/context.js"
import type { Precision } from "../../compiler/passes/precision.js"
import { DESCRIPTION_FORMAT, type TrainerDescription } from "../../compiler/trainer.js"
import { codeOf, messageOf } from "../data/data-error.js"
import { listed, type Split } from "../data/sample.js"
import type { TokenizerDescription } from "../tokenizers/tokenizer.js"
import type { FoundScheme } from "../weights/published-fit.js"
import { UserError } from "../user-error.js"
import { type FileOperations, NODE_FILES, writeAtomically } from "./atomic-file.js"
import { type CheckpointInterval } from "./checkpoint-interval.js"
import { LogFile } from "./log-file.js"
import { readOptional } from "./optional-file.js"
import type { LogEntry, RunScores } from "./run-log.js"

/** Version of run.json; a run of another version is refused. */
export const RUN_FORMAT = 1

export interface RunModel {
  /** as it was given: `file.mdl#selector` */
  readonly reference: string
  readonly selector: string | undefined
  /** SHA-256 over all texts and constants, see `sourceHash` */
  readonly sourceHash: string
  /** every text that the model was made of, `std/` included, by path */
  readonly sources: Readonly<Record<string, string>>
  /** tensors of data files that are constants of the model; absent in runs of earlier versions, which had none */
  readonly constants?: readonly LoadedConstant[]
  /** SHA-256 of model/saved_model.pb */
  readonly programHash: string
}

export interface RunData {
  /** absolute */
  readonly root: string
  readonly layout: string
  /** which prompt the notes are, in a layout that has several for each case */
  readonly prompt?: string
  /** cases per split */
  readonly splits: Readonly<Record<Split, number>>
  /** of the cases' names, notes and file sizes, see `fingerprintOf` */
  readonly fingerprint: string
}

export interface RunOptions {
  readonly seed: number
  readonly batch: number
  /** limits; both hold, whichever comes first */
  readonly epochs: number
  readonly steps: number | undefined
  /** the validation split is scored every so many steps; undefined: after every epoch */
  readonly evalEvery: number | undefined
  /** `--size`, if it was given */
  readonly size: number | undefined
  /** of the training step; absent in runs older than the option, which were f32 */
  readonly precision?: Precision
  /** `false` if `--no-early-stop` was given: the model's `stop` says which checkpoint is the best, and nothing more */
  readonly earlyStop?: boolean
  /** `--memory` in bytes, if it was given */
  readonly memory?: number
  /** `--keep`, if it was given: how many of the latest checkpoints there are */
  readonly keep?: number
  /** `--checkpoint-every`, if it was given */
  readonly checkpointEvery?: CheckpointInterval
}

/** Weights that a run started from, see `mdl train --weights`. */
export interface RunWeights {
  /** name of the file, or of the folder of the run, without its path */
  readonly file: string
  /** SHA-256 of the file; of a run, of its best checkpoint */
  readonly sha256: string
  /** tensors that were loaded */
  readonly loaded: number
  /** tensors of the model that the file lacks */
  readonly missing: number
  /** tensors of the file that the model lacks */
  readonly leftOver: number
  /** whose published names the file has, and where; absent for a file in the model's own names */
  readonly published?: readonly FoundScheme[]
}

export interface RunRecord {
  readonly format: typeof RUN_FORMAT
  /** ISO 8601 */
  readonly created: string
  readonly model: RunModel
  readonly description: TrainerDescription
  readonly data: RunData
  /** by the name of the input */
  readonly tokenizers: Readonly<Record<string, TokenizerDescription>>
  readonly options: RunOptions
  /** absent in a run from first values */
  readonly weights?: RunWeights
  readonly versions: Readonly<Record<string, string>>
}

/** A folder that cannot be used as a run, or for a new one. */
export class RunFolderError extends UserError {
  override readonly name = "RunFolderError"
}

const RECORD = "run.json"
const LOG = "log.jsonl"
const SCORES = "scores.json"
const EVENTS = "events"

/** @throws RunFolderError when `folder` is not free: it holds a run, or something else */
export async function requireFreeFolder(folder: string): Promise<void> {
  let entries: string[]
  try {
    entries = await readdir(folder)
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === "ENOENT") return
    if (code === "ENOTDIR")
      throw new RunFolderError(`${folder} is a file, not a folder: name another folder with --run`)
    throw new RunFolderError(`${folder} cannot be used: ${messageOf(thrown)}`, { cause: thrown })
  }
  if (entries.length === 0) return
  if (entries.includes(RECORD)) {
    throw new RunFolderError(
      `${folder} already holds a run\n  go on with it: mdl train --resume ${folder}\n  or start another: name a new folder with --run`,
    )
  }
  throw new RunFolderError(
    `${folder} is not empty and holds no run: ${listed(entries.sort(), 4)}\n  name a new or empty folder with --run`,
  )
}

export class RunFolder {
  private constructor(
    /** absolute */
    readonly path: string,
    private current: RunRecord,
    /** what everything in the folder is written with */
    readonly files: FileOperations,
  ) {
    this.log = new LogFile(join(path, LOG), files)
  }

  readonly log: LogFile

  get record(): RunRecord {
    return this.current
  }

  /** Folder of the SavedModel. */
  get modelPath(): string {
    return join(this.path, "model")
  }

  /** Folder of the event files. */
  get eventsPath(): string {
    return join(this.path, EVENTS)
  }

  /**
   * Makes the folder of a new run.
   *
   * @throws RunFolderError when it is not free or cannot be made
   */
  static async create(
    folder: string,
    record: RunRecord,
    savedModel: Uint8Array,
    files: FileOperations = NODE_FILES,
  ): Promise<RunFolder> {
    const path = resolve(folder)
    await requireFreeFolder(path)
    const fresh = join(dirname(path), `.${basename(path)}.making-${process.pid}`)
    try {
      await files.rm(fresh, { recursive: true, force: true })
      await mkdir(join(fresh, "model"), { recursive: true })
      await mkdir(join(fresh, "checkpoints"))
      await mkdir(join(fresh, EVENTS))
      await writeAtomically(join(fresh, "model", "saved_model.pb"), savedModel, files)
      await writeAtomically(join(fresh, RECORD), recordText(record), files)
      await writeAtomically(join(fresh, LOG), "", files)
      // An empty folder gives way to the rename; a missing one is made by it.
      await files.rename(fresh, path)
    } catch (thrown) {
      await files.rm(fresh, { recursive: true, force: true })
      if (thrown instanceof UserError || codeOf(thrown) === undefined) throw thrown
      throw new RunFolderError(`the run folder ${path} cannot be made: ${messageOf(thrown)}`, { cause: thrown })
    }
    return new RunFolder(path, record, files)
  }

  /**
   * Opens the folder of a run.
   *
   * @throws RunFolderError when it holds no run, or one of another version, or its programs are not those it was made with
   */
  static async open(folder: string, files: FileOperations = NODE_FILES): Promise<RunFolder> {
    const path = resolve(folder)
    const record = parseRecord(await readRunFile(path, RECORD), join(path, RECORD))
    const program = await readRunFile(path, join("model", "saved_model.pb"))
    if (programHash(program) !== record.model.programHash) {
      throw new RunFolderError(
        `${join(path, "model", "saved_model.pb")} is damaged: its checksum is not the one in ${RECORD}`,
      )
    }
    return new RunFolder(path, record, files)
  }

  /** Replaces what is to be changed in run.json. */
  async update(changes: Partial<Pick<RunRecord, "options" | "data">>): Promise<void> {
    const record = { ...this.current, ...changes }
    await writeAtomically(join(this.path, RECORD), recordText(record), this.files)
    this.current = record
  }

  /** The log. A last line without an end was being written when the process was killed, and is left out. */
  readLog(): Promise<readonly LogEntry[]> {
    return this.log.read()
  }

  /** Removes the folder and all that is in it. */
  async discard(): Promise<void> {
    await this.files.rm(this.path, { recursive: true, force: true })
  }

  async writeScores(scores: RunScores): Promise<void> {
    await writeAtomically(join(this.path, SCORES), `${JSON.stringify(scores, undefined, 2)}\n`, this.files)
  }

  /** The result of the run; undefined as long as it has not ended once. */
  async readScores(): Promise<RunScores | undefined> {
    const text = await readOptional(join(this.path, SCORES))
    if (text === undefined) return undefined
    try {
      return JSON.parse(text) as RunScores
    } catch (thrown) {
      throw new RunFolderError(`${join(this.path, SCORES)} is damaged: it is not valid JSON`, { cause: thrown })
    }
  }
}

/** SHA-256 of a program file, in hexadecimal. */
export function programHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}

function recordText(record: RunRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`
}

async function readRunFile(folder: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, name))
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new RunFolderError(`${folder} is not the folder of a run: it has no ${name}`, { cause: thrown })
    }
    throw new RunFolderError(`${join(folder, name)} cannot be read: ${messageOf(thrown)}`, { cause: thrown })
  }
}

function parseRecord(bytes: Buffer, path: string): RunRecord {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString("utf8"))
  } catch (thrown) {
    throw new RunFolderError(`${path} is damaged: it is not valid JSON`, { cause: thrown })
  }
  const record = value as Partial<RunRecord> | null
  if (typeof record !== "object" || record === null || record.format === undefined) {
    throw new RunFolderError(`${path} does not describe a run`)
  }
  const described = record.description?.format
  if (record.format !== RUN_FORMAT || described !== DESCRIPTION_FORMAT) {
    throw new RunFolderError(
      `${path} was written by another version of this tool (format ${record.format}, program ${described}; ` +
        `this one reads ${RUN_FORMAT} and ${DESCRIPTION_FORMAT}): use that version, or train again`,
    )
  }
  const missing = (["model", "data", "tokenizers", "options"] as const).filter((key) => record[key] === undefined)
  if (missing.length > 0) throw new RunFolderError(`${path} is damaged: it has no ${missing.join(", ")}`)
  return record as RunRecord
}
