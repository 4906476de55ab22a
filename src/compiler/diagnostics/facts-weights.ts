/**
 * Facts about published names (MDL24xx): what can be wrong with `weights "..." { }`, and the words for it.
 */

import type { Span } from "../../../grammar/ast.js"
import { also, at, type FactTable, listed, quoted } from "./fact-table.js"
import { chain, type Located, located } from "./facts-shapes.js"

export type WeightsFact =
  | (Located & {
      readonly kind: "weights-of-nothing"
      /** as written: `layer[i].attn.q` */
      readonly path: string
      /** `the block TextLayer`, `the section \`vision\`` */
      readonly owner: string
      /** what it has, on the first level: `layer[i]` */
      readonly parts: readonly string[]
      readonly suggestion: string | undefined
    })
  | (Located & {
      readonly kind: "weights-named-twice"
      /** of the parameter or part, from its owner on */
      readonly path: string
      readonly first: Span
    })
  | {
      readonly kind: "weights-unknown-number"
      readonly span: Span
      readonly name: string
      /** those that the path has */
      readonly known: readonly string[]
    }
  | { readonly kind: "weights-number-unused"; readonly span: Span; readonly name: string }
  | (Located & { readonly kind: "weights-of-many"; readonly path: string; readonly parts: readonly string[] })

export const WEIGHTS_FACTS = {
  "weights-of-nothing": {
    code: "MDL2401",
    severity: "error",
    describe: (fact) => ({
      title: "Published name of nothing",
      labels: located(fact, `${fact.owner} has no parameter or part ${quoted(fact.path)}`),
      notes: [
        fact.parts.length > 0 ? `it has ${listed(fact.parts.map(quoted), "and")}` : "it has no parameters",
        ...chain(fact.calls),
      ],
      hint: fact.suggestion && `did you mean ${quoted(fact.suggestion)}?`,
    }),
  },
  "weights-named-twice": {
    code: "MDL2402",
    severity: "error",
    describe: (fact) => ({
      title: "Two published names for one parameter",
      labels: [...located(fact, `${quoted(fact.path)} has a name already`), also(fact.first, "named here first")],
      notes: chain(fact.calls),
      hint: 'for a tensor with several names write `"first" or "second"`; other files get `weights` of their own',
    }),
  },
  "weights-unknown-number": {
    code: "MDL2403",
    severity: "error",
    describe: ({ span, name, known }) => ({
      title: "Unknown number in a published name",
      labels: [at(span, `\`{${name}}\` is no position of the path on the left`)],
      notes: [known.length > 0 ? `it has ${listed(known.map(quoted), "and")}` : "it has none"],
      hint:
        known.length > 0
          ? `write \`{${known[0]}}\``
          : `write the position on the left, as in \`layer[${name}].weight\``,
    }),
  },
  "weights-number-unused": {
    code: "MDL2404",
    severity: "error",
    describe: ({ span, name }) => ({
      title: "All positions would get the same tensor",
      labels: [at(span, `the name on the right does not depend on ${quoted(name)}`)],
      hint: `write \`{${name}}\` where the number stands in the published name`,
    }),
  },
  "weights-of-many": {
    code: "MDL2405",
    severity: "error",
    describe: (fact) => ({
      title: "One tensor for several parameters",
      labels: located(fact, `${quoted(fact.path)} holds ${listed(fact.parts.map(quoted), "and")}`),
      notes: [
        "For a part with several parameters only a name can stand, which theirs are put behind.",
        ...chain(fact.calls),
      ],
      hint: `name its parameters one by one: \`${fact.path}.${fact.parts[0] ?? "weight"} = ...\``,
    }),
  },
} satisfies FactTable<WeightsFact>
