/**
 * Facts about names (MDL2xxx): what resolving names, imports and calls can find wrong, and the words for it.
 *
 * Imports are 20xx, names in expressions 21xx, arguments of calls 22xx, names of parameters and instances 23xx.
 */

import type { Span } from "../../../grammar/ast.js"
import { also, at, type FactTable, listed, meant, quoted } from "./fact-table.js"

export type NameFact =
  | { readonly kind: "module-not-found"; readonly span: Span; readonly from: string; readonly path: string }
  | { readonly kind: "import-cycle"; readonly span: Span; readonly path: readonly string[] }
  | {
      readonly kind: "no-such-export"
      readonly span: Span
      readonly name: string
      readonly from: string
      readonly suggestion: string | undefined
    }
  | {
      readonly kind: "data-file"
      readonly span: Span
      readonly path: string
      readonly problem: string
      readonly hint: string | undefined
    }
  | {
      readonly kind: "unknown-name"
      readonly span: Span
      readonly name: string
      readonly suggestion: string | undefined
      /** where it would be seen, when it exists in the library but is not imported */
      readonly importFrom: string | undefined
      /** what to write instead, when it is a word of Python or PyTorch */
      readonly advice: string | undefined
    }
  | {
      readonly kind: "shadowed-name"
      readonly span: Span
      readonly name: string
      readonly first: Span
    }
  | {
      readonly kind: "no-such-field"
      readonly span: Span
      readonly name: string
      readonly owner: string
      readonly fields: readonly string[]
      readonly suggestion: string | undefined
    }
  | {
      readonly kind: "unknown-argument"
      readonly span: Span
      readonly name: string
      readonly callee: string
      readonly known: readonly string[]
      readonly suggestion: string | undefined
      readonly advice: string | undefined
      readonly declared: Span | undefined
    }
  | {
      readonly kind: "missing-argument"
      readonly span: Span
      readonly callee: string
      readonly missing: readonly string[]
      readonly declared: Span | undefined
    }
  | {
      readonly kind: "too-many-arguments"
      readonly span: Span
      readonly callee: string
      readonly takes: number
      readonly declared: Span | undefined
    }
  | { readonly kind: "argument-given-twice"; readonly span: Span; readonly callee: string; readonly name: string }
  | { readonly kind: "not-callable"; readonly span: Span; readonly found: string }
  | {
      readonly kind: "instance-name-clash"
      readonly span: Span
      readonly path: string
      readonly first: Span
    }
  | { readonly kind: "instance-not-applied"; readonly span: Span; readonly name: string; readonly owner: string }
  | { readonly kind: "recursive-definition"; readonly span: Span; readonly path: readonly string[] }
  | { readonly kind: "no-return"; readonly span: Span; readonly name: string }
  | { readonly kind: "misplaced-statement"; readonly span: Span; readonly word: string; readonly allowed: string }

/** What to write where a statement cannot stand. */
const INSTEAD: Readonly<Record<string, string>> = {
  return: "name what a model predicts: `output NAME = ...`",
  param: "a parameter belongs to a layer: write a `block` with it at the top of the file, and call that here",
}

export const NAME_FACTS = {
  "module-not-found": {
    code: "MDL2001",
    severity: "error",
    describe: ({ span, from, path }) => ({
      title: "Unknown module",
      labels: [at(span, `there is no file ${quoted(path)}`)],
      hint: from.startsWith("std/")
        ? "the standard library's files are listed in docs/language.md"
        : `write a path relative to this file, or "std/..." for the standard library`,
    }),
  },
  "import-cycle": {
    code: "MDL2002",
    severity: "error",
    describe: ({ span, path }) => ({
      title: "Modules import each other in a circle",
      labels: [at(span, "this import closes the circle")],
      notes: [path.join(" -> ")],
      hint: "move what both need into a third file",
    }),
  },
  "no-such-export": {
    code: "MDL2003",
    severity: "error",
    describe: ({ span, name, from, suggestion }) => ({
      title: "Unknown name in import",
      labels: [at(span, `"${from}" does not define ${quoted(name)}`)],
      hint: meant(suggestion),
    }),
  },
  "data-file": {
    code: "MDL2004",
    severity: "error",
    describe: ({ span, path, problem, hint }) => ({
      title: "Data file cannot be used",
      labels: [at(span, `${quoted(path)}: ${problem}`)],
      hint,
    }),
  },
  "unknown-name": {
    code: "MDL2101",
    severity: "error",
    describe: ({ span, name, suggestion, importFrom, advice }) => ({
      title: "Unknown name",
      labels: [at(span, `nothing is called ${quoted(name)} here`)],
      hint: importFrom ? `import { ${name} } from "${importFrom}"` : (advice ?? meant(suggestion)),
    }),
  },
  "shadowed-name": {
    code: "MDL2102",
    severity: "error",
    describe: ({ span, name, first }) => ({
      title: "Name is taken",
      labels: [at(span, `${quoted(name)} is already defined`), also(first, "first defined here")],
      notes: ["A name means one thing in its scope: later lines cannot change what earlier ones refer to."],
      hint: `choose another name, such as \`${name}2\`, or chain the steps with \`|>\``,
    }),
  },
  "no-such-field": {
    code: "MDL2103",
    severity: "error",
    describe: ({ span, name, owner, fields, suggestion }) => ({
      title: "Unknown field",
      labels: [at(span, `there is no field ${quoted(name)} in ${owner}`)],
      notes: fields.length > 0 ? [`it has ${listed(fields.map(quoted), "and")}`] : [],
      hint: meant(suggestion),
    }),
  },
  "instance-not-applied": {
    code: "MDL2104",
    severity: "error",
    describe: ({ span, name, owner }) => ({
      title: "Parameter is not there yet",
      labels: [at(span, `${owner} has not been applied, so that it has no ${quoted(name)}`)],
      notes: ["The parameters of a block are made when it is first applied: their sizes come from what it is given."],
      hint: "read it in a line after the one that applies the instance",
    }),
  },
  "unknown-argument": {
    code: "MDL2201",
    severity: "error",
    describe: ({ span, name, callee, known, suggestion, advice, declared }) => ({
      title: "Unknown argument",
      labels: [
        at(span, `${quoted(callee)} has no argument ${quoted(name)}`),
        ...(declared ? [also(declared, "declared here")] : []),
      ],
      notes: [known.length > 0 ? `it takes ${listed(known.map(quoted), "and")}` : "it takes no arguments"],
      hint: advice ?? meant(suggestion),
    }),
  },
  "missing-argument": {
    code: "MDL2202",
    severity: "error",
    describe: ({ span, callee, missing, declared }) => ({
      title: "Missing argument",
      labels: [
        at(span, `${quoted(callee)} also needs ${listed(missing.map(quoted), "and")}`),
        ...(declared ? [also(declared, "declared here, without a default")] : []),
      ],
    }),
  },
  "too-many-arguments": {
    code: "MDL2203",
    severity: "error",
    describe: ({ span, callee, takes, declared }) => ({
      title: "Too many arguments",
      labels: [
        at(span, `${quoted(callee)} takes ${takes === 0 ? "none" : takes} here`),
        ...(declared ? [also(declared, "declared here")] : []),
      ],
      hint:
        takes === 0
          ? "a block takes settings in the first brackets and inputs in the second: Block(settings)(inputs)"
          : undefined,
    }),
  },
  "argument-given-twice": {
    code: "MDL2204",
    severity: "error",
    describe: ({ span, callee, name }) => ({
      title: "Argument given twice",
      labels: [at(span, `${quoted(name)} of ${quoted(callee)} already has a value`)],
    }),
  },
  "not-callable": {
    code: "MDL2205",
    severity: "error",
    describe: ({ span, found }) => ({
      title: "This cannot be called",
      labels: [at(span, `this is ${found}`)],
      hint: "functions, blocks and operations can be called",
    }),
  },
  "instance-name-clash": {
    code: "MDL2301",
    severity: "error",
    describe: ({ span, path, first }) => ({
      title: "Two sets of parameters would have one name",
      labels: [at(span, `this would be ${quoted(path)} again`), also(first, `${quoted(path)} is made here`)],
      notes: ["Parameters are named after their section and their `let`, so that adding a line renames nothing."],
      hint: "give each its own `let`; to share weights on purpose, write `let f = Block(...)` and use `f` twice",
    }),
  },
  "recursive-definition": {
    code: "MDL2302",
    severity: "error",
    describe: ({ span, path }) => ({
      title: "Definition uses itself",
      labels: [at(span, "this call leads back to where it came from")],
      notes: [path.join(" -> ")],
      hint: "repeat with `fold` or a comprehension; compiling always has to end",
    }),
  },
  "no-return": {
    code: "MDL2303",
    severity: "error",
    describe: ({ span, name }) => ({
      title: "Nothing is returned",
      labels: [at(span, `${quoted(name)} has no \`return\``)],
      hint: "end the body with `return ...`",
    }),
  },
  "misplaced-statement": {
    code: "MDL2304",
    severity: "error",
    describe: ({ span, word, allowed }) => ({
      title: "Statement in the wrong place",
      labels: [at(span, `\`${word}\` belongs in ${allowed}`)],
      hint: INSTEAD[word],
    }),
  },
} satisfies FactTable<NameFact>
