/**
 * Where weights lie: one file, the shards of a published checkpoint, or the best checkpoint of a run.
 *
 * Takes what the user named; gives the safetensors files behind it. PyTorch's pickles are refused: opening one runs what is in
 * it, so that the way to convert it is told instead. An index is believed in nothing but which files to open: names come from
 * the headers, and the two are compared.
 */

import { existsSync, readFileSync, statSync } from "node:fs"
import { open } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { checkpointPath, existingCheckpoints } from "../runs/checkpoint.js"
import { RunFolder } from "../runs/run-folder.js"
import { UserError } from "../user-error.js"

export interface WeightsLocation {
  /** the file that was meant: a safetensors file, or the index of shards */
  readonly path: string
  /** the safetensors files, in the order of their names; `path` alone when there are no shards */
  readonly files: readonly string[]
  /** by the index of shards: the file that each tensor is to be in */
  readonly index: ReadonlyMap<string, string> | undefined
}

const INDEX = ".safetensors.index.json"
/** What Hugging Face calls the weights in the folder of a model. */
const PUBLISHED = ["model.safetensors", `model${INDEX}`] as const
/** The format's own limit on a header; an index has less in it. */
const MOST_INDEX = 100_000_000

/**
 * @param text a safetensors file, an index of shards, the folder of a published model, or the folder of a run
 * @throws UserError when there is nothing of the kind, or it is a pickle; RunFolderError for another folder
 */
export async function locateWeights(text: string): Promise<WeightsLocation> {
  const path = await fileOf(text)
  if (path.endsWith(INDEX)) return shardsOf(path)
  await refusePickle(path)
  return { path, files: [path], index: undefined }
}

async function fileOf(text: string): Promise<string> {
  if (!existsSync(text)) throw new UserError(`there is no file or run ${text}`)
  if (!statSync(text).isDirectory()) return text
  const published = PUBLISHED.map((name) => join(text, name)).find((path) => existsSync(path))
  if (published !== undefined) return published
  const { path } = await RunFolder.open(text)
  const there = await existingCheckpoints(path)
  if (there.includes("best")) return checkpointPath(path, "best")
  throw new UserError(
    there.length === 0
      ? `${text} has no checkpoint yet: train it first (mdl train --resume ${text})`
      : `${text} has no best checkpoint yet; name the last one: ${checkpointPath(text, "last")}`,
  )
}

function shardsOf(path: string): WeightsLocation {
  const damaged = (problem: string, cause?: unknown): UserError =>
    new UserError(`${path} is no index of safetensors files: ${problem}`, { cause })
  const { size } = statSync(path)
  if (size > MOST_INDEX) throw damaged(`it has ${size} bytes, the limit is ${MOST_INDEX}`)
  let json: unknown
  try {
    json = JSON.parse(readFileSync(path, "utf8"))
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw damaged("it is not JSON", thrown)
    throw thrown
  }
  const map: unknown = isObject(json) ? json["weight_map"] : undefined
  if (!isObject(map)) throw damaged("it has no weight_map")
  const index = new Map<string, string>()
  for (const [name, file] of Object.entries(map)) {
    // Nothing outside of the folder is opened because a downloaded file says so.
    if (typeof file !== "string" || basename(file) !== file || !file.endsWith(".safetensors")) {
      throw damaged(`${name} is to be in ${JSON.stringify(file)}, which is no safetensors file beside it`)
    }
    index.set(name, join(dirname(path), file))
  }
  const files = [...new Set(index.values())].sort()
  if (files.length === 0) throw damaged("it names no files")
  const missing = files.filter((file) => !existsSync(file))
  if (missing.length > 0) {
    const names = missing.map((file) => basename(file)).join(", ")
    throw new UserError(`${path} names ${missing.length} of ${files.length} files that are not there: ${names}`)
  }
  return { path, files, index }
}

/** Told by how they begin, and not by their names: a zip archive, or a bare pickle. */
async function refusePickle(path: string): Promise<void> {
  const handle = await open(path, "r")
  const first = Buffer.alloc(4)
  try {
    await handle.read(first, 0, 4, 0)
  } finally {
    await handle.close()
  }
  const isZip = first.toString("latin1") === "PK\x03\x04"
  const isPickle = first[0] === 0x80 && first[1]! >= 2 && first[1]! <= 5 && /\.(bin|pt|pth|ckpt|pkl)$/i.test(path)
  if (!isZip && !isPickle) return
  const out = `${path.replace(/\.[^./\\]*$/, "")}.safetensors`
  const [from, to] = [pythonText(path), pythonText(out)]
  throw new UserError(
    `${path} is a file of torch.save, which can run any program when it is opened, so it is not read here. ` +
      `Convert it once, in Python (pip install torch safetensors):\n` +
      `  python -c 'import torch; from safetensors.torch import save_file; ` +
      `d = torch.load(${from}, map_location="cpu", weights_only=True); d = d.get("state_dict", d); ` +
      `save_file({k: v.clone().contiguous() for k, v in d.items() if torch.is_tensor(v)}, ${to})'\n` +
      `For an archive of torch.jit, as OpenAI's are, d = torch.jit.load(${from}, map_location="cpu").state_dict()`,
  )
}

/** A Python string within single quotes of a shell. */
function pythonText(text: string): string {
  return JSON.stringify(text).replaceAll("'", "\\x27")
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
