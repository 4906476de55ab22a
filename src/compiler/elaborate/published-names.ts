/**
 * `weights "..." { }`: the names that parameters have in published files.
 *
 * Takes the statements of a block, section or model once all that is inside has been made; gives, for each of them, the
 * names of what is there now, loops written out. What an entry names is looked for among the real parameters, so that a
 * misspelling is found although parameters are made by what is called, not by what is declared.
 */

import type { Span, Statement, WeightEntry, WeightPathPart, WeightsStatement } from "../../../grammar/ast.js"
import { didYouMean } from "../diagnostics/suggest.js"
import * as dims from "../ir/dims.js"
import type { WeightSource } from "../published-weights.js"
import { Abort, type Elaboration } from "./context.js"
import { Environment, join, type Scope } from "./environment.js"
import { weightSource } from "./weight-sources.js"

/** One `weights` statement of one instance, section or model. */
export interface PublishedClause {
  readonly scheme: string
  /** path of what it belongs to; "" for the model */
  readonly owner: string
  /** calls around it: tells apart two owners with one path, of which the outer comes first */
  readonly depth: number
  /** by path from the owner on: parameters, and parts whose parameters keep their own names behind the given one */
  readonly names: ReadonlyMap<string, WeightSource>
}

/** A parameter or part that an entry's path leads to. */
interface Match {
  readonly numbers: ReadonlyMap<string, number>
  /** the parameters, from there on; "" when the path is one's own */
  readonly inside: string[]
}

/**
 * Notes what the `weights` among `statements` say. Mistakes are reported, and the next entry is read.
 *
 * @param owner the words for what the statements belong to
 */
export function publishNames(
  statements: readonly Statement[],
  scope: Scope,
  owner: string,
  context: Elaboration,
): void {
  for (const statement of statements) {
    if (statement.kind !== "weights") continue
    // An instance that runs twice has the same names both times.
    const key = `${scope.path} ${statement.span.file} ${statement.span.start}`
    context.publishedMet.push(key)
    if (context.published.has(key)) continue
    const { scheme } = statement
    const names = namesOf(statement, statements, scope, owner, context)
    context.published.set(key, { scheme: scheme.text, owner: scope.path, depth: context.calls.length, names })
  }
}

function namesOf(
  { entries }: WeightsStatement,
  statements: readonly Statement[],
  scope: Scope,
  owner: string,
  context: Elaboration,
): ReadonlyMap<string, WeightSource> {
  const start = scope.path === "" ? "" : `${scope.path}.`
  const own = context.builder.parametersSoFar
    .filter(({ name, role }) => role !== "const" && name.startsWith(start))
    .map(({ name }) => name.slice(start.length).split("."))
  const names = new Map<string, { readonly source: WeightSource; readonly span: Span }>()
  for (const entry of entries) {
    try {
      nameEntry(entry)
    } catch (error) {
      if (!(error instanceof Abort)) throw error
    }
  }
  return new Map([...names].map(([path, { source }]) => [path, source]))

  function nameEntry(entry: WeightEntry): void {
    const matches = matchesOf(entry.path.parts, own)
    if (matches.size === 0) return nothingThere(entry)
    for (const [path, { numbers, inside }] of matches) {
      const source = sourceOf(entry, numbers)
      if (!source) continue
      const first = names.get(path)
      const { span } = entry.path
      if (first) {
        context.fail({ kind: "weights-named-twice", ...context.locate(span), path, first: first.span })
      }
      if (inside[0] !== "" && !isName(source)) {
        const parts = inside.slice(0, 4)
        context.fail({ kind: "weights-of-many", ...context.locate(entry.value.span), path, parts })
      }
      names.set(path, { source, span })
    }
  }

  function sourceOf(entry: WeightEntry, numbers: ReadonlyMap<string, number>): WeightSource | undefined {
    const environment = new Environment(scope.environment)
    for (const [name, value] of numbers) {
      environment.define(name, { kind: "int", dim: dims.constant(value) }, entry.path.span)
    }
    return weightSource(entry.value, numbers, { ...scope, environment }, context)
  }

  /** A path that leads nowhere is a mistake, unless the entry is left out or a loop over nothing would have made it. */
  function nothingThere(entry: WeightEntry): void {
    const { parts, span } = entry.path
    const variables = parts.flatMap((part) => (part.kind === "variable" ? [part.name.text] : []))
    if (!sourceOf(entry, new Map(variables.map((name) => [name, 0])))) return
    const loop = parts.findIndex((part) => part.kind === "variable")
    const [first] = parts
    const isEmptyLoop =
      loop > 0 &&
      first?.kind === "name" &&
      letNames(statements).has(first.name.text) &&
      matchesOf(parts.slice(0, loop + 1), own).size === 0
    if (isEmptyLoop) return
    const path = context.nameOf(span)
    const known = [...partsOf(own, variables[0])]
    // Without what is inside them.
    const outer = known.filter((part) => !known.some((other) => part !== other && isWithin(part, other)))
    context.fail({
      kind: "weights-of-nothing",
      ...context.locate(span),
      path,
      owner,
      parts: outer.slice(0, 8),
      suggestion: didYouMean(path, known),
    })
  }
}

/** The parameters and parts that a path leads to, by their path. */
function matchesOf(parts: readonly WeightPathPart[], own: readonly (readonly string[])[]): ReadonlyMap<string, Match> {
  const matches = new Map<string, Match>()
  for (const segments of own) {
    const numbers = new Map<string, number>()
    const fits = parts.every((part, index) => {
      const segment = segments[index]
      if (segment === undefined) return false
      if (part.kind === "name") return part.name.text === segment
      if (!isNumber(segment)) return false
      if (part.kind === "number") return Number(part.text) === Number(segment)
      const before = numbers.get(part.name.text)
      numbers.set(part.name.text, Number(segment))
      return before === undefined || before === Number(segment)
    })
    if (!fits) continue
    const path = segments.slice(0, parts.length).join(".")
    const match = matches.get(path) ?? { numbers, inside: [] }
    match.inside.push(segments.slice(parts.length).join("."))
    matches.set(path, match)
  }
  return matches
}

/** Only a name, or names to choose from: what can stand before the names of several parameters. */
function isName(source: WeightSource): boolean {
  return source.kind === "stored" || (source.kind === "first" && source.options.every(isName))
}

function letNames(statements: readonly Statement[]): ReadonlySet<string> {
  return new Set(
    statements.flatMap((statement) =>
      statement.kind === "let" && statement.pattern.kind === "name-pattern" ? [statement.pattern.name.text] : [],
    ),
  )
}

const isWithin = (part: string, other: string): boolean => part.startsWith(`${other}.`) || part.startsWith(`${other}[`)

const isNumber = (segment: string | undefined): boolean => segment !== undefined && /^\d+$/.test(segment)

/** Everything that could be named, as it would be written. */
function partsOf(own: readonly (readonly string[])[], variable = "i"): ReadonlySet<string> {
  const written = (path: string, segment: string): string =>
    isNumber(segment) ? `${path}[${variable}]` : join(path, segment)
  return new Set(
    own.flatMap((segments) =>
      segments.flatMap((_, at) => (isNumber(segments[at + 1]) ? [] : [segments.slice(0, at + 1).reduce(written, "")])),
    ),
  )
}
