/**
 * `predictions.jsonl`: what was predicted, one line for each case, in the folder of the results.
 *
 * Takes: entries as their files are written. Gives: the entries back, also of a prediction that was cut short.
 *
 * Why so: a line is added once all files of its case are on the disk, so a line is a promise that they are there; a line
 * that a crash cut in two is dropped, and its case done again. At the end the file is written anew in the order of the
 * cases, so that it does not depend on what was interrupted when.
 */

import { appendFile } from "node:fs/promises"
import { join } from "node:path"
import type { Size } from "../data/images.js"
import { writeAtomically } from "../runs/atomic-file.js"
import { readOptional } from "../runs/optional-file.js"
import { UserError } from "../user-error.js"
import type { WrittenPrediction } from "./write-prediction.js"

export const INDEX_NAME = "predictions.jsonl"

/** One case. Paths of results are relative to the folder of the index. */
export interface IndexEntry {
  readonly id: string
  /** as it was read, absolute */
  readonly image: string
  /** SHA-256 of the image file */
  readonly imageSha256: string
  readonly note: string
  readonly mask: string
  readonly overlay: string
  readonly heatmaps: WrittenPrediction["heatmaps"]
  readonly size: Size
  readonly threshold: number
  readonly foreground: WrittenPrediction["foreground"]
  readonly words: WrittenPrediction["words"]
  /** where the truth is known: at the size of the network, as `mdl eval` scores */
  readonly scores?: { readonly dice: number; readonly iou: number; readonly convention: string }
  readonly warnings: readonly string[]
  /** SHA-256 of the checkpoint's data or of the ONNX file */
  readonly weights: string
}

/** The entries of an index; undefined when the folder has none. @throws UserError for a line that is no entry */
export async function readIndex(folder: string): Promise<IndexEntry[] | undefined> {
  const path = join(folder, INDEX_NAME)
  const text = await readOptional(path)
  if (text === undefined) return undefined
  const lines = text.split("\n")
  // What stands after the last line break was being written when the process ended.
  return lines.slice(0, -1).map((line, index) => {
    try {
      return JSON.parse(line) as IndexEntry
    } catch (thrown) {
      throw new UserError(`${path}:${index + 1} is damaged: remove the file, and predict again`, { cause: thrown })
    }
  })
}

/** Writes the whole index in one piece. */
export async function writeIndex(folder: string, entries: readonly IndexEntry[]): Promise<void> {
  await writeAtomically(join(folder, INDEX_NAME), entries.map(lineOf).join(""))
}

/** Adds entries whose files are written. */
export async function appendIndex(folder: string, entries: readonly IndexEntry[]): Promise<void> {
  await appendFile(join(folder, INDEX_NAME), entries.map(lineOf).join(""))
}

const lineOf = (entry: IndexEntry): string => `${JSON.stringify(entry)}\n`
