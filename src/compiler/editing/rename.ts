/**
 * Renaming: every place of a name, and whether the new one is free.
 *
 * Takes the texts that may speak of a name; gives what to write where. Whether the new name is free is not decided by
 * rules of its own: the renamed texts are read, and every word in them must mean what it meant.
 */

import type { Span } from "../../../grammar/ast.js"
import { parse } from "../../../grammar/parse.js"
import { Reserved } from "../../../grammar/tokens.js"
import { lex } from "../../../grammar/lex.js"
import { primaryLabel } from "../diagnostics/diagnostic.js"
import type { Declaration } from "../resolve/declarations.js"
import { checkNames } from "../resolve/check-names.js"
import { loadModules, type ModuleGraph, type SourceHost } from "../resolve/modules.js"
import { isOfLanguage, type Occurrence, occurrencesOf, sameDeclaration } from "./occurrences.js"

/** The words that name `declaration` in the root of `graph`. */
export function referencesIn(graph: ModuleGraph, declaration: Declaration): readonly Occurrence[] {
  return occurrencesOf(graph.root, graph).filter((found) => sameDeclaration(found.declaration, declaration))
}

/** A text in the place of another. */
export interface Edit {
  readonly span: Span
  readonly text: string
}

/** Why a name cannot be given; its message is for the user. */
export class RenameRefused extends Error {
  override readonly name = "RenameRefused"
}

/** Why what the word names cannot be renamed from there; undefined where it can. */
export function notRenamable({ name, declaration }: Occurrence): string | undefined {
  if (isOfLanguage(declaration)) return `\`${declaration.name.text}\` is part of the language`
  if (declaration.name.span.file.startsWith("std/")) return "the standard library cannot be renamed"
  if (declaration.kind === "section" && !declaration.node.name) {
    return "the section is named after its kind: give it a name of its own first"
  }
  if (name.text !== declaration.name.text) {
    return `\`${name.text}\` is what this file calls \`${declaration.name.text}\`: rename that where it is declared`
  }
  return undefined
}

/**
 * The edits that rename what `found` names in the roots of `graphs`.
 *
 * @throws RenameRefused when the name is none, or is taken in one of the texts
 */
export function rename(graphs: readonly ModuleGraph[], found: Occurrence, to: string): readonly Edit[] {
  const { declaration } = found
  const refused = notRenamable(found)
  if (refused !== undefined) throw new RenameRefused(refused)
  const { tokens } = lex("", to)
  const [token] = tokens
  if (tokens.length !== 1 || !/^[A-Za-z_]\w*$/.test(to) || token!.tokenType.CATEGORIES?.includes(Reserved)) {
    throw new RenameRefused(`\`${to}\` is not a name`)
  }
  const edits = new Map(graphs.map((graph) => [graph, editsIn(graph, declaration, to)] as const))
  const texts = new Map<string, string>()
  for (const [{ root }, all] of edits) texts.set(root.path, applied(root.text, all))
  for (const [graph, all] of edits) if (all.length > 0) insistOnSameMeaning(graph, texts, all)
  return [...edits.values()].flat()
}

function editsIn(graph: ModuleGraph, declaration: Declaration, to: string): readonly Edit[] {
  const { file } = graph.root
  // `import { a as b }`: in that text it is called `b`, and what says so is the word before `as`.
  const aliased = new Set(
    file.items.flatMap((item) =>
      item.kind === "import" ? item.names.flatMap(({ alias }) => (alias ? [alias.text] : [])) : [],
    ),
  )
  const shorthand = shorthandFields(graph)
  return referencesIn(graph, declaration)
    .filter(({ name }) => name.text === declaration.name.text && !aliased.has(name.text))
    .map(({ name: { span, text } }) => ({ span, text: shorthand.has(span.start) ? `${text}: ${to}` : to }))
}

/** `{ v }` says the field and the name in one word: renamed, it says both. Told from the symbols on its two sides. */
function shorthandFields({ root: { text } }: ModuleGraph): ReadonlySet<number> {
  const found = new Set<number>()
  const { tokens } = lex("", text)
  const open: string[] = []
  tokens.forEach(({ image, startOffset }, i) => {
    if ("([{".includes(image)) open.push(image)
    else if (")]}".includes(image)) open.pop()
    const [before, after] = [tokens[i - 1]?.image ?? "", tokens[i + 1]?.image ?? ""]
    const isImport = tokens.slice(0, i).findLast((token) => token.image === "import" || token.image === "}")?.image
    if (open.at(-1) === "{" && "{,".includes(before) && ",}".includes(after) && isImport !== "import") {
      found.add(startOffset)
    }
  })
  return found
}

/** `text` with `edits`, which do not overlap. */
export function applied(text: string, edits: readonly Edit[]): string {
  return [...edits]
    .sort((a, b) => b.span.start - a.span.start)
    .reduce((now, { span, text: word }) => now.slice(0, span.start) + word + now.slice(span.end), text)
}

/** The renamed text has no mistake that the old one had not, and its names are declared at the same words. */
function insistOnSameMeaning(graph: ModuleGraph, texts: ReadonlyMap<string, string>, edits: readonly Edit[]): void {
  const { root, host } = graph
  const changed: SourceHost = { ...host, read: (path) => texts.get(path) ?? host.read(path) }
  const { output, diagnostics } = loadModules(root.path, changed)
  if (!output) throw new RenameRefused(`${root.path} could not be read again`)
  const found = [...diagnostics, ...checkNames(output.root, output)]
  const known = [...parse(root.path, root.text).diagnostics, ...checkNames(root, graph)].map(({ code }) => code)
  for (const diagnostic of found) {
    const at = known.indexOf(diagnostic.code)
    if (at < 0) throw new RenameRefused(`${diagnostic.title}: ${primaryLabel(diagnostic)?.text ?? ""}`)
    known.splice(at, 1)
  }
  const meant = declarationsOf(root.path, occurrencesOf(root, graph))
  const means = declarationsOf(root.path, occurrencesOf(output.root, output))
  if (meant.join() !== means.join()) {
    throw new RenameRefused(`\`${edits[0]!.text}\` already means something in ${root.path}`)
  }
}

/** For each word of a text, which word of it declares it, by number; places move when a name gets longer. */
function declarationsOf(path: string, occurrences: readonly Occurrence[]): readonly string[] {
  const numbers = new Map(occurrences.map(({ name }, i) => [name.span.start, i]))
  return occurrences.map(({ declaration: { kind, name } }) =>
    name.span.file === path ? `${kind} ${numbers.get(name.span.start)}` : kind,
  )
}
