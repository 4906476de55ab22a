/**
 * An exported model on the disk, checked where it lies before it gets its name.
 *
 * Takes: an exported model, its path, and a check. Gives: the file, and the file of weights that belongs to it.
 *
 * Why so: a file under its final name is a file that passed its check, so a model that fits into memory is checked there.
 * Weights of their own are streamed into a folder beside the target, checked from there as a user's program would load
 * them, and moved: both renames stay in one file system, and a check that fails leaves nothing.
 */

import { createHash } from "node:crypto"
import { mkdtemp, rename, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { type ExternalData, piecesOf } from "../../compiler/targets/onnx/external-data.js"
import type { ExternalRequest } from "../../compiler/targets/onnx/encode.js"
import type { ExportedModel } from "../../compiler/targets/onnx/export.js"
import { writeAtomically } from "../runs/atomic-file.js"
import { makeFolderFor } from "./target-folder.js"

/** The key of the metadata that ties a file of weights to its model: JSON of `DataFileRecord`. */
export const DATA_FILE_KEY = "mdl.external_data"

/** What a model says about its file of weights. */
export interface DataFileRecord {
  readonly location: string
  readonly bytes: number
  /** SHA-256 in hexadecimal */
  readonly sha256: string
}

/**
 * The weights of `file` in `file.data`.
 *
 * @param always false: only when they do not fit into the model
 */
export function externalFor(file: string, always: boolean): ExternalRequest {
  return {
    location: `${basename(file)}.data`,
    above: always ? 0 : Infinity,
    describe: (data) => ({ [DATA_FILE_KEY]: JSON.stringify(recordOf(data)) }),
  }
}

/** @see DataFileRecord */
export function recordOf(data: ExternalData): DataFileRecord {
  const hash = createHash("sha256")
  for (const piece of piecesOf(data)) hash.update(piece)
  return { location: data.location, bytes: data.bytes, sha256: hash.digest("hex") }
}

/**
 * Checks and writes.
 *
 * @param check gets the model's bytes, or its path when its weights are in a file of their own; nothing is written when it
 *   throws
 * @throws UserError when the folder cannot be made or written
 */
export async function writeChecked(
  file: string,
  exported: Pick<ExportedModel, "bytes" | "data">,
  check: (onnx: Uint8Array | string) => Promise<void>,
): Promise<void> {
  const { bytes, data } = exported
  if (!data) {
    await check(bytes)
    await makeFolderFor(file)
    return writeAtomically(file, bytes)
  }
  await makeFolderFor(file)
  const folder = await mkdtemp(join(dirname(file), `.${basename(file)}.partial-`))
  try {
    const [model, weights] = [join(folder, basename(file)), join(folder, data.location)]
    await writeAtomically(weights, async (sink) => {
      for (const piece of piecesOf(data)) await sink.write(piece)
    })
    await writeAtomically(model, bytes)
    await check(model)
    await rename(weights, join(dirname(file), data.location))
    await rename(model, file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
