/**
 * The children of expressions and statements, in the order they are written.
 *
 * Takes a node of the AST; gives the expressions directly within it. The one place that knows the shape of expressions,
 * for all stages that only look: checks of a file on its own, recursion, names of parameters.
 */

import type { Expression, Statement } from "./ast.js"

/** The expressions directly within one; for `{ let ... return e }` those of its statements. */
export function childExpressions(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "number":
    case "string":
    case "boolean":
    case "none":
    case "name":
      return []
    case "list":
      return expression.items.map((item) => item.value)
    case "comprehension":
      return [expression.iterable, ...(expression.condition ? [expression.condition] : []), expression.body]
    case "record":
      return expression.fields.flatMap((field) => (field.value ? [field.value] : []))
    case "range":
      return [expression.from, expression.to]
    case "unary":
      return [expression.operand]
    case "binary":
    case "pipe":
      return [expression.left, expression.right]
    case "call":
      return [expression.callee, ...expression.arguments.map((a) => a.value)]
    case "member":
      return [expression.object]
    case "index":
      return [expression.object, expression.index]
    case "if":
      return [expression.condition, expression.then, expression.else]
    case "fold":
      return [expression.start, expression.iterable, expression.body]
    case "do":
      return expression.body.flatMap(statementExpressions)
  }
}

/** Expressions directly in a statement; those inside types are not included. */
export function statementExpressions(statement: Statement): readonly Expression[] {
  switch (statement.kind) {
    case "let":
    case "output":
    case "loss":
    case "return":
    case "const":
      return [statement.value]
    case "param":
      return statement.initial ? [statement.initial] : []
    case "check":
      return [statement.condition, statement.message]
    case "weights":
      return statement.entries.map(({ value }) => value)
  }
}
