/**
 * How the tensors of a file fit a model.
 *
 * Takes a weights file and a model; gives what of the file each parameter is made of, and what is missing, left over, or of
 * another shape. A parameter's own name comes first; what has none in the file is looked for under published names
 * (`published-fit.ts`). Constants are not asked for: their values belong to the model's text.
 */

import { fitTensors, type TensorFit, type TensorOutline, tensorType } from "../../compiler/diff/tensor-fit.js"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import type { Parameter } from "../../compiler/ir/graph.js"
import { sourceShape, storedNames, type WeightSource } from "../../compiler/published-weights.js"
import { fitPublished, type FoundScheme } from "./published-fit.js"
import type { StoredWeight, WeightsFile } from "./weights-file.js"

/** A tensor that is in both, but not alike; types as `f32[8, 3]`. */
export interface Misshaped {
  readonly name: string
  /** with the stored name, or what is wrong with it, where the file calls it otherwise */
  readonly file: string
  readonly model: string
}

export interface WeightsFit extends Omit<TensorFit, "misshaped"> {
  readonly misshaped: readonly Misshaped[]
  /** what is in the file under published names */
  readonly schemes: readonly FoundScheme[]
  /** what each parameter that the file has is made of */
  readonly sources: ReadonlyMap<string, WeightSource>
}

/** What is needed of a model. */
export type FittedModel = Pick<ElaboratedModel, "published"> & {
  readonly graph: { readonly parameters: readonly Pick<Parameter, "name" | "role" | "dtype" | "shape">[] }
}

/** The parameters and state of a model, without its constants. */
export function wantedOf<P extends Pick<Parameter, "role">>(parameters: readonly P[]): readonly P[] {
  return parameters.filter(({ role }) => role !== "const")
}

/**
 * Compares a file with a model.
 *
 * @throws UserError when the file has the published names of one thing in two places
 */
export function fitWeights({ weights }: Pick<WeightsFile, "weights">, { graph, published }: FittedModel): WeightsFit {
  const constants = new Set(graph.parameters.filter(({ role }) => role === "const").map(({ name }) => name))
  const stored = new Map(weights.filter(({ name }) => !constants.has(name)).map((weight) => [weight.name, weight]))
  const wanted = wantedOf(graph.parameters)
  const sources = new Map<string, WeightSource>(
    wanted.filter(({ name }) => stored.has(name)).map(({ name }) => [name, { kind: "stored", name }]),
  )
  const { schemes, sources: others } = fitPublished(published, new Set(stored.keys()), new Set(sources.keys()))
  for (const [name, source] of others) sources.set(name, source)

  const problems = new Map<string, string>()
  const made = new Map<string, TensorOutline>()
  for (const [name, source] of sources) {
    const outline = outlineOf(name, source, stored)
    if (typeof outline === "string") problems.set(name, outline)
    else made.set(name, outline)
  }
  const whole = wanted.filter(({ name }) => !problems.has(name))
  const { misshaped, fits, missing } = fitTensors([...made.values()], whole)
  for (const name of misshaped) {
    problems.set(name, storedText(name, made.get(name)!, sources.get(name)!, stored))
  }
  const used = new Set([...sources.values()].flatMap(storedNames))
  return {
    fits,
    missing,
    extra: [...stored.keys()].filter((name) => !used.has(name)),
    misshaped: wanted.flatMap((parameter): Misshaped[] => {
      const file = problems.get(parameter.name)
      return file === undefined ? [] : [{ name: parameter.name, file, model: tensorType(parameter) }]
    }),
    schemes,
    sources,
  }
}

/** Type and shape of what a source gives, or a sentence about what does not fit. */
function outlineOf(
  name: string,
  source: WeightSource,
  stored: ReadonlyMap<string, StoredWeight>,
): TensorOutline | string {
  const names = storedNames(source)
  const shape = sourceShape(source, (part) => stored.get(part)!.shape)
  if (typeof shape === "string") return `${shape} (of ${names.join(" and ")})`
  const types = new Set(names.map((part) => stored.get(part)!.dtype))
  const [dtype] = types
  if (types.size > 1) return `of several types (of ${names.join(" and ")})`
  return dtype === undefined ? storedText(name, { shape }, source, stored) : { name, dtype, shape }
}

/** `f32[768, 512]`, with the name in the file where it is another one. */
function storedText(
  name: string,
  { shape }: Pick<TensorOutline, "shape">,
  source: WeightSource,
  stored: ReadonlyMap<string, StoredWeight>,
): string {
  const names = storedNames(source)
  const type = `${stored.get(names[0]!)!.type}[${shape.join(", ")}]`
  return names.length === 1 && names[0] === name ? type : `${type} (of ${names.join(" and ")})`
}

/** One line for each tensor of another shape. */
export function misshapedLines(misshaped: readonly Misshaped[]): readonly string[] {
  return misshaped.map(({ name, file, model }) => `${name} is ${file} in the file and ${model} in the model`)
}
