/**
 * Colours by meaning: what the words of a text name.
 *
 * Takes the names of a text; gives a kind for each, in the order of the text. A grammar of regular expressions cannot tell
 * an input from a section, or a block from an operation.
 */

import type { Declaration } from "../resolve/declarations.js"
import { isDeclaration, type Occurrence } from "./occurrences.js"

/** The kinds of the protocol that are used, in the order of the legend. */
export const TOKEN_TYPES = ["class", "function", "namespace", "parameter", "variable", "property", "type"] as const
export type TokenType = (typeof TOKEN_TYPES)[number]

export const TOKEN_MODIFIERS = ["declaration", "defaultLibrary"] as const

export interface SemanticToken {
  readonly start: number
  readonly length: number
  readonly type: TokenType
  readonly modifiers: readonly (typeof TOKEN_MODIFIERS)[number][]
}

/** The coloured words. */
export function semanticTokens(occurrences: readonly Occurrence[]): readonly SemanticToken[] {
  return occurrences.map((found) => {
    const { name, declaration } = found
    return {
      start: name.span.start,
      length: name.span.end - name.span.start,
      type: typeOf(declaration),
      modifiers: [
        ...(isDeclaration(found) ? (["declaration"] as const) : []),
        ...(isOfLibrary(declaration) ? (["defaultLibrary"] as const) : []),
      ],
    }
  })
}

function typeOf(declaration: Declaration): TokenType {
  switch (declaration.kind) {
    case "item":
      return declaration.definition.kind === "fn" ? "function" : "class"
    case "operation":
    case "builtin":
      return "function"
    case "section":
      return "namespace"
    case "parameter":
    case "input":
      return "parameter"
    case "size":
      return "type"
    case "statement":
      return declaration.node.kind === "let" ? "variable" : "property"
    case "variable":
      return "variable"
  }
}

const isOfLibrary = ({ kind, name }: Declaration): boolean =>
  kind === "operation" || kind === "builtin" || name.span.file.startsWith("std/")
