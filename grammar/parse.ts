/**
 * Text to AST: the one entrance to the grammar.
 *
 * Takes a path (for spans; nothing is read) and a text; gives the AST of all that could be read, the comments, and a
 * diagnostic for each thing that could not. It never throws, whatever the text, and takes time in proportion to it.
 */

import type { IToken } from "chevrotain"
import type { Diagnostic } from "../src/compiler/diagnostics/diagnostic.js"
import { describe } from "../src/compiler/diagnostics/facts.js"
import type { SyntaxFact } from "../src/compiler/diagnostics/facts-syntax.js"
import type { SourceFile, Span } from "./ast.js"
import { attachDocs, buildAst } from "./build-ast.js"
import { Beginnings } from "./beginnings.js"
import { checkFile } from "./checks.js"
import { type Comment, lex, type Lexed } from "./lex.js"
import { problemFact } from "./parse-facts.js"
import { MdlParser } from "./parser.js"
import { MAX_PROBLEMS } from "./recovery.js"
import { lowerBound } from "./search.js"
import { structure } from "./structure.js"

export type { Comment } from "./lex.js"

export interface Parsed {
  readonly file: SourceFile
  readonly comments: Comment[]
  readonly diagnostics: Diagnostic[]
  /** The AST says all that the text says: nothing was left out or read as something else. */
  readonly complete: boolean
}

/** Longer texts are refused unread: no description of a model is as long, and the tree of one would not fit. */
export const MAX_LENGTH = 500_000
/** The same for texts that are dense. */
export const MAX_TOKENS = 100_000

let parser: MdlParser | undefined

/** Parse a file. */
export function parse(path: string, text: string): Parsed {
  const empty: SourceFile = { kind: "file", path, items: [], span: { file: path, start: 0, end: text.length } }
  const tooLarge = (limit: number, unit: string): Parsed => {
    const span = { file: path, start: 0, end: 0 }
    const fact: SyntaxFact = { kind: "file-too-large", span, limit, unit }
    return { file: empty, comments: [], diagnostics: [describe(fact)], complete: false }
  }
  if (text.length > MAX_LENGTH) return tooLarge(MAX_LENGTH, "characters")
  const lexed = lex(path, text)
  if (lexed.tokens.length > MAX_TOKENS) return tooLarge(MAX_TOKENS, "words and symbols")
  const structured = structure(path, lexed.tokens)
  const facts = [...lexed.facts, ...withDivisions(structured.facts, lexed.comments)]
  let file = empty
  if (!structured.tooDeep) {
    const built = read(path, text, structured.tokens, lexed)
    file = built.file
    for (const fact of built.facts) facts.push(fact)
  }
  const complete = facts.length === 0
  const all = [...facts, ...checkFile(file), ...numbersInComments(text, lexed)]
  return { file, comments: lexed.comments, diagnostics: limited(path, all), complete }
}

function read(path: string, text: string, tokens: IToken[], lexed: Lexed): { file: SourceFile; facts: SyntaxFact[] } {
  // The parser's tables are built once; it keeps nothing of a file.
  parser ??= new MdlParser({ skipValidations: true })
  parser.restart([...tokens])
  const root = parser.file()
  const problems = parser.problems.flatMap((problem) => {
    // A line with foreign characters in it does not read well, and has been reported for them.
    if (lexed.brokenLines.has(problem.token.startLine ?? 0)) return []
    return problemFact(path, text.length, tokens, problem) ?? []
  })
  const built = buildAst(path, text.length, root, attachDocs(text, tokens, lexed.comments))
  return { file: built.file, facts: [...problems, ...built.facts] }
}

/** `f(x, H // 2)`: a bracket left open on the line of a comment that looks like the rest of a division. */
function withDivisions(facts: readonly SyntaxFact[], comments: readonly Comment[]): SyntaxFact[] {
  const divisions = comments.filter(({ ownLine, text }) => !ownLine && /^\/\/ *[\w.]+ *[,)\]}]/.test(text))
  if (divisions.length === 0) return [...facts]
  const firstAfter = (offset: number): Span | undefined =>
    divisions[lowerBound(divisions.length, (at) => (divisions[at]?.span.start ?? 0) < offset)]?.span
  return facts.map((fact): SyntaxFact => {
    const span = fact.kind === "unclosed-bracket" ? firstAfter(fact.open.end) : undefined
    if (fact.kind !== "unclosed-bracket" || span === undefined || span.end > fact.noticed.start) return fact
    return { kind: "division-in-comment", span: { ...span, end: span.start + 2 } }
  })
}

/** `let half = H // 2`: Python would divide. */
function numbersInComments(text: string, { comments, tokens }: Lexed): SyntaxFact[] {
  const look = new Beginnings(tokens)
  const ends = new Set(tokens.flatMap(({ endOffset }, index) => (look.endsValue(index) ? [endOffset] : [])))
  return comments.flatMap(({ ownLine, text: comment, span }): SyntaxFact[] => {
    if (ownLine || !/^\/\/ *\d+$/.test(comment)) return []
    let before = span.start - 1
    while (text[before] === " ") before--
    return ends.has(before) ? [{ kind: "number-in-comment", span }] : []
  })
}

/** In the order of the text, without those that repeat a place, and not more than can be read. */
function limited(path: string, facts: readonly SyntaxFact[]): Diagnostic[] {
  const sorted = [...facts].sort((a, b) => placeOf(a).start - placeOf(b).start)
  const seen = new Set<number>()
  const distinct = sorted.filter((fact) => {
    const { start } = placeOf(fact)
    return !seen.has(start) && seen.add(start)
  })
  const shown = distinct.slice(0, MAX_PROBLEMS)
  const next = distinct[MAX_PROBLEMS]
  if (next !== undefined) {
    const { start } = placeOf(next)
    shown.push({ kind: "too-many-errors", span: { file: path, start, end: start }, limit: MAX_PROBLEMS })
  }
  return shown.map(describe)
}

function placeOf(fact: SyntaxFact): Span {
  return fact.kind === "unclosed-bracket" ? fact.noticed : fact.span
}
