/**
 * What a weights file holds, and what of it a model could use.
 *
 * Takes a file and maybe a model; gives plain data. Reads the header only, so that a file of gigabytes is told at once.
 */

import type { ElaboratedModel } from "../../compiler/elaborate/model.js"
import { sizeOf } from "../../compiler/ops/ndarray.js"
import type { Parameter } from "../../compiler/ir/graph.js"
import { fitWeights, type Misshaped, wantedOf, type WeightsFit } from "./fit.js"
import type { FoundScheme } from "./published-fit.js"
import { openWeights, type StoredWeight, type WeightsFile } from "./weights-file.js"

export interface WeightsReport {
  /** path of the safetensors file or the index of shards; of a run, its best checkpoint */
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
  /** `f32[8, 3]`, `bf16[8]`: as it is stored */
  readonly type: string
  readonly bytes: number
}

export interface ModelFit {
  readonly variant: string
  /** whether the file has everything that the model needs, in the right shape */
  readonly complete: boolean
  /** whose published names the file has */
  readonly published: readonly FoundScheme[]
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
      bytes: weights.reduce((total, { bytes }) => total + bytes, 0),
    },
    model: model ? modelFit(file, model) : null,
  }
}

function stored({ name, type, shape, bytes }: StoredWeight): StoredTensor {
  return { name, type: `${type}[${shape.join(", ")}]`, bytes }
}

function modelFit(file: Pick<WeightsFile, "weights">, model: ElaboratedModel): ModelFit {
  const fit = fitWeights(file, model)
  return {
    variant: model.variant,
    complete: fit.missing.length === 0 && fit.misshaped.length === 0,
    published: fit.schemes,
    sections: sectionFits(fit, model.graph.parameters),
    leftOver: fit.extra,
  }
}

/** A fit by the sections of a model. */
export function sectionFits(
  { fits, missing, misshaped }: WeightsFit,
  parameters: readonly Pick<Parameter, "name" | "role" | "section">[],
): readonly SectionFit[] {
  const sectionOf = new Map(wantedOf(parameters).map(({ name, section }) => [name, section] as const))
  return [...new Set(sectionOf.values())].map((section) => {
    const isHere = (name: string): boolean => sectionOf.get(name) === section
    return {
      section,
      fits: fits.filter(isHere).length,
      missing: missing.filter(isHere),
      misshaped: misshaped.filter(({ name }) => isHere(name)),
    }
  })
}
