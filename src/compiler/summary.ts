/**
 * What a model is made of, in numbers: the data behind `mdl summary` and the "before and after" of `mdl diff`.
 *
 * Takes an elaborated model; gives parameters, multiply-accumulates and activation memory, in total and by section. The
 * convention for MACs is that of the usual profilers: convolutions and matrix products, one image, nothing else.
 */

import type { ElaboratedModel } from "./elaborate/model.js"
import { formatType } from "./elaborate/values.js"
import { neededNodes, type Graph, type GraphNode } from "./ir/graph.js"
import { sizeOf } from "./ops/ndarray.js"
import { opDefinition } from "./ops/registry.js"
import { peakBytes, withBatch } from "./passes/memory-estimate.js"
import { optimise } from "./passes/pipelines.js"
import { namedValues, predictProgram, trainProgram, type ModelProgram } from "./passes/programs.js"
import { concreteType } from "./targets/reference/interpret.js"

export interface ParameterCount {
  readonly total: number
  readonly trainable: number
  readonly frozen: number
  /** normalisation statistics and the like: kept between steps, never learned; not part of the total */
  readonly state: number
  /** elements of constants from files; not part of the total */
  readonly constant: number
}

export interface SectionSummary {
  readonly name: string
  readonly role: string
  readonly frozen: boolean
  readonly parameters: ParameterCount
  /** of the inference program at batch 1; 0 for sections that exist in training only */
  readonly macs: number
  /** true when nothing of it is left in the inference program */
  readonly trainingOnly: boolean
  readonly values: readonly { readonly name: string; readonly type: string }[]
}

export interface ModelSummary {
  readonly model: string
  readonly variant: string
  readonly sizes: Readonly<Record<string, number>>
  readonly inputs: readonly { readonly name: string; readonly type: string }[]
  readonly outputs: readonly { readonly name: string; readonly type: string }[]
  readonly losses: readonly string[]
  readonly parameters: ParameterCount
  readonly macs: { readonly inference: number; readonly training: number }
  /** bytes of all values that a pass over one image makes, in f32 */
  readonly activations: { readonly inference: number; readonly training: number }
  /** bytes of the values that are there at once, at the worst moment of a pass over one image, as estimated */
  readonly peak: { readonly inference: number; readonly training: number }
  readonly nodes: { readonly inference: number; readonly training: number }
  readonly sections: readonly SectionSummary[]
}

/** Sizes and costs of `model`, everything at batch 1. */
export function summarise(model: ElaboratedModel): ModelSummary {
  const { graph } = model
  const predict = predictProgram(model).graph
  const inference = measure(
    predict,
    predict.outputs.map((o) => o.value),
  )
  const training = graph.losses.length > 0 ? trainingMeasure(model) : inference
  const names = ["", ...model.sections.map((s) => s.name)]
  const describe = (name: string, role: string, frozen: boolean): SectionSummary => {
    const own = inference.nodes.filter((node) => node.origin.section === name)
    return {
      name,
      role,
      frozen,
      parameters: countParameters(graph, (section) => section === name),
      macs: inference.macsOf(own),
      trainingOnly: own.length === 0,
      values: model.lets.filter((l) => l.section === name).map((l) => ({ name: l.name, type: formatType(l.type) })),
    }
  }
  const sections = model.sections.map((s) => describe(s.name, s.role, s.frozen))
  const outside = describe("", "", false)
  return {
    model: model.name,
    variant: model.variant,
    sizes: Object.fromEntries(graph.sizes),
    inputs: graph.inputs.map(({ name, value }) => ({ name, type: formatType(graph.values[value]!.type) })),
    outputs: graph.outputs.map(({ name, value }) => ({ name, type: formatType(graph.values[value]!.type) })),
    losses: graph.losses.map((l) => l.name),
    parameters: countParameters(graph, (section) => names.includes(section)),
    macs: { inference: inference.macs, training: training.macs },
    activations: { inference: inference.bytes, training: training.bytes },
    peak: peaks(model),
    nodes: { inference: inference.nodes.length, training: training.nodes.length },
    sections:
      outside.parameters.total + outside.parameters.constant + outside.macs > 0 ? [...sections, outside] : sections,
  }
}

/** What a part of a model costs: learned values, and multiply-accumulates for one image. */
export interface PartCost {
  readonly parameters: number
  /** 0 for what exists in training only */
  readonly macs: number
}

/** Costs of sections, and of single statements by their dotted name, without what the whole summary takes. */
export function costsByName(model: ElaboratedModel): (section: string, part?: string) => PartCost {
  const predict = predictProgram(model).graph
  const { nodes, macsOf } = measure(
    predict,
    predict.outputs.map((o) => o.value),
  )
  const isIn = (name: string, part: string | undefined): boolean =>
    part === undefined || name === part || name.startsWith(`${part}.`)
  return (section, part) => ({
    parameters: model.graph.parameters
      .filter((p) => p.role === "param" && p.section === section && isIn(p.name, part))
      .reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    macs: macsOf(nodes.filter(({ origin }) => origin.section === section && isIn(origin.scope, part))),
  })
}

/** Of the programs as they run: cleaned up, one image at a time. What `--memory` limits is the second. */
function peaks(model: ElaboratedModel): ModelSummary["peak"] {
  const peakOf = (program: ModelProgram): number =>
    peakBytes({ graph: program.graph, results: namedValues(program) }, withBatch(program.graph, 1))
  const inference = peakOf(optimise("prediction", predictProgram(model)).program)
  const trained = model.graph.losses.length > 0
  return { inference, training: trained ? peakOf(optimise("training", trainProgram(model)).program) : inference }
}

function countParameters(graph: Graph, belongs: (section: string) => boolean): ParameterCount {
  const count = { total: 0, trainable: 0, frozen: 0, state: 0, constant: 0 }
  for (const parameter of graph.parameters) {
    if (!belongs(parameter.section)) continue
    const size = sizeOf(parameter.shape)
    if (parameter.role !== "param") {
      count[parameter.role === "state" ? "state" : "constant"] += size
      continue
    }
    count.total += size
    if (parameter.frozen) count.frozen += size
    else count.trainable += size
  }
  return count
}

/** The multiply-accumulates of a node, for one image. */
export function nodeMacs(graph: Graph): (node: GraphNode) => number {
  const typesOf = typesAtOne(graph)
  return ({ op, inputs, outputs, attributes }) =>
    opDefinition(op).cost(typesOf(inputs), typesOf(outputs), attributes).macs
}

/** The types of values, for one image. */
function typesAtOne({ values, sizes }: Graph) {
  const atOne = new Map(sizes).set("N", 1)
  return (some: readonly number[]) => some.map((value) => concreteType(values[value]!.type, atOne))
}

interface Measure {
  readonly nodes: readonly GraphNode[]
  readonly macs: number
  readonly bytes: number
  macsOf(nodes: readonly GraphNode[]): number
}

function measure(graph: Graph, wanted: readonly number[]): Measure {
  const live = neededNodes(graph, wanted)
  const nodes = graph.nodes.filter((node) => live.has(node.id))
  const typesOf = typesAtOne(graph)
  const macs = nodeMacs(graph)
  const macsOf = (some: readonly GraphNode[]): number => some.reduce((sum, node) => sum + macs(node), 0)
  const bytes = nodes
    .flatMap((node) => typesOf(node.outputs))
    .reduce((sum, type) => sum + sizeOf(type.shape) * (type.dtype === "bool" ? 1 : 4), 0)
  return { nodes, macs: macsOf(nodes), bytes, macsOf }
}

function trainingMeasure(model: ElaboratedModel): Measure {
  const { graph, total, gradients, updates } = trainProgram(model)
  return measure(graph, [total, ...gradients.map((g) => g.value), ...updates.map((u) => u.value)])
}
