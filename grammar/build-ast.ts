/**
 * Concrete syntax tree to AST.
 *
 * Takes the tree of Chevrotain and the doc comments; gives the types of `ast.ts`. Lines the parser gave up (it marked
 * and reported them) are left out; all others are complete. Operator chains become left-leaning trees here, so this is
 * also where the depth of expressions is limited: later stages recurse over them.
 */

import type { CstNode, IToken } from "chevrotain"
import type { SyntaxFact } from "../src/compiler/diagnostics/facts-syntax.js"
import type * as ast from "./ast.js"
import { isA } from "./beginnings.js"
import { buildExpression } from "./build-expression.js"
import { Cst } from "./cst.js"
import type { Comment } from "./lex.js"
import * as t from "./tokens.js"

/** Doc comments by the offset of the token they stand before. */
export type Docs = ReadonlyMap<number, string>

export interface Built {
  readonly file: ast.SourceFile
  readonly facts: SyntaxFact[]
}

/** Build the AST of a file. */
export function buildAst(path: string, length: number, root: CstNode, docs: Docs): Built {
  const cst = new Cst(path)
  const builder = new Builder(cst, docs)
  const items = cst.lines(root, "item").map((item) => builder.item(item))
  return {
    file: { kind: "file", path, items, span: { file: path, start: 0, end: length } },
    facts: cst.facts,
  }
}

class Builder {
  constructor(
    private readonly cst: Cst,
    private readonly docs: Docs,
  ) {}

  item(item: CstNode): ast.Item {
    const node = this.cst.only(item)
    switch (node.name) {
      case "import":
        return this.import(node)
      case "block":
        return this.block(node)
      case "function":
        return this.function(node)
      case "model":
        return this.model(node)
      case "ablation":
        return this.ablation(node)
      default:
        throw new Error(`no AST for the rule ${node.name}`)
    }
  }

  private import(node: CstNode): ast.ImportItem {
    const { cst } = this
    const from = cst.token(node, "STRING")
    return {
      kind: "import",
      names: cst.nodes(node, "imported").map((imported) => {
        const alias = cst.maybeToken(imported, "alias")
        return { name: cst.name(imported), alias: alias && cst.identifier(alias) }
      }),
      from: { text: cst.text(from), span: cst.tokenSpan(from) },
      span: cst.span(node),
    }
  }

  private block(node: CstNode): ast.BlockItem {
    const { cst } = this
    const [settings, inputs] = cst.nodes(node, "parameters")
    return {
      kind: "block",
      doc: this.doc(node),
      name: cst.name(node),
      parameters: this.parameters(settings),
      inputs: this.parameters(inputs),
      result: this.maybeType(node),
      body: this.body(cst.node(node, "body")),
      span: cst.span(node),
    }
  }

  private function(node: CstNode): ast.FunctionItem {
    const { cst } = this
    const body = cst.maybeNode(node, "body")
    const value = body === undefined ? this.expression(cst.node(node, "expression")) : undefined
    return {
      kind: "fn",
      doc: this.doc(node),
      name: cst.name(node),
      parameters: this.parameters(cst.node(node, "parameters")),
      result: this.maybeType(node),
      body:
        value === undefined
          ? this.body(cst.node(node, "body"))
          : [{ kind: "return", value, span: cst.span(cst.node(node, "expression")) }],
      concise: value !== undefined,
      span: cst.span(node),
    }
  }

  private model(node: CstNode): ast.ModelItem {
    const { cst } = this
    return {
      kind: "model",
      doc: this.doc(node),
      name: cst.name(node),
      parameters: this.parameters(cst.maybeNode(node, "parameters")),
      members: cst.lines(node, "member").flatMap((member) => {
        const inner = cst.only(member)
        return inner.recoveredNode === true ? [] : [this.member(inner)]
      }),
      span: cst.span(node),
    }
  }

  private ablation(node: CstNode): ast.AblationItem {
    const { cst } = this
    return {
      kind: "ablation",
      doc: this.doc(node),
      name: cst.name(node),
      base: cst.identifier(cst.token(node, "base")),
      changes: cst.lines(node, "change").map((change) => this.change(change)),
      span: cst.span(node),
    }
  }

  private parameters(node: CstNode | undefined): ast.Parameter[] {
    if (node === undefined) return []
    return this.cst.lines(node, "parameter").map((parameter) => ({
      name: this.declared(parameter),
      type: this.maybeType(parameter),
      default: this.maybeExpression(parameter),
      span: this.cst.span(parameter),
    }))
  }

  private body(node: CstNode): ast.Statement[] {
    return this.cst.lines(node, "statement").map((statement) => this.statement(statement))
  }

  // -------------------------------------------------------------------------------------------------------- members

  private member(node: CstNode): ast.ModelMember {
    const { cst } = this
    const span = cst.span(node)
    switch (node.name) {
      case "input_member": {
        const using = cst.maybeNode(node, "postfix")
        return {
          kind: "input",
          doc: this.doc(node),
          optional: cst.maybeToken(node, t.Optional.name) !== undefined,
          role: cst.maybeToken(node, t.Input.name) === undefined ? "target" : "input",
          name: cst.name(node),
          type: this.type(cst.node(node, "type")),
          using: using && this.expression(using),
          span,
        }
      }
      case "section": {
        const name = cst.maybeToken(node, "NAME")
        return {
          kind: "section",
          doc: this.doc(node),
          frozen: cst.maybeToken(node, t.Frozen.name) !== undefined,
          role: cst.identifier(cst.token(node, "role")),
          name: name && cst.identifier(name),
          body: this.body(cst.node(node, "body")),
          span,
        }
      }
      case "train": {
        const settings = cst.lines(node, "setting").map((setting): ast.Setting => {
          const name = cst.name(setting)
          const value = cst.node(setting, "expression")
          // Without the comma that may follow.
          return { name, value: this.expression(value), span: cst.join(name.span, cst.span(value)) }
        })
        return { kind: "train", settings, span }
      }
      default:
        return this.statement(node)
    }
  }

  private change(node: CstNode): ast.Change {
    const { cst } = this
    const span = cst.span(node)
    for (const kind of ["without", "freeze", "unfreeze"] as const) {
      const word = kind[0]?.toUpperCase() + kind.slice(1)
      if (cst.maybeToken(node, word) === undefined) continue
      return { kind, sections: cst.tokens(node, "NAME").map((token) => cst.identifier(token)), span }
    }
    const pathNode = cst.node(node, "path")
    const path = [...cst.tokens(pathNode, "NAME"), ...cst.tokens(pathNode, "WORD")].map((token) =>
      cst.identifier(token),
    )
    const value = this.expression(cst.node(node, "expression"))
    return cst.maybeToken(node, t.Set.name) === undefined
      ? { kind: "vary", path, values: value, span }
      : { kind: "set", path, value, span }
  }

  // ----------------------------------------------------------------------------------------------------- statements

  private statement(statement: CstNode): ast.Statement {
    const { cst } = this
    const node = cst.only(statement)
    const span = cst.span(node)
    const doc = this.doc(node)
    switch (node.name) {
      case "let":
        return { kind: "let", doc, pattern: cst.pattern(cst.node(node, "pattern")), value: this.value(node), span }
      case "param":
        return {
          kind: "param",
          doc,
          role: cst.maybeToken(node, t.Param.name) === undefined ? "state" : "param",
          name: cst.name(node),
          type: this.type(cst.node(node, "type")),
          initial: this.maybeExpression(node),
          span,
        }
      case "const": {
        const type = this.type(cst.node(node, "type"))
        return { kind: "const", doc, name: cst.name(node), type, value: this.value(node), span }
      }
      case "named": {
        const kind = cst.maybeToken(node, t.Output.name) === undefined ? "loss" : "output"
        return { kind, doc, name: cst.name(node), value: this.value(node), span }
      }
      case "return":
        return { kind: "return", value: this.value(node), span }
      case "check": {
        const [condition, message] = cst.nodes(node, "expression")
        if (condition === undefined || message === undefined) throw new Error("a check has two expressions")
        return { kind: "check", condition: this.expression(condition), message: this.expression(message), span }
      }
      case "weights": {
        const scheme = cst.token(node, "STRING")
        return {
          kind: "weights",
          doc,
          scheme: { text: cst.text(scheme), span: cst.tokenSpan(scheme) },
          entries: cst.lines(node, "weight").map((weight) => {
            const path = this.weightPath(cst.node(weight, "weight_path"))
            return { path, value: this.value(weight), span: cst.span(weight) }
          }),
          span,
        }
      }
      default:
        throw new Error(`no AST for the rule ${node.name}`)
    }
  }

  /** `layer[i].attn.q`: its parts in the order of the text, which the tree keeps by kind of token. */
  private weightPath(node: CstNode): ast.WeightPath {
    const { cst } = this
    const parts: (ast.WeightPathPart & { readonly at: number })[] = []
    for (const [label, kind] of [
      ["NAME", "name"],
      ["WORD", "name"],
      ["variable", "variable"],
    ] as const) {
      for (const token of cst.tokens(node, label)) {
        parts.push({ kind, name: cst.identifier(token), at: token.startOffset })
      }
    }
    for (const token of cst.tokens(node, "NUMBER")) {
      parts.push({ kind: "number", text: token.image, span: cst.tokenSpan(token), at: token.startOffset })
    }
    const inOrder = parts.sort((a, b) => a.at - b.at).map(({ at: _, ...part }) => part)
    return { parts: inOrder, span: cst.span(node) }
  }

  // ---------------------------------------------------------------------------------------------------------- types

  private maybeType(node: CstNode): ast.TypeExpression | undefined {
    const type = this.cst.maybeNode(node, "type")
    return type && this.type(type)
  }

  private type(node: CstNode): ast.TypeExpression {
    const { cst } = this
    const name = cst.name(node)
    const span = cst.span(node)
    if (cst.maybeToken(node, t.LeftSquare.name) === undefined) return { kind: "plain-type", name, span }
    const dims = cst.nodes(node, "dim").map((dim): ast.DimExpression => {
      if (cst.maybeToken(dim, t.Ellipsis.name) !== undefined) {
        const rest = cst.maybeToken(dim, "NAME")
        return { kind: "rest-dims", name: rest && cst.identifier(rest), span: cst.span(dim) }
      }
      const size = cst.maybeNode(dim, "default")
      return { kind: "dim", value: this.value(dim), default: size && this.expression(size), span: cst.span(dim) }
    })
    return { kind: "tensor-type", element: name, dims, span }
  }

  // -------------------------------------------------------------------------------------------------------- helpers

  private expression(node: CstNode): ast.Expression {
    return buildExpression(this.cst, (inner) => this.body(inner), node)
  }

  private value(node: CstNode): ast.Expression {
    return this.expression(this.cst.node(node, "expression"))
  }

  private maybeExpression(node: CstNode): ast.Expression | undefined {
    const expression = this.cst.maybeNode(node, "expression")
    return expression && this.expression(expression)
  }

  /** The name of a parameter, which the parser lets be any word. */
  private declared(parameter: CstNode): ast.Identifier {
    const token = this.cst.token(parameter, "NAME")
    const name = this.cst.identifier(token)
    if (isA(token.tokenType, t.Reserved)) {
      this.cst.facts.push({ kind: "keyword-as-name", span: name.span, word: name.text })
    }
    return name
  }

  private doc(node: CstNode): string | undefined {
    return this.docs.get(this.cst.span(node).start)
  }
}

/**
 * Doc comments by the token they stand before: those on lines of their own directly above it. A blank line ends one: what
 * is above it speaks of the file, not of the first thing in it.
 */
export function attachDocs(text: string, tokens: readonly IToken[], comments: readonly Comment[]): Docs {
  const docs = new Map<number, string>()
  let next = 0
  let above: string[] = []
  comments.forEach((comment, index) => {
    if (!comment.ownLine) return
    if (comment.kind === "doc") above.push(comment.text.replace(/^\/\/\/ ?/, ""))
    const { end } = comment.span
    while (next < tokens.length && (tokens[next]?.startOffset ?? 0) < end) next++
    const token = tokens[next]
    if (token === undefined) return
    const following = comments[index + 1]?.span.start ?? Infinity
    const between = text.slice(end, Math.min(following, token.startOffset))
    if (/\n[ \t\r]*\n/.test(between)) above = []
    else if (token.startOffset < following) {
      if (above.length > 0) docs.set(token.startOffset, above.join("\n"))
      above = []
    }
  })
  return docs
}
