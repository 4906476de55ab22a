/**
 * The text of a model with its words told apart.
 *
 * Takes: a text in MDL. Gives: the same text as markup, with comments, strings, numbers and keywords in spans.
 *
 * Why so: the language's own lexer reads it, so that nothing is taken for a keyword that is not. Most keywords are names
 * where no statement begins (`target = ...` as an argument): such a word is coloured when what it introduces follows, a
 * word, a string or a brace.
 */

import type { IToken } from "chevrotain"
import { lex, tokenSpan } from "../../../grammar/lex.js"
import * as t from "../../../grammar/tokens.js"
import { type Html, markup, type Part } from "./html.js"

type Kind = "comment" | "string" | "number" | "keyword"

interface Piece {
  readonly start: number
  readonly end: number
  readonly kind: Kind
}

/** A piece of a text and the class that colours it. */
export interface ColouredPiece extends Pick<Piece, "start" | "end"> {
  readonly name: string
}

/** The text, coloured; the text of the result is the text that was given. */
export const highlighted = (text: string): Html => coloured(text, lexedPieces(text))

/** A text with pieces of it, which follow one another, in spans. @param from where to begin @param to where to end */
export function coloured(text: string, pieces: readonly ColouredPiece[], from = 0, to = text.length): Html {
  const parts: Part[] = []
  let at = from
  for (const { start, end, name } of pieces) {
    parts.push(text.slice(at, start), markup`<span class="${name}">${text.slice(start, end)}</span>`)
    at = end
  }
  return markup`${parts}${text.slice(at, to)}`
}

/** What the lexer tells apart: comments, strings, numbers and keywords, in the order of the text. */
export function lexedPieces(text: string): readonly ColouredPiece[] {
  const { tokens, comments } = lex("model", text)
  const pieces = [
    ...comments.map(({ span }): Piece => ({ start: span.start, end: span.end, kind: "comment" })),
    ...tokens.flatMap((token, index): Piece[] => {
      const kind = kindOf(token, tokens[index + 1])
      const { start, end } = tokenSpan("model", token)
      return kind ? [{ start, end, kind }] : []
    }),
  ].sort((a, b) => a.start - b.start)
  return pieces.map(({ start, end, kind }) => ({ start, end, name: CLASSES[kind] }))
}

/** Short, because a page has thousands. */
const CLASSES: Readonly<Record<Kind, string>> = { comment: "hc", string: "hs", number: "hn", keyword: "hk" }

function kindOf({ tokenType, startLine }: IToken, next: IToken | undefined): Kind | undefined {
  const isOf = (type: typeof tokenType): boolean => tokenType === type || (tokenType.CATEGORIES ?? []).includes(type)
  if (isOf(t.StringLiteral)) return "string"
  if (isOf(t.NumberLiteral)) return "number"
  if (isOf(t.Reserved)) return "keyword"
  if (tokenType === t.Identifier || !isOf(t.Word)) return undefined
  if (next === undefined || next.startLine !== startLine) return undefined
  const follows = [next.tokenType, ...(next.tokenType.CATEGORIES ?? [])]
  return INTRODUCED.some((type) => follows.includes(type)) ? "keyword" : undefined
}

/** What stands after a keyword that begins a statement or a part of one. */
const INTRODUCED = [t.Word, t.StringLiteral, t.LeftCurly]
