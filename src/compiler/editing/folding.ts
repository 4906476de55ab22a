/**
 * What of a text can be folded away: definitions, sections, runs of comments, imports.
 *
 * Takes a syntax tree with its comments; gives ranges of lines, counted from 1. The line that closes a definition stays in
 * view.
 */

import type { Comment } from "../../../grammar/parse.js"
import type { SourceFile } from "../../../grammar/ast.js"
import type { SourceLines } from "../diagnostics/source-lines.js"
import { allEntries, outline } from "./outline.js"

export interface Folding {
  readonly first: number
  readonly last: number
  readonly kind: "region" | "comment" | "imports"
}

/** The foldable ranges of a file; each is longer than a line. */
export function foldings(file: SourceFile, comments: readonly Comment[], lines: SourceLines): readonly Folding[] {
  const lineOf = (offset: number): number => lines.position(offset).line
  const regions = allEntries(outline(file)).map(({ span, at }): Folding => {
    const isClosed = lines.text[span.end - 1] === "}"
    return { first: lineOf(at.start), last: lineOf(span.end) - (isClosed ? 1 : 0), kind: "region" }
  })
  const runs: { first: number; last: number; kind: "comment" }[] = []
  for (const { span, ownLine } of comments) {
    if (!ownLine) continue
    const line = lineOf(span.start)
    const run = runs.at(-1)
    if (run?.last === line - 1) run.last = line
    else runs.push({ first: line, last: line, kind: "comment" })
  }
  const imports = file.items.filter(({ kind }) => kind === "import")
  const [first, last] = [imports[0], imports.at(-1)]
  const head: Folding[] =
    first && last ? [{ first: lineOf(first.span.start), last: lineOf(last.span.end), kind: "imports" }] : []
  const all = [...head, ...runs, ...regions].filter((folding) => folding.last > folding.first)
  return [...new Map(all.map((folding) => [`${folding.first}-${folding.last}`, folding])).values()]
}
