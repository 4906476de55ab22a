/**
 * Layout: from NCHW, in which the language is defined, to NHWC images and HWIO filters, which TensorFlow's kernels want.
 *
 * Takes a graph (gradients included); gives one whose values have physical shapes, and how each parameter is stored.
 * The pass never wraps an op in transposes to cancel them later. Instead every value has a *storage*, a permutation of
 * its axes, and each node says what it makes of the storages of its operands: an elementwise op keeps them, a reduction
 * renumbers its axes, a transpose of the language only relabels, a reshape keeps what stays contiguous. A transpose is
 * emitted where an op insists on a storage that its operand does not have, and at most once for each value and storage.
 * So there is none between consecutive convolutions, norms, activations, pools and concatenations, nor between an image
 * and its tokens. Filters are stored HWIO, so none is paid per step for them or their gradients.
 */

import type { Graph, ValueId } from "../ir/graph.js"
import { neededNodes, typeOf } from "../ir/graph.js"
import { opDefinition } from "../ops/registry.js"
import { LayoutRewriter } from "./layout-rewriter.js"
import type { Pass } from "./pass.js"
import {
  FILTER_STORAGE,
  identityPermutation,
  IMAGE_STORAGE,
  sameMemoryOrder,
  type Permutation,
} from "./permutations.js"

/** A value that must come out in a given storage. */
export interface LayoutRequest {
  readonly value: ValueId
  /** undefined: the language's own order */
  readonly storage: Permutation | undefined
}

export interface LayoutOptions {
  /** values wanted besides the graph's outputs, losses and updates, e.g. gradients */
  readonly wanted?: readonly LayoutRequest[]
  /** storage of parameters by name, when several programs share them; default `parameterStorage(graph)` */
  readonly storage?: ReadonlyMap<string, Permutation>
}

export interface LayoutResult {
  readonly graph: Graph
  /** how each parameter is stored; undefined: as the language has it */
  readonly storage: ReadonlyMap<string, Permutation | undefined>
  /** the new ids of `options.wanted`, in order */
  readonly wanted: readonly ValueId[]
  readonly transposes: {
    /** what a translation op by op would insert, with those the program itself contains */
    readonly inserted: number
    /** transposes in the rewritten graph */
    readonly remaining: number
  }
}

/** Parameters that some op takes as a convolution filter are stored as filters. */
export function parameterStorage(graph: Graph): ReadonlyMap<string, Permutation> {
  const names = new Map(graph.parameters.map((parameter) => [parameter.value, parameter.name]))
  const storage = new Map<string, Permutation>()
  for (const node of graph.nodes) {
    const { layout } = opDefinition(node.op)
    if (layout.kind !== "spatial") continue
    for (const index of layout.filters ?? []) {
      const value = node.inputs[index]!
      const name = names.get(value)
      if (name !== undefined && typeOf(graph, value).shape.length === 4) storage.set(name, FILTER_STORAGE)
    }
  }
  return storage
}

/** Rewrites `graph`; nodes that nothing asks for are left out. */
export function assignLayouts(graph: Graph, options: LayoutOptions = {}): LayoutResult {
  const storage = options.storage ?? parameterStorage(graph)
  const rewriter = new LayoutRewriter(graph, storage)
  const result = rewriter.run(options.wanted ?? [])
  return {
    ...result,
    storage: new Map(graph.parameters.map((parameter) => [parameter.name, storage.get(parameter.name)])),
    transposes: {
      inserted: transposesOpByOp(graph, options.wanted ?? []),
      remaining: result.graph.nodes.filter((node) => node.op === "transpose").length,
    },
  }
}

export const assignStorage: Pass = {
  name: "layout",
  doc: "Images are stored NHWC and filters HWIO; a transpose stands only where an operation insists on another order.",
  requires: ["typed"],
  ensures: ["storage assigned", "no dead nodes"],
  // A constant in another order, a reshape between two orders: these are made where they are needed.
  destroys: ["typed", "constants folded", "simplified", "no repeated expressions"],
  run: ({ graph, results }, { layout }) => {
    if (!layout) throw new Error("the layout pass must be told how parameters and results are stored")
    const wanted = results.map((value, index) => ({ value, storage: layout.results[index] }))
    const { graph: stored, wanted: moved, transposes } = assignLayouts(graph, { wanted, storage: layout.storage })
    return { program: { graph: stored, results: moved }, counts: transposes }
  },
}

/** Transposes of a translation that wraps each spatial op by itself, and those the program itself contains. */
function transposesOpByOp(graph: Graph, wanted: readonly LayoutRequest[]): number {
  const results = [...graph.outputs, ...graph.losses, ...graph.updates, ...wanted].map((result) => result.value)
  const needed = neededNodes(graph, results)
  const moves = (value: ValueId | undefined, storage: Permutation): boolean => {
    if (value === undefined) return false
    const shape = typeOf(graph, value).shape
    return shape.length === 4 && !sameMemoryOrder(shape, identityPermutation(4), storage, graph.sizes)
  }
  let count = 0
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue
    if (node.op === "transpose") count++
    const { layout } = opDefinition(node.op)
    if (layout.kind !== "spatial") continue
    count += layout.inputs.filter((index) => moves(node.inputs[index], IMAGE_STORAGE)).length
    count += layout.outputs.filter((index) => moves(node.outputs[index], IMAGE_STORAGE)).length
    count += (layout.filters ?? []).filter((index) => moves(node.inputs[index], FILTER_STORAGE)).length
    count += (layout.filterOutputs ?? []).filter((index) => moves(node.outputs[index], FILTER_STORAGE)).length
  }
  return count
}
