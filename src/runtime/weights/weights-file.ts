/**
 * Weights on disk: what tensors a file, a checkpoint or a run has for a model.
 *
 * Takes what the user named; gives the tensors by the names of the language, read from the header alone, and a way to read
 * their values. A checkpoint also holds what the optimiser and the schedule keep; that is told apart here. Where a run kept
 * averages of its weights, the average is the weight, as for scoring and export: a run, its checkpoint and the file that
 * `mdl weights export` makes of it are the same weights.
 */

import { existsSync, statSync } from "node:fs"
import { averageName } from "../../compiler/targets/tensorflow/average.js"
import { SEED, STEP } from "../../compiler/targets/tensorflow/variables.js"
import { CHECKPOINT_FORMAT, checkpointPath, existingCheckpoints } from "../runs/checkpoint.js"
import { RunFolder } from "../runs/run-folder.js"
import { readSafetensors, readSafetensorsHeader, type TensorEntry } from "../runs/safetensors.js"
import type { HostTensor } from "../session.js"
import { UserError } from "../user-error.js"

export interface WeightsFile {
  /** path of the safetensors file */
  readonly path: string
  readonly metadata: ReadonlyMap<string, string>
  /** parameters and state, by the names of the language */
  readonly weights: readonly TensorEntry[]
  /** of a checkpoint: moments, averages, the step and the like */
  readonly training: readonly TensorEntry[]
  /** The values of `weights`, checked against the file's checksum. @throws SafetensorsError */
  read(): Promise<ReadonlyMap<string, HostTensor>>
}

/**
 * Reads the header of a weights file.
 *
 * @param text a safetensors file, a checkpoint of a run, or the folder of a run, whose `best` checkpoint is meant
 * @throws UserError when there is no such file, or it is not whole; RunFolderError for a folder that is no run
 */
export async function openWeights(text: string): Promise<WeightsFile> {
  const path = await locate(text)
  const { metadata, entries } = await readSafetensorsHeader(path)
  const isCheckpoint = metadata.get("format") === CHECKPOINT_FORMAT
  // No name in the language has a slash: moments and averages are PREFIX/NAME, what a schedule keeps is schedule/NAME.
  const isTraining = ({ name }: TensorEntry): boolean =>
    isCheckpoint && (name.includes("/") || name === STEP || name === SEED)
  const there = new Set(entries.map(({ name }) => name))
  const storedAs = (name: string): string => (isCheckpoint && there.has(averageName(name)) ? averageName(name) : name)
  const weights = entries.filter((entry) => !isTraining(entry))
  return {
    path,
    metadata,
    weights,
    training: entries.filter(isTraining),
    async read() {
      const { tensors } = await readSafetensors(path)
      return new Map(weights.map(({ name }) => [name, tensors.get(storedAs(name))!]))
    },
  }
}

async function locate(text: string): Promise<string> {
  if (!existsSync(text)) throw new UserError(`there is no file or run ${text}`)
  if (!statSync(text).isDirectory()) return text
  const { path } = await RunFolder.open(text)
  const there = await existingCheckpoints(path)
  if (there.includes("best")) return checkpointPath(path, "best")
  throw new UserError(
    there.length === 0
      ? `${text} has no checkpoint yet: train it first (mdl train --resume ${text})`
      : `${text} has no best checkpoint yet; name the last one: ${checkpointPath(text, "last")}`,
  )
}
