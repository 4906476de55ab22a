/**
 * Expressions: concrete syntax tree to AST.
 *
 * Takes a node of any of the expression rules; gives an expression. The rules of the grammar nest as deeply as there are
 * levels of precedence, and nearly all of them add nothing: those are passed through.
 */

import type { CstNode, IToken } from "chevrotain"
import type { SyntaxFact } from "../src/compiler/diagnostics/facts-syntax.js"
import type * as ast from "./ast.js"
import type { Cst } from "./cst.js"
import * as t from "./tokens.js"
import { statementExpressions } from "./walk.js"

/** Foreign spellings of operators have been reported; they are read as what they stand for. */
const OPERATORS: Readonly<Record<string, ast.BinaryOperator>> = { "&&": "and", "||": "or", "**": "*" }

/** Build an expression; `body` builds the statements of a `do`. */
export function buildExpression(cst: Cst, body: Body, node: CstNode): ast.Expression {
  // Pass through the levels that hold a single operand, without recursion.
  let inner = node
  for (;;) {
    if (inner.children["operator"] === undefined) {
      const next = cst.maybeNode(inner, "operand") ?? cst.maybeNode(inner, "pipe")
      if (next !== undefined) {
        inner = next
        continue
      }
    }
    break
  }
  const build = (child: CstNode): ast.Expression => buildExpression(cst, body, child)
  switch (inner.name) {
    case "expression":
      return cst.maybeToken(inner, t.If.name) === undefined ? fold(cst, inner, build) : conditional(cst, inner, build)
    case "inversion":
    case "negation":
      return unary(cst, inner, build)
    case "postfix":
      return postfix(cst, body, inner, build)
    default:
      return chain(cst, inner, build)
  }
}

type Build = (node: CstNode) => ast.Expression
type Body = (node: CstNode) => ast.Statement[]

function conditional(cst: Cst, node: CstNode, build: Build): ast.Expression {
  const condition = build(cst.node(node, "condition"))
  const then = build(cst.node(node, "then"))
  const otherwise = build(cst.node(node, "else"))
  return cst.measured({ kind: "if", condition, then, else: otherwise, span: cst.span(node) }, [
    condition,
    then,
    otherwise,
  ])
}

function fold(cst: Cst, node: CstNode, build: Build): ast.Expression {
  const start = build(cst.node(node, "start"))
  const iterable = build(cst.node(node, "iterable"))
  const body = build(cst.node(node, "body"))
  const variable = cst.pattern(cst.node(node, "pattern"))
  return cst.measured(
    { kind: "fold", accumulator: cst.name(node), start, variable, iterable, body, span: cst.span(node) },
    [start, iterable, body],
  )
}

function unary(cst: Cst, node: CstNode, build: Build): ast.Expression {
  const operand = build(cst.node(node, "operand"))
  const operator = cst.token(node, "operator").tokenType === t.Minus ? "-" : "not"
  return cst.measured({ kind: "unary", operator, operand, span: cst.span(node) }, [operand])
}

/** `a + b - c`, `a |> f |> g`, `a .. b`: left-leaning. */
function chain(cst: Cst, node: CstNode, build: Build): ast.Expression {
  const operands = cst.nodes(node, "operand")
  const first = operands[0]
  if (first === undefined) throw new Error(`the rule ${node.name} has no operand`)
  let left = build(first)
  cst.tokens(node, "operator").forEach((token, index) => {
    const operand = operands[index + 1]
    if (operand === undefined) throw new Error(`the rule ${node.name} lacks an operand`)
    const right = build(operand)
    // From the outermost token of the operands, so that parentheses around them belong to the span.
    const span = cst.join(cst.span(first), cst.span(operand))
    left = cst.measured(operation(cst, node.name, token, left, right, span), [left, right])
  })
  return left
}

function operation(
  cst: Cst,
  rule: string,
  token: IToken,
  left: ast.Expression,
  right: ast.Expression,
  span: ast.Span,
): ast.Expression {
  if (rule === "pipe") return { kind: "pipe", left, right, span }
  if (rule === "range") return { kind: "range", from: left, to: right, span }
  const operator = OPERATORS[token.image] ?? (token.image as ast.BinaryOperator)
  return { kind: "binary", operator, operatorSpan: cst.tokenSpan(token), left, right, span }
}

/** `f(a)(b).c[0]`: each suffix applies to all that is left of it. */
function postfix(cst: Cst, body: Body, node: CstNode, build: Build): ast.Expression {
  const inner = cst.node(node, "primary")
  const outer = cst.span(inner)
  let object = primary(cst, body, inner, build)
  const ends = cst.tokens(node, "end")
  const argumentLists = cst.nodes(node, "arguments")
  const indices = cst.nodes(node, "expression")
  cst.tokens(node, "suffix").forEach((suffix, position) => {
    const end = ends[position]
    if (end === undefined) throw new Error("a suffix has no end")
    const span = cst.join(outer, cst.tokenSpan(end))
    if (suffix.tokenType === t.Dot) {
      object = cst.measured({ kind: "member", object, name: cst.identifier(end), span }, [object])
    } else if (suffix.tokenType === t.LeftSquare) {
      const at = indices.shift()
      if (at === undefined) throw new Error("an index has no expression")
      const index = build(at)
      object = cst.measured({ kind: "index", object, index, span }, [object, index])
    } else {
      const list = cst.adjacent(suffix, end) ? undefined : argumentLists.shift()
      const nodes = list === undefined ? [] : cst.nodes(list, "argument")
      const rests = nodes.filter((node) => cst.maybeToken(node, t.Ellipsis.name) !== undefined)
      const given = nodes.filter((node) => !rests.includes(node)).map((node) => argument(cst, node, build))
      for (const rest of rests) if (rest !== nodes.at(-1)) cst.facts.push(restNotLast(cst, rest))
      const call: ast.Expression = { kind: "call", callee: object, arguments: given, open: rests.length > 0, span }
      object = cst.measured(call, [object, ...given.map(({ value }) => value)])
    }
  })
  return object
}

function restNotLast(cst: Cst, node: CstNode): SyntaxFact {
  const hint = "`...` stands for the arguments that come later, and is the last one"
  const expected = ["an argument"]
  return { kind: "unexpected-token", span: cst.span(node), found: "`...`", expected, within: undefined, hint }
}

function argument(cst: Cst, node: CstNode, build: Build): ast.Argument {
  const name = cst.maybeToken(node, "WORD")
  return { name: name && cst.identifier(name), value: build(cst.node(node, "expression")), span: cst.span(node) }
}

function primary(cst: Cst, body: Body, node: CstNode, build: Build): ast.Expression {
  const span = cst.span(node)
  for (const [kind, children] of Object.entries(node.children)) {
    const child = children[0]
    if (child === undefined) continue
    if ("children" in child) {
      if (kind === "expression") return build(child)
      if (kind === "list") return list(cst, child, build)
      if (kind === "record") return record(cst, child, build)
      const statements = body(child)
      return cst.measured({ kind: "do", body: statements, span }, statements.flatMap(statementExpressions))
    }
    switch (kind) {
      case "NUMBER":
        return cst.number(child)
      case "STRING":
        return { kind: "string", value: cst.text(child), span }
      case "True":
        return { kind: "boolean", value: true, span }
      case "False":
        return { kind: "boolean", value: false, span }
      case "None":
        return { kind: "none", span }
      case "NAME":
        return { kind: "name", name: cst.identifier(child), span }
      default:
        // The parenthesis of `( expression )`: the expression is the next child.
        continue
    }
  }
  throw new Error("the rule primary is empty")
}

function list(cst: Cst, node: CstNode, build: Build): ast.Expression {
  const span = cst.span(node)
  const items = cst.nodes(node, "list_item").map((item) => ({
    spread: cst.maybeToken(item, t.Ellipsis.name) !== undefined,
    value: build(cst.node(item, "expression")),
  }))
  const first = items[0]
  const values = items.map(({ value }) => value)
  if (first === undefined || cst.maybeToken(node, t.For.name) === undefined) {
    return cst.measured({ kind: "list", items, span }, values)
  }
  if (first.spread) {
    const at = first.value.span.start
    cst.facts.push({
      kind: "unexpected-token",
      span: { ...first.value.span, start: span.start + 1, end: at },
      found: "`...`",
      expected: ["an expression"],
      within: undefined,
      hint: "a comprehension makes one item at a time",
    })
  }
  const iterable = build(cst.node(node, "iterable"))
  const filter = cst.maybeNode(node, "condition")
  const condition = filter && build(filter)
  const variable = cst.pattern(cst.node(node, "pattern"))
  return cst.measured({ kind: "comprehension", body: first.value, variable, iterable, condition, span }, [
    first.value,
    iterable,
    ...(condition === undefined ? [] : [condition]),
  ])
}

function record(cst: Cst, node: CstNode, build: Build): ast.Expression {
  const fields = cst.nodes(node, "record_item").map((item): ast.RecordField => {
    const value = cst.maybeNode(item, "expression")
    const name = cst.maybeToken(item, "WORD")
    if (name !== undefined) return { kind: "field", name: cst.identifier(name), value: value && build(value) }
    return { kind: "spread", value: build(cst.node(item, "expression")) }
  })
  const values = fields.flatMap(({ value }) => (value === undefined ? [] : [value]))
  return cst.measured({ kind: "record", fields, span: cst.span(node) }, values)
}
