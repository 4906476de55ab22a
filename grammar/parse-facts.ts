/**
 * What the parser stumbled over, as facts.
 *
 * Takes the parser's problems (a token and what the grammar would have taken in its place); gives facts in the user's
 * terms. The grammar knows token types and rules; what a person did is mostly told by two tokens and the rule.
 */

import { EOF, type IToken, type TokenType } from "chevrotain"
import type { Place, SyntaxFact } from "../src/compiler/diagnostics/facts-syntax.js"
import { isPythonNamespace, statementAdvice } from "../src/compiler/diagnostics/pytorch-words.js"
import { didYouMean } from "../src/compiler/diagnostics/suggest.js"
import { SECTION_ROLES, type Span } from "./ast.js"
import { Beginnings, isA, isName } from "./beginnings.js"
import { tokenSpan } from "./lex.js"
import type { FailedLine, Problem, StrayToken } from "./recovery.js"
import { noteOf } from "./structure.js"
import * as t from "./tokens.js"

const ITEMS = ["import", "block", "fn", "model", "ablation"]
const STATEMENTS = ["let", "param", "state", "const", "output", "loss", "return", "check", "weights"]
const MEMBERS = ["input", "target", "optional", "let", "const", "output", "loss", "train", "weights"]
const CHANGES = ["without", "set", "vary", "freeze", "unfreeze"]

const PLACE_OF_RULE: Readonly<Record<string, Place>> = {
  file: "file",
  model: "model",
  train: "train",
  ablation: "ablation",
  weights: "weights",
}

const KNOWN: Record<Place, readonly string[]> = {
  file: ITEMS,
  model: [...MEMBERS, ...SECTION_ROLES],
  body: STATEMENTS,
  train: ["optimizer", "schedule", "batch", "epochs"],
  ablation: CHANGES,
  weights: [],
}

/** Settings of training that are looked for in the model itself, where an optimiser is an object. */
const TRAINING = ["optimizer", "schedule", "batch", "epochs", "augment"]

/** Prefixes of Python's strings. */
const STRING_PREFIX = /^(?:f|r|b|u|rb|br|fr|rf)$/i
const COMPOUND: ReadonlySet<TokenType> = new Set([t.Plus, t.Minus, t.Star, t.DoubleStar, t.Slash, t.Percent])

/** Where lines that begin with a word belong, for those that stand in the wrong place. */
const BELONGS: readonly (readonly [readonly string[], string])[] = [
  [ITEMS, "at the top of a file"],
  [["input", "target", "optional", "train", "frozen", ...SECTION_ROLES], "in a model"],
  [STATEMENTS, "in a block, a function, or a model and its sections"],
  [CHANGES, "in an ablation"],
]

/** What the lists of a rule are made of. */
const FIRST_OF_LIST: Readonly<Record<string, string>> = {
  parameters: "a parameter",
  postfix: "an argument",
  list: "an expression",
  record: "a field",
  type: "a dimension",
  pattern: "a name",
  import: "a name",
}
const OPENERS = new Set(t.BRACKET_PAIRS.map(([open]) => open))

const ELEMENTS = new Set(["f32", "f16", "bf16", "i32", "i64", "tokens"])

/** The fact that a problem is; nothing when it follows from something reported already. */
export function problemFact(
  path: string,
  end: number,
  tokens: readonly IToken[],
  problem: Problem,
): SyntaxFact | undefined {
  return new Explainer(path, end, tokens).explain(problem)
}

class Explainer {
  constructor(
    private readonly path: string,
    private readonly end: number,
    private readonly tokens: readonly IToken[],
  ) {}

  explain(problem: Problem): SyntaxFact | undefined {
    const { token } = problem
    // A bracket made up by `structure` has been reported.
    if (token.tokenType !== EOF && noteOf(token).virtual) return undefined
    return problem.kind === "stray" ? this.stray(problem) : this.failed(problem)
  }

  // ----------------------------------------------------------------------------------- a token where a line should begin

  private stray({ token, previous, rule }: StrayToken): SyntaxFact {
    const place = PLACE_OF_RULE[rule] ?? "body"
    const word = token.image
    const span = this.span(token)
    const next = this.tokenAt(token, 1)
    const note = noteOf(token)
    const opens = note.firstOnLine || previous.tokenType === t.LeftCurly || note.index === 0
    if (!isWord(token)) return this.unexpected(token, this.afterLine(previous, place), this.pythonHint(token))
    const advice = opens ? statementAdvice(word) : undefined
    if (advice !== undefined) {
      return { kind: "unknown-word", span, word, place, known: KNOWN[place], suggestion: undefined, advice }
    }
    const after = this.tokenAt(token, 2)
    if (opens && next !== undefined && COMPOUND.has(next.tokenType) && isEqual(after?.tokenType)) {
      const operator = { ...this.span(next), end: this.span(after ?? next).end }
      return { kind: "changed-name", span: operator, name: word, operator: next.image }
    }
    if (place === "train" || place === "weights") {
      if (next?.tokenType === t.Colon) return { kind: "colon-for-equals", span: this.span(next), name: word }
      return this.unexpected(next ?? token, ["`=`"])
    }
    if (place === "model" && isEqual(next?.tokenType) && TRAINING.includes(word)) {
      return { kind: "misplaced-line", span, word, place, belongs: "in `train { ... }`" }
    }
    if ((place === "model" || place === "body") && isEqual(next?.tokenType) && isName(token.tokenType)) {
      return { kind: "missing-let", span, name: word, place }
    }
    const follows = next?.tokenType
    const isValue = follows === t.LeftParen || follows === t.Dot || follows === t.Pipe
    if (place !== "file" && place !== "ablation" && opens && isValue && didYouMean(word, KNOWN[place]) === undefined) {
      return { kind: "missing-let", span, name: undefined, place }
    }
    const known = KNOWN[place]
    const belongs = BELONGS.find(([words]) => words.includes(word))?.[1]
    if (belongs !== undefined && !known.includes(word) && (opens || this.beginsSomewhere(token))) {
      return { kind: "misplaced-line", span, word, place, belongs }
    }
    // `let a = b c`: the word continues a line that was complete, rather than beginning one.
    const suggestion = didYouMean(word, known)
    if (!opens && suggestion === undefined) {
      return this.unexpected(token, this.afterLine(previous, place), this.pythonHint(token))
    }
    return { kind: "unknown-word", span, word, place, known, suggestion, advice }
  }

  private afterLine(previous: IToken, place: Place): readonly string[] {
    const next = {
      file: "a definition",
      model: "the next line",
      body: "the next line",
      train: "the next setting",
      ablation: "the next change",
      weights: "the next name",
    }[place]
    return previous.tokenType === t.LeftCurly || place === "file" ? [next] : ["an operator", next]
  }

  private beginsSomewhere(token: IToken): boolean {
    const look = new Beginnings(this.tokens)
    const { index } = noteOf(token)
    return look.beginsItem(index) || look.beginsMember(index) || look.beginsStatement(index)
  }

  // -------------------------------------------------------------------------------------------------- a rule that failed

  private failed(problem: FailedLine): SyntaxFact {
    const { token, rule, begin } = problem
    const type = token.tokenType
    const previous = this.tokenAt(token, -1)
    const expectsName = problem.expected.includes("a name")

    if (expectsName && isA(type, t.Reserved) && rule !== "primary") {
      return { kind: "keyword-as-name", span: this.span(token), word: token.image }
    }
    if (problem.expected.includes("`:`") && isEqual(type) && previous !== undefined && isWord(previous)) {
      return { kind: "equals-for-colon", span: this.span(token), name: previous.image }
    }
    const typeInValue = this.typeAfterEquals(problem)
    if (typeInValue !== undefined) return typeInValue
    const callee = this.openerOf(token)
    if (rule === "named" && type === t.Colon && previous !== undefined && isWord(previous)) {
      return { kind: "colon-for-equals", span: this.span(token), name: previous.image }
    }
    const inWeights = rule === "weight" || rule === "weight_path"
    const inCall = (rule === "postfix" || rule === "arguments") && callee?.tokenType === t.LeftParen
    if ((inCall || inWeights) && type === t.Colon && previous !== undefined && isWord(previous)) {
      return { kind: "colon-for-equals", span: this.span(token), name: previous.image }
    }
    const expected = this.expected(problem)
    const sameLine = begin === token || begin.startLine === token.startLine
    const label = { span: this.span(begin), text: `while reading this \`${begin.image}\`` }
    return {
      kind: "unexpected-token",
      span: this.span(token),
      found: found(token),
      expected,
      within: sameLine || noteOf(begin).virtual ? undefined : label,
      hint: this.hint(problem),
    }
  }

  /** `x = f32[N, C]` in a parameter list: a type where a value goes. */
  private typeAfterEquals({ token, begin, rule }: FailedLine): SyntaxFact | undefined {
    if (rule !== "postfix" || token.tokenType !== t.Comma) return undefined
    const equal = this.tokenAt(begin, 1)
    const element = this.tokenAt(begin, 2)
    if (equal === undefined || element === undefined || !isEqual(equal.tokenType)) return undefined
    if (!ELEMENTS.has(element.image) || this.tokenAt(begin, 3)?.tokenType !== t.LeftSquare) return undefined
    return { kind: "equals-for-colon", span: this.span(equal), name: begin.image }
  }

  /** What the grammar would have taken, in the words of a reader. */
  private expected({ expected, rule, token }: FailedLine): readonly string[] {
    const many = expected.length > 1
    if (many && ["primary", "list_item", "argument", "expression"].includes(rule)) return ["an expression"]
    if (rule === "type" && expected.includes("a name")) return ["a type"]
    if (rule === "member") return ["an input, a section, a statement or `train`"]
    if (rule === "list" && expected.includes("`for`")) return ["`,`", "`]`"]
    if (rule === "dim") return ["a dimension"]
    const closer = expected.find((word) => word === "`)`" || word === "`]`" || word === "`}`")
    const first = FIRST_OF_LIST[rule]
    if (closer === undefined || first === undefined || expected.length > 1) return expected
    const before = this.tokenAt(token, -1)
    if (before !== undefined && OPENERS.has(before.tokenType)) return [first, closer]
    return rule === "postfix" && closer === "`]`" ? expected : ["`,`", closer]
  }

  private hint({ token, begin, rule, expected }: FailedLine): string | undefined {
    const type = token.tokenType
    if (token.image === "elif") return "write `else if CONDITION then ...`"
    if (type === t.Comma && rule === "primary") return "there are no tuples: write a list, `[a, b]`"
    if (rule === "let" && type === t.Colon) return "a `let` has no type: shapes are inferred; remove `: ...`"
    if (rule === "let" && type === t.Comma) return "to take several results apart write `let { a, b } = ...`"
    if (rule === "pattern" && type === t.LeftParen) return "to take several results apart write `let { a, b } = ...`"
    if (rule === "primary" && type === t.Equal && this.tokenAt(token, -1)?.tokenType === t.Equal) {
      return "write `==` to compare"
    }
    if (isEqual(type) && (rule === "expression" || rule === "check")) return "write `==` to compare"
    if (rule === "expression" && expected.includes("`else`")) return "an `if` gives a value either way: add `else ...`"
    if (type === t.Dot && this.tokenAt(token, 1)?.tokenType === t.NumberLiteral) {
      return `write \`0.${this.tokenAt(token, 1)?.image ?? ""}\``
    }
    if (begin.tokenType === t.Ablation && rule === "ablation" && expected.includes("`of`")) {
      return "write `ablation NAME of MODEL { ... }`"
    }
    if (rule === "named" && isEqual(type)) {
      const word = this.tokenAt(token, -1)?.image ?? "output"
      return `every ${word} has a name: write \`${word} NAME = ...\``
    }
    const before = this.tokenAt(token, -1)
    const isPart = isWord(token) && !isA(type, t.Reserved) && before !== undefined
    if (rule === "postfix" && isPart && isEqual(this.tokenAt(token, 1)?.tokenType)) {
      return `write a comma before \`${token.image}\``
    }
    if (rule === "import" && expected.includes("`{`")) return statementAdvice("from")
    return this.pythonHint(token)
  }

  /** What to write in place of an expression of Python that went wrong at `token`. */
  private pythonHint(token: IToken): string | undefined {
    const type = token.tokenType
    const before = this.tokenAt(token, -1)
    const opener = type === EOF ? undefined : this.openerOf(token)?.tokenType
    if (before?.image === "lambda") return "write a function at the top of the file: `fn name(x) = ...`"
    if (type === t.If) return "an `if` stands before its values: `if CONDITION then A else B`"
    if (token.image === "is") return "write `==`, or `!=` for `is not`"
    if (isA(type, t.StringLiteral) && before !== undefined && STRING_PREFIX.test(before.image)) {
      return `texts have no prefix, and nothing is filled in: leave out \`${before.image}\``
    }
    if (type === t.LeftCurly && this.tokenAt(token, 2)?.tokenType === t.Colon) {
      return "the fields of a record have no quotes: `{ name: VALUE }`"
    }
    if ((type === t.Colon || type === t.Ellipsis) && opener === t.LeftSquare) {
      return "a tensor is cut with `slice(x, starts, sizes)` or `narrow(x, axis, start, size)`"
    }
    if (type === t.Dot && before !== undefined && isPythonNamespace(before.image)) {
      return "types of elements are `f32`, `i32` and `bool`: `f32[N, 3, H, W]`"
    }
    return undefined
  }

  // --------------------------------------------------------------------------------------------------------- helpers

  private unexpected(token: IToken, expected: readonly string[], hint?: string): SyntaxFact {
    const span = this.span(token)
    return { kind: "unexpected-token", span, found: found(token), expected, within: undefined, hint }
  }

  /** The token some steps away; the end of the file has only neighbours before it. */
  private tokenAt(token: IToken, distance: number): IToken | undefined {
    const index = token.tokenType === EOF ? this.tokens.length : noteOf(token).index
    return this.tokens[index + distance]
  }

  /** The bracket a token stands in. */
  private openerOf(token: IToken): IToken | undefined {
    const { depth, index } = noteOf(token)
    for (let at = index - 1; at >= 0; at--) {
      const before = this.tokens[at]
      if (before !== undefined && noteOf(before).depth < depth) return before
    }
    return undefined
  }

  private span(token: IToken): Span {
    if (token.tokenType === EOF) return { file: this.path, start: this.end, end: this.end }
    return tokenSpan(this.path, token)
  }
}

function found(token: IToken): string {
  if (token.tokenType === EOF) return "the end of the file"
  if (isA(token.tokenType, t.StringLiteral)) return "a string"
  if (token.tokenType === t.NumberLiteral) return `the number \`${token.image}\``
  if (isA(token.tokenType, t.Reserved)) return `the keyword \`${token.image}\``
  return `\`${token.image}\``
}

function isWord(token: IToken): boolean {
  return isA(token.tokenType, t.Word)
}

function isEqual(type: TokenType | undefined): boolean {
  return type === t.Equal || type === t.ColonEqual
}
