/**
 * One side of a comparison: a model from a file, from another revision, or from an exported ONNX file.
 *
 * Takes what was written on the command line; gives the model. What is wrong with its text is told together with the side
 * it stands on, because both texts may have the same path.
 */

import { compile, type CompileResult } from "../compiler/compile.js"
import type { ElaboratedModel } from "../compiler/elaborate/model.js"
import type { ModelText } from "../compiler/picture/picture.js"
import { readExportedSource } from "./deployment/exported-source.js"
import { openRevision, parseRevision } from "./git-revision.js"
import { ModelError, parseReference, requireModel } from "./model-file.js"
import { UserError } from "./user-error.js"

export interface ModelSide {
  /** as it was asked for */
  readonly reference: string
  readonly model: ElaboratedModel
  /** what it was written as */
  readonly text: ModelText
  /** digest of the weights in an ONNX file; undefined for a text, which has none */
  readonly weights: string | undefined
}

/**
 * Reads `file.mdl`, `REVISION:path.mdl` or `file.onnx`, each with `#name` if wanted.
 *
 * @param side as messages call it: `before` or `after`; absent for a model that is not compared
 * @throws UserError
 */
export async function openSide(text: string, side?: string): Promise<ModelSide> {
  try {
    return { reference: text, ...(await readSide(text)) }
  } catch (error) {
    if (!(error instanceof ModelError) || side === undefined) throw error
    throw new UserError(`the model ${side} (${text}) does not compile\n\n${error.message}`, { cause: error })
  }
}

async function readSide(text: string): Promise<Omit<ModelSide, "reference">> {
  const reference = parseReference(text)
  const { path, selector } = reference
  if (path.endsWith(".onnx")) return readExportedSource(path, selector)
  const revision = parseRevision(path)
  if (!revision) {
    const { model, result } = requireModel(reference)
    return { model, text: textOf(result), weights: undefined }
  }
  const file = openRevision(revision)
  const first = file.path.startsWith("std/") ? `./${file.path}` : file.path
  const result = compile(first, file.host, { selector })
  if (!result.output) throw new ModelError(result.diagnostics, result.sources)
  return { model: result.output, text: textOf(result), weights: undefined }
}

/** What a model was made from; a model is made only where both are there. */
const textOf = ({ modules, variant }: CompileResult): ModelText => ({ modules: modules!, variant: variant! })
