/**
 * Frozen hoisting: what depends on notes and frozen parameters alone is computed once for each note, not at each step.
 *
 * Takes a training program and the names of its text inputs; gives two programs: `encode`, from notes to the values that
 * the rest needs, and the rest, which takes those values as inputs. The runtime keeps what `encode` gave for each distinct
 * note, so a frozen text encoder costs nothing after the first epoch.
 *
 * That is sound only for values whose rows belong to one note each, because notes meet in other batches later. A value is
 * taken when the batch is its first axis and in no other, nothing random is in it, and no operation on the way looks along
 * that axis. What a text encoder does is all of that kind; where something is not, the cut is made before it.
 */

import { equal, symbol, symbolsOf } from "../ir/dims.js"
import { typeOf, type Graph, type GraphNode, type ValueId } from "../ir/graph.js"
import { opDefinition } from "../ops/registry.js"
import { integersAttribute, normalAxis, numberAttribute } from "../ops/shapes.js"
import { namedValues, withValues, type TrainingProgram } from "./programs.js"
import { rewriteGraph } from "./rewrite.js"

export interface FrozenSplit {
  readonly encode: {
    readonly graph: Graph
    /** named like the inputs of `rest` that take them */
    readonly outputs: readonly { readonly name: string; readonly value: ValueId }[]
  }
  readonly rest: { readonly graph: Graph; readonly results: readonly ValueId[] }
}

/** Prefix of the inputs that take what was encoded. A text cannot name an input so. */
export const ENCODED_PREFIX = "encoded/"

/**
 * Splits a training program; as it was when there is nothing to split off.
 *
 * @param textInputs names of graph inputs that hold notes
 */
export function hoistFrozen(
  program: TrainingProgram,
  textInputs: ReadonlySet<string>,
): { readonly encode: FrozenSplit["encode"] | undefined; readonly train: TrainingProgram } {
  const split = splitFrozen(program.graph, namedValues(program), textInputs)
  if (!split) return { encode: undefined, train: program }
  return { encode: split.encode, train: withValues(program, split.rest.graph, split.rest.results) }
}

const BATCH = symbol("N")

/** What a value is made of, as far as the split asks. */
type Source =
  /** constants and frozen parameters; may be computed in either program */
  | "fixed"
  /** notes, without parameters: masks and lengths, not worth keeping */
  | "text"
  /** notes and frozen parameters */
  | "encoded"
  /** anything else */
  | "free"

/**
 * Splits what depends on `textInputs` and frozen parameters off a program.
 *
 * @param results what is wanted of the program, by id
 * @returns undefined when there is nothing to split off
 */
export function splitFrozen(
  graph: Graph,
  results: readonly ValueId[],
  textInputs: ReadonlySet<string>,
): FrozenSplit | undefined {
  const sources = sourcesOf(graph, textInputs)
  const cut = cutValues(graph, results, sources)
  if (cut.length === 0) return undefined
  const names = cut.map((value) => nameOf(graph, value))
  const unique = names.map((name, index) => {
    const before = names.slice(0, index).filter((other) => other === name).length
    return before === 0 ? name : `${name}#${before + 1}`
  })

  const encoding = rewriteGraph(graph, cut)
  const outputs = cut.map((value, index) => {
    const name = unique[index]!
    encoding.builder.output(name, encoding.map(value))
    return { name, value: encoding.map(value) }
  })
  const known = new Map(cut.map((value, index) => [value, unique[index]!]))
  const fed = rewriteGraph(graph, results, (node, inputs, builder) => {
    if (!node.outputs.some((value) => known.has(value))) return undefined
    const types = node.outputs.map((value) => typeOf(graph, value))
    return builder.append(node.op, inputs, node.attributes, types).map((copy, index) => {
      const name = known.get(node.outputs[index]!)
      return name === undefined ? copy : builder.input(name, types[index]!, "input")
    })
  })
  // What made the encoded values is still there, and nothing asks for it any more.
  const wanted = results.map(fed.map)
  const rest = rewriteGraph(fed.builder.finish(), wanted)
  return {
    encode: { graph: encoding.builder.finish(), outputs },
    rest: { graph: rest.builder.finish(), results: wanted.map(rest.map) },
  }
}

function sourcesOf(graph: Graph, textInputs: ReadonlySet<string>): ReadonlyMap<ValueId, Source> {
  const sources = new Map<ValueId, Source>()
  for (const { name, value } of graph.inputs) sources.set(value, textInputs.has(name) ? "text" : "free")
  for (const { value, frozen } of graph.parameters) sources.set(value, frozen ? "fixed" : "free")
  const hasParameter = new Set(graph.parameters.filter((p) => p.frozen).map((p) => p.value))
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => sources.get(value)!)
    const weighted = node.inputs.some((value) => hasParameter.has(value))
    const source = sourceOf(graph, node, inputs, weighted)
    for (const value of node.outputs) {
      sources.set(value, source)
      if (weighted) hasParameter.add(value)
    }
  }
  return sources
}

function sourceOf(graph: Graph, node: GraphNode, inputs: readonly Source[], weighted: boolean): Source {
  if (inputs.includes("free") || "key" in opDefinition(node.op).attributes) return "free"
  if (!inputs.includes("text") && !inputs.includes("encoded")) return "fixed"
  const isText = (index: number): boolean => inputs[index] === "text" || inputs[index] === "encoded"
  const perNote =
    node.inputs.every((value, index) => !isText(index) || isPerRow(graph, value)) &&
    node.outputs.every((value) => isPerRow(graph, value)) &&
    keepsRows(graph, node, isText)
  if (!perNote) return "free"
  return weighted || inputs.includes("encoded") ? "encoded" : "text"
}

/** Whether the batch is the first axis and occurs in no other. */
function isPerRow(graph: Graph, value: ValueId): boolean {
  const [first, ...others] = typeOf(graph, value).shape
  return first !== undefined && equal(first, BATCH) && others.every((dim) => !symbolsOf(dim).includes("N"))
}

/** Whether no row of a result depends on another row of an operand that has notes along its first axis. */
function keepsRows(graph: Graph, node: GraphNode, isText: (index: number) => boolean): boolean {
  const rank = typeOf(graph, node.inputs[0]!).shape.length
  const { attributes } = opDefinition(node.op)
  if (node.op === "transpose") return normalAxis(integersAttribute(node.attributes, "perm")[0]!, rank) === 0
  return Object.entries(attributes).every(([name, { type }]) => {
    // An axis of operands without notes, such as the table of an embedding, is free.
    if (!isText(0)) return true
    if (type === "axis") return normalAxis(numberAttribute(node.attributes, name), rank) !== 0
    if (type !== "axes") return true
    const axes = integersAttribute(node.attributes, name)
    return axes.length > 0 && axes.every((axis) => normalAxis(axis, rank) !== 0)
  })
}

/** The encoded values that something else than encoding needs, in order, moved back over mere relabelling. */
function cutValues(graph: Graph, results: readonly ValueId[], sources: ReadonlyMap<ValueId, Source>): ValueId[] {
  const cut = new Set<ValueId>()
  const add = (value: ValueId): void => {
    if (sources.get(value) !== "encoded") return
    const producer = graph.nodes[graph.values[value]!.node]!
    const isRelabelled = producer.op === "reshape" || producer.op === "transpose"
    const operand = producer.inputs[0]!
    if (isRelabelled && sources.get(operand) === "encoded") add(operand)
    else cut.add(value)
  }
  results.forEach(add)
  for (const node of graph.nodes) {
    if (node.outputs.some((value) => sources.get(value) === "free")) node.inputs.forEach(add)
  }
  return [...cut].sort((a, b) => a - b)
}

function nameOf(graph: Graph, value: ValueId): string {
  const { scope } = graph.nodes[graph.values[value]!.node]!.origin
  return `${ENCODED_PREFIX}${scope}`
}
