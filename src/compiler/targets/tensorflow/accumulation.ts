/**
 * Gradients that are summed over several batches before they are used.
 *
 * Takes the gradients of a batch; gives the signatures
 * - `gradients`: a batch in, its losses out; its gradients are added to the sums. Normalisation statistics move.
 * - `apply`: one optimiser step with the mean of what was summed; the sums are cleared.
 * - `read_gradients`, `write_gradients`: the sums and how many batches are in them, in the language's layout. Whoever trains
 *   on several machines adds the sums and the counts of all of them between `gradients` and `apply`.
 *
 * The sums are no part of `read` and `write`: between two steps they are zero, and a checkpoint need not hold zeros. `init`
 * and `write` clear them. The nodes that compute gradients are those of `train_step`, so the program is hardly larger.
 */

import type { GraphDefBuilder } from "./graphdef.js"
import type { Signature } from "./signatures.js"
import { cast, clearingNodes, readSignature, type Variable, type VariableTable, writeSignature } from "./variables.js"

/** Name of the variable that counts the batches in the sums; int64. */
export const GRADIENT_COUNT = "gradient_count"

/** Name of the variable that holds the summed gradient of parameter `name`. */
export function sumName(name: string): string {
  return `gradient/${name}`
}

const INT64 = { T: { type: "DT_INT64" } } as const
const F32 = { T: { type: "DT_FLOAT" } } as const

/** Declares the sums for `parameters` and their count. */
export function declareSums(table: VariableTable, parameters: readonly Variable[]): void {
  table.declareTransient(GRADIENT_COUNT, "DT_INT64", [])
  for (const { name, shape, storage } of parameters) table.declareTransient(sumName(name), "DT_FLOAT", shape, storage)
}

/**
 * The step number that random ops see. Batches of one step must not share their masks, so the number of those that went
 * before stands in its upper half; with none before it is the plain number, as without accumulation.
 *
 * @param count of the batches before; int64
 */
export function randomStep(builder: GraphDefBuilder, step: string, count: string, program: string): string {
  const scope = `${program}/random_step`
  const upper = builder.node("Mul", scope, [count, builder.constant("DT_INT64", [], [2 ** 32])], INT64)
  return builder.node("AddV2", scope, [step, upper], INT64)
}

/** Appends the adding; gives the adding nodes and the new count (int64). @param before the count so far */
export function addToSums(
  builder: GraphDefBuilder,
  table: VariableTable,
  gradients: readonly { readonly parameter: Variable; readonly gradient: string }[],
  before: string,
  program: string,
): { readonly done: readonly string[]; readonly count: string } {
  const counter = table.get(GRADIENT_COUNT)
  const count = builder.node("AddV2", program, [before, builder.constant("DT_INT64", [], [1])], INT64)
  const added = gradients.map(({ parameter, gradient }) =>
    builder.named(
      "AssignAddVariableOp",
      `${program}/add/${parameter.name}`,
      [table.get(sumName(parameter.name)).handle, gradient],
      { dtype: { type: "DT_FLOAT" } },
    ),
  )
  return { done: [...added, table.assign(counter, count, program)], count }
}

/** What `apply` starts from: the mean gradients, and how to clear the sums once they have been read. */
export interface MeanGradients {
  readonly gradients: ReadonlyMap<string, string>
  /** int64 */
  readonly count: string
  readonly clear: () => readonly string[]
}

export function meanGradients(
  builder: GraphDefBuilder,
  table: VariableTable,
  parameters: readonly Variable[],
  program: string,
): MeanGradients {
  const count = table.read(table.get(GRADIENT_COUNT), program)
  const divisor = cast(builder, program, count, "DT_INT64", "DT_FLOAT")
  const sums = parameters.map(({ name }) => table.read(table.get(sumName(name)), program))
  const gradients = new Map(
    parameters.map(({ name }, index) => [
      name,
      builder.node("RealDiv", `${program}/mean`, [sums[index]!, divisor], F32),
    ]),
  )
  return { gradients, count, clear: () => clearingNodes(builder, table, program, [count, ...sums]) }
}

/** The signatures `read_gradients` and `write_gradients`. */
export function sumSignatures(builder: GraphDefBuilder, table: VariableTable): ReadonlyMap<string, Signature> {
  const sums = table.all().filter((variable) => variable.transient)
  return new Map([
    ["read_gradients", readSignature(builder, table, "read_gradients", sums)],
    ["write_gradients", writeSignature(builder, table, "write_gradients", sums)],
  ])
}
