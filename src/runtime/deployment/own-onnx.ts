/**
 * An ONNX file that `mdl export` wrote, from the disk.
 *
 * Takes: a path. Gives: what the file holds and says, after checking that it is ours, whole, and that the weights beside it
 * are those it was written with.
 *
 * Why so: a file from elsewhere may be anything. What it says about other files is not followed out of its folder, sizes
 * are looked at before bytes are read, and a file of weights that was swapped or cut is told, where ONNX Runtime would run
 * it without a word.
 */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { readFile, realpath, stat } from "node:fs/promises"
import { dirname, isAbsolute, join, relative, resolve } from "node:path"
import { pipeline } from "node:stream/promises"
import { decodeModel, type DecodedModel } from "../../compiler/targets/onnx/decode.js"
import { locationProblem } from "../../compiler/targets/onnx/external-data.js"
import { codeOf, messageOf } from "../data/data-error.js"
import { UserError } from "../user-error.js"
import { DATA_FILE_KEY, type DataFileRecord } from "./write-onnx.js"

export interface OwnOnnx {
  /** absolute path */
  readonly file: string
  readonly bytes: Uint8Array
  /** of the file, in hexadecimal; it covers the weights beside it, whose hash is in the file */
  readonly sha256: string
  readonly model: DecodedModel
  readonly metadata: ReadonlyMap<string, string>
  /** absolute path of the weights, when they are in a file of their own */
  readonly dataFile: string | undefined
}

/** One protobuf message holds less than this. */
const MOST_BYTES = 2 ** 31

/**
 * Reads and checks.
 *
 * @throws UserError when there is no such file, it is no ONNX file or not ours, or its weights are missing or others
 */
export async function readOwnOnnx(path: string): Promise<OwnOnnx> {
  const file = resolve(path)
  const bytes = await readModelFile(file)
  const model = decodeOnnx(bytes, path)
  const metadata = new Map(model.metadata)
  if (model.producer !== "mdl" || !metadata.has("mdl.source")) {
    throw new UserError(
      `${path} was written by ${model.producer || "another program"}, not by mdl export: it does not say which model it ` +
        "is or how its inputs are prepared; use a file that mdl export wrote",
    )
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex")
  return { file, bytes, sha256, model, metadata, dataFile: await checkedDataFile(file, path, model, metadata) }
}

/** The bytes of a model file. @throws UserError when there is none, it is no file, or larger than a model can be */
export async function readModelFile(file: string): Promise<Uint8Array> {
  try {
    const found = await stat(file)
    if (!found.isFile()) throw new UserError(`${file} is no file: name an ONNX file, or the folder of a run`)
    if (found.size >= MOST_BYTES) throw new UserError(`${file} has more than 2 GB, which no ONNX file has`)
    return new Uint8Array(await readFile(file))
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") throw new UserError(`there is no run or ONNX file ${file}`, { cause: thrown })
    throw thrown
  }
}

/** Decodes. @param name of the file, for messages. @throws UserError when the bytes are no ONNX model */
export function decodeOnnx(bytes: Uint8Array, name: string): DecodedModel {
  try {
    const model = decodeModel(bytes)
    if (model.irVersion > 0 && model.nodes.length > 0) return model
  } catch (thrown) {
    throw new UserError(`${name} is not an ONNX file, or is damaged: ${messageOf(thrown)}`, { cause: thrown })
  }
  throw new UserError(`${name} is not an ONNX file`)
}

/** The path of the weights after everything the model says about them was found to be so. */
async function checkedDataFile(
  file: string,
  path: string,
  model: DecodedModel,
  metadata: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const places = model.tensors.flatMap(({ external }) => (external ? [external] : []))
  if (places.length === 0) return undefined
  const refused = (location: string, problem: string): UserError =>
    new UserError(`${path} has its weights in "${location}", and ${problem}`)
  const record = recordIn(metadata, path)
  for (const { location } of places) {
    const problem = locationProblem(location) ?? (location === record.location ? undefined : "they must be in one file")
    if (problem !== undefined) throw refused(location, problem)
  }
  const end = Math.max(...places.map(({ offset, length }) => offset + length))
  // A number that the file leaves out is NaN, which nothing is at most.
  if (!(end <= record.bytes)) throw refused(record.location, `places them past its ${record.bytes} bytes`)
  const weights = join(dirname(file), record.location)
  const hash = createHash("sha256")
  try {
    const [home, itself] = [await realpath(dirname(file)), await realpath(weights)]
    const way = relative(home, itself)
    if (way.startsWith("..") || isAbsolute(way)) throw refused(record.location, "that is a link out of its folder")
    const found = await stat(weights)
    if (!found.isFile()) throw refused(record.location, "that is no file")
    if (found.size !== record.bytes) {
      throw refused(
        record.location,
        `that file has ${found.size} bytes instead of ${record.bytes}: copy both files again`,
      )
    }
    await pipeline(createReadStream(weights), hash)
  } catch (thrown) {
    if (codeOf(thrown) !== "ENOENT") throw thrown
    throw refused(record.location, `that file is not beside it: keep both files together, under their names`)
  }
  if (hash.digest("hex") !== record.sha256) {
    throw refused(
      record.location,
      "that file is not the one it was written with: copy both files again, or export again",
    )
  }
  return weights
}

function recordIn(metadata: ReadonlyMap<string, string>, path: string): DataFileRecord {
  try {
    const record = JSON.parse(metadata.get(DATA_FILE_KEY) ?? "null") as Partial<DataFileRecord> | null
    const { location, bytes, sha256 } = record ?? {}
    if (typeof location === "string" && typeof bytes === "number" && typeof sha256 === "string") {
      return { location, bytes, sha256 }
    }
  } catch (thrown) {
    throw new UserError(`${path} is damaged: its ${DATA_FILE_KEY} is no JSON (${messageOf(thrown)})`, { cause: thrown })
  }
  throw new UserError(
    `${path} has weights in another file, and does not say which (no ${DATA_FILE_KEY}): export it again`,
  )
}
