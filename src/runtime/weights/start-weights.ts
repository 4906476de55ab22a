/**
 * Weights that a new run starts from: `mdl train --weights`.
 *
 * Takes a file and the model; gives the tensors to load, what run.json says about them, and what to warn of. What the file
 * lacks starts from its first values, what only the file has is left out, and both are told.
 */

import { basename, resolve } from "node:path"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { averageName } from "../../compiler/targets/tensorflow/average.js"
import { listed } from "../data/sample.js"
import type { RunWeights } from "../runs/run-folder.js"
import type { HostTensor, NativeSession } from "../session.js"
import { fitWeights } from "./fit.js"
import { counted, readFitted, SHOWN } from "./read-fitted.js"
import { type Tokenizers, vocabularyWarnings } from "./vocabularies.js"
import { openWeights } from "./weights-file.js"

export interface StartWeights {
  /** what is loaded, by name; empty once it has been */
  readonly tensors: Map<string, HostTensor>
  readonly record: RunWeights
  /** what the file and the model do not share, a sentence each */
  readonly warnings: readonly string[]
}

/**
 * Reads what of a file goes into a model.
 *
 * @param text a safetensors file in the model's own names or published ones, a checkpoint, or the folder of a run
 * @param tokenizers those of the new run, by the name of the note
 * @throws UserError when a tensor has another shape, when nothing is shared, or when a value is not finite
 */
export async function readStartWeights(
  text: string,
  model: ElaboratedModel,
  tokenizers: Tokenizers,
): Promise<StartWeights> {
  const file = await openWeights(text)
  const fit = fitWeights(file, model)
  const { missing, extra, schemes } = fit
  const tensors = await readFitted(text, file, fit, model.variant)
  const shapes = [...tensors.values()].map(({ shape }) => shape)
  return {
    tensors,
    record: {
      file: basename(resolve(text)),
      sha256: await file.hash(),
      loaded: tensors.size,
      missing: missing.length,
      leftOver: extra.length,
      ...(schemes.length > 0 && { published: schemes }),
    },
    warnings: [
      ...(missing.length > 0
        ? [`${counted(missing.length)} not in ${text}, so from their first values: ${listed(missing, SHOWN)}`]
        : []),
      ...(extra.length > 0
        ? [`${counted(extra.length)} of ${text} not in ${model.variant}, so left out: ${listed(extra, SHOWN)}`]
        : []),
      ...(await vocabularyWarnings(text, file, schemes, shapes, model.inputs, tokenizers)),
    ],
  }
}

/**
 * Puts the weights into a session that has its first values. Where the model keeps averages, they start as the weights do.
 * The tensors are let go of: a run of hours need not hold them.
 */
export function loadStartWeights(session: NativeSession, { tensors }: StartWeights): void {
  const variables = session.read()
  for (const [name, tensor] of tensors) {
    variables.set(name, tensor)
    if (variables.has(averageName(name))) variables.set(averageName(name), tensor)
  }
  session.write(variables)
  tensors.clear()
}
