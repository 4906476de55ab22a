/**
 * What every stage of the compiler says to its user.
 *
 * Takes nothing; gives the one value that all renderers (terminal, JSON, GitHub, editor) read. It holds no layout and no
 * colour, so that the same finding looks right everywhere. Stages do not build it by hand: they state a fact
 * (`facts.ts`), and the fact's entry writes the words.
 */

import type { Span } from "../../../grammar/ast.js"

export type Severity = "error" | "warning" | "note"

/** A place in some file and what to say about it. Labels of one diagnostic may lie in different files. */
export interface Label {
  readonly span: Span
  readonly text: string
  /** The place at fault; the others say where it came from. */
  readonly primary: boolean
}

export interface Replacement {
  readonly span: Span
  readonly text: string
  /** what it does, where that is more than changing a word */
  readonly title?: string
}

export interface Diagnostic {
  /** Stable, such as `MDL1203`: 1xxx syntax, 2xxx names, 3xxx shapes and types, 4xxx ablations, training, settings. */
  readonly code: string
  readonly severity: Severity
  readonly title: string
  readonly labels: readonly Label[]
  readonly notes: readonly string[]
  /** One thing to do about it. */
  readonly hint: string | undefined
  /** What the hint suggests, where it is a text in the place of another: for the quick fixes of editors. */
  readonly replacement?: Replacement
  /** The library file whose import would mend it. */
  readonly importFrom?: { readonly name: string; readonly path: string }
}

/** The label a one-line report points at: the first primary one, else the first of all. */
export function primaryLabel(diagnostic: Diagnostic): Label | undefined {
  return diagnostic.labels.find((label) => label.primary) ?? diagnostic.labels[0]
}

/** True when at least one of them is an error: the input is refused. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === "error")
}
