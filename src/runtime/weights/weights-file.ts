/**
 * Weights on disk: what tensors a file, a checkpoint, a run or a published model has.
 *
 * Takes what the user named; gives the tensors by the names they are stored under, read from the headers alone, and a way to
 * read their values. A checkpoint also holds what the optimiser and the schedule keep; that is told apart here. Where a run
 * kept averages of its weights, the average is the weight, as for scoring and export: a run, its checkpoint and the file that
 * `mdl weights export` makes of it are the same weights. Files of others have types that the language lacks; floating-point
 * ones become f32, and of the rest what is no element of the language has no `dtype` and can only be left over.
 */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { basename } from "node:path"
import { pipeline } from "node:stream/promises"
import { DataFileProblem } from "../../compiler/data-files/data-file.js"
import { decodeElements } from "../../compiler/data-files/elements.js"
import type { HeaderEntry } from "../../compiler/data-files/safetensors-header.js"
import type { LanguageType } from "../../compiler/ir/graph.js"
import { averageName } from "../../compiler/targets/tensorflow/average.js"
import { SEED, STEP } from "../../compiler/targets/tensorflow/variables.js"
import { CHECKPOINT_FORMAT } from "../runs/checkpoint.js"
import { readStoredHeader, readStoredTensors, SafetensorsError } from "../runs/safetensors.js"
import type { HostTensor } from "../session.js"
import { UserError } from "../user-error.js"
import { locateWeights } from "./weights-location.js"

/** A tensor in a file. */
export interface StoredWeight {
  readonly name: string
  /** `f32`, `bf16`, `i64`: as it is stored */
  readonly type: string
  /** what it is read as; undefined for what the language has no elements for */
  readonly dtype: LanguageType | undefined
  readonly shape: readonly number[]
  readonly bytes: number
}

export interface WeightsFile {
  /** path of the safetensors file, or of the index of shards */
  readonly path: string
  /** the safetensors files that hold the tensors */
  readonly files: readonly string[]
  readonly metadata: ReadonlyMap<string, string>
  /** everything but what only training needs */
  readonly weights: readonly StoredWeight[]
  /** of a checkpoint: moments, averages, the step and the like */
  readonly training: readonly StoredWeight[]
  /** The values of some of `weights`, checked against the files' checksums. @throws SafetensorsError */
  read(names: ReadonlySet<string>): Promise<ReadonlyMap<string, HostTensor>>
  /** SHA-256 over the bytes of the file; of shards, over the index and then each, in the order of their names */
  hash(): Promise<string>
}

const LANGUAGE_TYPES: Readonly<Record<string, LanguageType>> = {
  ...{ F32: "f32", F16: "f32", BF16: "f32", F64: "f32" },
  ...{ I8: "i32", U8: "i32", I16: "i32", U16: "i32", I32: "i32", BOOL: "bool" },
} as const

/**
 * Reads the headers of weights.
 *
 * @param text a safetensors file, a checkpoint of a run, the folder of a run, whose `best` checkpoint is meant, or a
 *   published model: its folder or its index of shards
 * @throws UserError when there is no such file, or it is not whole; RunFolderError for a folder that is no run
 */
export async function openWeights(text: string): Promise<WeightsFile> {
  const { path, files, index } = await locateWeights(text)
  const metadata = new Map<string, string>()
  const homes = new Map<string, string>()
  const entries: HeaderEntry[] = []
  for (const file of files) {
    const header = await readStoredHeader(file)
    for (const [key, value] of header.metadata) metadata.set(key, value)
    for (const entry of header.entries) {
      const other = homes.get(entry.name)
      if (other !== undefined) {
        throw new UserError(`${path}: ${entry.name} is in ${basename(other)} and in ${basename(file)}`)
      }
      homes.set(entry.name, file)
      entries.push(entry)
    }
  }
  for (const [name, file] of index ?? []) {
    if (homes.get(name) !== file) throw new UserError(`${path}: ${name} is not in ${basename(file)}`)
  }
  const isCheckpoint = metadata.get("format") === CHECKPOINT_FORMAT
  // No name in the language has a slash: moments and averages are PREFIX/NAME, what a schedule keeps is schedule/NAME.
  const isTraining = ({ name }: HeaderEntry): boolean =>
    isCheckpoint && (name.includes("/") || name === STEP || name === SEED)
  const storedAs = (name: string): string => (isCheckpoint && homes.has(averageName(name)) ? averageName(name) : name)
  return {
    path,
    files,
    metadata,
    weights: entries.filter((entry) => !isTraining(entry)).map(storedWeight),
    training: entries.filter(isTraining).map(storedWeight),
    async read(names) {
      const wanted = new Map([...names].map((name) => [storedAs(name), name]))
      const tensors = new Map<string, HostTensor>()
      for (const file of files) {
        await readStoredTensors(
          file,
          (stored) => wanted.has(stored),
          (entry, bytes) => void tensors.set(wanted.get(entry.name)!, hostTensor(file, entry, bytes)),
        )
      }
      return tensors
    },
    async hash() {
      const hash = createHash("sha256")
      for (const file of index ? [path, ...files] : files) await pipeline(createReadStream(file), hash, { end: false })
      return hash.digest("hex")
    },
  }
}

function storedWeight({ name, stored, shape, start, end }: HeaderEntry): StoredWeight {
  return { name, type: stored.toLowerCase(), dtype: LANGUAGE_TYPES[stored], shape, bytes: end - start }
}

function hostTensor(path: string, entry: HeaderEntry, bytes: Uint8Array<ArrayBuffer>): HostTensor {
  const { name, stored, shape } = entry
  const dtype = LANGUAGE_TYPES[stored]
  if (dtype === undefined) throw new Error(`${name} is ${stored}, which nothing in a model can be made of`)
  // TensorFlow's libraries exist for little-endian machines only, and the buffer is the tensor's own.
  if (stored === "F32") return { dtype, shape, data: new Float32Array(bytes.buffer) }
  try {
    const count = shape.reduce((product, size) => product * size, 1)
    return { dtype, shape, data: decodeElements(stored, bytes, count) }
  } catch (thrown) {
    if (!(thrown instanceof DataFileProblem)) throw thrown
    throw new SafetensorsError(path, `cannot be used: ${name}: ${thrown.message}`, { cause: thrown })
  }
}
