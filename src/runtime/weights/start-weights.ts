/**
 * Weights that a new run starts from: `mdl train --weights`.
 *
 * Takes a file and the parameters of the model; gives the tensors to load, what run.json says about them, and what to warn
 * of. What the file lacks starts from its first values, what only the file has is left out, and both are told. A tensor of
 * another shape is an error: a part that silently stays untrained is the mistake that loading by name invites.
 */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { basename, resolve } from "node:path"
import { pipeline } from "node:stream/promises"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { averageName } from "../../compiler/targets/tensorflow/average.js"
import { listed } from "../data/sample.js"
import type { RunWeights } from "../runs/run-folder.js"
import type { HostTensor, NativeSession } from "../session.js"
import { UserError } from "../user-error.js"
import { fitWeights, misshapedLines } from "./fit.js"
import { openWeights } from "./weights-file.js"

export interface StartWeights {
  /** what is loaded, by name */
  readonly tensors: ReadonlyMap<string, HostTensor>
  readonly record: RunWeights
  /** what the file and the model do not share, a sentence each */
  readonly warnings: readonly string[]
}

/** Names shown of a long list. */
const SHOWN = 4

/**
 * Reads what of a file goes into a model.
 *
 * @param text a safetensors file, a checkpoint, or the folder of a run
 * @throws UserError when a tensor has another shape, when nothing is shared, or when a value is not finite
 */
export async function readStartWeights(text: string, model: ElaboratedModel): Promise<StartWeights> {
  const { parameters } = model.graph
  const file = await openWeights(text)
  const { fits, missing, misshaped, extra } = fitWeights(file, parameters)
  if (misshaped.length > 0) {
    throw new UserError(
      `${text} does not fit ${model.variant}: ${counted(misshaped.length)} of another shape\n` +
        `  ${misshapedLines(misshaped).join("\n  ")}`,
    )
  }
  if (fits.length === 0) {
    throw new UserError(
      `${text} and ${model.variant} are two models with no common part\n` +
        `  the file has ${listed(extra, SHOWN)}\n  the model has ${listed(missing, SHOWN)}`,
    )
  }
  const values = await file.read()
  const tensors = new Map(fits.map((name) => [name, values.get(name)!]))
  const broken = fits.filter((name) => !isFinite(tensors.get(name)!))
  if (broken.length > 0) {
    throw new UserError(
      `${text} holds values that are not finite (NaN or infinite) in ${listed(broken, SHOWN)}: ` +
        "name a checkpoint from before they came up",
    )
  }
  return {
    tensors,
    record: {
      file: basename(resolve(text)),
      sha256: await fileHash(file.path),
      loaded: fits.length,
      missing: missing.length,
      leftOver: extra.length,
    },
    warnings: [
      ...(missing.length > 0
        ? [`${counted(missing.length)} not in ${text}, so from their first values: ${listed(missing, SHOWN)}`]
        : []),
      ...(extra.length > 0
        ? [`${counted(extra.length)} of ${text} not in ${model.variant}, so left out: ${listed(extra, SHOWN)}`]
        : []),
    ],
  }
}

/**
 * Puts the weights into a session that has its first values. Where the model keeps averages, they start as the weights do.
 */
export function loadStartWeights(session: NativeSession, { tensors }: StartWeights): void {
  const variables = session.read()
  for (const [name, tensor] of tensors) {
    variables.set(name, tensor)
    if (variables.has(averageName(name))) variables.set(averageName(name), tensor)
  }
  session.write(variables)
}

function counted(count: number): string {
  return `${count} tensor${count === 1 ? "" : "s"}`
}

/** A loop, because a callback for each of a hundred million values takes seconds. */
function isFinite({ dtype, data }: HostTensor): boolean {
  if (dtype !== "f32") return true
  for (const value of data) if (!Number.isFinite(value)) return false
  return true
}

async function fileHash(path: string): Promise<string> {
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash)
  return hash.digest("hex")
}
