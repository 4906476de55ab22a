/**
 * What a weights file holds, and what of it a model could use.
 *
 * Takes a file and maybe a model; gives plain data. Reads the header only, so that a file of gigabytes is told at once.
 */

import { tensorType } from "../../compiler/diff/tensor-fit.js"
import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { sizeOf } from "../../compiler/ops/ndarray.js"
import type { TensorEntry } from "../runs/safetensors.js"
import { fitWeights, type Misshaped, wantedOf } from "./fit.js"
import { openWeights } from "./weights-file.js"

export interface WeightsReport {
  /** path of the safetensors file; of a run, its best checkpoint */
  readonly file: string
  readonly metadata: Readonly<Record<string, string>>
  /** parameters and state */
  readonly tensors: readonly StoredTensor[]
  /** of a checkpoint: the optimiser's moments, averages, the step and the like */
  readonly training: readonly StoredTensor[]
  readonly totals: { readonly tensors: number; readonly values: number; readonly bytes: number }
  /** null without --model */
  readonly model: ModelFit | null
}

export interface StoredTensor {
  readonly name: string
  /** `f32[8, 3]` */
  readonly type: string
  readonly bytes: number
}

export interface ModelFit {
  readonly variant: string
  /** whether the file has everything that the model needs, in the right shape */
  readonly complete: boolean
  readonly sections: readonly SectionFit[]
  /** in the file only */
  readonly leftOver: readonly string[]
}

export interface SectionFit {
  /** "" for what is outside of any section */
  readonly section: string
  /** how many tensors fit */
  readonly fits: number
  readonly missing: readonly string[]
  readonly misshaped: readonly Misshaped[]
}

/** Describes a file. @throws UserError as `openWeights` */
export async function inspectWeights(text: string, model: ElaboratedModel | undefined): Promise<WeightsReport> {
  const file = await openWeights(text)
  const { weights, training } = file
  return {
    file: file.path,
    metadata: Object.fromEntries(file.metadata),
    tensors: weights.map(stored),
    training: training.map(stored),
    totals: {
      tensors: weights.length,
      values: weights.reduce((total, { shape }) => total + sizeOf(shape), 0),
      bytes: weights.reduce((total, { start, end }) => total + end - start, 0),
    },
    model: model ? modelFit(file, model) : null,
  }
}

function stored(entry: TensorEntry): StoredTensor {
  return { name: entry.name, type: tensorType(entry), bytes: entry.end - entry.start }
}

function modelFit(file: { readonly weights: readonly TensorEntry[] }, model: ElaboratedModel): ModelFit {
  const { parameters } = model.graph
  const { fits, missing, misshaped, extra } = fitWeights(file, parameters)
  const sectionOf = new Map(wantedOf(parameters).map(({ name, section }) => [name, section] as const))
  return {
    variant: model.variant,
    complete: missing.length === 0 && misshaped.length === 0,
    sections: [...new Set(sectionOf.values())].map((section) => {
      const isHere = (name: string): boolean => sectionOf.get(name) === section
      return {
        section,
        fits: fits.filter(isHere).length,
        missing: missing.filter(isHere),
        misshaped: misshaped.filter(({ name }) => isHere(name)),
      }
    }),
    leftOver: extra,
  }
}
