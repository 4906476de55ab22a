/**
 * What a model means, as plain data under names: what two models are compared by, and what a patch is applied to.
 *
 * Takes an elaborated model; gives tables of entries by name: sizes, inputs, sections, parameters, operations with what
 * they read, outputs, losses, updates and settings. Nothing in it depends on where a line stands: values are called by
 * the statement that makes them, constants stand where they are used, and operations of one statement that share a name
 * are numbered by what they compute. So formatting, comments and the order of independent lines leave no trace.
 */

import type { ElaboratedModel } from "../elaborate/model.js"
import { formatType, type PlainValue } from "../elaborate/values.js"
import { type Dim, format } from "../ir/dims.js"
import type { AttributeValue, Graph, GraphNode, Initializer, ValueId } from "../ir/graph.js"
import { tensorType } from "./tensor-fit.js"

export type Plain = PlainValue | readonly Plain[] | { readonly [field: string]: Plain }

/** Fields by name, all plain JSON. */
export type Entry = Readonly<Record<string, Plain>>
export type Table<E extends Entry = Entry> = ReadonlyMap<string, E>

/**
 * What is read: `input NAME`, `parameter NAME`, `operation NAME` (`operation NAME 1` is its second result) or
 * `constant TYPE VALUES`.
 */
export type Reference = string

export type OperationEntry = {
  readonly section: string
  /** dotted name of the statement that it is written in */
  readonly statement: string
  readonly op: string
  readonly attributes: Readonly<Record<string, Plain>>
  readonly inputs: readonly Reference[]
  /** of its results */
  readonly types: readonly string[]
}

export type ParameterEntry = {
  readonly section: string
  readonly role: string
  readonly type: string
  readonly frozen: boolean
  readonly initializer: Plain
}

export type InputEntry = { readonly role: string; readonly type: string; readonly tokenizer: PlainValue }
export type SectionEntry = { readonly role: string; readonly frozen: boolean }
export type OutputEntry = { readonly type: string; readonly from: Reference }
export type LossEntry = { readonly section: string; readonly from: Reference }

/** Tables in the order of the text, which means nothing. */
export interface ModelOutline {
  readonly sizes: Table<{ readonly value: number }>
  readonly inputs: Table<InputEntry>
  readonly sections: Table<SectionEntry>
  readonly parameters: Table<ParameterEntry>
  readonly operations: Table<OperationEntry>
  readonly outputs: Table<OutputEntry>
  readonly losses: Table<LossEntry>
  /** by the name of the state: what it becomes in a training step */
  readonly updates: Table<{ readonly from: Reference }>
  readonly training: Table<{ readonly value: PlainValue }>
}

export type TableName = keyof ModelOutline

/** Constants with more values are operations of their own. */
const INLINE_VALUES = 16

/** The outline of `model`. */
export function outlineOf(model: ElaboratedModel): ModelOutline {
  return outlineWithPlaces(model).outline
}

/**
 * The outline of `model`, and which of its operations stand in the model's own text and not in a function or block that it
 * calls: that is for telling a difference and is none itself.
 */
export function outlineWithPlaces(model: ElaboratedModel): {
  readonly outline: ModelOutline
  readonly own: ReadonlySet<string>
} {
  const { graph } = model
  const names = new Naming(graph)
  const tokenizers = new Map<string, PlainValue>(
    model.inputs.flatMap(({ name, kind, tokenizer }) =>
      kind === "tokens" ? [[`${name}_ids`, tokenizer ?? null] as const] : [],
    ),
  )
  const operations = new Map<string, OperationEntry>()
  const own = new Set<string>()
  for (const node of graph.nodes) {
    if (isInline(node)) continue
    if (node.origin.chain.length === 0) own.add(names.idOf(node))
    const { section } = node.origin
    operations.set(names.idOf(node), {
      section,
      statement: statementOf(node),
      op: node.op,
      attributes: plainAttributes(node),
      inputs: node.inputs.map((value) => names.reference(value)),
      types: node.outputs.map((value) => formatType(graph.values[value]!.type)),
    })
  }
  const typeText = (value: ValueId): string => formatType(graph.values[value]!.type)
  const outline: ModelOutline = {
    sizes: new Map([...graph.sizes].map(([name, value]) => [name, { value }])),
    inputs: new Map(
      graph.inputs.map(({ name, role, value }) => [
        name,
        { role, type: typeText(value), tokenizer: tokenizers.get(name) ?? null },
      ]),
    ),
    sections: new Map(model.sections.map(({ name, role, frozen }) => [name, { role, frozen }])),
    parameters: new Map(
      graph.parameters.map(({ name, section, role, frozen, initializer, ...tensor }) => [
        name,
        { section, role, type: tensorType(tensor), frozen, initializer: plainInitializer(initializer) },
      ]),
    ),
    operations,
    outputs: new Map(
      graph.outputs.map(({ name, value }) => [name, { type: typeText(value), from: names.reference(value) }]),
    ),
    losses: new Map(graph.losses.map(({ name, section, value }) => [name, { section, from: names.reference(value) }])),
    updates: new Map(
      graph.updates.map(({ state, value }) => [names.parameterName(state), { from: names.reference(value) }]),
    ),
    training: new Map(Object.entries(model.training).map(([name, value]) => [name, { value }])),
  }
  return { outline, own }
}

function isInline({ op, attributes }: GraphNode): boolean {
  return op === "constant" && (attributes["values"] as readonly number[]).length <= INLINE_VALUES
}

/** The last part of a scope is the call; before it stands the statement. */
export function statementOf({ origin }: GraphNode): string {
  return origin.scope.slice(0, Math.max(origin.scope.lastIndexOf("."), 0)) || origin.scope
}

/** Number and list of numbers as JSON can hold them. */
function plainNumber(value: number): number | string {
  return Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? "-0" : `${value}`
}

function plainAttributes(node: GraphNode): Record<string, Plain> {
  const plain = (name: string, value: AttributeValue): Plain => {
    if (typeof value === "number") return plainNumber(value)
    // Random numbers of one statement are told apart by their order in the text, which is no part of the meaning.
    if (typeof value === "string") return name === "key" ? value.replace(/#\d+$/, "") : value
    if (typeof value === "boolean") return value
    return (value as readonly (number | Dim)[]).map((v) => (typeof v === "number" ? plainNumber(v) : format(v)))
  }
  return Object.fromEntries(Object.entries(node.attributes).map(([name, value]) => [name, plain(name, value)]))
}

/** Equal for equal first values; files are told apart by what is in them, not by where they lie. */
function plainInitializer(initializer: Initializer): Plain {
  if (initializer.kind === "loaded") return { kind: initializer.kind, sha256: initializer.sha256 }
  if (initializer.kind === "values") return { kind: initializer.kind, values: initializer.values.map(plainNumber) }
  return Object.fromEntries(
    Object.entries(initializer).map(([name, value]: [string, string | number]) => [
      name,
      typeof value === "number" ? plainNumber(value) : value,
    ]),
  )
}

/** Names of values. A statement's operations that would share one are numbered by what they compute. */
class Naming {
  private readonly names = new Map<ValueId, Reference>()
  private readonly ids: string[] = []

  constructor(private readonly graph: Graph) {
    for (const { value, name } of graph.inputs) this.names.set(value, `input ${name}`)
    for (const { value, name } of graph.parameters) this.names.set(value, `parameter ${name}`)
    for (const node of graph.nodes) if (isInline(node)) this.names.set(node.outputs[0]!, constantText(node, graph))
    this.number()
  }

  idOf(node: GraphNode): string {
    return this.ids[node.id]!
  }

  reference(value: ValueId): Reference {
    const known = this.names.get(value)
    if (known !== undefined) return known
    const { node, output } = this.graph.values[value]!
    return `operation ${this.ids[node]!}${output === 0 ? "" : ` ${output}`}`
  }

  parameterName(value: ValueId): string {
    return this.names.get(value)!.slice("parameter ".length)
  }

  private number(): void {
    const { nodes, values } = this.graph
    const bases = nodes.map((node) => {
      const { scope } = node.origin
      return scope.slice(scope.lastIndexOf(".") + 1) === node.op ? scope : `${scope}.${node.op}`
    })
    const counts = new Map<string, number>()
    nodes.forEach((node, i) => isInline(node) || counts.set(bases[i]!, (counts.get(bases[i]!) ?? 0) + 1))
    /** by node: the first of those that compute the same under the same name */
    const first: number[] = []
    const seen = new Map<string, number>()
    const outlines: { readonly depth: number; readonly digest: string }[] = []
    const groups = new Map<string, number[]>()
    for (const node of nodes) {
      if (isInline(node)) continue
      const base = bases[node.id]!
      if (counts.get(base) === 1) {
        this.ids[node.id] = base
        continue
      }
      let depth = 0
      /** a reference by what is read where a name would not tell, once for telling apart and once for sorting */
      const read = (value: ValueId): readonly [string, string] => {
        const source = values[value]!
        const known = this.names.get(value)
        if (known !== undefined) return [known, known]
        const repeated = outlines[source.node]
        if (!repeated) {
          const name = `operation ${bases[source.node]!} ${source.output}`
          return [name, name]
        }
        depth = Math.max(depth, repeated.depth)
        return [`${first[source.node]!}.${source.output}`, `${repeated.digest}.${source.output}`]
      }
      const inputs = node.inputs.map(read)
      const attributes = JSON.stringify(plainAttributes(node))
      const own = JSON.stringify([base, attributes, inputs.map(([exact]) => exact)])
      // A random number is drawn anew each time it is written.
      const same = "key" in node.attributes ? undefined : seen.get(own)
      first[node.id] = same ?? node.id
      outlines[node.id] = {
        depth: depth + 1,
        digest: digest(JSON.stringify([base, attributes, inputs.map(([, sorted]) => sorted)])),
      }
      if (same !== undefined) continue
      seen.set(own, node.id)
      const group = groups.get(base)
      if (group) group.push(node.id)
      else groups.set(base, [node.id])
    }
    const readable = (id: number): string =>
      nodes[id]!.inputs.map((value) => this.names.get(value) ?? bases[values[value]!.node]!).join()
    for (const [base, group] of groups) {
      const keyed = group.map((id) => ({ id, text: readable(id), ...outlines[id]! }))
      keyed.sort((a, b) => a.depth - b.depth || compare(a.text, b.text) || compare(a.digest, b.digest))
      keyed.forEach(({ id }, index) => (this.ids[id] = index === 0 ? base : `${base}#${index + 1}`))
    }
    for (const node of nodes) this.ids[node.id] ??= this.ids[first[node.id]!]!
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function constantText({ attributes, outputs }: GraphNode, graph: Graph): Reference {
  const values = attributes["values"] as readonly number[]
  return `constant ${formatType(graph.values[outputs[0]!]!.type)} ${values.map(plainNumber).join()}`
}

/** 53 bits of `text`, for sorting only: equal texts have equal digests (cyrb53, public domain). */
function digest(text: string): string {
  let [high, low] = [0xdeadbeef, 0x41c6ce57]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(16)
}
