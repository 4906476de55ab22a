/**
 * How the tensors of a file fit a model.
 *
 * Takes a weights file and the parameters of a model; gives what fits, what is missing, left over, or of another shape.
 * Constants are not asked for: their values belong to the model's text. The comparison is that of `mdl diff`.
 */

import { fitTensors, type TensorFit, type TensorOutline, tensorType } from "../../compiler/diff/tensor-fit.js"
import type { Parameter } from "../../compiler/ir/graph.js"
import type { WeightsFile } from "./weights-file.js"

/** A tensor that is in both, but not alike; types as `f32[8, 3]`. */
export interface Misshaped {
  readonly name: string
  readonly file: string
  readonly model: string
}

export interface WeightsFit extends Omit<TensorFit, "misshaped"> {
  readonly misshaped: readonly Misshaped[]
}

/** The parameters and state of a model, without its constants. */
export function wantedOf<P extends Pick<Parameter, "role">>(parameters: readonly P[]): readonly P[] {
  return parameters.filter(({ role }) => role !== "const")
}

/** Compares a file with a model. */
export function fitWeights(
  { weights }: Pick<WeightsFile, "weights">,
  parameters: readonly (TensorOutline & Pick<Parameter, "role">)[],
): WeightsFit {
  const constants = new Set(parameters.filter(({ role }) => role === "const").map(({ name }) => name))
  const stored = weights.filter(({ name }) => !constants.has(name))
  const wanted = wantedOf(parameters)
  const { misshaped, ...others } = fitTensors(stored, wanted)
  const typeIn = (tensors: readonly TensorOutline[], name: string): string =>
    tensorType(tensors.find((tensor) => tensor.name === name)!)
  return {
    ...others,
    misshaped: misshaped.map((name) => ({ name, file: typeIn(stored, name), model: typeIn(wanted, name) })),
  }
}

/** One line for each tensor of another shape. */
export function misshapedLines(misshaped: readonly Misshaped[]): readonly string[] {
  return misshaped.map(({ name, file, model }) => `${name} is ${file} in the file and ${model} in the model`)
}
