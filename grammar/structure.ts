/**
 * Brackets, before parsing.
 *
 * Takes tokens; gives tokens whose brackets match, each with a note of its depth and of whether a line (statement,
 * member, item, ...) begins there. Doing this first is what makes one slip one error: a missing bracket is found at the
 * line that cannot stand inside of it, and closed there; and after any other error the parser knows where to go on.
 */

import { createTokenInstance, type IToken, type TokenType } from "chevrotain"
import type { ClosingBracket, OpeningBracket, SyntaxFact } from "../src/compiler/diagnostics/facts-syntax.js"
import type { Span } from "./ast.js"
import { Beginnings, type Context, isName } from "./beginnings.js"
import { tokenSpan } from "./lex.js"
import * as t from "./tokens.js"

/** What is noted of a token, in its `payload`. */
export interface TokenNote {
  readonly index: number
  /** Brackets around it; a bracket itself counts as outside of itself. */
  readonly depth: number
  /** A line of the enclosing bracket begins here. */
  readonly begins: boolean
  readonly firstOnLine: boolean
  /** Made up to make brackets match; stands for no text, and has been reported. */
  readonly virtual: boolean
}

export interface Structured {
  readonly tokens: IToken[]
  readonly facts: SyntaxFact[]
  /** The nesting limit was passed: the tokens are not safe to parse. */
  readonly tooDeep: boolean
}

/** Levels of brackets, `if` and `fold` that are read. The parser recurses per level: the limit guards its stack. */
export const MAX_NESTING = 48

const CLOSER_OF = new Map<TokenType, TokenType>(t.BRACKET_PAIRS)
const CLOSERS = new Set<TokenType>(CLOSER_OF.values())

interface Open {
  readonly token: IToken
  readonly context: Context
  /** Column at which the text line of the bracket begins. */
  readonly indent: number
  /** `if` and `fold` within it that may still go on. */
  readonly pending: number
}

const NOWHERE: TokenNote = { index: -1, depth: 0, begins: false, firstOnLine: false, virtual: true }

/** The note of a token; the end of the file has none of its own. */
export function noteOf(token: IToken): TokenNote {
  return (token.payload as TokenNote | undefined) ?? NOWHERE
}

/** Match brackets, close the unclosed, leave out the stray, and note depth and beginnings. */
export function structure(path: string, input: readonly IToken[]): Structured {
  return new Structurer(path, input).run()
}

class Structurer {
  private readonly facts: SyntaxFact[] = []
  private readonly tokens: IToken[] = []
  private readonly stack: Open[] = []
  private readonly look: Beginnings
  /** Lines with a string that was never closed: what is missing there was swallowed by it, and has been reported. */
  private readonly brokenLines: ReadonlySet<number | undefined>
  private tooDeep = false
  /** Brackets, and `if` and `fold`, around the current token. */
  private level = 0
  private pending = 0
  private indent = 1
  /** The item whose braces have not been opened yet. */
  private item: TokenType | undefined
  private readonly missingBraces = new Set<number>()

  constructor(
    private readonly path: string,
    private readonly input: readonly IToken[],
  ) {
    this.look = new Beginnings(input)
    this.brokenLines = new Set(input.filter((x) => x.tokenType === t.UnterminatedString).map((x) => x.startLine))
  }

  run(): Structured {
    for (const [index, token] of this.input.entries()) {
      this.step(token, index)
      // Nothing that is nested so deeply is read, and looking through all open brackets at every token would take for ever.
      if (this.tooDeep) return { tokens: this.tokens, facts: this.facts, tooDeep: true }
    }
    while (this.stack.length > 0) this.closeBefore(undefined)
    return { tokens: this.tokens, facts: this.facts, tooDeep: this.tooDeep }
  }

  private get context(): Context {
    const top = this.stack[this.stack.length - 1]
    return top === undefined ? "file" : top.context
  }

  private step(token: IToken, index: number): void {
    if (this.look.firstOnLine(index)) this.indent = token.startColumn ?? 1
    this.closeWhatCannotHold(token, index)
    this.openWhatIsMissing(token, index)

    const type = token.tokenType
    const begins = this.look.beginsLine(index, this.context)
    if (this.stack.length === 0 && begins) this.item = type
    if (this.context === "model") {
      const at = this.look.missingBraceOfSection(index)
      if (at !== undefined) this.missingBraces.add(at)
    }

    // What begins a line, or stands behind a comma, is within none of the `if`s before it.
    if (begins || type === t.Comma) this.leave()
    if (type === t.If || type === t.Fold) this.enter(token)

    if (CLOSER_OF.has(type)) {
      this.emit(token, begins, index)
      this.open(token, this.contextOf(index))
    } else if (CLOSERS.has(type)) {
      const at = this.stack.findLastIndex((open) => CLOSER_OF.get(open.token.tokenType) === type)
      if (at === -1) {
        const bracket = token.image as ClosingBracket
        const open = this.stack[this.stack.length - 1]
        if (open !== undefined && open.context === "none") {
          this.facts.push({
            kind: "mismatched-bracket",
            span: this.span(token),
            bracket,
            open: this.span(open.token),
            opening: open.token.image as OpeningBracket,
          })
          this.closeBefore(token, true)
          return
        }
        if (!this.brokenLines.has(token.startLine)) {
          this.facts.push({ kind: "stray-bracket", span: this.span(token), bracket })
        }
        return
      }
      while (this.stack.length > at + 1) this.closeBefore(token)
      this.pop()
      this.emit(token, false, index)
    } else {
      // `fn f(x) = e` has no braces to wait for.
      if (this.stack.length === 0 && type === t.Equal) this.item = undefined
      this.emit(token, begins, index)
    }
  }

  /** A line begins here that cannot stand in the innermost brackets: they were left open. */
  private closeWhatCannotHold(token: IToken, index: number): void {
    if (token.tokenType === t.LeftCurly && this.look.endsValue(index - 1)) {
      // Records stand after `=`, `,` and the like; a brace after a value opens a body: `model M(x: int {`.
      while (this.top()?.tokenType === t.LeftParen || this.top()?.tokenType === t.LeftSquare) this.closeBefore(token)
      return
    }
    if (this.stack.length === 0 || this.look.beginsLine(index, this.context)) return
    if (this.beginsSetting(token, index)) {
      while (this.context === "none") this.closeBefore(token)
      return
    }
    // `monitor = x +` and on the next line `loss  batch = 4`: in `train` that is a value and the next setting.
    if ((this.context === "train" || this.context === "weights") && this.look.expectsValue(index)) return
    const kinds: readonly Context[] = ["file", "model", "ablation", "body"]
    const kind = kinds.find((context) => this.look.beginsForSure(index, context))
    if (kind === undefined) return
    const holds = (context: Context): boolean => context === kind || (kind === "body" && context === "model")
    const at = this.stack.findLastIndex((open) => holds(open.context))
    if (at === -1 && kind !== "file") return
    // Braces hold lines, so this may also be a line in the wrong place; then it is indented more than their own line.
    const column = token.startColumn ?? 1
    const inner = this.stack.slice(at + 1)
    if (inner.some((open) => open.context !== "none" && column > open.indent)) return
    while (this.stack.length > at + 1) this.closeBefore(token)
  }

  /** `optimizer = adam(lr = 3e-4` and on the next line `batch = 4`, not further in than the line of the bracket. */
  private beginsSetting(token: IToken, index: number): boolean {
    const at = this.stack.findLastIndex((open) => open.context !== "none")
    const first = this.stack[at + 1]
    if (first === undefined || this.stack[at]?.context !== "train") return false
    const isSetting = isName(token.tokenType) && this.look.type(index + 1) === t.Equal
    return isSetting && this.look.firstOnLine(index) && this.look.endsValue(index - 1) && this.indent <= first.indent
  }

  /** Statements follow a header directly: its opening brace was left out. */
  private openWhatIsMissing(token: IToken, index: number): void {
    const ofItem =
      this.stack.length === 0 &&
      this.item !== undefined &&
      this.item !== t.Import &&
      this.look.firstOnLine(index) &&
      // `model` and then `input { ... }` on the next line is a model of that name.
      this.look.type(index - 1) !== this.item &&
      (this.look.beginsStatement(index) || (this.item === t.Model && this.look.beginsForSure(index, "model")))
    if (!ofItem && !(this.missingBraces.has(index) && this.context === "model")) return
    const previous = this.tokens[this.tokens.length - 1]
    const end = previous === undefined ? token.startOffset : this.span(previous).end
    this.facts.push({ kind: "unopened-bracket", span: { file: this.path, start: end, end }, before: token.image })
    const brace = this.virtual(t.LeftCurly, end)
    this.note(brace, false, false, true)
    this.open(brace, ofItem && this.item === t.Model ? "model" : "body")
  }

  private open(token: IToken, context: Context): void {
    this.stack.push({ token, context, indent: this.indent, pending: this.pending })
    this.pending = -1
    this.enter(token)
    if (context !== "none" && this.stack.length === 1) this.item = undefined
  }

  private enter(token: IToken): void {
    this.pending++
    this.level++
    if (this.level <= MAX_NESTING || this.tooDeep) return
    this.facts.push({ kind: "nesting-too-deep", span: this.span(token), limit: MAX_NESTING })
    this.tooDeep = true
  }

  private leave(): void {
    this.level -= this.pending
    this.pending = 0
  }

  private pop(): Open | undefined {
    const open = this.stack.pop()
    if (open === undefined) return undefined
    this.leave()
    this.level--
    this.pending = open.pending
    return open
  }

  /** Close the innermost bracket before `next`, and say so. */
  private closeBefore(next: IToken | undefined, alreadyReported = false): void {
    const open = this.pop()
    if (open === undefined) return
    const end = this.span(this.tokens[this.tokens.length - 1] ?? open.token).end
    const reported = alreadyReported || noteOf(open.token).virtual || this.brokenLines.has(open.token.startLine)
    if (!reported) {
      this.facts.push({
        kind: "unclosed-bracket",
        open: this.span(open.token),
        bracket: open.token.image as OpeningBracket,
        noticed: next === undefined ? { file: this.path, start: end, end } : this.span(next),
        found: next === undefined ? "the end of the file" : `\`${next.image}\``,
      })
    }
    this.note(this.virtual(CLOSER_OF.get(open.token.tokenType) ?? t.RightCurly, end), false, false, true)
  }

  private top(): IToken | undefined {
    return this.stack[this.stack.length - 1]?.token
  }

  /** What the bracket opened at `index` holds. */
  private contextOf(index: number): Context {
    if (this.look.type(index) !== t.LeftCurly) return "none"
    const before = this.look.type(index - 1)
    const outer = this.context
    if (this.look.endsValue(index - 1) || isName(before)) {
      if (outer === "file" && this.item === t.Model) return "model"
      if (outer === "file" && this.item === t.Ablation) return "ablation"
      if (outer === "model" && before === t.Train) return "train"
      if (this.look.type(index - 2) === t.Weights && this.look.isString(index - 1)) return "weights"
      return "body"
    }
    // What stands where a value does is a record, or a `do`, which begins with one of three words.
    return before !== t.Import && this.look.beginsStatement(index + 1) ? "body" : "none"
  }

  private emit(token: IToken, begins: boolean, index: number): void {
    this.note(token, begins, this.look.firstOnLine(index), false)
  }

  private note(token: IToken, begins: boolean, firstOnLine: boolean, virtual: boolean): void {
    const note: TokenNote = { index: this.tokens.length, depth: this.stack.length, begins, firstOnLine, virtual }
    token.payload = note
    this.tokens.push(token)
  }

  private virtual(type: TokenType, offset: number): IToken {
    return createTokenInstance(type, "", offset, offset - 1, NaN, NaN, NaN, NaN)
  }

  private span(token: IToken): Span {
    return tokenSpan(this.path, token)
  }
}
