/**
 * Facts about shapes and types (MDL3xxx): what elaboration can find wrong, and the words for it.
 *
 * Dims are 30xx, kinds of values 31xx, arithmetic at compile time 32xx, gradients 33xx, sizes at export 35xx. A shape message says both shapes
 * in full, the axis, and where each side got its size.
 */

import type { Span } from "../../../grammar/ast.js"
import type { Replacement } from "./diagnostic.js"
import { also, at, type Description, type FactTable, listed, quoted } from "./fact-table.js"

/** A tensor in a message: what it is called, its type, and where it was made. */
export interface Operand {
  readonly name: string
  readonly type: string
  readonly made: Span | undefined
}

/** The calls around the place at fault, outermost first; the fault itself may lie in the standard library. */
export interface CallSite {
  readonly span: Span
  readonly callee: string
}

export interface Located {
  /** the innermost place in the user's own files */
  readonly span: Span
  /** the exact place when it lies elsewhere, e.g. in the standard library */
  readonly inner: Span | undefined
  readonly calls: readonly CallSite[]
}

export type ShapeFact =
  | (Located & {
      readonly kind: "dims-differ"
      readonly operation: string
      readonly left: Operand & { readonly axis: number; readonly dim: string }
      readonly right: Operand & { readonly axis: number; readonly dim: string }
      readonly what: string
      readonly hint: string | undefined
    })
  | (Located & {
      readonly kind: "input-mismatch"
      readonly callee: string
      readonly input: string
      readonly expected: string
      readonly found: Operand
      /** axis that differs, with both sizes; undefined when rank or element type differ */
      readonly axis: { readonly index: number; readonly expected: string; readonly found: string } | undefined
      readonly reason: string
      readonly declared: Span
      readonly bound: { readonly symbol: string; readonly value: string; readonly span: Span } | undefined
      readonly flatten?: Replacement | undefined
    })
  | (Located & {
      readonly kind: "constant-mismatch"
      readonly name: string
      readonly expected: string
      readonly found: string
      readonly axis: { readonly index: number; readonly expected: string; readonly found: string } | undefined
      readonly reason: string
      readonly declared: Span
      readonly bound: { readonly symbol: string; readonly value: string; readonly span: Span } | undefined
    })
  | (Located & {
      readonly kind: "operation-refused"
      readonly operation: string
      readonly operands: readonly Operand[]
      readonly message: string
      readonly hint: string | undefined
      readonly flatten?: Replacement | undefined
    })
  | (Located & {
      readonly kind: "wrong-kind"
      readonly what: string
      readonly expected: string
      readonly found: string
      readonly hint: string | undefined
    })
  | (Located & {
      readonly kind: "not-whole"
      readonly expression: string
      readonly at: string
      readonly hint: string | undefined
    })
  | (Located & {
      readonly kind: "size-unknown"
      readonly dim: string
      readonly symbols: readonly string[]
      readonly what: string
    })
  | (Located & { readonly kind: "check-failed"; readonly message: string; readonly values: readonly string[] })
  | (Located & { readonly kind: "bad-number"; readonly message: string; readonly hint?: string })
  | (Located & {
      readonly kind: "not-differentiable"
      readonly operation: string
      readonly reason: string
      readonly loss: string
    })
  | (Located & { readonly kind: "limit-exceeded"; readonly what: string; readonly limit: number })
  | (Located & {
      readonly kind: "size-fixed"
      /** sizes that were to stay open in an exported file */
      readonly symbols: readonly string[]
      readonly operation: string
      /** a clause */
      readonly reason: string
    })

export function located(fact: Located, text: string, extra: Description["labels"] = []): Description["labels"] {
  return [at(fact.span, text), ...(fact.inner ? [also(fact.inner, "it comes up here")] : []), ...extra]
}

/** The blocks and functions around the place at fault, as a note; one call needs none, the place says it. */
export function chain(calls: readonly CallSite[]): string[] {
  if (calls.length < 2) return []
  return [`inside ${calls.map((call) => quoted(call.callee)).join(", inside ")}`]
}

const made = (operand: Operand, text: string): Description["labels"] => (operand.made ? [also(operand.made, text)] : [])

/** Both sides; one where a tensor meets itself. */
function sides({ left, right }: { readonly left: Operand; readonly right: Operand }): readonly Operand[] {
  return left.name === right.name && left.type === right.type ? [left] : [left, right]
}

export const SHAPE_FACTS = {
  "dims-differ": {
    code: "MDL3001",
    severity: "error",
    describe: (fact) => ({
      title: "Sizes do not fit",
      labels: located(
        fact,
        `axis ${fact.left.axis} is ${fact.left.dim} on one side, axis ${fact.right.axis} is ${fact.right.dim} on the other`,
        [...sides(fact).flatMap((side) => made(side, `${side.name}: ${side.type}`))],
      ),
      notes: [
        ...sides(fact).map((side) => `${side.name}: ${side.type}`),
        `${fact.operation}: ${fact.what}`,
        ...chain(fact.calls),
      ],
      hint: fact.hint,
    }),
  },
  "input-mismatch": {
    code: "MDL3002",
    severity: "error",
    describe: (fact) => ({
      title: fact.input === "the result" ? "Wrong shape for a result" : "Wrong shape for an input",
      labels: located(
        fact,
        fact.axis ? `axis ${fact.axis.index} should be ${fact.axis.expected}, it is ${fact.axis.found}` : fact.reason,
        [
          also(
            fact.declared,
            `${fact.input === "the result" ? fact.input : quoted(fact.input)} of ${quoted(fact.callee)} is declared here`,
          ),
          ...(fact.bound ? [also(fact.bound.span, `${fact.bound.symbol} = ${fact.bound.value} was bound here`)] : []),
          ...made(fact.found, `${fact.found.name}: ${fact.found.type}`),
        ],
      ),
      notes: [`expected ${fact.expected}`, `found    ${fact.found.type}`, ...chain(fact.calls)],
      hint:
        fact.axis && fact.bound
          ? `change the size that gives ${fact.bound.symbol}, or the one of ${quoted(fact.input)}`
          : fact.flatten && `${quoted(fact.flatten.text)} flattens it`,
    }),
  },
  "constant-mismatch": {
    code: "MDL3004",
    severity: "error",
    describe: (fact) => ({
      title: "A constant is not what it is declared to be",
      labels: located(
        fact,
        fact.axis ? `axis ${fact.axis.index} should be ${fact.axis.expected}, it is ${fact.axis.found}` : fact.reason,
        [
          also(fact.declared, `${quoted(fact.name)} is declared here`),
          ...(fact.bound ? [also(fact.bound.span, `${fact.bound.symbol} = ${fact.bound.value} was bound here`)] : []),
        ],
      ),
      notes: [`expected ${fact.expected}`, `found    ${fact.found}`, ...chain(fact.calls)],
    }),
  },
  "operation-refused": {
    code: "MDL3003",
    severity: "error",
    describe: (fact) => ({
      title: "Operation cannot take this",
      labels: located(fact, fact.message),
      notes: [...new Set(fact.operands.map((o) => `${o.name}: ${o.type}`)), ...chain(fact.calls)],
      hint: fact.hint,
    }),
  },
  "wrong-kind": {
    code: "MDL3101",
    severity: "error",
    describe: (fact) => ({
      title: "Wrong kind of value",
      labels: located(fact, `${fact.what} must be ${fact.expected}, this is ${fact.found}`),
      notes: chain(fact.calls),
      hint: fact.hint,
    }),
  },
  "not-whole": {
    code: "MDL3201",
    severity: "error",
    describe: (fact) => ({
      title: "Size does not divide",
      labels: located(fact, `${quoted(fact.expression)} is not a whole number: ${fact.at}`),
      notes: chain(fact.calls),
      hint: fact.hint,
    }),
  },
  "size-unknown": {
    code: "MDL3202",
    severity: "error",
    describe: (fact) => ({
      title: "Size is not known when compiling",
      labels: located(
        fact,
        `${fact.what} needs a number, ${quoted(fact.dim)} depends on ${listed(fact.symbols.map(quoted), "and")}`,
      ),
      notes: chain(fact.calls),
      hint: "give the symbol a size where the input is declared: `H = 224`; the batch never has one",
    }),
  },
  "check-failed": {
    code: "MDL3203",
    severity: "error",
    describe: (fact) => ({
      title: "Check failed",
      labels: located(fact, fact.message),
      notes: [...fact.values, ...chain(fact.calls)],
    }),
  },
  "bad-number": {
    code: "MDL3204",
    severity: "error",
    describe: (fact) => ({
      title: "Number out of range",
      labels: located(fact, fact.message),
      notes: chain(fact.calls),
      hint: fact.hint,
    }),
  },
  "not-differentiable": {
    code: "MDL3301",
    severity: "error",
    describe: (fact) => ({
      title: "No gradient can pass here",
      labels: located(fact, `${quoted(fact.operation)} lies between ${quoted(fact.loss)} and trainable parameters`),
      notes: [fact.reason, ...chain(fact.calls)],
      hint: "wrap it in `stop_gradient(...)` if nothing should be learned through it",
    }),
  },
  "limit-exceeded": {
    code: "MDL3401",
    severity: "error",
    describe: (fact) => ({
      title: "Model is too large to compile",
      labels: located(fact, `more than ${fact.limit} ${fact.what}`),
      notes: chain(fact.calls),
      hint: "compiling always has to end, so there are limits; check the bounds of ranges",
    }),
  },
  "size-fixed": {
    code: "MDL3501",
    severity: "error",
    describe: (fact) => ({
      title: `${listed(fact.symbols, "and")} cannot stay open in the file`,
      labels: located(
        fact,
        `${quoted(fact.operation)} fixes ${fact.symbols.length > 1 ? "them" : "it"}: ${fact.reason}`,
      ),
      notes: chain(fact.calls),
      hint: `leave ${listed(fact.symbols, "and")} out of \`--dynamic\`, or write this so that it works at every size`,
    }),
  },
} satisfies FactTable<ShapeFact>
