/**
 * Which passes run on which program, in which order.
 *
 * Takes a program of a model (`programs.ts`); gives it cleaned up for its target. A pipeline is a list; that its order is
 * possible is checked when this module is loaded, and `test/compiler/passes` verifies every property after every pass.
 *
 * Training, evaluation and prediction keep every bit of their results, so that whether a pass found something is never
 * seen in a score. The ONNX pipeline may round differently in the last place: its numbers are compared with the
 * trainer's, within a tolerance, when the file is written.
 */

import type { Graph } from "../ir/graph.js"
import { shareCommonSubexpressions } from "./common-subexpressions.js"
import { removeDeadCode } from "./dead-code.js"
import { MemoryLimitError, rematerialise, type MemoryReport } from "./rematerialise.js"
import { foldBatchNorms } from "./fold-batch-norms.js"
import { foldConstants } from "./fold-constants.js"
import { assignStorage, type LayoutRequest } from "./layout.js"
import { runPasses, propertiesAfter, type Pass, type PassOptions, type PipelineResult, type Property } from "./pass.js"
import type { Permutation } from "./permutations.js"
import { namedValues, withValues, type ModelProgram } from "./programs.js"
import { assignPrecision } from "./precision.js"
import { simplify } from "./simplify.js"

export interface Pipeline {
  readonly passes: readonly Pass[]
  /** what must hold before the first pass */
  readonly given: readonly Property[]
  readonly rounding: PassOptions["rounding"]
}

const CLEAN_UP: readonly Pass[] = [foldConstants, simplify, shareCommonSubexpressions]
const CLEAN: readonly Property[] = [...new Set(CLEAN_UP.flatMap((pass) => pass.ensures))]

/** Every pipeline there is, by what it is for. */
export const PIPELINES = {
  /** one step of training: gradients and new statistics included */
  training: { passes: CLEAN_UP, given: ["typed"], rounding: "exact" },
  evaluation: { passes: CLEAN_UP, given: ["typed"], rounding: "exact" },
  prediction: { passes: CLEAN_UP, given: ["typed"], rounding: "exact" },
  /** any of the three, from the language's order of axes to that of TensorFlow's kernels */
  tensorflow: {
    passes: [assignPrecision, assignStorage, shareCommonSubexpressions],
    given: ["typed"],
    rounding: "exact",
  },
  /** a training step that is to fit in memory: what is recomputed is decided on the graph that will run */
  limitedTensorflow: {
    passes: [assignPrecision, removeDeadCode, rematerialise, assignStorage, shareCommonSubexpressions],
    given: ["typed"],
    rounding: "exact",
  },
  /** prediction, with weights that are known */
  onnx: { passes: [removeDeadCode, foldBatchNorms, ...CLEAN_UP], given: ["typed"], rounding: "free" },
} satisfies Record<string, Pipeline>

export type PipelineName = keyof typeof PIPELINES

for (const { passes, given } of Object.values(PIPELINES)) propertiesAfter(passes, given)

/** What holds after the clean-up that all programs go through. */
export const CLEANED: readonly Property[] = ["typed", ...CLEAN]

/** What `pipeline` makes of `program`, and what each pass did. @param open see `PassOptions` */
export function optimise<P extends ModelProgram>(
  pipeline: "training" | "evaluation" | "prediction" | "onnx",
  program: P,
  open: readonly string[] = [],
): { readonly program: P; readonly steps: PipelineResult["steps"] } {
  const { passes, given, rounding } = PIPELINES[pipeline]
  const { program: result, steps } = runPasses(
    passes,
    { graph: program.graph, results: namedValues(program) },
    { rounding, open },
    given,
  )
  return { program: withValues(program, result.graph, result.results), steps }
}

/** A graph as TensorFlow's kernels want it stored. */
export interface StoredProgram {
  readonly graph: Graph
  /** the new ids of what was requested, in order */
  readonly wanted: readonly number[]
  /** what a translation op by op would have inserted, and what is left */
  readonly transposes: { readonly inserted: number; readonly remaining: number }
  /** what a limit did; absent without one */
  readonly memory?: MemoryReport
}

/**
 * Gives each value of `graph` its storage; only `requests` are kept.
 *
 * @param options absent: f32 throughout, and no limit of memory
 * @throws MemoryLimitError when recomputing does not get below the limit
 */
export function storeForTensorFlow(
  graph: Graph,
  requests: readonly LayoutRequest[],
  storage: ReadonlyMap<string, Permutation>,
  { precision, memory }: Pick<PassOptions, "precision" | "memory"> = {},
): StoredProgram {
  const { passes, given, rounding } = memory ? PIPELINES.limitedTensorflow : PIPELINES.tensorflow
  const layout = { storage, results: requests.map((request) => request.storage) }
  const asked = { graph: { ...graph, outputs: [], losses: [], updates: [] }, results: requests.map((r) => r.value) }
  const { program, steps } = runPasses(
    passes,
    asked,
    { rounding, layout, ...(precision && { precision }), ...(memory && { memory }) },
    given,
  )
  const countsOf = (pass: Pass): Readonly<Record<string, number>> => steps.find((s) => s.pass === pass.name)!.counts
  const { inserted = 0, remaining = 0 } = countsOf(assignStorage)
  const stored = { graph: program.graph, wanted: program.results, transposes: { inserted, remaining } }
  if (!memory) return stored
  const { before = 0, after = 0, recomputed = 0, macs = 0 } = countsOf(rematerialise)
  if (after > memory.limit) throw new MemoryLimitError(memory.limit, after)
  return { ...stored, memory: { limit: memory.limit, before, after, recomputed, macs } }
}
