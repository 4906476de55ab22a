/**
 * Calls remembered from one elaboration to the next, so that an editor builds only what an edit changed.
 *
 * Takes a call that the user's text makes into the standard library, where nearly all nodes of a model are made; gives what
 * it gave before, when it would give the same again. Everything that a call can depend on is part of its key (the
 * definition, what it is called, what it is given, the sizes, where it stands) or looked at before its result is used
 * (names taken, constants shared with the rest of the graph, limits). A call in which anything went wrong is not
 * remembered: it says so anew. So an elaboration with a memory gives the graph, names and diagnostics of one without.
 */

import type { Expression, Span } from "../../../grammar/ast.js"
import type { GraphPiece } from "../ir/builder.js"
import type { Origin, ValueId } from "../ir/graph.js"
import type { Module } from "../resolve/modules.js"
import { ParametricAnalysis } from "../resolve/parametric.js"
import { LIMITS } from "./budget.js"
import { type Elaboration, isStandard } from "./context.js"
import type { Scope } from "./environment.js"
import type { PublishedClause } from "./published-names.js"
import type { GivenArgument, Instance, StaticValue } from "./values.js"

/** What is called, and with what. */
export interface Call {
  readonly name: string
  readonly module: Module
  /** where what it makes belongs */
  readonly path: string
  readonly given: readonly GivenArgument[]
  readonly expression: Expression
  /** the instance that is applied; absent for functions */
  readonly instance?: Instance
}

/** What one call did. */
interface Remembered {
  readonly piece: GraphPiece
  readonly result: StaticValue
  /** the tensors it was given, in the order of its arguments */
  readonly operands: readonly ValueId[]
  /** how many calls are around what it made, itself included */
  readonly around: number
  readonly steps: number
  readonly depth: number
  readonly randomKeys: readonly string[]
  readonly publishedMet: readonly string[]
  readonly published: readonly (readonly [string, PublishedClause])[]
  /** paths of instances that it made in its caller's name */
  readonly made: readonly string[]
  readonly inside: Parts
}

/** What an instance holds, for another instance to hold. */
interface Parts {
  readonly parameters: readonly (readonly [string, ValueId])[]
  readonly children: readonly (readonly [string, Instance, Parts])[]
}

/** Nodes of all calls that are remembered; RecLMIS with its ablations needs about a tenth. */
const MOST_NODES = 100_000
/** A call is met in several graphs: those of a model and of its ablations. */
const MOST_VERSIONS = 6

export class CallMemory {
  readonly parametric = new ParametricAnalysis()
  private readonly remembered = new Map<string, Remembered[]>()
  private nodes = 0
  private readonly moduleNumbers = new WeakMap<Module, number>()
  private modulesSeen = 0
  /** calls that were run, and those that were not */
  readonly counts = { run: 0, recalled: 0 }

  /** What `run` gives, which makes the call; remembered where it can be. */
  call(call: Call, scope: Scope, context: Elaboration, run: () => StaticValue): StaticValue {
    if (!call.module.isStandard || isStandard(call.expression.span)) return run()
    const operands: ValueId[] = []
    const key = this.keyOf(call, scope, context, operands)
    if (key === undefined) return run()
    const versions = this.remembered.get(key) ?? []
    const found = versions.find((version) => fits(version, call, scope, context))
    if (found) {
      this.counts.recalled++
      // Those used last stand last, and are forgotten last.
      this.remembered.delete(key)
      this.remembered.set(key, versions)
      return recall(found, operands, call, scope, context)
    }
    this.counts.run++
    return this.remember(key, operands, call, scope, context, run)
  }

  private remember(
    key: string,
    operands: readonly ValueId[],
    call: Call,
    scope: Scope,
    context: Elaboration,
    run: () => StaticValue,
  ): StaticValue {
    const { builder, budget, incidents } = context
    const start = builder.mark
    const before = {
      keys: context.keysAsked.length,
      published: context.published.size,
      met: context.publishedMet.length,
      made: scope.made.size,
    }
    const wasFresh = isFresh(call)
    const { result, steps, depth } = budget.measured(run)
    const piece = builder.since(start)
    const inside = call.instance ? partsOf(call.instance) : NO_PARTS
    const around = context.calls.length + 1
    const known = new Set(operands)
    const randomKeys = context.keysAsked.slice(before.keys)
    const asked = new Set(context.keysAsked.slice(0, before.keys))
    if (randomKeys.some((base) => asked.has(base))) return result
    if (!wasFresh || context.incidents !== incidents || !inside || !isMovable(result, known, piece)) return result
    if ([...piece.reads].some((id) => !known.has(id))) return result
    const publishedMet = context.publishedMet.slice(before.met)
    if (makesNames({ piece, publishedMet }) && sharesNames(call, start.parameters, context)) return result
    const isOfCall = ({ chain }: Origin): boolean => chain[around - 1] === call.expression.span
    if (![...piece.nodes, ...piece.parameters].every(({ origin }) => isOfCall(origin))) return result
    this.keep(key, {
      piece,
      result,
      operands,
      around,
      steps,
      depth,
      randomKeys,
      publishedMet,
      published: [...context.published].slice(before.published),
      made: call.instance ? [] : [...scope.made.keys()].slice(before.made),
      inside,
    })
    return result
  }

  private keep(key: string, version: Remembered): void {
    const versions = [...(this.remembered.get(key) ?? []), version]
    this.nodes += size(version)
    if (versions.length > MOST_VERSIONS) this.nodes -= size(versions.shift()!)
    this.remembered.delete(key)
    this.remembered.set(key, versions)
    for (const [oldest, all] of this.remembered) {
      if (this.nodes <= MOST_NODES || oldest === key) break
      this.remembered.delete(oldest)
      for (const each of all) this.nodes -= size(each)
    }
  }

  /** Everything that decides what a call makes; undefined where that is more than can be written down. */
  private keyOf(call: Call, scope: Scope, context: Elaboration, operands: ValueId[]): string | undefined {
    const { instance, given } = call
    // What a function makes in an instance of the user's is remembered by that instance too.
    if (!instance && scope.owner) return undefined
    const settings = instance ? [...instance.settings].map(([name, value]) => ({ name, value })) : []
    const values: string[] = []
    for (const { name, value } of [...settings, { name: undefined, value: { kind: "none" } as const }, ...given]) {
      const written = this.valueKey(value, operands)
      if (written === undefined) return undefined
      values.push(`${name ?? ""}=${written}`)
    }
    const section = instance?.section ?? scope.section
    const { naming } = scope
    return JSON.stringify([
      this.moduleNumber(call.module),
      call.name,
      call.path,
      naming.path,
      naming.single,
      section.name,
      section.frozen,
      context.calls.length,
      [...context.sizes],
      values,
    ])
  }

  private valueKey(value: StaticValue, operands: ValueId[]): string | undefined {
    switch (value.kind) {
      case "int":
        return `i${value.dim.key}`
      case "float":
        // Minus zero is not zero.
        return `f${Object.is(value.value, -0) ? "-0" : value.value}`
      case "bool":
      case "string":
        return JSON.stringify(value.value)
      case "none":
        return "none"
      case "list":
        return this.allKeys("[", value.items, operands)
      case "record": {
        const inner = this.allKeys("{", [...value.fields.values()], operands)
        return inner && JSON.stringify([...value.fields.keys()]) + inner
      }
      case "tensor": {
        // Two arguments that are one tensor are not the same call as two tensors of a type.
        const known = operands.indexOf(value.value)
        const place = known < 0 ? operands.push(value.value) - 1 : known
        return `t${place}:${value.type.dtype}${value.type.shape.map(({ key }) => key).join()}`
      }
      case "block":
      case "fn": {
        // What the user's own definitions make is observed, and their texts change.
        if (!value.module.isStandard) return undefined
        const names = value.given.map(({ name }) => name ?? null)
        const inner = this.allKeys(
          JSON.stringify(names),
          value.given.map((argument) => argument.value),
          operands,
        )
        return inner && `${value.kind}${this.moduleNumber(value.module)}.${value.item.name.text}${inner}`
      }
      case "primitive":
        return `op.${value.op}`
      case "builtin":
        return `builtin.${value.builtin.name}`
      case "initializer":
        return `initializer${JSON.stringify(value.initializer)}`
      case "setting":
        return `setting${JSON.stringify(value.setting)}`
      default:
        return undefined
    }
  }

  private allKeys(head: string, values: readonly StaticValue[], operands: ValueId[]): string | undefined {
    const keys = values.map((value) => this.valueKey(value, operands))
    return keys.includes(undefined) ? undefined : head + JSON.stringify(keys)
  }

  /** A module is another one when its text, or one that it imports, is. */
  private moduleNumber(module: Module): number {
    const known = this.moduleNumbers.get(module)
    if (known !== undefined) return known
    this.moduleNumbers.set(module, ++this.modulesSeen)
    return this.modulesSeen
  }
}

const NO_PARTS: Parts = { parameters: [], children: [] }

const size = ({ piece }: Remembered): number => piece.nodes.length + piece.parameters.length + 1

/** Whether the instance has not been applied before: what it holds afterwards is all from this call. */
const isFresh = ({ instance }: Call): boolean =>
  !instance || (instance.parameters.size === 0 && instance.children.size === 0)

/** Whether `weights` in the call would see parameters that it did not make. */
function sharesNames({ path }: Call, count: number, { builder }: Elaboration): boolean {
  if (path === "") return true
  const start = `${path}.`
  const before = builder.parametersSoFar
  for (let i = 0; i < count; i++) if (before[i]!.name.startsWith(start)) return true
  return false
}

const makesNames = ({ piece, publishedMet }: Pick<Remembered, "piece" | "publishedMet">): boolean =>
  piece.parameters.length > 0 || publishedMet.length > 0

/** Whether running the call here would do what it did there. */
function fits(version: Remembered, call: Call, scope: Scope, context: Elaboration): boolean {
  const { piece, randomKeys, published, publishedMet, made, steps, depth } = version
  const { builder, budget } = context
  const own = new Set(published.map(([key]) => key))
  return (
    builder.hasScalarsOf(piece) &&
    isFresh(call) &&
    !(makesNames(version) && sharesNames(call, builder.mark.parameters, context)) &&
    !randomKeys.some((key) => context.hasRandomKey(key)) &&
    publishedMet.every((key) => own.has(key) !== context.published.has(key)) &&
    !made.some((path) => scope.made.has(path)) &&
    !piece.parameters.some(({ name }) => context.parameterNames.has(name)) &&
    budget.steps + steps <= LIMITS.steps &&
    budget.depth + depth <= LIMITS.depth &&
    builder.mark.nodes + piece.nodes.length <= LIMITS.nodes
  )
}

/** Does again what the call did. */
function recall(
  version: Remembered,
  operands: readonly ValueId[],
  call: Call,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const { piece, randomKeys, published, publishedMet, made, steps, around, inside } = version
  const { builder, budget } = context
  const place: Span = call.expression.span
  const calls = [...context.calls.map(({ span }) => span), place]
  const isSamePlace = (chain: readonly Span[]): boolean => calls.every((span, i) => sameSpan(span, chain[i]!))
  const originOf = (origin: Origin): Origin =>
    isSamePlace(origin.chain) ? origin : { ...origin, chain: [...calls, ...origin.chain.slice(around)] }
  const given = new Map(version.operands.map((id, i) => [id, operands[i]!] as const))
  const moved = builder.insert(piece, given, originOf)
  const movedOrGiven = (id: ValueId): ValueId => given.get(id) ?? moved(id)
  for (const { name } of piece.parameters) context.parameterNames.set(name, place)
  for (const key of randomKeys) context.randomKey(key)
  for (const [key, clause] of published) context.published.set(key, clause)
  context.publishedMet.push(...publishedMet)
  for (const path of made) scope.made.set(path, place)
  context.within(budget.spend(steps), place)
  if (call.instance) fill(call.instance, inside, moved)
  return movedValue(version.result, movedOrGiven)
}

const sameSpan = (a: Span, b: Span): boolean => a.start === b.start && a.end === b.end && a.file === b.file

/** A value whose tensors are renumbered. */
function movedValue(value: StaticValue, moved: (id: ValueId) => ValueId): StaticValue {
  switch (value.kind) {
    case "tensor":
      return { ...value, value: moved(value.value) }
    case "list":
      return { kind: "list", items: value.items.map((item) => movedValue(item, moved)) }
    case "record": {
      const fields = [...value.fields].map(([name, field]) => [name, movedValue(field, moved)] as const)
      return { kind: "record", fields: new Map(fields) }
    }
    default:
      return value
  }
}

/** Whether a result is made of numbers, texts, and tensors that the call made or was given. */
function isMovable(value: StaticValue, operands: ReadonlySet<ValueId>, piece: GraphPiece): boolean {
  switch (value.kind) {
    case "int":
    case "float":
    case "bool":
    case "string":
    case "none":
    case "primitive":
      return true
    case "tensor":
      return value.value >= piece.start.values || operands.has(value.value)
    case "list":
      return value.items.every((item) => isMovable(item, operands, piece))
    case "record":
      return [...value.fields.values()].every((field) => isMovable(field, operands, piece))
    default:
      return false
  }
}

/** What an instance holds; undefined where the settings of one inside hold what belongs to one graph. */
function partsOf(instance: Instance): Parts | undefined {
  const children: (readonly [string, Instance, Parts])[] = []
  for (const [path, child] of instance.children) {
    const inside = partsOf(child)
    if (!inside || ![...child.settings.values()].every(isPlain)) return undefined
    children.push([path, child, inside])
  }
  return { parameters: [...instance.parameters], children }
}

function isPlain(value: StaticValue): boolean {
  switch (value.kind) {
    case "tensor":
    case "instance":
    case "file":
    case "error":
      return false
    case "list":
      return value.items.every(isPlain)
    case "record":
      return [...value.fields.values()].every(isPlain)
    case "block":
    case "fn":
      return value.given.every((argument) => isPlain(argument.value))
    default:
      return true
  }
}

function fill(instance: Instance, { parameters, children }: Parts, moved: (id: ValueId) => ValueId): void {
  for (const [name, id] of parameters) instance.parameters.set(name, moved(id))
  for (const [path, child, inside] of children) {
    const { section } = instance
    const made: Instance = { ...child, section, parameters: new Map(), children: new Map() }
    instance.children.set(path, made)
    fill(made, inside, moved)
  }
}
