/**
 * What an edit did: the semantic difference of two models.
 *
 * Takes two elaborated models; gives plain data, by section: what was added, removed, rewired, resized, refrozen or set
 * differently, parameters and cost before and after, and which tensors of a checkpoint of the one fit the other.
 * Because everything is identified by name (of section, `let`, block), formatting, comments and the order of independent
 * lines make no difference, and an inserted line does not make everything after it look new.
 */

import type { ElaboratedModel } from "../elaborate/model.js"
import { formatSetting, type PlainValue } from "../elaborate/values.js"
import { attributesKey } from "../ir/builder.js"
import { type Dim, format, formatShape } from "../ir/dims.js"
import type { AttributeValue, Graph, GraphNode, Initializer, ValueId } from "../ir/graph.js"
import { summarise, type ModelSummary } from "../summary.js"
import { fitTensors } from "./tensor-fit.js"

export interface SectionChange {
  readonly section: string
  readonly change: "added" | "removed" | "frozen" | "unfrozen"
}

export interface ParameterChange {
  readonly name: string
  readonly section: string
  readonly change: "added" | "removed" | "resized" | "first value"
  readonly before?: string
  readonly after?: string
}

/** A difference in one statement (the scope of its operations). */
export interface OperationChange {
  readonly section: string
  readonly scope: string
  readonly change: "added" | "removed" | "changed" | "rewired" | "resized"
  readonly detail: string
}

export interface ValueChange {
  readonly name: string
  readonly before: string | undefined
  readonly after: string | undefined
}

export interface ModelDiff {
  readonly before: ModelSummary
  readonly after: ModelSummary
  readonly sections: readonly SectionChange[]
  readonly parameters: readonly ParameterChange[]
  readonly operations: readonly OperationChange[]
  readonly inputs: readonly ValueChange[]
  readonly outputs: readonly ValueChange[]
  readonly losses: readonly ValueChange[]
  readonly training: readonly ValueChange[]
  readonly sizes: readonly ValueChange[]
  /** tensors of a checkpoint of `before` in a model `after` */
  readonly checkpoint: {
    readonly fits: number
    readonly missing: readonly string[]
    readonly extra: readonly string[]
    readonly misshaped: readonly string[]
  }
  readonly isEmpty: boolean
}

/** The difference that turns `a` into `b`. */
export function diffModels(a: ElaboratedModel, b: ElaboratedModel): ModelDiff {
  const before = summarise(a)
  const after = summarise(b)
  const sections = sectionChanges(a, b)
  const parameters = parameterChanges(a.graph, b.graph)
  const operations = operationChanges(a, b)
  const named = (entries: readonly { readonly name: string; readonly type: string }[]) =>
    new Map(entries.map((e) => [e.name, e.type] as const))
  const inputs = valueChanges(named(before.inputs), named(after.inputs))
  const outputs = valueChanges(named(before.outputs), named(after.outputs))
  const losses = valueChanges(new Map(before.losses.map((l) => [l, ""])), new Map(after.losses.map((l) => [l, ""])))
  const training = valueChanges(plain(a.training), plain(b.training))
  const sizes = valueChanges(plain(before.sizes), plain(after.sizes))
  const changes = [sections, parameters, operations, inputs, outputs, losses, training, sizes]
  return {
    before,
    after,
    sections,
    parameters,
    operations,
    inputs,
    outputs,
    losses,
    training,
    sizes,
    checkpoint: checkpointFit(a.graph, b.graph),
    isEmpty: changes.every((list) => list.length === 0),
  }
}

function plain(record: Readonly<Record<string, PlainValue>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(record).map(([name, value]) => [name, formatSetting(value)] as const))
}

function valueChanges(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): ValueChange[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => ({ name, before: before.get(name), after: after.get(name) }))
}

function sectionChanges(a: ElaboratedModel, b: ElaboratedModel): SectionChange[] {
  const old = new Map(a.sections.map((s) => [s.name, s] as const))
  const fresh = new Map(b.sections.map((s) => [s.name, s] as const))
  const changes: SectionChange[] = []
  for (const { name } of a.sections) if (!fresh.has(name)) changes.push({ section: name, change: "removed" })
  for (const { name, frozen } of b.sections) {
    const was = old.get(name)
    if (!was) changes.push({ section: name, change: "added" })
    else if (was.frozen !== frozen) changes.push({ section: name, change: frozen ? "frozen" : "unfrozen" })
  }
  return changes
}

function parameterChanges(a: Graph, b: Graph): ParameterChange[] {
  const old = new Map(a.parameters.map((p) => [p.name, p] as const))
  const fresh = new Map(b.parameters.map((p) => [p.name, p] as const))
  const changes: ParameterChange[] = []
  for (const { name, section, shape } of a.parameters) {
    if (!fresh.has(name)) changes.push({ name, section, change: "removed", before: shape.join("x") })
  }
  for (const { name, section, shape, initializer } of b.parameters) {
    const was = old.get(name)
    const after = shape.join("x")
    if (!was) changes.push({ name, section, change: "added", after })
    else if (was.shape.join("x") !== after) {
      changes.push({ name, section, change: "resized", before: was.shape.join("x"), after })
    } else if (initializerKey(was.initializer) !== initializerKey(initializer)) {
      changes.push({
        name,
        section,
        change: "first value",
        before: initializerText(was.initializer),
        after: initializerText(initializer),
      })
    }
  }
  return changes
}

/** Equal for equal first values; files are told apart by what is in them. */
function initializerKey(initializer: Initializer): string {
  return initializer.kind === "loaded" ? initializer.sha256 : JSON.stringify(initializer)
}

/** As it would be written, to four digits. */
function initializerText(initializer: Initializer): string {
  const number = (value: number): string => `${Number(value.toPrecision(4))}`
  switch (initializer.kind) {
    case "constant":
      return `filled(${number(initializer.value)})`
    case "uniform":
      return `uniform(${number(initializer.low)}, ${number(initializer.high)})`
    case "normal":
      return `normal(${number(initializer.deviation)}, mean = ${number(initializer.mean)})`
    case "values":
      return `${initializer.values.length} given values`
    case "loaded": {
      const named = [initializer.file, ...(initializer.tensor === undefined ? [] : [initializer.tensor])]
      // The beginning of the checksum tells two contents of one file apart.
      return `load(${named.map((text) => JSON.stringify(text)).join(", ")}) ${initializer.sha256.slice(0, 8)}`
    }
  }
}

function checkpointFit(a: Graph, b: Graph): ModelDiff["checkpoint"] {
  const { fits, ...others } = fitTensors(a.parameters, b.parameters)
  return { fits: fits.length, ...others }
}

// ------------------------------------------------------------------------------------------------------- operations

/** An operation without its place in the file: what it does, on what, giving what. */
interface Step {
  readonly op: string
  readonly attributes: GraphNode["attributes"]
  readonly inputs: readonly string[]
  readonly shape: string
}

function operationChanges(a: ElaboratedModel, b: ElaboratedModel): OperationChange[] {
  const old = scopes(a.graph)
  const fresh = scopes(b.graph)
  const changes: OperationChange[] = []
  const gone = new Set(a.sections.map((s) => s.name).filter((s) => !b.sections.some((t) => t.name === s)))
  const come = new Set(b.sections.map((s) => s.name).filter((s) => !a.sections.some((t) => t.name === s)))
  // Sections that came or went are told as a whole.
  for (const [scope, { section, steps }] of old) {
    if (!fresh.has(scope) && !gone.has(section)) {
      changes.push({ section, scope, change: "removed", detail: steps.map((s) => s.op).join(", ") })
    }
  }
  for (const [scope, { section, steps }] of fresh) {
    const was = old.get(scope)
    if (was) changes.push(...compareSteps(section, scope, was.steps, steps))
    else if (!come.has(section)) {
      changes.push({ section, scope, change: "added", detail: steps.map((s) => s.op).join(", ") })
    }
  }
  return changes
}

function compareSteps(
  section: string,
  scope: string,
  before: readonly Step[],
  after: readonly Step[],
): OperationChange[] {
  const ops = (steps: readonly Step[]): string => steps.map((s) => s.op).join(", ")
  if (ops(before) !== ops(after)) {
    return [{ section, scope, change: "changed", detail: `${ops(before)} -> ${ops(after)}` }]
  }
  return after.flatMap((step, index): OperationChange[] => {
    const was = before[index]!
    if (attributesKey(was.attributes) !== attributesKey(step.attributes)) {
      const detail = `${step.op}: ${attributeChanges(was.attributes, step.attributes)}`
      return [{ section, scope, change: "changed", detail }]
    }
    if (was.inputs.join() !== step.inputs.join()) {
      const pairs = step.inputs.flatMap((input, i) =>
        was.inputs[i] === input ? [] : [`${was.inputs[i] ?? "nothing"} -> ${input}`],
      )
      return [{ section, scope, change: "rewired", detail: `${step.op}: ${pairs.join("; ")}` }]
    }
    if (was.shape !== step.shape) {
      return [{ section, scope, change: "resized", detail: `${step.op}: ${was.shape} -> ${step.shape}` }]
    }
    return []
  })
}

function attributeChanges(before: GraphNode["attributes"], after: GraphNode["attributes"]): string {
  const text = (value: AttributeValue | undefined): string =>
    Array.isArray(value)
      ? `[${value.map((v: number | Dim) => (typeof v === "number" ? v : format(v))).join(", ")}]`
      : `${value as string | number | boolean | undefined}`
  return Object.keys(after)
    .filter((name) => text(before[name]) !== text(after[name]))
    .map((name) => `${name} ${text(before[name])} -> ${text(after[name])}`)
    .join(", ")
}

/** Operations by the statement they were written in. Constants are part of what uses them. */
function scopes(graph: Graph): ReadonlyMap<string, { readonly section: string; readonly steps: Step[] }> {
  const result = new Map<string, { section: string; steps: Step[] }>()
  const names = new Map<ValueId, string>([...graph.parameters, ...graph.inputs].map((v) => [v.value, v.name] as const))
  for (const node of graph.nodes) {
    const { section, scope: full } = node.origin
    node.outputs.forEach((value) => names.set(value, valueName(node, full)))
    if (node.op === "constant") continue
    // The last part of a scope is the operation itself.
    const scope = full.slice(0, full.length - node.op.length - 1) || full
    const entry = result.get(scope) ?? { section, steps: [] }
    entry.steps.push({
      op: node.op,
      attributes: node.attributes,
      inputs: node.inputs.map((v) => names.get(v)!),
      shape: formatShape(graph.values[node.outputs[0]!]!.type.shape),
    })
    result.set(scope, entry)
  }
  return result
}

function valueName(node: GraphNode, scope: string): string {
  if (node.op !== "constant") return scope
  const values = node.attributes["values"] as readonly number[]
  return values.length === 1 ? `${values[0]}` : `constant of ${values.length}`
}
