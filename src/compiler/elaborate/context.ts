/**
 * The state of one elaboration: the graph being built, what was found wrong, and the calls around the current place.
 *
 * An expression that cannot be evaluated states a fact and throws `Abort`; the statement around it catches that, binds
 * its names to the error value and goes on, so that all mistakes of a model are reported at once and none twice.
 */

import type { Expression, LetStatement, NamedStatement, Pattern, Span } from "../../../grammar/ast.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe, type Fact } from "../diagnostics/facts.js"
import { type CallSite, chain, type Operand } from "../diagnostics/facts-shapes.js"
import { GraphBuilder } from "../ir/builder.js"
import { evaluate, format, symbolsOf, type Dim, type Sizes } from "../ir/dims.js"
import type { Graph, LanguageType, LoadedValues, TensorType, ValueId } from "../ir/graph.js"
import { OP_NAMES, type OpName } from "../ops/names.js"
import { opDefinition } from "../ops/registry.js"
import type { Module, ModuleGraph } from "../resolve/modules.js"
import { ParametricAnalysis } from "../resolve/parametric.js"
import { Budget, type Excess, LIMITS } from "./budget.js"
import { BUILTIN_NAMES } from "./builtins.js"
import type { CallMemory } from "./call-memory.js"
import { Environment, join, type Scope } from "./environment.js"
import type { PublishedClause } from "./published-names.js"
import { formatType, type Instance, kindName, type StaticValue } from "./values.js"

/** Unwinds to the statement; its diagnostic has been recorded. */
export class Abort extends Error {
  constructor() {
    super("elaboration stopped at an error that has been reported")
    this.name = "Abort"
  }
}

type RecordPattern = Extract<Pattern, { kind: "record-pattern" }>

/** A `let` of the user that holds a tensor. */
export interface LetRecord {
  readonly name: string
  readonly section: string
  readonly type: TensorType
  readonly value: ValueId
  readonly span: Span
}

/** A constant that was read from a file, as a run keeps it. */
export interface LoadedConstant {
  /** path of the file, and the name of the tensor in it */
  readonly file: string
  readonly tensor: string | undefined
  readonly dtype: LanguageType
  readonly shape: readonly number[]
  /** SHA-256 of the tensor's bytes, in hexadecimal */
  readonly sha256: string
}

export class Elaboration {
  readonly builder: GraphBuilder
  readonly diagnostics: Diagnostic[] = []
  readonly parametric: ParametricAnalysis
  /** calls around the current place, outermost first */
  readonly calls: CallSite[] = []
  /** names of parameters already taken */
  readonly parameterNames = new Map<string, Span>()
  /** how often a key for random numbers was asked for, so that two in one statement differ */
  private readonly randomKeys = new Map<string, number>()
  /** the keys for random numbers in the order in which they were asked for */
  readonly keysAsked: string[] = []
  /** names that a `without` took away, with the section they were made in and the place of the `without` */
  readonly removed = new Map<string, { readonly section: string; readonly span: Span }>()
  readonly budget = new Budget()
  /** tensors of data files that constants were made from, by file and name */
  readonly loaded = new Map<string, { readonly constant: LoadedConstant; readonly values: LoadedValues["values"] }>()
  /** where the inputs of the model are declared */
  readonly inputSpans = new Map<ValueId, Span>()
  /** what `weights` statements say, by owner and place */
  readonly published = new Map<string, PublishedClause>()
  /** the keys of `published` in the order in which `weights` statements were met, those met again included */
  readonly publishedMet: string[] = []
  /**
   * What happened that makes a call other than the next one alike: something was wrong, or a file was read. What a call
   * gave can be remembered when it did not change.
   */
  incidents = 0

  constructor(
    readonly modules: ModuleGraph,
    readonly sizes: Sizes,
    /** what earlier elaborations made; an editor elaborates nearly the same text again and again */
    readonly memory?: CallMemory,
  ) {
    this.parametric = memory?.parametric ?? new ParametricAnalysis()
    this.builder = new GraphBuilder(sizes)
  }

  /** Records a fact and unwinds. */
  fail(fact: Fact): never {
    this.report(fact)
    return this.stop()
  }

  report(fact: Fact): void {
    this.incidents++
    const described = describe(fact)
    const around = chain(this.calls).filter((note) => !described.notes.includes(note))
    const diagnostic = { ...described, notes: [...described.notes, ...around] }
    // A block used five times has one mistake, not five.
    const place = JSON.stringify([diagnostic.code, diagnostic.labels.map((l) => [l.span, l.text])])
    if (this.reported.has(place)) return
    this.reported.add(place)
    this.diagnostics.push(diagnostic)
  }
  private readonly reported = new Set<string>()

  /** Takes the name of a parameter; fails when it is taken already. */
  claimName(name: string, span: Span): void {
    const place = this.locate(span).span
    const first = this.parameterNames.get(name)
    if (first) this.fail({ kind: "instance-name-clash", span: place, path: name, first })
    this.parameterNames.set(name, place)
  }

  /**
   * The parameter or constant `name` of an instance: found again when the instance runs a second time, else made. Its place
   * within the instance tells those apart that a loop or a function makes.
   */
  owned(owner: Instance, name: string, span: Span, scope: Scope, make: () => ValueId): ValueId {
    const path = join(scope.path, name)
    const first = scope.made.get(path)
    const place = this.locate(span).span
    if (first) this.fail({ kind: "instance-name-clash", span: place, path, first })
    scope.made.set(path, place)
    const inside = path.slice(owner.path === "" ? 0 : owner.path.length + 1)
    const value = owner.parameters.get(inside) ?? make()
    owner.parameters.set(inside, value)
    return value
  }

  /** A key that no other random number has: how often its statement asked for one is part of it. */
  randomKey(base: string): string {
    const uses = (this.randomKeys.get(base) ?? 0) + 1
    this.randomKeys.set(base, uses)
    this.keysAsked.push(base)
    return uses === 1 ? base : `${base}#${uses}`
  }

  /** Whether a key that begins so has been asked for. */
  hasRandomKey(base: string): boolean {
    return this.randomKeys.has(base)
  }

  /** Unwinds when a limit was passed. One message is enough: whatever runs after it passes the same limit again. */
  within(excess: Excess | undefined, span: Span): void {
    if (!excess) return
    if (this.exceeded.has(excess.what)) this.stop()
    this.exceeded.add(excess.what)
    this.fail({ kind: "limit-exceeded", ...this.locate(span), ...excess })
  }
  private readonly exceeded = new Set<string>()

  /** Unwinds without a word: the mistake behind this has been reported already. */
  stop(): never {
    this.incidents++
    this.stopped = true
    throw new Abort()
  }

  /** some statement could not be elaborated, so that what follows from it is missing */
  stopped = false

  wrongKind(span: Span, what: string, expected: string, found: StaticValue, hint?: string): never {
    if (found.kind === "error") this.stop()
    const words = { what, expected, found: kindName(found), hint: hint ?? this.kindHint(expected, found, span) }
    return this.fail({ kind: "wrong-kind", ...this.locate(span), ...words })
  }

  /** What to write where the wrong kind is a known slip. */
  private kindHint(expected: string, found: StaticValue, span: Span): string | undefined {
    const written = this.nameOf(span)
    if (found.kind === "instance" && expected.startsWith("a tensor")) {
      return `apply it, \`${written}(x)\`, or name one of its parameters, such as \`${written}.weight\``
    }
    if (found.kind === "block" && expected.startsWith("a tensor")) {
      return `a block takes settings first and inputs second: \`${written}(settings)(x)\``
    }
    if (found.kind === "string" && /^-?[0-9.]+$/.test(found.value)) {
      return `a number has no quotes: write \`${found.value}\``
    }
    return undefined
  }

  /** ops that can be called from MDL, by name */
  readonly primitives: ReadonlyMap<string, OpName> = new Map(
    OP_NAMES.filter((name) => !opDefinition(name).internal).map((name) => [name, name]),
  )

  /** The parts of a fact that say where: the innermost place in the user's files, and the exact one if it is elsewhere. */
  locate(span: Span): { span: Span; inner: Span | undefined; calls: readonly CallSite[] } {
    const calls = [...this.calls]
    if (!isStandard(span)) return { span, inner: undefined, calls }
    const user = calls.findLast((call) => !isStandard(call.span))
    return user ? { span: user.span, inner: span, calls } : { span, inner: undefined, calls }
  }

  /** The words for `expression` in messages. */
  nameOf(expression: Expression | Span): string {
    const span = "span" in expression ? expression.span : expression
    const text = this.modules.modules.get(span.file)?.text.slice(span.start, span.end).replace(/\s+/g, " ") ?? "value"
    return text.length > 40 ? `${text.slice(0, 37)}...` : text
  }

  /** A tensor as messages show it. */
  operand(name: string, value: ValueId, type: TensorType): Operand {
    const declared = this.inputSpans.get(value)
    if (declared) return { name, type: formatType(type), made: declared }
    const origin = this.builder.producerOf(value)?.origin
    const made = origin && (isStandard(origin.span) ? origin.chain.findLast((s) => !isStandard(s)) : origin.span)
    return { name, type: formatType(type), made: made && made.file !== "" ? made : undefined }
  }

  /** Marks nodes made from now on as coming from `span`. */
  enter(span: Span, scope: Scope, detail = ""): void {
    this.builder.setOrigin({
      span,
      section: scope.section.name,
      scope: join2(scope.naming.path, detail),
      chain: this.calls.map((call) => call.span),
    })
    if (this.builder.nodesSoFar.length > LIMITS.nodes) {
      this.within({ what: "operations", limit: LIMITS.nodes }, span)
    }
  }

  /** `dim` as an integer at the known sizes; fails when a symbol in it has no size. */
  sizeOf(dim: Dim, span: Span, what: string): number {
    const value = evaluate(dim, this.sizes)
    if (value === undefined) {
      const symbols = symbolsOf(dim).filter((s) => !this.sizes.has(s))
      this.fail({ kind: "size-unknown", ...this.locate(span), dim: format(dim), symbols, what })
    }
    return value
  }

  /** What the top of `module` can name: its own definitions, imports, the prelude, built-ins and operations. */
  moduleEnvironment(module: Module): Environment {
    const known = this.environments.get(module)
    if (known) return known
    const start: Span = { file: module.path, start: 0, end: 0 }
    const library = new Environment(undefined, true)
    for (const [name, op] of this.primitives) library.define(name, { kind: "primitive", op }, start)
    for (const [name, value] of BUILTIN_NAMES) library.define(name, value, start)
    const environment = new Environment(library, true)
    for (const [name, { definition, module: home }] of module.scope) {
      const { span } = definition.name
      if (definition.kind === "block")
        environment.define(name, { kind: "block", item: definition, module: home, given: [] }, span)
      if (definition.kind === "fn")
        environment.define(name, { kind: "fn", item: definition, module: home, given: [] }, span)
    }
    this.environments.set(module, environment)
    return environment
  }
  private readonly environments = new Map<Module, Environment>()

  /** Where a value of an ablation is evaluated: it can use the names of its own module, and not those of the model. */
  writtenIn(module: Module, scope: Scope): Scope {
    return { ...scope, module, environment: new Environment(this.moduleEnvironment(module)) }
  }

  /** Remembers what a `let` of the user holds, for summaries and editors. */
  observeLet(statement: LetStatement, value: StaticValue, scope: Scope): void {
    if (value.kind !== "tensor" || isStandard(statement.span)) return
    this.lets.push({
      name: scope.naming.path,
      section: scope.section.name,
      type: value.type,
      value: value.value,
      span: statement.span,
    })
  }
  readonly lets: LetRecord[] = []

  /** The same for the tensors that `let { a, b } = ...` takes out of a record; their place is that of the name. */
  observeTaken({ fields }: RecordPattern, scope: Scope): void {
    for (const { name } of fields) {
      const value = scope.environment.lookup(name.text)?.value
      if (value?.kind !== "tensor" || isStandard(name.span)) continue
      this.taken.push({
        name: join(scope.path, name.text),
        section: scope.section.name,
        type: value.type,
        value: value.value,
        span: name.span,
      })
    }
  }
  readonly taken: LetRecord[] = []

  addOutput(statement: NamedStatement, value: ValueId, scope: Scope): void {
    this.checkTopLevel(statement, scope)
    this.builder.output(statement.name.text, value, statement.doc)
  }

  addLoss(statement: NamedStatement, value: ValueId, scope: Scope): void {
    this.checkTopLevel(statement, scope)
    this.builder.loss(join(scope.section.name, statement.name.text), value, scope.section.name)
  }

  /** Outputs and losses belong to the model, not to a block that may be used many times. */
  private checkTopLevel(statement: NamedStatement, scope: Scope): void {
    if (scope.owner || this.calls.length > 0) {
      const { span, kind: word } = statement
      this.fail({ kind: "misplaced-statement", span, word, allowed: "a model or a section" })
    }
  }

  finish(): Graph {
    return this.builder.finish()
  }
}

const join2 = (path: string, detail: string): string => (path && detail ? `${path}.${detail}` : path || detail)

/** In the standard library, where users do not look for their own mistakes. */
export function isStandard(span: Span): boolean {
  return span.file.startsWith("std/")
}
