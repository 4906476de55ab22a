/**
 * Facts about syntax (MDL1xxx): what reading the text can find wrong, and the words for it.
 *
 * Characters are 10xx, brackets 11xx, the grammar 12xx, names within one list or file 13xx. Each kind keeps its code for
 * good: codes are quoted in issues and searched for.
 */

import type { Span } from "../../../grammar/ast.js"
import { also, at, type FactTable, listed, meant, quoted } from "./fact-table.js"

export type OpeningBracket = "(" | "[" | "{"
export type ClosingBracket = ")" | "]" | "}"

/** Where a list of things that share one namespace stands. */
export type NamedThing = "parameter" | "argument" | "field" | "name" | "setting" | "definition"

/** Where a line that begins with a wrong word stands. */
export type Place = "file" | "model" | "body" | "train" | "ablation" | "weights"

export type SyntaxFact =
  | { readonly kind: "unexpected-character"; readonly span: Span; readonly character: string }
  | { readonly kind: "unterminated-string"; readonly span: Span }
  | { readonly kind: "single-quoted-string"; readonly span: Span }
  | { readonly kind: "unknown-escape"; readonly span: Span; readonly escape: string }
  | {
      /** A symbol that other languages have and MDL has not: `;`, `&&`, `#`. */
      readonly kind: "foreign-symbol"
      readonly span: Span
      readonly symbol: string
      readonly advice: string
    }
  | { readonly kind: "number-out-of-range"; readonly span: Span; readonly text: string }
  | {
      readonly kind: "file-too-large"
      readonly span: Span
      readonly limit: number
      readonly unit: string
    }
  | {
      readonly kind: "unclosed-bracket"
      readonly open: Span
      readonly bracket: OpeningBracket
      /** Where it became plain that the closing one is missing. */
      readonly noticed: Span
      readonly found: string
    }
  | {
      /** Statements follow a header whose `{` is missing. */
      readonly kind: "unopened-bracket"
      readonly span: Span
      readonly before: string
    }
  | {
      readonly kind: "mismatched-bracket"
      readonly span: Span
      readonly bracket: ClosingBracket
      readonly open: Span
      readonly opening: OpeningBracket
    }
  | { readonly kind: "stray-bracket"; readonly span: Span; readonly bracket: ClosingBracket }
  | { readonly kind: "nesting-too-deep"; readonly span: Span; readonly limit: number }
  | {
      readonly kind: "unexpected-token"
      readonly span: Span
      readonly found: string
      /** Friendly words: "an expression", "`)`". */
      readonly expected: readonly string[]
      /** What was being read, and where it began: "this `let`". */
      readonly within: { readonly span: Span; readonly text: string } | undefined
      readonly hint: string | undefined
    }
  | {
      readonly kind: "unknown-word"
      readonly span: Span
      readonly word: string
      readonly place: Place
      /** The words that may begin a line there. */
      readonly known: readonly string[]
      readonly suggestion: string | undefined
      /** What to write instead, when it is a word of Python. */
      readonly advice: string | undefined
    }
  | {
      readonly kind: "unknown-section"
      readonly span: Span
      readonly word: string
      readonly roles: readonly string[]
      readonly suggestion: string | undefined
    }
  | { readonly kind: "keyword-as-name"; readonly span: Span; readonly word: string }
  | { readonly kind: "equals-for-colon"; readonly span: Span; readonly name: string }
  | { readonly kind: "colon-for-equals"; readonly span: Span; readonly name: string }
  | {
      /** A line that names a value without `let`, or does not even name it. */
      readonly kind: "missing-let"
      readonly span: Span
      readonly name: string | undefined
      readonly place: Place
    }
  | {
      readonly kind: "misplaced-line"
      readonly span: Span
      readonly word: string
      readonly place: Place
      readonly belongs: string
    }
  /** `y += x`: names keep their values. */
  | { readonly kind: "changed-name"; readonly span: Span; readonly name: string; readonly operator: string }
  /** `f(x, H // 2)`: what closes the bracket is in the comment. */
  | { readonly kind: "division-in-comment"; readonly span: Span }
  /** `let half = H // 2`: reads well, and means `H`. */
  | { readonly kind: "number-in-comment"; readonly span: Span }
  | { readonly kind: "too-many-errors"; readonly span: Span; readonly limit: number }
  | {
      readonly kind: "duplicate-name"
      readonly span: Span
      readonly name: string
      readonly first: Span
      readonly what: NamedThing
    }

const CLOSING: Record<OpeningBracket, ClosingBracket> = { "(": ")", "[": "]", "{": "}" }

/** What begins with a word, in a sentence that goes on "begins with `...`". */
const BEGINNERS: Record<Place, string> = {
  file: "no definition",
  model: "nothing in a model",
  body: "no statement",
  train: "no setting",
  ablation: "no change to a model",
  weights: "no name of weights",
}

const PLACES: Record<Place, string> = {
  file: "at the top of a file",
  model: "directly in a model",
  body: "here",
  train: "in `train`",
  ablation: "in an ablation",
  weights: "in `weights`",
}

const TWICE: Record<NamedThing, string> = {
  parameter: "Parameter declared twice",
  argument: "Argument given twice",
  field: "Field given twice",
  name: "Name bound twice",
  setting: "Setting given twice",
  definition: "Name defined twice",
}

/** Characters that word processors and papers put in place of the ones a keyboard has. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  "@": "matmul(a, b)",
  "\u201c": '"',
  "\u201d": '"',
  "\u2018": '"',
  "\u2019": '"',
  "\u00d7": "*",
  "\u00b7": "*",
  "\u00f7": "/",
  "\u2212": "-",
  "\u2013": "-",
  "\u2192": "->",
  "\u21d2": "=>",
  "\u2264": "<=",
  "\u2265": ">=",
  "\u2260": "!=",
  "\u2026": "...",
  "\uff08": "(",
  "\uff09": ")",
  "\uff0c": ",",
  "\uff1a": ":",
}

function characterName(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`
  return /[\p{L}\p{N}\p{P}\p{S}]/u.test(character) ? `\`${character}\` (${number})` : number
}

export const SYNTAX_FACTS = {
  "unexpected-character": {
    code: "MDL1001",
    severity: "error",
    describe({ span, character }) {
      const instead = LOOKALIKES[character]
      const letter = /\p{L}/u.test(character)
      return {
        title: "Unexpected character",
        labels: [at(span, `${characterName(character)} is not part of the language`)],
        notes: letter ? ["Names are made of `a` to `z`, `A` to `Z`, `0` to `9` and `_`."] : [],
        hint: instead === undefined ? undefined : `write \`${instead}\` instead`,
      }
    },
  },
  "unterminated-string": {
    code: "MDL1002",
    severity: "error",
    describe: ({ span }) => ({
      title: "String is never closed",
      labels: [at(span, 'no closing `"` on this line')],
      hint: 'write `\\n` for a line break and `\\"` for a quote within',
    }),
  },
  "single-quoted-string": {
    code: "MDL1003",
    severity: "error",
    describe: ({ span }) => ({
      title: "Strings take double quotes",
      labels: [at(span, "single quotes mean nothing")],
      hint: "write `\"` in place of `'`",
    }),
  },
  "unknown-escape": {
    code: "MDL1004",
    severity: "error",
    describe: ({ span, escape }) => ({
      title: "Unknown escape in a string",
      labels: [at(span, `${quoted(escape)} stands for no character`)],
      notes: ['Escapes are `\\"`, `\\\\`, `\\n`, `\\r`, `\\t`, and `\\u{...}` with a hexadecimal code point.'],
      hint: escape.startsWith("\\u") ? undefined : `write \`\\${escape}\` for a backslash`,
    }),
  },
  "foreign-symbol": {
    code: "MDL1005",
    severity: "error",
    describe: ({ span, symbol, advice }) => ({
      title: "Symbol of another language",
      labels: [at(span, `${quoted(symbol)} means nothing here`)],
      hint: advice,
    }),
  },
  "number-out-of-range": {
    code: "MDL1006",
    severity: "error",
    describe: ({ span, text }) => ({
      title: "Number is too large",
      labels: [at(span, `${quoted(text)} cannot be held exactly`)],
      notes: ["Integers go up to 2^53 - 1, other numbers up to about 1.8e308."],
    }),
  },
  "file-too-large": {
    code: "MDL1007",
    severity: "error",
    describe: ({ span, limit, unit }) => ({
      title: "File is too large",
      labels: [at(span, `it has too many ${unit}: at most ${limit} are read`)],
      hint: "an MDL file describes a model; keep weights and data in files of their own",
    }),
  },
  "unclosed-bracket": {
    code: "MDL1101",
    severity: "error",
    describe: ({ open, bracket, noticed, found }) => ({
      title: "Missing closing bracket",
      labels: [
        at(noticed, `expected ${quoted(CLOSING[bracket])} before ${found}`),
        also(open, `this ${quoted(bracket)} is never closed`),
      ],
    }),
  },
  "stray-bracket": {
    code: "MDL1102",
    severity: "error",
    describe: ({ span, bracket }) => ({
      title: "Closing bracket too many",
      labels: [at(span, `no bracket is open that ${quoted(bracket)} could close`)],
    }),
  },
  "mismatched-bracket": {
    code: "MDL1105",
    severity: "error",
    describe: ({ span, bracket, open, opening }) => ({
      title: "Wrong closing bracket",
      labels: [
        at(span, `expected ${quoted(CLOSING[opening])}, found ${quoted(bracket)}`),
        also(open, `to close this ${quoted(opening)}`),
      ],
    }),
  },
  "unopened-bracket": {
    code: "MDL1104",
    severity: "error",
    describe: ({ span, before }) => ({
      title: "Missing opening brace",
      labels: [at(span, `expected \`{\` before ${quoted(before)}`)],
    }),
  },
  "nesting-too-deep": {
    code: "MDL1103",
    severity: "error",
    describe: ({ span, limit }) => ({
      title: "Nested too deeply",
      labels: [at(span, `more than ${limit} levels from here on`)],
      hint: "name the inner parts with `let`",
    }),
  },
  "unexpected-token": {
    code: "MDL1201",
    severity: "error",
    describe: ({ span, found, expected, within, hint }) => ({
      title: "Syntax error",
      labels: [
        at(span, expected.length === 0 ? `unexpected ${found}` : `expected ${listed(expected)}, found ${found}`),
        ...(within === undefined ? [] : [also(within.span, within.text)]),
      ],
      hint,
    }),
  },
  "unknown-word": {
    code: "MDL1202",
    severity: "error",
    describe: ({ span, word, place, known, suggestion, advice }) => ({
      title: "Unknown word",
      labels: [at(span, `${BEGINNERS[place]} begins with ${quoted(word)}`)],
      notes:
        suggestion === undefined && advice === undefined ? [`Known here: ${listed(known.map(quoted), "and")}.`] : [],
      hint: advice ?? meant(suggestion),
    }),
  },
  "unknown-section": {
    code: "MDL1203",
    severity: "error",
    describe: ({ span, word, roles, suggestion }) => ({
      title: "Unknown kind of section",
      labels: [at(span, `no kind of section is called ${quoted(word)}`)],
      notes: [`A section is one of ${listed(roles.map(quoted))}.`],
      hint:
        suggestion === undefined
          ? `write \`section ${word} { ... }\` for a section of no special kind`
          : `did you mean ${quoted(suggestion)}?`,
    }),
  },
  "keyword-as-name": {
    code: "MDL1204",
    severity: "error",
    describe: ({ span, word }) => ({
      title: "Keyword used as a name",
      labels: [at(span, `expected a name, found the keyword ${quoted(word)}`)],
      hint: `choose another name, such as \`${word}_\``,
    }),
  },
  "equals-for-colon": {
    code: "MDL1205",
    severity: "error",
    describe: ({ span, name }) => ({
      title: "Type given with `=`",
      labels: [at(span, `the type of ${quoted(name)} is written after \`:\``)],
      hint: `write \`${name}: TYPE\`, and \`= VALUE\` after it for a default`,
    }),
  },
  "colon-for-equals": {
    code: "MDL1206",
    severity: "error",
    describe: ({ span, name }) => ({
      title: "Value given with `:`",
      labels: [at(span, `the value of ${quoted(name)} is written after \`=\``)],
      hint: `write \`${name} = VALUE\``,
    }),
  },
  "missing-let": {
    code: "MDL1207",
    severity: "error",
    describe: ({ span, name, place }) => ({
      title: "Missing `let`",
      labels: [at(span, name === undefined ? "a value alone is no line" : "values are named with `let`")],
      hint: `write \`let ${name ?? "NAME"} = ...\`${name === undefined && place === "body" ? ", or `return ...`" : ""}`,
    }),
  },
  "misplaced-line": {
    code: "MDL1208",
    severity: "error",
    describe: ({ span, word, place, belongs }) => ({
      title: "In the wrong place",
      labels: [at(span, `${quoted(word)} cannot stand ${PLACES[place]}`)],
      hint: `it belongs ${belongs}`,
    }),
  },
  "changed-name": {
    code: "MDL1209",
    severity: "error",
    describe: ({ span, name, operator }) => ({
      title: "A name keeps its value",
      labels: [at(span, `${quoted(name)} cannot be changed`)],
      hint: `give the result a name of its own: \`let ${name}2 = ${name} ${operator} ...\``,
    }),
  },
  "division-in-comment": {
    code: "MDL1210",
    severity: "error",
    describe: ({ span }) => ({
      title: "Division that is a comment",
      labels: [at(span, "a comment begins here: the rest of the line is not read, its bracket neither")],
      hint: "write `a / b` where it divides exactly, or `quotient(a, b)` to round down",
    }),
  },
  "number-in-comment": {
    code: "MDL1211",
    severity: "warning",
    describe: ({ span }) => ({
      title: "Is this comment a division?",
      labels: [at(span, "a comment begins here, and the number in it is not read")],
      hint: "write `a / b` where it divides exactly, or `quotient(a, b)` to round down; else say in words what the number is",
    }),
  },
  "too-many-errors": {
    code: "MDL1299",
    severity: "note",
    describe: ({ span, limit }) => ({
      title: "Too many errors",
      labels: [at(span, `only the first ${limit} of this file are shown; the next would be here`)],
    }),
  },
  "duplicate-name": {
    code: "MDL1301",
    severity: "error",
    describe: ({ span, name, first, what }) => ({
      title: TWICE[what],
      labels: [at(span, `${quoted(name)} again`), also(first, "first here")],
      hint: what === "argument" || what === "setting" ? "remove one of them" : "rename one of them",
    }),
  },
} satisfies FactTable<SyntaxFact>
