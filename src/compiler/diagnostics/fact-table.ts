/**
 * The shape of a table of facts.
 *
 * Takes a union of facts; gives the type of the table that must have one entry for each `kind`, so that a fact without
 * words does not compile. Also the small helpers the tables are written with.
 */

import type { Span } from "../../../grammar/ast.js"
import type { Label, Severity } from "./diagnostic.js"

/** What an entry writes about a fact; code and severity are the entry's own. */
export interface Description {
  readonly title: string
  readonly labels: readonly Label[]
  readonly notes?: readonly string[]
  readonly hint?: string | undefined
}

export interface FactEntry<F> {
  readonly code: `MDL${number}`
  readonly severity: Severity
  describe(fact: F): Description
}

/** One entry for each kind of the union `F`. Write tables as `{ ... } satisfies FactTable<SomeFact>`. */
export type FactTable<F extends { readonly kind: string }> = {
  readonly [K in F["kind"]]: FactEntry<Extract<F, { readonly kind: K }>>
}

/** The label at the place at fault. */
export function at(span: Span, text = ""): Label {
  return { span, text, primary: true }
}

/** A label that says where something else was written. */
export function also(span: Span, text: string): Label {
  return { span, text, primary: false }
}

/** `a`, `a or b`, `a, b or c`. */
export function listed(words: readonly string[], last: "or" | "and" = "or"): string {
  if (words.length < 2) return words[0] ?? ""
  return `${words.slice(0, -1).join(", ")} ${last} ${words[words.length - 1]}`
}

/** The question after what was meant, if it can be told. */
export function meant(suggestion: string | undefined): string | undefined {
  return suggestion && `did you mean ${quoted(suggestion)}?`
}

/** A name in backquotes, as messages show the user's own words. */
export function quoted(word: string): string {
  return `\`${word}\``
}
