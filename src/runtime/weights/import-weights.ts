/**
 * Published weights as a file in a model's own names: `mdl weights import`.
 *
 * Takes a file and a model whose text says what others call its parameters; gives a safetensors file that `mdl train
 * --weights` takes, with where it comes from in its metadata, and a report of what was not found and what is left over.
 */

import { stat } from "node:fs/promises"
import { basename, resolve } from "node:path"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { sizeOf } from "../../compiler/ops/ndarray.js"
import { didYouMean } from "../../compiler/diagnostics/suggest.js"
import { makeFolderFor } from "../deployment/target-folder.js"
import { writeSafetensors } from "../runs/safetensors.js"
import { toolVersion } from "../runs/tool-version.js"
import { UserError } from "../user-error.js"
import { fitWeights, type FittedModel } from "./fit.js"
import { type SectionFit, sectionFits } from "./inspect-weights.js"
import type { FoundScheme } from "./published-fit.js"
import { readFitted } from "./read-fitted.js"
import { PUBLISHED_NAMES } from "./vocabularies.js"
import { openWeights } from "./weights-file.js"
import { weightsTarget } from "./weights-target.js"

export interface ImportedWeights {
  /** absolute path of what was written */
  readonly file: string
  readonly bytes: number
  /** of the data, in hexadecimal; also in the file's metadata */
  readonly sha256: string
  readonly tensors: number
  readonly values: number
  readonly variant: string
  /** what was read: name without its path, and the SHA-256 of the file (of shards: the index and then each) */
  readonly source: { readonly file: string; readonly sha256: string }
  /** whose published names the file has; none for a file in the model's own names */
  readonly published: readonly FoundScheme[]
  /** those of the model, or the ones asked for */
  readonly sections: readonly SectionFit[]
  /** in the file only, or outside of the sections asked for */
  readonly leftOver: readonly string[]
}

/**
 * Writes what a file has for a model.
 *
 * @param text a safetensors file, an index of shards, or the folder of a published model
 * @param out path of the file to write; one that is there is replaced
 * @param only names of sections; empty for the whole model
 * @throws UserError when nothing fits, a tensor has another shape, a section is unknown, or `out` cannot be used
 */
export async function importWeights(
  text: string,
  model: ElaboratedModel,
  sourceHash: string,
  out: string,
  only: readonly string[] = [],
): Promise<ImportedWeights> {
  const target = weightsTarget(out)
  const narrowed = inSections(model, only)
  const file = await openWeights(text)
  if (file.files.some((part) => resolve(part) === target))
    throw new UserError(`${out} is the file that is read: name another one`)
  const fit = fitWeights(file, narrowed)
  const tensors = await readFitted(text, file, fit, model.variant)
  const source = { file: basename(resolve(text)), sha256: await file.hash() }
  const { schemes } = fit
  const about: Readonly<Record<string, string>> = {
    // "pt" is how Hugging Face's tools know PyTorch's layouts.
    format: "pt",
    mdl: toolVersion(),
    model: model.name,
    variant: model.variant,
    source_hash: sourceHash,
    imported_from: source.file,
    imported_sha256: source.sha256,
    ...(schemes.length > 0 && {
      [PUBLISHED_NAMES]: [...new Set(schemes.map(({ scheme }) => scheme))].join(", "),
    }),
  }
  await makeFolderFor(target)
  const sha256 = await writeSafetensors(target, tensors, new Map(Object.entries(about)))
  return {
    file: target,
    bytes: (await stat(target)).size,
    sha256,
    tensors: tensors.size,
    values: [...tensors.values()].reduce((total, { shape }) => total + sizeOf(shape), 0),
    variant: model.variant,
    source,
    published: schemes,
    sections: sectionFits(fit, narrowed.graph.parameters),
    leftOver: fit.extra,
  }
}

/** The name of the file to write when none is given: beside where the command runs, after the source and the model. */
export function importTarget(text: string, variant: string): string {
  const name = basename(resolve(text))
    .replace(/(\.index\.json)$/, "")
    .replace(/\.safetensors$/, "")
  return `${name}-${variant}.safetensors`
}

function inSections(model: ElaboratedModel, only: readonly string[]) {
  const known = model.sections.map(({ name }) => name)
  for (const name of only) {
    if (known.includes(name)) continue
    const nearest = didYouMean(name, known)
    throw new UserError(
      `${model.variant} has no section ${name}` +
        (nearest ? `: did you mean ${nearest}?` : `; its sections are ${known.join(", ")}`),
    )
  }
  const isHere = ({ section }: { readonly section: string }): boolean => only.length === 0 || only.includes(section)
  const { graph, published } = model
  const parameters = graph.parameters.filter(isHere)
  const names = new Set(parameters.map(({ name }) => name))
  return {
    graph: { parameters },
    published: published.map((table) => ({
      ...table,
      tensors: new Map([...table.tensors].filter(([name]) => names.has(name))),
    })),
  } satisfies FittedModel
}
