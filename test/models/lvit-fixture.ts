/**
 * LViT as PyTorch computes it, and our model of the same size with the same weights and inputs.
 *
 * Takes test/fixtures/torch-lvit.json; gives its records, the model to compare, its inputs and the values of its parameters.
 * Weights and inputs are made from names (numbers-by-name.ts), so the fixture holds results only. The image is oblong, so
 * that a swap of rows and columns shows.
 */

import { readFileSync } from "node:fs"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { compileText, elaborated } from "../compiler/source-host.js"
import { parameterValue, uniform } from "./numbers-by-name.js"
import type { OutputRecord, RunRecord, TrainingRecord } from "./torch-comparison.js"

interface Fixture {
  readonly sizes: {
    readonly widths: readonly number[]
    readonly H: number
    readonly W: number
    readonly T: number
    readonly E: number
    readonly batch: number
    readonly share: number
  }
  readonly evaluation: RunRecord & { readonly outputs: OutputRecord }
  readonly training: TrainingRecord
  readonly switched: RunRecord
}

export const fixture = JSON.parse(readFileSync("test/fixtures/torch-lvit.json", "utf8")) as Fixture
const { sizes } = fixture

export const BATCH = sizes.batch

const ABLATIONS = `
ablation tiny of LViT {
  set dim = ${sizes.widths.at(-1)!}
  set widths = [${sizes.widths.join(", ")}]
  set H = ${sizes.H}
  set W = ${sizes.W}
  set T = ${sizes.T}
  set E = ${sizes.E}
  set dropout = 0.0
}
ablation switched of tiny {
  set second_gelu = false
  set text_at_all_levels = true
  set balanced = false
  set dice_scale = 1.0
}`

/** The model of the zoo at the fixture's size, as published or with every switch turned around. */
export const compiled = (selector: "tiny" | "switched"): ElaboratedModel =>
  elaborated(compileText(`${readFileSync("models/lvit.mdl", "utf8")}${ABLATIONS}`, { selector }))

/** The inputs of every run, by name. */
export function inputArrays(): Readonly<Record<string, NdArray>> {
  const { batch, T, E, H, W } = sizes
  const mapped = (name: string, shape: readonly number[], rule: (number: number) => number): NdArray => {
    const { data } = uniform(name, [batch, ...shape])
    return { shape: [batch, ...shape], data: data.map(rule) }
  }
  return {
    image: mapped("image", [3, H, W], (number) => number / 2 + 0.5),
    note: mapped("note", [T, E], (number) => number),
    mask: mapped("mask", [1, H, W], (number) => (number > 0.4 ? 1 : 0)),
  }
}

/** The value of a parameter: the usual one, at the fixture's scale. */
export function valueOf(name: string, shape: readonly number[]): NdArray {
  const { data } = parameterValue(name, shape)
  const share = shape.length > 1 ? sizes.share : 1
  return { shape, data: data.map((number) => share * number) }
}
