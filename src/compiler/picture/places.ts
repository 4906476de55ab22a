/**
 * Where a place of a text stands: in which definition, which statement of it, and inside how many loops.
 *
 * Takes modules and a span, such as a node's own or that of a call around it; gives the definition and the statements
 * around the span. The graph knows only spans; a picture speaks of the statements that people wrote.
 */

import type {
  BlockItem,
  Expression,
  FunctionItem,
  InputMember,
  ModelItem,
  Span,
  Statement,
} from "../../../grammar/ast.js"
import type { Module, ModuleGraph } from "../resolve/modules.js"

/** What holds statements. */
export type Holder = ModelItem | BlockItem | FunctionItem

export interface Place {
  readonly module: Module
  readonly holder: Holder
  /** outermost first; more than one where a `{ ... }` stands within a statement */
  readonly statements: readonly Statement[]
  /** folds and comprehensions between the outermost statement and the span */
  readonly loops: number
}

/** Finds places in the texts of a model; what was found is remembered, since thousands of nodes share few places. */
export class Places {
  private readonly known = new Map<string, Place | undefined>()

  constructor(private readonly modules: ModuleGraph) {}

  /** Where `span` stands; undefined outside all definitions, as in an ablation's `set`. */
  at(span: Span): Place | undefined {
    const key = `${span.file}:${span.start}:${span.end}`
    if (!this.known.has(key)) this.known.set(key, this.find(span))
    return this.known.get(key)
  }

  /** The characters of `span`. */
  text(span: Span): string {
    return this.modules.modules.get(span.file)?.text.slice(span.start, span.end) ?? ""
  }

  private find(span: Span): Place | undefined {
    const module = this.modules.modules.get(span.file)
    const holder = module?.file.items.find((item): item is Holder => isHolder(item) && contains(item.span, span))
    if (!module || !holder) return undefined
    const found = statementsOf(holder).find((statement) => contains(statement.span, span))
    return { module, holder, ...(found ? around(found, span) : { statements: [], loops: 0 }) }
  }
}

const isHolder = ({ kind }: { readonly kind: string }): boolean => ["model", "block", "fn"].includes(kind)

/** Whether `inner` lies within `outer`, of the same file. */
const contains = (outer: Span, inner: Span): boolean => outer.start <= inner.start && inner.end <= outer.end

/** The statements of a definition, those in the sections of a model included, in the order of the text. */
export function statementsOf(holder: Holder): readonly Statement[] {
  if (holder.kind !== "model") return holder.body
  return holder.members.flatMap((member): readonly Statement[] => {
    if (member.kind === "section") return member.body
    return member.kind === "input" || member.kind === "train" ? [] : [member]
  })
}

/** `outer` and the statements in it, down to the innermost that holds `span`. */
function around(outer: Statement, span: Span): Pick<Place, "statements" | "loops"> {
  const statements = [outer]
  let loops = 0
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node !== "object" || node === null) return
    const { kind, span: own } = node as { readonly kind?: string; readonly span?: Span }
    if (own !== undefined && !contains(own, span)) return
    if (kind === "fold" || kind === "comprehension") loops++
    if (kind === "do") statements.push(...(node as DoExpression).body.filter((inner) => contains(inner.span, span)))
    Object.values(node).forEach(visit)
  }
  Object.values(outer).forEach(visit)
  return { statements, loops }
}

type DoExpression = Extract<Expression, { kind: "do" }>

/** The names that a statement or an input gives to what it makes. */
export function namesOf(statement: Statement | InputMember): readonly string[] {
  if (statement.kind === "let") {
    const { pattern } = statement
    return pattern.kind === "name-pattern" ? [pattern.name.text] : pattern.fields.map(({ name }) => name.text)
  }
  return "name" in statement ? [statement.name.text] : []
}

/** The words of a piece of text that may be names. */
export function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.match(/[A-Za-z_][A-Za-z_0-9]*/g))
}
