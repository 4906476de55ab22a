/**
 * The outline of a text: what it defines, for lists of symbols, folding and lenses.
 *
 * Takes the syntax tree of a file, which may be one of a broken text; gives its definitions as a tree.
 */

import type {
  AblationItem,
  Identifier,
  Item,
  ModelMember,
  Pattern,
  SectionMember,
  SourceFile,
  Span,
  Statement,
} from "../../../grammar/ast.js"

export interface OutlineEntry {
  readonly name: string
  readonly kind: Exclude<Item["kind"], "import"> | "input" | "section" | "train" | "let" | "param" | "output" | "loss"
  /** the word that describes it beside its name: `frozen encoder`, `of RecLMIS` */
  readonly detail: string
  readonly span: Span
  /** the word that names it */
  readonly at: Span
  readonly children: readonly OutlineEntry[]
}

/** The definitions of a file in the order of the text. */
export function outline(file: SourceFile): readonly OutlineEntry[] {
  return file.items.flatMap(itemEntries)
}

function itemEntries(item: Item): OutlineEntry[] {
  switch (item.kind) {
    case "import":
      return []
    case "block":
    case "fn":
      return [named(item.name, item.kind, item.span, item.kind, item.body.flatMap(statementEntries))]
    case "model":
      return [named(item.name, "model", item.span, "model", item.members.flatMap(memberEntries))]
    case "ablation":
      return [named(item.name, "ablation", item.span, `of ${item.base.text}`)]
  }
}

function memberEntries(member: ModelMember): OutlineEntry[] {
  switch (member.kind) {
    case "input":
      return [named(member.name, "input", member.span, `${member.optional ? "optional " : ""}${member.role}`)]
    case "section":
      return [sectionEntry(member)]
    case "train": {
      const { span } = member
      const at = { ...span, end: Math.min(span.end, span.start + "train".length) }
      return [{ name: "train", kind: "train", detail: "", span, at, children: [] }]
    }
    default:
      return statementEntries(member)
  }
}

function sectionEntry(section: SectionMember): OutlineEntry {
  const { role, frozen, body, span } = section
  const detail = `${frozen ? "frozen " : ""}${role.text}`
  return named(section.name ?? role, "section", span, detail, body.flatMap(statementEntries))
}

function statementEntries(statement: Statement): OutlineEntry[] {
  const { span } = statement
  switch (statement.kind) {
    case "let":
      return patternNames(statement.pattern).map((name) => named(name, "let", span, "let"))
    case "param":
      return [named(statement.name, "param", span, statement.role)]
    case "const":
      return [named(statement.name, "param", span, "const")]
    case "output":
    case "loss":
      return [named(statement.name, statement.kind, span, statement.kind)]
    default:
      return []
  }
}

function named(
  { text, span: at }: Identifier,
  kind: OutlineEntry["kind"],
  span: Span,
  detail: string,
  children: readonly OutlineEntry[] = [],
): OutlineEntry {
  return { name: text, kind, detail, span, at, children }
}

const patternNames = (pattern: Pattern): readonly Identifier[] =>
  pattern.kind === "name-pattern" ? [pattern.name] : pattern.fields.map(({ name }) => name)

/** Every entry of an outline, inner ones after the one they are in. */
export function allEntries(entries: readonly OutlineEntry[]): readonly OutlineEntry[] {
  return entries.flatMap((entry) => [entry, ...allEntries(entry.children)])
}

/** The section around an offset, with its model. */
export function sectionAt(file: SourceFile, offset: number): { model: string; section: SectionMember } | undefined {
  const covers = ({ span }: { readonly span: Span }): boolean => span.start <= offset && offset <= span.end
  for (const item of file.items) {
    if (item.kind !== "model" || !covers(item)) continue
    const section = item.members.find((member) => member.kind === "section" && covers(member))
    if (section?.kind === "section") return { model: item.name.text, section }
  }
  return undefined
}

/** The ablations of a file. */
export const ablationsOf = (file: SourceFile): readonly AblationItem[] =>
  file.items.filter((item) => item.kind === "ablation")
