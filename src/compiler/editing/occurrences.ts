/**
 * All names of a text with what they mean: what editors ask for definitions, references, colours and renaming.
 *
 * Takes a module of a graph; gives its names in the order of the text. They are those that checking names finds, so that
 * an editor follows a name to where the compiler does.
 */

import type { Identifier, Span } from "../../../grammar/ast.js"
import { checkNames } from "../resolve/check-names.js"
import type { Declaration } from "../resolve/declarations.js"
import type { Module, ModuleGraph } from "../resolve/modules.js"

/** A word of a text that names something. */
export interface Occurrence {
  readonly name: Identifier
  readonly declaration: Declaration
}

/** Every name of `module`, each place once. */
export function occurrencesOf(module: Module, graph: ModuleGraph): readonly Occurrence[] {
  const found = new Map<number, Occurrence>()
  checkNames(module, graph, (name, declaration) => {
    if (!found.has(name.span.start)) found.set(name.span.start, { name, declaration })
  })
  return [...found.values()].sort((a, b) => a.name.span.start - b.name.span.start)
}

/** The name at `offset`, also directly behind it. */
export function occurrenceAt(occurrences: readonly Occurrence[], offset: number): Occurrence | undefined {
  return occurrences.find(({ name: { span } }) => span.start <= offset && offset <= span.end)
}

/** Whether the word is the one that declares what it names. */
export function isDeclaration({ name, declaration }: Occurrence): boolean {
  return !isOfLanguage(declaration) && samePlace(name.span, declaration.name.span)
}

/** What the language itself has is declared in no text. */
export function isOfLanguage({ kind }: Declaration): boolean {
  return kind === "operation" || kind === "builtin"
}

/** Whether two words name the same thing. */
export function sameDeclaration(a: Declaration, b: Declaration): boolean {
  if (a.kind !== b.kind) return false
  return isOfLanguage(a) ? a.name.text === b.name.text : samePlace(a.name.span, b.name.span)
}

const samePlace = (a: Span, b: Span): boolean => a.file === b.file && a.start === b.start && a.end === b.end
