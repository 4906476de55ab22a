/**
 * What a pass is, and how passes are put in a row.
 *
 * A pass takes a program and gives one that computes the same results. Its record says which properties it needs, which
 * hold afterwards, and which may be lost; every other property is kept. So a list of passes can be checked before
 * anything runs, and in tests every property that should hold after a pass is verified on the graph itself
 * (`properties.ts`). The habit is that of onnx/ir-py; the passes are put together in `pipelines.ts`.
 */

import type { Sizes } from "../ir/dims.js"
import type { Graph, ValueId } from "../ir/graph.js"
import type { Permutation } from "./permutations.js"

/** Everything that can be known of a graph between two passes; each has a verifier in `properties.ts`. */
export const PROPERTIES = [
  "typed",
  "constants folded",
  "simplified",
  "no repeated expressions",
  "no dead nodes",
  "no foldable batch norms",
  "only gradients wait",
  "precision assigned",
  "storage assigned",
] as const

export type Property = (typeof PROPERTIES)[number]

/** A graph and what is wanted of it, by id: outputs, losses, gradients, new statistics. */
export interface Program {
  readonly graph: Graph
  readonly results: readonly ValueId[]
}

export interface PassOptions {
  /** `exact`: results keep every bit (a zero may change its sign); `free`: they may round differently in the last place */
  readonly rounding: "exact" | "free"
  /** symbols whose sizes are not to be relied on, because the program will run at others: nothing that has them is folded */
  readonly open?: readonly string[]
  /** for the layout pass: how parameters are stored, and each result (undefined: in the language's order) */
  readonly layout?: {
    readonly storage: ReadonlyMap<string, Permutation>
    readonly results: readonly (Permutation | undefined)[]
  }
  /** for the precision pass, absent for f32: the sizes of all symbols, the batch included */
  readonly precision?: { readonly sizes: Sizes }
  /** for rematerialisation: the batch, the most bytes that may be alive at once, and which results are gradients */
  readonly memory?: { readonly batch: number; readonly limit: number; readonly gradients: ReadonlySet<number> }
}

export interface PassResult {
  readonly program: Program
  /** what the pass has to tell, e.g. how many transposes are left */
  readonly counts?: Readonly<Record<string, number>>
}

export interface Pass {
  readonly name: string
  /** one sentence for the table in docs/architecture.md */
  readonly doc: string
  readonly requires: readonly Property[]
  readonly ensures: readonly Property[]
  /** what may no longer hold; everything else that held still does */
  readonly destroys: readonly Property[]
  run(program: Program, options: PassOptions): PassResult
}

/** What one pass did. */
export interface PassStep {
  readonly pass: string
  readonly nodesBefore: number
  readonly nodesAfter: number
  readonly counts: Readonly<Record<string, number>>
}

export interface PipelineResult {
  readonly program: Program
  readonly steps: readonly PassStep[]
  /** what holds at the end */
  readonly properties: ReadonlySet<Property>
}

/** Passes in an order in which one of them cannot run: a mistake in `pipelines.ts`. */
export class PipelineError extends Error {
  override readonly name = "PipelineError"
}

/**
 * What holds after each of `passes`, when `given` holds before the first.
 *
 * @throws PipelineError naming the pass and what it lacks
 */
export function propertiesAfter(passes: readonly Pass[], given: readonly Property[]): readonly ReadonlySet<Property>[] {
  let holding: ReadonlySet<Property> = new Set(given)
  return passes.map((pass, index) => {
    const missing = pass.requires.filter((property) => !holding.has(property))
    if (missing.length > 0) {
      const before = passes.slice(0, index).map((p) => p.name)
      throw new PipelineError(
        `the pass "${pass.name}" requires "${missing.join('", "')}", which does not hold ` +
          (before.length === 0 ? "at the start" : `after ${before.map((name) => `"${name}"`).join(", ")}`),
      )
    }
    holding = new Set([...[...holding].filter((property) => !pass.destroys.includes(property)), ...pass.ensures])
    return holding
  })
}

/**
 * Runs `passes` in order.
 *
 * @param given what holds of `program`
 * @param inspect called after each pass with everything that should hold; tests verify it there
 * @throws PipelineError when the order is wrong, before any pass has run
 */
export function runPasses(
  passes: readonly Pass[],
  program: Program,
  options: PassOptions,
  given: readonly Property[] = ["typed"],
  inspect?: (pass: Pass, program: Program, properties: ReadonlySet<Property>) => void,
): PipelineResult {
  const properties = propertiesAfter(passes, given)
  let current = program
  const steps = passes.map((pass, index): PassStep => {
    const nodesBefore = current.graph.nodes.length
    const { program: next, counts = {} } = pass.run(current, options)
    current = next
    inspect?.(pass, current, properties[index]!)
    return { pass: pass.name, nodesBefore, nodesAfter: current.graph.nodes.length, counts }
  })
  return { program: current, steps, properties: properties.at(-1) ?? new Set(given) }
}
