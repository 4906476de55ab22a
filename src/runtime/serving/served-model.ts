/**
 * The model that is served, and examples to try it on.
 *
 * Takes: the folder of a run, or an ONNX file. Gives: the bytes that the browser runs, how inputs are prepared, and cases of
 * the run's data set where it is still there.
 *
 * Why so: a run is exported in memory with the exporter of `mdl export`, so that the page shows what would be deployed;
 * TensorFlow is not loaded. What the page needs is then read from the file itself, for a run as for a file.
 */

import type { DecodedModel } from "../../compiler/targets/onnx/decode.js"
import { DataError } from "../data/data-error.js"
import { openRunDataset } from "../data/dataset.js"
import { type Sample, SPLITS } from "../data/sample.js"
import { type ExportedFile, readExported } from "../deployment/exported-file.js"
import { toOnnx } from "../deployment/export-model.js"
import { decodeOnnx, readOwnOnnx } from "../deployment/own-onnx.js"
import { namesRun, openExportSource, type Weights } from "../deployment/export-source.js"
import { refuseModelText } from "../prediction/open-predictor.js"
import { createTokenizer, type Tokenizer } from "../tokenizers/tokenizer.js"
import type { CheckpointName } from "../runs/checkpoint.js"
import { UserError } from "../user-error.js"

export interface ModelToServe extends Pick<ExportedFile, "ports"> {
  readonly bytes: Uint8Array
  /** which weights, in words */
  readonly weights: string
  /** undefined for a model that reads no note */
  readonly tokenizer: Tokenizer | undefined
  readonly examples: readonly Sample[]
  /** what a person should know, such as why there are no examples */
  readonly remarks: readonly string[]
}

/** How many examples are shown. */
const MOST_EXAMPLES = 12

/**
 * Reads or exports the model.
 *
 * @throws UserError for a source that is neither, a model text, or one whose inputs are not an image and a note
 */
export async function openModelToServe(
  source: string,
  options: { readonly checkpoint?: CheckpointName | undefined } = {},
): Promise<ModelToServe> {
  if (!namesRun(source)) {
    refuseModelText(source)
    if (options.checkpoint !== undefined) throw new UserError("--checkpoint chooses among the weights of a run")
    const { bytes, model, dataFile } = await readOwnOnnx(source)
    if (dataFile !== undefined) {
      throw new UserError(
        `${source} has its weights in a file of their own, which the page cannot load: export without --external-data`,
      )
    }
    return { ...(await described(bytes, model, source)), examples: [], remarks: [] }
  }
  const opened = await openExportSource(source, { checkpoint: options.checkpoint ?? "best" })
  const { bytes } = toOnnx(opened)
  const { data } = opened.run!.folder.record
  const served = await described(bytes, decodeOnnx(bytes, source), source)
  try {
    return { ...served, examples: spread((await openRunDataset(data)).samples), remarks: [] }
  } catch (thrown) {
    if (!(thrown instanceof DataError)) throw thrown
    return { ...served, examples: [], remarks: [`no examples: ${thrown.what}`] }
  }
}

async function described(
  bytes: Uint8Array,
  model: DecodedModel,
  name: string,
): Promise<Omit<ModelToServe, "examples" | "remarks">> {
  const { ports, tokenizer, weights } = readExported(model, name)
  return { bytes, ports, weights: weightsText(weights), tokenizer: tokenizer && (await createTokenizer(tokenizer)) }
}

function weightsText(weights: Weights): string {
  return weights.kind === "trained"
    ? `${weights.run}, checkpoint ${weights.checkpoint}, step ${weights.step}`
    : `first values, seed ${weights.seed} (not trained)`
}

/** Cases from all over the split that nothing was chosen by, or the next best. */
function spread(samples: readonly Sample[]): Sample[] {
  const split = [...SPLITS].reverse().find((name) => samples.some((sample) => sample.split === name))
  const all = samples.filter((sample) => sample.split === split)
  const count = Math.min(MOST_EXAMPLES, all.length)
  return Array.from({ length: count }, (_, index) => all[Math.floor((index * all.length) / count)]!)
}
