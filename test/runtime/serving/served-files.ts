/**
 * Something to serve: an exported model with random weights that reads images and notes, and phantoms to try it on.
 *
 * Takes nothing. Gives the ONNX file, its model as the server wants it, and the page's JavaScript. TensorFlow is not loaded.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { openDataset, samplesOf } from "../../../src/runtime/data/dataset.js"
import { toOnnx } from "../../../src/runtime/deployment/export-model.js"
import { openExportSource } from "../../../src/runtime/deployment/export-source.js"
import type { ModelToServe } from "../../../src/runtime/serving/served-model.js"
import { openModelToServe } from "../../../src/runtime/serving/served-model.js"
import { WordsTokenizer } from "../../../src/runtime/tokenizers/words.js"
import { openWorkshop, type Workshop } from "../deployment/looking-model.js"

export { readModule } from "../page-module.js"

export interface ServedFiles extends Workshop {
  /** path of the ONNX file */
  readonly onnx: string
  readonly toServe: ModelToServe
}

const WORDS = ["upper lower left right lung, two infected areas."]

/** Makes them; the caller removes them. */
export async function openServedFiles(selector = "Looking"): Promise<ServedFiles> {
  const workshop = await openWorkshop()
  const source = await openExportSource(`${workshop.model}#${selector}`, { checkpoint: "best", seed: 5 })
  const tokenizers = { note: WordsTokenizer.fromNotes(WORDS).describe() }
  const onnx = join(workshop.folder, `${selector}.onnx`)
  writeFileSync(onnx, toOnnx({ ...source, tokenizers }).bytes)
  const examples = samplesOf(await openDataset(workshop.data), "test")
  return { ...workshop, onnx, toServe: { ...(await openModelToServe(onnx)), examples } }
}
