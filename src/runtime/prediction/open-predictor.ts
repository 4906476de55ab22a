/**
 * From what a user named to a predictor: the folder of a run, or an ONNX file.
 */

import { namesRun } from "../deployment/export-source.js"
import { readExported } from "../deployment/exported-file.js"
import { readOwnOnnx } from "../deployment/own-onnx.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import { RunFolder } from "../runs/run-folder.js"
import { UserError } from "../user-error.js"
import { openOnnxPredictor } from "./onnx-predictor.js"
import type { ModelPorts, Predictor } from "./predictor.js"
import { openRunPredictor, portsOfRun } from "./run-predictor.js"

/**
 * @param options.checkpoint of a run; `best` when absent
 * @param options.batch the most cases at once
 * @throws UserError for a model text, which has no weights, for a checkpoint of an ONNX file, and as the two kinds do
 */
export async function openPredictor(
  source: string,
  options: { readonly checkpoint?: CheckpointName | undefined; readonly batch: number },
): Promise<Predictor> {
  const { checkpoint, batch } = options
  if (namesRun(source)) return openRunPredictor(source, { checkpoint: checkpoint ?? "best", batch })
  refuseModelText(source)
  if (checkpoint !== undefined) {
    throw new UserError(`--checkpoint chooses among the weights of a run; ${source} is a file with one set of weights`)
  }
  return openOnnxPredictor(source, batch)
}

/** What is known of a model before an engine is loaded. */
export interface DescribedSource {
  readonly ports: ModelPorts
  /** the prompt that a run was trained on; an exported file has none */
  readonly prompt: string | undefined
}

/** Describes a run or an ONNX file, so that mistakes in what to predict are told at once. @throws UserError as `openPredictor` */
export async function describeSource(source: string): Promise<DescribedSource> {
  if (namesRun(source)) {
    const { record } = await RunFolder.open(source)
    return { ports: portsOfRun(record.description), prompt: record.data.prompt }
  }
  refuseModelText(source)
  return { ports: readExported((await readOwnOnnx(source)).model, source).ports, prompt: undefined }
}

/** @throws UserError for `file.mdl#...`: a text has no trained weights */
export function refuseModelText(source: string): void {
  if (!/\.mdl(#|$)/.test(source)) return
  throw new UserError(`${source} is a model text without trained weights: name the folder of a run, or an ONNX file`)
}
