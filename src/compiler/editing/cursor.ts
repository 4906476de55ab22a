/**
 * Where a cursor stands, told from the words before it alone.
 *
 * Takes a text, broken or not, and an offset; gives the brackets around it and the word under it. While somebody types,
 * the syntax tree ends before the interesting place; tokens do not.
 */

import type { IToken } from "chevrotain"
import { lex } from "../../../grammar/lex.js"
import * as t from "../../../grammar/tokens.js"

/** What a bracket belongs to. */
export interface Opened {
  readonly bracket: "(" | "[" | "{"
  /** offset of the bracket */
  readonly start: number
  /** the first word of the line or lines that open it: `model`, `frozen`, `let` */
  readonly heading: string
  /** what stands directly before it: `conv2d`, `=`, `)` */
  readonly before: string
  /** what is called, for `(`: `Block` in `Block(` and, as the second call, in `Block(...)(` */
  readonly callee: string | undefined
  readonly isSecondCall: boolean
  /** commas so far, directly in it */
  readonly commas: number
  /** arguments named so far, directly in it */
  readonly given: readonly string[]
  /** the name of the argument that the cursor stands in */
  readonly argument: string | undefined
}

export interface Cursor {
  readonly offset: number
  /** the brackets around, outermost first */
  readonly around: readonly Opened[]
  /** the word under the cursor, up to the cursor; empty between words */
  readonly word: string
  readonly wordStart: number
  /** end of the word under the cursor */
  readonly wordEnd: number
  /** the words and symbols before the word under the cursor that stand on its line */
  readonly line: readonly string[]
  /** the symbol or word directly before, on whatever line */
  readonly previous: string | undefined
  readonly where: "code" | "string" | "comment"
}

type Open = { -readonly [K in keyof Opened]: Opened[K] } & { given: string[]; last: IToken | undefined }

const CLOSING: ReadonlySet<string> = new Set([")", "]", "}"])
const isWord = (token: IToken): boolean => /^[A-Za-z_]/.test(token.image)
const endOf = (token: IToken): number => token.startOffset + token.image.length

/** The place of `offset` in `text`. */
export function cursorAt(text: string, offset: number): Cursor {
  const { tokens, comments } = lex("", text)
  const before = tokens.filter((token) => token.startOffset < offset)
  const last = before.at(-1)
  const touches = last !== undefined && endOf(last) >= offset
  const isString = touches && last.tokenType !== t.Identifier && /^["']/.test(last.image) && inString(last, offset)
  const isComment = comments.some(({ span }) => span.start < offset && offset <= span.end)
  const hasWord = touches && isWord(last)
  const complete = hasWord || isString ? before.slice(0, -1) : before
  const lineStart = text.lastIndexOf("\n", offset - 1) + 1
  return {
    offset,
    around: bracketsOf(complete),
    word: hasWord || isString ? text.slice(last.startOffset, offset) : "",
    wordStart: hasWord || isString ? last.startOffset : offset,
    wordEnd: hasWord || isString ? endOf(last) : offset,
    line: complete.filter((token) => token.startOffset >= lineStart).map(({ image }) => image),
    previous: complete.at(-1)?.image,
    where: isComment ? "comment" : isString ? "string" : "code",
  }
}

/** Behind the closing quote the string is over. */
function inString(token: IToken, offset: number): boolean {
  return offset < endOf(token) || token.tokenType === t.UnterminatedString
}

function bracketsOf(tokens: readonly IToken[]): readonly Opened[] {
  const open: Open[] = []
  /** what the last bracket that was closed at each depth had called */
  const closed: (string | undefined)[] = []
  const headings: string[] = [""]
  let previous: IToken | undefined
  for (const token of tokens) {
    const { image } = token
    const depth = open.length
    const isFirst = token.startLine !== previous?.endLine
    if (isFirst && isWord(token)) headings[depth] = image
    const inner = open.at(-1)
    if (image === "(" || image === "[" || image === "{") {
      const isSecondCall = image === "(" && previous?.image === ")"
      const isCall = image === "(" && previous !== undefined && (isWord(previous) || isSecondCall)
      const callee = isSecondCall ? closed[depth] : isCall ? previous?.image : undefined
      const place = { start: token.startOffset, heading: headings[depth] ?? "", before: previous?.image ?? "" }
      const empty = { commas: 0, given: [], argument: undefined, last: undefined }
      open.push({ bracket: image, callee, isSecondCall, ...place, ...empty })
      headings[depth + 1] = ""
    } else if (CLOSING.has(image)) {
      const popped = open.pop()
      closed[open.length] = popped?.isSecondCall ? undefined : popped?.callee
    } else if (inner && image === ",") {
      inner.commas++
      inner.argument = undefined
    } else if (inner && (image === "=" || image === ":") && inner.last && isWord(inner.last)) {
      inner.argument = inner.last.image
      inner.given.push(inner.last.image)
    }
    if (inner) inner.last = token
    previous = token
  }
  return open
}
