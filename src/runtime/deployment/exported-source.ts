/**
 * The model that an ONNX file was made from.
 *
 * Takes: an ONNX file that `mdl export` wrote. Gives: the model, compiled again from the texts in the file's
 * metadata, and a digest of its weights.
 *
 * Why so: the exported program has lost sections, losses and training; the texts have not. What was exported is told by
 * their hash, and the sizes, which may be others than the texts' own, by the inputs of the file, or by what it says of
 * sizes that it leaves open.
 */

import { createHash } from "node:crypto"
import { compile } from "../../compiler/compile.js"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { format } from "../../compiler/ir/dims.js"
import type { ModelText } from "../../compiler/picture/picture.js"
import type { SourceHost } from "../../compiler/resolve/modules.js"
import type { DecodedModel } from "../../compiler/targets/onnx/decode.js"
import { messageOf } from "../data/data-error.js"
import { ModelError, sourceHash } from "../model-file.js"
import { UserError } from "../user-error.js"
import { usualSizes } from "./exported-file.js"
import { readOwnOnnx } from "./own-onnx.js"

export interface ExportedSource {
  readonly model: ElaboratedModel
  readonly text: ModelText
  /** of all tensors in the file; undefined where some are not stored in it */
  readonly weights: string | undefined
}

/**
 * Compiles what the file was exported from.
 *
 * @param path of the file
 * @param asked what stands behind `#`; what was exported when absent
 * @throws UserError for a file that is not ours or damaged, or whose texts are not those it was made from; ModelError for
 *   texts that this version does not compile
 */
export async function readExportedSource(path: string, asked?: string): Promise<ExportedSource> {
  const { model: file, metadata } = await readOwnOnnx(path)
  const [kept, hash, variant] = ["mdl.source", "mdl.source_sha256", "mdl.variant"].map((key) => {
    const value = metadata.get(key)
    if (value === undefined) throw new UserError(`${path} is damaged: ${key} is not in its metadata`)
    return value
  }) as [string, string, string]
  const sources = sourcesOf(kept, path)
  const first = [...sources.keys()].find((key) => !key.startsWith("std/"))
  if (first === undefined) throw new UserError(`${path} is damaged: the text of its model is missing in mdl.source`)
  const host: SourceHost = { read: (key) => sources.get(key) }
  const compiled = (
    sizes: ReadonlyMap<string, number>,
    selector: string,
  ): { readonly model: ElaboratedModel; readonly text: ModelText } => {
    const result = compile(first, host, { selector, sizes })
    if (!result.output) throw new ModelError(result.diagnostics, result.sources)
    return { model: result.output, text: { modules: result.modules!, variant: result.variant! } }
  }
  const exported = compiled(new Map(), variant)
  if (sourceHash(sources, exported.model) !== hash) {
    throw new UserError(
      `${path} is damaged: the text in it is not the one it was made from (mdl.source_sha256 differs)`,
    )
  }
  const sizes = new Map([...otherSizes(exported.model, file), ...usualSizes(metadata, path)])
  const shown = sizes.size > 0 || asked !== undefined ? compiled(sizes, asked ?? variant) : exported
  return { ...shown, weights: weightsDigest(file) }
}

function sourcesOf(kept: string, path: string): ReadonlyMap<string, string> {
  try {
    return new Map(Object.entries(JSON.parse(kept) as Record<string, string>))
  } catch (thrown) {
    throw new UserError(`${path} is damaged: its mdl.source is no JSON (${messageOf(thrown)})`, { cause: thrown })
  }
}

/** Sizes of symbols where an input of the file has another than the text, as `mdl train --size` gives. */
function otherSizes({ graph }: ElaboratedModel, file: DecodedModel): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>()
  for (const { name, value } of graph.inputs) {
    const { shape } = file.inputs.find((input) => input.name === name) ?? {}
    graph.values[value]!.type.shape.forEach((dim, axis) => {
      const [symbol, size] = [format(dim), shape?.[axis]]
      const written = graph.sizes.get(symbol)
      if (typeof size === "number" && written !== undefined && written !== size) sizes.set(symbol, size)
    })
  }
  return sizes
}

function weightsDigest({ tensors }: DecodedModel): string | undefined {
  const hash = createHash("sha256")
  for (const { name, elementType, shape, bytes } of [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (bytes === undefined) return undefined
    hash.update(JSON.stringify([name, elementType, shape])).update(bytes)
  }
  return hash.digest("hex")
}
