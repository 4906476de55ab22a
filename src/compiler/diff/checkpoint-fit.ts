/**
 * What of a checkpoint of one model another can load, tensor by tensor.
 *
 * Takes the parameters of both and what was renamed; gives which tensors fit by name, as `mdl train --weights` loads
 * them, and which would fit if they were not called otherwise.
 */

import type { Parameter } from "../ir/graph.js"
import { type Rename, renamePath } from "./patch.js"
import { fitTensors, tensorType } from "./tensor-fit.js"

export interface CheckpointFit {
  readonly fits: number
  readonly missing: readonly string[]
  readonly extra: readonly string[]
  readonly misshaped: readonly string[]
  /** all of the second model in its order, then those that only the first has */
  readonly tensors: readonly CheckpointTensor[]
}

export interface CheckpointTensor {
  readonly name: string
  /** `renamed`: missing by its name, and the same tensor is there as `was` */
  readonly state: "fits" | "misshaped" | "renamed" | "missing" | "extra"
  readonly was?: string
  /** type and shape in the checkpoint, and those that are wanted */
  readonly before?: string
  readonly after?: string
}

export function checkpointFit(
  stored: readonly Parameter[],
  wanted: readonly Parameter[],
  renames: readonly Rename[],
): CheckpointFit {
  const { fits, ...others } = fitTensors(stored, wanted)
  const old = new Map(stored.map((tensor) => [tensor.name, tensorType(tensor)] as const))
  const fitting = new Set(fits)
  const newName = renamer(renames)
  const oldNames = new Map(stored.map(({ name }) => [newName(name), name] as const))
  const tensors = wanted.map((tensor): CheckpointTensor => {
    const { name } = tensor
    const after = tensorType(tensor)
    const before = old.get(name)
    if (before !== undefined) return { name, state: fitting.has(name) ? "fits" : "misshaped", before, after }
    const was = oldNames.get(name)
    if (was === undefined || old.get(was) !== after) return { name, state: "missing", after }
    return { name, state: "renamed", was, before: old.get(was)!, after }
  })
  const extra = others.extra.map((name): CheckpointTensor => ({ name, state: "extra", before: old.get(name)! }))
  return { fits: fits.length, ...others, tensors: [...tensors, ...extra] }
}

/** What a path is called after all renames. */
export function renamer(renames: readonly Rename[]): (path: string) => string {
  const paths = renames.filter(({ table }) => table === "paths")
  return (path) => paths.reduce(renamePath, path)
}
