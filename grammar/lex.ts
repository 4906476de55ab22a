/**
 * Text to tokens.
 *
 * Takes a path and a text; gives the tokens the parser reads, the comments (which it does not), and facts about
 * characters that are no MDL. Lexing never fails: what is not MDL is read as the nearest thing that is, or left out.
 */

import { type IToken, Lexer } from "chevrotain"
import type { SyntaxFact } from "../src/compiler/diagnostics/facts-syntax.js"
import type { Span } from "./ast.js"
import * as t from "./tokens.js"

/** A comment with its place. `doc` comments begin with exactly three slashes. */
export interface Comment {
  readonly kind: "line" | "doc"
  /** As written, slashes included, without trailing blanks. */
  readonly text: string
  readonly span: Span
  /** Nothing but blanks stands before it on its line. */
  readonly ownLine: boolean
}

export interface Lexed {
  readonly tokens: IToken[]
  readonly comments: Comment[]
  readonly facts: SyntaxFact[]
  /** Lines that hold what is not MDL. */
  readonly brokenLines: ReadonlySet<number>
}

const lexer = new Lexer(t.ALL_TOKENS, {
  positionTracking: "full",
  ensureOptimizations: true,
  lineTerminatorsPattern: /\n/g,
  lineTerminatorCharacters: ["\n"],
})

/** Read the tokens of a text. */
export function lex(path: string, text: string): Lexed {
  const result = lexer.tokenize(text)
  const facts: SyntaxFact[] = []
  const tokens: IToken[] = []
  const brokenLines = new Set<number>()
  const spanOf = (token: IToken): Span => tokenSpan(path, token)

  for (const token of result.tokens) {
    const before = facts.length
    const foreign = t.FOREIGN.get(token.tokenType)
    if (foreign !== undefined) {
      const span = spanOf(token)
      // A comment in foreign clothes may be long: its first two characters say enough.
      const symbol = token.image.slice(0, token.tokenType === t.HashComment ? 1 : 2)
      const shown = foreign.keep ? span : { ...span, end: span.start + symbol.length }
      facts.push({ kind: "foreign-symbol", span: shown, symbol, advice: foreign.advice })
      if (foreign.keep) tokens.push(token)
    } else if (token.tokenType === t.Unexpected) {
      const character = String.fromCodePoint(token.image.codePointAt(0) ?? 0)
      const start = token.startOffset
      facts.push({
        kind: "unexpected-character",
        span: { file: path, start, end: start + character.length },
        character,
      })
    } else {
      if (token.tokenType === t.UnterminatedString) facts.push({ kind: "unterminated-string", span: spanOf(token) })
      if (token.tokenType === t.SingleQuotedString) facts.push({ kind: "single-quoted-string", span: spanOf(token) })
      if (token.tokenType === t.CurlyQuotedString) {
        const span = { file: path, start: token.startOffset, end: token.startOffset + 1 }
        facts.push({ kind: "unexpected-character", span, character: token.image.slice(0, 1) })
      }
      tokens.push(token)
    }
    if (facts.length > before) brokenLines.add(token.startLine ?? 0)
  }
  // The last token pattern takes every character that no other does; were that to break, nothing may go unsaid.
  for (const error of result.errors) {
    const span = { file: path, start: error.offset, end: error.offset + error.length }
    facts.push({ kind: "unexpected-character", span, character: text.slice(error.offset, error.offset + 1) })
  }
  const comments = (result.groups["comments"] ?? []).map((token) => comment(path, text, token))
  return { tokens, comments, facts, brokenLines }
}

/** The span of a token; a token the parser made up is empty. */
export function tokenSpan(path: string, token: IToken): Span {
  return { file: path, start: token.startOffset, end: (token.endOffset ?? token.startOffset - 1) + 1 }
}

function comment(path: string, text: string, token: IToken): Comment {
  const written = token.image.trimEnd()
  const lineStart = text.lastIndexOf("\n", token.startOffset - 1) + 1
  return {
    kind: /^\/\/\/(?!\/)/.test(written) ? "doc" : "line",
    text: written,
    span: { file: path, start: token.startOffset, end: token.startOffset + written.length },
    ownLine: /^\s*$/.test(text.slice(lineStart, token.startOffset)),
  }
}
