/**
 * What is wrong with a file that reads well, and can be said without knowing any other: names that are there twice,
 * kinds of section that do not exist, types given with `=`.
 *
 * Takes an AST; gives facts.
 */

import type { NamedThing, SyntaxFact } from "../src/compiler/diagnostics/facts-syntax.js"
import { didYouMean } from "../src/compiler/diagnostics/suggest.js"
import {
  type Expression,
  type Identifier,
  type ModelMember,
  type Parameter,
  type Pattern,
  SECTION_ROLES,
  type SourceFile,
  type Statement,
} from "./ast.js"
import { childExpressions, statementExpressions } from "./walk.js"

const TYPE_NAMES = new Set(["int", "float", "bool", "string", "list", "record", "block", "tensor"])
const ELEMENTS = new Set(["f32", "f16", "bf16", "i32", "i64", "bool", "tokens"])

/** Check a file on its own. */
export function checkFile(file: SourceFile): SyntaxFact[] {
  const facts: SyntaxFact[] = []

  const unique = (names: readonly Identifier[], what: NamedThing): void => {
    const first = new Map<string, Identifier>()
    for (const name of names) {
      const before = first.get(name.text)
      if (before === undefined) first.set(name.text, name)
      else facts.push({ kind: "duplicate-name", span: name.span, name: name.text, first: before.span, what })
    }
  }

  const parameters = (list: readonly Parameter[]): void => {
    for (const { name, type, default: value } of list) {
      if (value === undefined) continue
      if (type === undefined && looksLikeType(value)) {
        const span = { ...name.span, start: name.span.end, end: value.span.start }
        facts.push({ kind: "equals-for-colon", span: trimmed(span, value), name: name.text })
      }
      expression(value)
    }
  }

  const pattern = (node: Pattern): void => {
    if (node.kind === "record-pattern") {
      unique(
        node.fields.map(({ name }) => name),
        "name",
      )
    }
  }

  const statement = (node: Statement): void => {
    if (node.kind === "let") pattern(node.pattern)
    statementExpressions(node).forEach(expression)
  }

  const expression = (node: Expression): void => {
    switch (node.kind) {
      case "call":
        unique(
          node.arguments.flatMap(({ name }) => (name === undefined ? [] : [name])),
          "argument",
        )
        break
      case "record":
        unique(
          node.fields.flatMap((field) => (field.kind === "field" ? [field.name] : [])),
          "field",
        )
        break
      case "comprehension":
      case "fold":
        pattern(node.variable)
        break
      case "do":
        node.body.forEach(statement)
        return
      default:
        break
    }
    childExpressions(node).forEach(expression)
  }

  const member = (node: ModelMember): void => {
    switch (node.kind) {
      case "input":
        if (node.using !== undefined) expression(node.using)
        break
      case "section":
        if (!(SECTION_ROLES as readonly string[]).includes(node.role.text)) {
          const { text: word, span } = node.role
          const suggestion = didYouMean(word, SECTION_ROLES)
          facts.push({ kind: "unknown-section", span, word, roles: SECTION_ROLES, suggestion })
        }
        node.body.forEach(statement)
        break
      case "train":
        unique(
          node.settings.map(({ name }) => name),
          "setting",
        )
        node.settings.forEach(({ value }) => expression(value))
        break
      default:
        statement(node)
    }
  }

  for (const item of file.items) {
    switch (item.kind) {
      case "import":
        break
      case "block":
        unique(
          [...item.parameters, ...item.inputs].map(({ name }) => name),
          "parameter",
        )
        parameters(item.parameters)
        parameters(item.inputs)
        item.body.forEach(statement)
        break
      case "fn":
        unique(
          item.parameters.map(({ name }) => name),
          "parameter",
        )
        parameters(item.parameters)
        item.body.forEach(statement)
        break
      case "model":
        unique(
          item.parameters.map(({ name }) => name),
          "parameter",
        )
        parameters(item.parameters)
        item.members.forEach(member)
        break
      case "ablation":
        for (const change of item.changes) {
          if (change.kind === "set") expression(change.value)
          else if (change.kind === "vary") expression(change.values)
        }
        break
    }
  }
  unique(
    file.items.flatMap((item) =>
      item.kind === "import" ? item.names.map(({ name, alias }) => alias ?? name) : [item.name],
    ),
    "definition",
  )
  return facts
}

/** `x = int` and `x = f32[N]`: a type in the place of a default. */
function looksLikeType(value: Expression): boolean {
  if (value.kind === "name") return TYPE_NAMES.has(value.name.text)
  return value.kind === "index" && value.object.kind === "name" && ELEMENTS.has(value.object.name.text)
}

/** The value itself is the best place when what is between name and value is only `=` and blanks. */
function trimmed(between: { file: string; start: number; end: number }, value: Expression): typeof between {
  return { ...between, start: Math.min(between.start + 1, value.span.start), end: value.span.end }
}
