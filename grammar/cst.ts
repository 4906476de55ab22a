/**
 * Reading Chevrotain's concrete syntax tree.
 *
 * Takes nodes of one file; gives their children by name, their spans, and the small pieces every part of the builder
 * needs: identifiers, patterns, the text of strings and numbers. A child that the grammar guarantees and the tree lacks
 * is a mistake of this compiler, and is thrown as such.
 */

import type { CstNode, IToken } from "chevrotain"
import type { SyntaxFact } from "../src/compiler/diagnostics/facts-syntax.js"
import type { Expression, Identifier, Pattern, Span } from "./ast.js"
import { tokenSpan } from "./lex.js"
import { isNode } from "./recovery.js"
import { noteOf } from "./structure.js"

/** Depth of expressions that is read; stages after this one recurse over them. */
export const MAX_DEPTH = 250

const ESCAPES: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", n: "\n", r: "\r", t: "\t" }

export class Cst {
  readonly facts: SyntaxFact[] = []
  private readonly depths = new WeakMap<object, number>()
  private tooDeep = false

  constructor(private readonly path: string) {}

  // ------------------------------------------------------------------------------------------------------- children

  nodes(node: CstNode, name: string): CstNode[] {
    return (node.children[name] ?? []).filter(isNode)
  }

  maybeNode(node: CstNode, name: string): CstNode | undefined {
    return this.nodes(node, name)[0]
  }

  node(node: CstNode, name: string): CstNode {
    return this.maybeNode(node, name) ?? this.lacks(node, name)
  }

  /** Children that can be given up on their own, without those that were. */
  lines(node: CstNode, name: string): CstNode[] {
    return this.nodes(node, name).filter((child) => child.recoveredNode !== true)
  }

  /** The one child of a rule that is only a choice. */
  only(node: CstNode): CstNode {
    for (const children of Object.values(node.children)) for (const child of children) if (isNode(child)) return child
    return this.lacks(node, "any child")
  }

  tokens(node: CstNode, name: string): IToken[] {
    return (node.children[name] ?? []).filter((child): child is IToken => !isNode(child))
  }

  maybeToken(node: CstNode, name: string): IToken | undefined {
    return this.tokens(node, name)[0]
  }

  token(node: CstNode, name: string): IToken {
    return this.maybeToken(node, name) ?? this.lacks(node, name)
  }

  private lacks(node: CstNode, name: string): never {
    throw new Error(`the syntax tree of the rule ${node.name} lacks ${name}`)
  }

  // ---------------------------------------------------------------------------------------------------------- spans

  span(node: CstNode): Span {
    const { startOffset = 0, endOffset = -1 } = node.location ?? {}
    return { file: this.path, start: startOffset, end: endOffset + 1 }
  }

  tokenSpan(token: IToken): Span {
    return tokenSpan(this.path, token)
  }

  join(first: Span, last: Span): Span {
    return { file: this.path, start: first.start, end: last.end }
  }

  // --------------------------------------------------------------------------------------------------- small pieces

  identifier(token: IToken): Identifier {
    return { text: token.image, span: this.tokenSpan(token) }
  }

  name(node: CstNode): Identifier {
    return this.identifier(this.token(node, "NAME"))
  }

  pattern(node: CstNode): Pattern {
    const span = this.span(node)
    const name = this.maybeToken(node, "NAME")
    if (name !== undefined) return { kind: "name-pattern", name: this.identifier(name), span }
    const fields = this.nodes(node, "field_name").map((fieldName) => {
      const field = this.identifier(this.token(fieldName, "WORD"))
      const renamed = this.maybeToken(fieldName, "NAME")
      return { field, name: renamed === undefined ? field : this.identifier(renamed) }
    })
    return { kind: "record-pattern", fields, span }
  }

  /** The value of a string token. */
  text(token: IToken): string {
    const { image } = token
    const closed = image.length > 1 && image.endsWith(image[0] ?? '"') && token.tokenType.name !== "UnterminatedString"
    return image
      .slice(1, closed ? -1 : undefined)
      .replace(/\\(u\{[^}]*\}|.|$)/gs, (escape, code: string, at: number) => {
        const known = ESCAPES[code]
        if (known !== undefined) return known
        const point = /^u\{([0-9a-fA-F]{1,6})\}$/.exec(code)?.[1]
        const value = point === undefined ? undefined : parseInt(point, 16)
        if (value !== undefined && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff)) {
          return String.fromCodePoint(value)
        }
        if (code !== "") {
          const start = token.startOffset + 1 + at
          this.facts.push({
            kind: "unknown-escape",
            span: { file: this.path, start, end: start + escape.length },
            escape,
          })
        }
        return escape
      })
  }

  number(token: IToken): Expression {
    const text = token.image
    const value = Number(text.replaceAll("_", ""))
    const isInteger = /^[0-9_]+$/.test(text)
    const span = this.tokenSpan(token)
    if (!Number.isFinite(value) || (isInteger && !Number.isSafeInteger(value))) {
      this.facts.push({ kind: "number-out-of-range", span, text: text.length > 40 ? `${text.slice(0, 37)}...` : text })
    }
    return { kind: "number", value, isInteger, text, span }
  }

  /** Note how deep an expression is; one that is too deep is reported once and cut off. */
  measured(expression: Expression, children: readonly object[]): Expression {
    let depth = 1
    for (const child of children) depth = Math.max(depth, 1 + (this.depths.get(child) ?? 0))
    if (depth > MAX_DEPTH) {
      if (!this.tooDeep) {
        const span = { ...expression.span, end: expression.span.start + 1 }
        this.facts.push({ kind: "nesting-too-deep", span, limit: MAX_DEPTH })
      }
      this.tooDeep = true
      return { kind: "none", span: expression.span }
    }
    this.depths.set(expression, depth)
    return expression
  }

  /** Do the tokens stand directly beside one another? */
  adjacent(first: IToken, second: IToken): boolean {
    return noteOf(second).index === noteOf(first).index + 1
  }
}
