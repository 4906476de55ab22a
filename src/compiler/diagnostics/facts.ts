/**
 * Everything the compiler can find wrong, as one closed union, and the one function that puts a fact into words.
 *
 * Takes a fact (a `kind`, spans, and the data the message needs); gives the diagnostic. Stages state facts and write no
 * prose, so the wording of all messages can be read, tested and changed in the tables beside this file.
 *
 * To add one: add a member to the union of its stage (`facts-names.ts`, ...) and an entry with the next free code of
 * that stage to its table. The types refuse a fact without an entry.
 */

import type { Diagnostic } from "./diagnostic.js"
import type { FactEntry, FactTable } from "./fact-table.js"
import { NAME_FACTS, type NameFact } from "./facts-names.js"
import { SHAPE_FACTS, type ShapeFact } from "./facts-shapes.js"
import { SYNTAX_FACTS, type SyntaxFact } from "./facts-syntax.js"
import { TRAINING_FACTS, type TrainingFact } from "./facts-training.js"
import { WEIGHTS_FACTS, type WeightsFact } from "./facts-weights.js"

export type Fact = SyntaxFact | NameFact | ShapeFact | TrainingFact | WeightsFact

/** The tables merged; exported for the list of codes in the documentation and the test that codes are unique. */
export const FACTS: FactTable<Fact> = {
  ...SYNTAX_FACTS,
  ...NAME_FACTS,
  ...WEIGHTS_FACTS,
  ...SHAPE_FACTS,
  ...TRAINING_FACTS,
}

/** Put a fact into words. */
export function describe(fact: Fact): Diagnostic {
  // The table pairs each kind with the entry of that kind; TypeScript cannot follow the pairing through an index.
  const entry = FACTS[fact.kind] as FactEntry<Fact>
  const { title, labels, notes, hint } = entry.describe(fact)
  return { code: entry.code, severity: entry.severity, title, labels, notes: notes ?? [], hint, ...fixOf(fact) }
}

/** What would mend it, as data. A suggestion is always meant for the word at the fact's own place. */
function fixOf(fact: Fact): Pick<Diagnostic, "replacement" | "importFrom"> {
  if (fact.kind === "unknown-name" && fact.importFrom !== undefined) {
    return { importFrom: { name: fact.name, path: fact.importFrom } }
  }
  if ("flatten" in fact && fact.flatten) return { replacement: fact.flatten }
  if (!("suggestion" in fact) || fact.suggestion === undefined) return {}
  return { replacement: { span: fact.span, text: fact.suggestion } }
}
