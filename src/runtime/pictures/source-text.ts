/**
 * The texts that a picture was drawn from, line by line, in the colours of an editor.
 *
 * Takes modules; gives markup with one element a line. The colours are those of the language server: the lexer knows
 * comments, strings, numbers and keywords; what a name means comes from resolving it.
 */

import { SourceLines } from "../../compiler/diagnostics/source-lines.js"
import { occurrencesOf } from "../../compiler/editing/occurrences.js"
import { semanticTokens, type TokenType } from "../../compiler/editing/semantic-tokens.js"
import type { Module, ModuleGraph } from "../../compiler/resolve/modules.js"
import { coloured, type ColouredPiece, lexedPieces } from "../reports/highlight.js"
import { type Html, markup } from "../reports/html.js"

/** Short, because a page has thousands. */
const CLASSES: Readonly<Record<TokenType, string>> = {
  class: "sc",
  function: "sf",
  namespace: "ss",
  parameter: "sp",
  variable: "sv",
  property: "sv",
  type: "st",
}

/** The lines of `module`. */
export function sourceLines(module: Module, modules: ModuleGraph): Html {
  const { text } = module
  const pieces = piecesOf(module, modules)
  const lines = new SourceLines(text)
  let next = 0
  const shown = Array.from({ length: lines.count }, (_, i) => {
    const from = lines.start(i + 1)
    const to = from + lines.content(i + 1).length
    const first = next
    while (next < pieces.length && pieces[next]!.start < to) next++
    return markup`<span class="line"><span class="number">${i + 1}</span>${coloured(text, pieces.slice(first, next), from, to)}\n</span>`
  })
  return markup`${shown}`
}

/** All that is coloured, in the order of the text; a name is what it means, also where it is spelled as a keyword. */
function piecesOf(module: Module, modules: ModuleGraph): readonly ColouredPiece[] {
  const names = semanticTokens(occurrencesOf(module, modules)).map(({ start, length, type }): ColouredPiece => {
    return { start, end: start + length, name: CLASSES[type] }
  })
  const taken = new Set(names.map(({ start }) => start))
  return [...names, ...lexedPieces(module.text).filter(({ start }) => !taken.has(start))].sort(
    (a, b) => a.start - b.start,
  )
}
