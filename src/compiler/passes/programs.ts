/**
 * Programs: the graphs that are run, made from the one graph of a model.
 *
 * Takes an elaborated model; gives
 * - `predict`: from inputs to outputs, as deployed. Sections that only feed losses are gone.
 * - `evaluate`: outputs and losses, in the same form: fixed statistics, no dropout.
 * - `train`: losses with dropout and batch statistics in action, the gradient of their sum by every trainable parameter,
 *   and the new values of normalisation statistics.
 * A frozen section behaves in training as it does in use: nothing in it changes, its statistics included.
 */

import { differentiate } from "../autodiff/reverse.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import type { GraphBuilder } from "../ir/builder.js"
import type { Graph, GraphNode, ValueId } from "../ir/graph.js"
import { numberAttribute, stringAttribute } from "../ops/shapes.js"
import { rewriteGraph, type Rewritten, type RewriteRule } from "./rewrite.js"

export interface NamedValue {
  readonly name: string
  readonly value: ValueId
}

export interface InferenceProgram {
  readonly graph: Graph
  readonly outputs: readonly NamedValue[]
}

export interface EvaluationProgram extends InferenceProgram {
  readonly losses: readonly NamedValue[]
}

export interface TrainingProgram {
  readonly graph: Graph
  readonly losses: readonly NamedValue[]
  /** the sum of the losses, which is what is minimised */
  readonly total: ValueId
  /** trainable parameters that the total depends on, by name */
  readonly gradients: readonly { readonly parameter: string; readonly value: ValueId }[]
  /** new values of state tensors, by name */
  readonly updates: readonly { readonly parameter: string; readonly value: ValueId }[]
}

/** Any of the three. */
export type ModelProgram = InferenceProgram | EvaluationProgram | TrainingProgram

type Source = Pick<ElaboratedModel, "graph" | "sections">

/** What is deployed: outputs from inputs. */
export function predictProgram({ graph }: Source): InferenceProgram {
  const { builder, map } = rewriteGraph(
    graph,
    graph.outputs.map((o) => o.value),
    withoutTrainingOps,
  )
  const outputs = nameOutputs(graph, builder, map)
  return { graph: builder.finish(), outputs }
}

/** Outputs and losses on held-out data. */
export function evaluateProgram({ graph }: Source): EvaluationProgram {
  const wanted = [...graph.outputs, ...graph.losses].map((v) => v.value)
  const { builder, map } = rewriteGraph(graph, wanted, withoutTrainingOps)
  const outputs = nameOutputs(graph, builder, map)
  const losses = nameLosses(graph, builder, map)
  return { graph: builder.finish(), outputs, losses }
}

/**
 * One training step: losses, gradients, new statistics.
 *
 * Made once for each model: checking whether a model can be trained makes the program that is then run.
 *
 * @throws NotDifferentiable when an op without a gradient lies between a loss and a trainable parameter
 */
export function trainProgram(source: Source): TrainingProgram {
  const known = trainPrograms.get(source)
  if (known) return known
  const made = makeTrainProgram(source)
  trainPrograms.set(source, made)
  return made
}

const trainPrograms = new WeakMap<Source, TrainingProgram>()

function makeTrainProgram({ graph, sections }: Source): TrainingProgram {
  const frozen = new Set(sections.filter((s) => s.frozen).map((s) => s.name))
  const byValue = new Map(graph.parameters.map((p) => [p.value, p] as const))
  /** current value of each state tensor; a shared normalisation layer updates its statistics once for each use */
  const statistics = new Map<string, ValueId>()

  const rule: RewriteRule = (node, inputs, builder, map) => {
    const isFrozen = frozen.has(node.origin.section)
    if (node.op === "dropout") return [isFrozen ? inputs[0]! : expandDropout(node, inputs[0]!, builder)]
    if (node.op !== "batch_norm" || isFrozen) return undefined
    const [mean, variance] = [byValue.get(node.inputs[3]!), byValue.get(node.inputs[4]!)]
    if (!mean || !variance || mean.frozen) return undefined
    const [x, gain, bias] = inputs as [ValueId, ValueId, ValueId]
    const [y, batchMean, batchVariance] = builder.all("batch_norm_training", [x, gain, bias], {
      epsilon: node.attributes["epsilon"]!,
    })
    const momentum = numberAttribute(node.attributes, "momentum")
    for (const [state, batch] of [
      [mean, batchMean!],
      [variance, batchVariance!],
    ] as const) {
      const current = statistics.get(state.name) ?? map(state.value)
      const kept = builder.op("mul", [current, builder.scalar(1 - momentum)])
      statistics.set(state.name, builder.op("add", [kept, builder.op("mul", [batch, builder.scalar(momentum)])]))
    }
    return [y!]
  }

  const wanted = graph.losses.map((l) => l.value)
  const { builder, map } = rewriteGraph(graph, wanted, rule)
  const losses = nameLosses(graph, builder, map)
  const total = losses.map((l) => l.value).reduce((a, b) => builder.op("add", [a, b]))
  const trainable = graph.parameters.filter((p) => p.role === "param" && !p.frozen)
  const found = differentiate(
    builder,
    total,
    trainable.map((p) => map(p.value)),
  )
  const gradients = trainable.flatMap(({ name }, i) => {
    const value = found[i]
    return value === undefined ? [] : [{ parameter: name, value }]
  })
  const updates = [...statistics].map(([parameter, value]) => ({ parameter, value }))
  return { graph: builder.finish(), losses, total, gradients, updates }
}

/** The values that a program names, in a fixed order. */
export function namedValues(program: ModelProgram): readonly ValueId[] {
  const values: ValueId[] = []
  moveNames(program, (value) => {
    values.push(value)
    return value
  })
  return values
}

/** `program` on another graph that computes the same; `values` are those of `namedValues`, in its order. */
export function withValues<P extends ModelProgram>(program: P, graph: Graph, values: readonly ValueId[]): P {
  let next = 0
  return { ...moveNames(program, () => values[next++]!), graph }
}

function moveNames<P extends ModelProgram>(program: P, move: (value: ValueId) => ValueId): P {
  const list = <T extends { readonly value: ValueId }>(items: readonly T[]): T[] =>
    items.map((item) => ({ ...item, value: move(item.value) }))
  const moved: Record<string, unknown> = { ...program }
  if ("outputs" in program) moved["outputs"] = list(program.outputs)
  if ("losses" in program) moved["losses"] = list(program.losses)
  if ("total" in program) {
    moved["total"] = move(program.total)
    moved["gradients"] = list(program.gradients)
    moved["updates"] = list(program.updates)
  }
  return moved as unknown as P
}

/** Names the outputs of a rewritten graph as the model does. */
function nameOutputs(graph: Graph, builder: GraphBuilder, map: Rewritten["map"]): readonly NamedValue[] {
  return graph.outputs.map(({ name, value, doc }) => {
    builder.output(name, map(value), doc)
    return { name, value: map(value) }
  })
}

/** Names the losses of a rewritten graph as the model does. */
function nameLosses(graph: Graph, builder: GraphBuilder, map: Rewritten["map"]): readonly NamedValue[] {
  return graph.losses.map(({ name, value, section }) => {
    builder.loss(name, map(value), section)
    return { name, value: map(value) }
  })
}

/** In use, dropout is the identity and no gradient is stopped. */
const withoutTrainingOps: RewriteRule = (node, inputs) =>
  node.op === "dropout" || node.op === "stop_gradient" ? [inputs[0]!] : undefined

/** Each element is kept with probability 1 - rate and scaled so that the expectation stays (inverted dropout). */
function expandDropout(node: GraphNode, x: ValueId, builder: GraphBuilder): ValueId {
  const rate = numberAttribute(node.attributes, "rate")
  if (rate === 0) return x
  const { shape } = builder.typeOf(x)
  const drawn = builder.op("random_uniform", [], { shape, key: stringAttribute(node.attributes, "key") })
  const kept = builder.op("cast", [builder.op("greater_equal", [drawn, builder.scalar(rate)])], { to: "f32" })
  return builder.op("mul", [x, builder.op("mul", [kept, builder.scalar(1 / (1 - rate))])])
}
