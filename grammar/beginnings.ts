/**
 * Where lines begin: statements, members, settings, changes and items, told by a few tokens of look-ahead.
 *
 * Takes tokens and a position; answers questions. Line ends mean nothing to the grammar, and contextual keywords are
 * names almost everywhere; these rules decide which of the two a word is, and where reading goes on after an error.
 * Line ends serve as a hint there, never as a rule a correct file could trip over.
 */

import type { IToken, TokenType } from "chevrotain"
import { SECTION_ROLES } from "./ast.js"
import * as t from "./tokens.js"

/** What the innermost open bracket holds; `none` is everything that has no lines: lists, arguments, records. */
export type Context = "file" | "model" | "body" | "train" | "ablation" | "weights" | "none"

const STATEMENT_WORDS = new Set<TokenType>([t.Let, t.Return, t.Check, t.Param, t.State, t.Const, t.Output, t.Loss])
const MEMBER_WORDS = new Set<TokenType>([...STATEMENT_WORDS, t.Optional, t.Input, t.Target, t.Frozen, t.Train])
const CHANGE_WORDS = new Set<TokenType>([t.Without, t.Freeze, t.Unfreeze, t.Set, t.Vary])
const ITEM_WORDS = new Set<TokenType>([t.Import, t.Block, t.Fn, t.Model, t.Ablation])
const ROLES: ReadonlySet<string> = new Set(SECTION_ROLES)
const CLOSERS = new Set<TokenType>(t.BRACKET_PAIRS.map(([, close]) => close))

export class Beginnings {
  constructor(private readonly tokens: readonly IToken[]) {}

  type(index: number): TokenType | undefined {
    return this.tokens[index]?.tokenType
  }

  firstOnLine(index: number): boolean {
    const previous = this.tokens[index - 1]
    return previous === undefined || previous.endLine !== this.tokens[index]?.startLine
  }

  /** Does a line of the kind that `context` holds begin here? */
  beginsLine(index: number, context: Context): boolean {
    const type = this.type(index)
    if (type === undefined) return false
    const couldBegin = this.firstOnLine(index) || this.endsValue(index - 1)
    switch (context) {
      case "none":
        return false
      case "file":
        return this.beginsItem(index) || (ITEM_WORDS.has(type) && this.fresh(index))
      case "train":
        return isName(type) && isEqual(this.type(index + 1))
      case "weights":
        return couldBegin && this.beginsWeight(index)
      case "ablation":
        return couldBegin && this.beginsChange(index)
      case "model":
        if (MEMBER_WORDS.has(type) && this.fresh(index)) return true
        return this.beginsStatement(index) || this.beginsMember(index)
      case "body":
        return this.beginsStatement(index) || (STATEMENT_WORDS.has(type) && this.fresh(index))
    }
  }

  /** A word at the beginning of a text line, after something a statement may end with. */
  private fresh(index: number): boolean {
    const before = this.type(index - 1)
    // After a contextual keyword the word may well be the name that it takes.
    if (isName(before) && before !== t.Identifier) return false
    return this.firstOnLine(index) && this.endsValue(index - 1)
  }

  beginsStatement(index: number): boolean {
    const type = this.type(index)
    const next = this.type(index + 1)
    const after = this.type(index + 2)
    if (type === t.Let || type === t.Return || type === t.Check) {
      // `f(let = 1)`, `{ let: 1 }` and `x.let` are names.
      return !isEqual(next) && next !== t.Colon && this.type(index - 1) !== t.Dot
    }
    if (type === t.Output || type === t.Loss) return isName(next) && isEqual(after)
    if (type === t.Weights) return this.isString(index + 1)
    return (type === t.Param || type === t.State || type === t.Const) && isName(next) && after === t.Colon
  }

  isString(index: number): boolean {
    const type = this.type(index)
    return type !== undefined && isA(type, t.StringLiteral)
  }

  /** `layer[i].attn.q =` */
  private beginsWeight(index: number): boolean {
    if (!isName(this.type(index))) return false
    for (let at = index + 1; ;) {
      if (this.type(at) === t.Dot) at += 2
      else if (this.type(at) === t.LeftSquare) {
        // Whatever is in the brackets, so that a slip in them is found at its own line.
        while (this.type(at) !== undefined && this.type(at) !== t.RightSquare) at++
        at++
      } else return isEqual(this.type(at))
    }
  }

  private beginsChange(index: number): boolean {
    const type = this.type(index)
    if (type === undefined || !CHANGE_WORDS.has(type) || !isName(this.type(index + 1))) return false
    if (type !== t.Set && type !== t.Vary) return true
    let end = index + 2
    while (this.type(end) === t.Dot) end += 2
    return type === t.Set ? isEqual(this.type(end)) : this.type(end) === t.In
  }

  /** An input, a target, `train` or a section: what a model holds and no body does. */
  beginsMember(index: number): boolean {
    const type = this.type(index)
    if (type === t.Train) return this.type(index + 1) === t.LeftCurly
    const at = type === t.Optional && isInput(this.type(index + 1)) ? index + 1 : index
    if (isInput(this.type(at)) && isName(this.type(at + 1)) && this.type(at + 2) === t.Colon) return true
    if (isInput(type)) return false
    return this.beginsSection(index)
  }

  /** `[frozen] NAME [NAME] {`, where a line may begin. */
  beginsSection(index: number): boolean {
    const header = this.sectionHeader(index)
    if (header === undefined || this.type(index + header) !== t.LeftCurly) return false
    if (this.endsValue(index - 1) || this.type(index - 1) === t.LeftCurly || index === 0) return true
    // Something is missing before it, or it is the value on a line of its own: `let v =`, `x`, `decoder { ... }`.
    const isRole = (at: number): boolean => ROLES.has(this.tokens[at]?.image ?? "")
    return this.firstOnLine(index) && isRole(index) && !isRole(index + 1)
  }

  /** How many tokens a section's header has before its brace; nothing where no header can be. */
  private sectionHeader(index: number): number | undefined {
    let length = 0
    if (this.type(index) === t.Frozen && isName(this.type(index + 1))) length++
    const role = this.type(index + length)
    if (!isName(role) || (role !== undefined && ITEM_WORDS.has(role))) return undefined
    length++
    return isName(this.type(index + length)) && this.type(index + length - 1) !== t.Train ? length + 1 : length
  }

  beginsItem(index: number): boolean {
    const type = this.type(index)
    const next = this.type(index + 1)
    const after = this.type(index + 2)
    if (type === t.Import) return next === t.LeftCurly
    if (!isName(next) || !(this.firstOnLine(index) || this.endsValue(index - 1))) return false
    if (type === t.Fn) return after === t.LeftParen
    if (type === t.Ablation) return after === t.Of
    return (type === t.Block || type === t.Model) && (after === t.LeftParen || after === t.LeftCurly)
  }

  /** A line that can stand in `context` only, so that brackets of other kinds around it were left open. */
  beginsForSure(index: number, context: Context): boolean {
    switch (context) {
      case "file":
        return this.beginsItem(index)
      case "body":
        return this.beginsStatement(index) && (this.firstOnLine(index) || this.endsReserved(index))
      case "model": {
        const word = this.tokens[index]?.image ?? ""
        if (!this.firstOnLine(index)) return false
        if (ROLES.has(word) || this.type(index) === t.Frozen) return this.beginsSection(index)
        return this.type(index) !== undefined && !isPlain(this.type(index)) && this.beginsMember(index)
      }
      case "ablation":
        return this.firstOnLine(index) && this.beginsLine(index, "ablation")
      case "train":
      case "weights":
      case "none":
        return false
    }
  }

  private endsReserved(index: number): boolean {
    const type = this.type(index)
    return type === t.Let || type === t.Return || type === t.Check
  }

  /** `encoder vision` and then statements: the position at which the `{` was left out. */
  missingBraceOfSection(index: number): number | undefined {
    const word = this.tokens[this.type(index) === t.Frozen ? index + 1 : index]?.image ?? ""
    if (!ROLES.has(word) || !this.firstOnLine(index)) return undefined
    for (let at = index + 1; at <= index + 3 && isName(this.type(at - 1)); at++) {
      if (this.firstOnLine(at) && this.beginsStatement(at)) return at
    }
    return undefined
  }

  /** Is what stands before `index` still waiting for a value? */
  expectsValue(index: number): boolean {
    const before = this.type(index - 1)
    return before !== t.LeftCurly && before !== t.Comma && !this.endsValue(index - 1)
  }

  /** Can a statement end with the token at `index`? */
  endsValue(index: number): boolean {
    const type = this.type(index)
    // A value named `using` is possible, but what comes after the word is nearly always its operand.
    if (type === undefined || type === t.Using) return false
    if (isName(type) || CLOSERS.has(type)) return true
    if (type === t.True || type === t.False || type === t.None) return true
    return type === t.NumberLiteral || this.isString(index)
  }
}

/** Identifier or contextual keyword. */
export function isName(type: TokenType | undefined): boolean {
  return type !== undefined && isA(type, t.Name)
}

/** Is the type the category itself or one of its members? */
export function isA(type: TokenType, category: TokenType): boolean {
  return type === category || (type.CATEGORIES?.includes(category) ?? false)
}

function isPlain(type: TokenType | undefined): boolean {
  return type === t.Identifier
}

function isInput(type: TokenType | undefined): boolean {
  return type === t.Input || type === t.Target
}

function isEqual(type: TokenType | undefined): boolean {
  return type === t.Equal || type === t.ColonEqual
}
