/**
 * The weights of a run as a safetensors file for other tools.
 *
 * Takes the folder of a run; gives a file with its parameters and state under their names in the language, in PyTorch's
 * layouts. Averages stand in for the weights where the run kept them, as in `mdl export`. Constants stay out: they belong to
 * the model's text.
 */

import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import { sizeOf } from "../../compiler/ops/ndarray.js"
import { namesRun, openExportSource, type Weights } from "../deployment/export-source.js"
import { makeFolderFor } from "../deployment/target-folder.js"
import { CHECKPOINT_NAMES, type CheckpointName, checkpointPath } from "../runs/checkpoint.js"
import { writeSafetensors } from "../runs/safetensors.js"
import { toolVersion } from "../runs/tool-version.js"
import type { HostTensor } from "../session.js"
import { UserError } from "../user-error.js"
import { wantedOf } from "./fit.js"
import { vocabulariesText, VOCABULARIES } from "./vocabularies.js"
import { weightsTarget } from "./weights-target.js"

export interface ExportedWeights {
  /** absolute path */
  readonly file: string
  readonly bytes: number
  /** of the data, in hexadecimal; also in the file's metadata */
  readonly sha256: string
  readonly tensors: number
  readonly values: number
  readonly variant: string
  readonly weights: Weights
}

/**
 * Writes the weights of a run.
 *
 * @param run folder of a run
 * @param out path of the file to write; one that is there is replaced
 * @throws UserError when there is no such run, or `out` cannot be used; CheckpointError for a damaged checkpoint
 */
export async function exportWeights(
  run: string,
  out: string,
  checkpoint: CheckpointName = "best",
): Promise<ExportedWeights> {
  if (!namesRun(run)) throw new UserError(`there is no run ${run}: name the folder of a run`)
  const file = checkedTarget(out, run)
  const source = await openExportSource(run, { checkpoint })
  const { model, weights, sourceHash } = source
  const wanted = wantedOf(model.graph.parameters)
  const tensors = new Map<string, HostTensor>(
    wanted.map(({ name, dtype, shape }) => [name, { dtype, shape, data: source.parameters.get(name)! }]),
  )
  // "pt" is how Hugging Face's tools know PyTorch's layouts.
  const about: Readonly<Record<string, string | number>> = { format: "pt", mdl: toolVersion(), ...origin(weights) }
  const vocabularies = { [VOCABULARIES]: vocabulariesText(source.tokenizers) }
  const names = { model: model.name, variant: model.variant, source_hash: sourceHash }
  const metadata = Object.entries({ ...about, ...names, ...vocabularies })
  await makeFolderFor(file)
  const sha256 = await writeSafetensors(file, tensors, new Map(metadata.map(([key, value]) => [key, String(value)])))
  return {
    file,
    bytes: (await stat(file)).size,
    sha256,
    tensors: wanted.length,
    values: wanted.reduce((total, { shape }) => total + sizeOf(shape), 0),
    variant: model.variant,
    weights,
  }
}

function origin(weights: Weights): Readonly<Record<string, string | number>> {
  if (weights.kind === "initial") return { seed: weights.seed }
  const { run, checkpoint, step, epoch, sha256 } = weights
  return { run, checkpoint, step, epoch, checkpoint_sha256: sha256 }
}

function checkedTarget(out: string, run: string): string {
  const file = weightsTarget(out)
  if (CHECKPOINT_NAMES.some((name) => resolve(checkpointPath(run, name)) === file)) {
    throw new UserError(`${out} is a checkpoint of the run itself, which could not go on without it: name another file`)
  }
  return file
}
