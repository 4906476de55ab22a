/**
 * Expressions and types as Prettier documents.
 *
 * Takes AST nodes; gives documents. A document says where a line may break; Prettier chooses. Parentheses are put back
 * where the grammar needs them and nowhere else: the AST does not know of others.
 */

import { builders } from "prettier/doc"
import type {
  Argument,
  BinaryOperator,
  DimExpression,
  Expression,
  Identifier,
  Pattern,
  RecordField,
  Statement,
  TypeExpression,
} from "../../../grammar/ast.js"
import type { Comment } from "../../../grammar/lex.js"
import type { Attached, Attachments } from "./comments.js"
import { pipeSteps } from "./places.js"

const { group, hardline, ifBreak, indent, join, line, lineSuffix, softline, breakParent, fill } = builders
type Doc = builders.Doc

/** How tightly a kind of expression binds: what stands where a number is asked for needs at least as much. */
const enum Level {
  Open,
  Pipe,
  Range,
  Or,
  And,
  Not,
  Comparison,
  Sum,
  Product,
  Negation,
  Postfix,
}

const BINARY_LEVELS: Record<BinaryOperator, Level> = {
  or: Level.Or,
  and: Level.And,
  "==": Level.Comparison,
  "!=": Level.Comparison,
  "<": Level.Comparison,
  "<=": Level.Comparison,
  ">": Level.Comparison,
  ">=": Level.Comparison,
  "+": Level.Sum,
  "-": Level.Sum,
  "*": Level.Product,
  "/": Level.Product,
  "%": Level.Product,
}

type If = Extract<Expression, { kind: "if" }>
type Binary = Extract<Expression, { kind: "binary" }>

export abstract class ExpressionPrinter {
  constructor(
    protected readonly text: string,
    private readonly attachments: Attachments,
  ) {}

  /** The statements of a `do`, with its braces. */
  protected abstract braces(node: object, statements: readonly Statement[]): Doc

  // -------------------------------------------------------------------------------------------------------- comments

  protected commentsOf(node: object): Attached | undefined {
    return this.attachments.get(node)
  }

  /** A part of a list, with the comments above and after it. */
  protected withComments(node: object, printed: Doc): Doc {
    return this.commented(node, printed, false)
  }

  /** A line, with the comments above and after it, and the blank lines that were between them. */
  protected lineWithComments(node: object, printed: Doc): Doc {
    return this.commented(node, printed, true)
  }

  private commented(node: object, printed: Doc, blanks: boolean): Doc {
    const attached = this.attachments.get(node)
    if (attached === undefined) return printed
    const blank = (is: boolean): Doc => (blanks && is ? hardline : "")
    return [
      attached.above.map(({ text, span, moved = false }) => [
        text,
        hardline,
        blank(!moved && this.blankAfter(span.end)),
      ]),
      printed,
      attached.after.map((comment, index) => {
        // Only one comment fits at the end of a line.
        const ownLine = index > 0 || comment.ownLine
        const start = ownLine ? [hardline, blank(this.blankBefore(comment))] : " "
        return [lineSuffix([start, comment.text]), breakParent]
      }),
    ]
  }

  private hasComments(nodes: readonly object[]): boolean {
    return nodes.some((node) => this.attachments.has(node))
  }

  /** Is the line after the one of `offset` blank? */
  protected blankAfter(offset: number): boolean {
    return /^[ \t]*,?[ \t]*(\/\/[^\n]*)?\n[ \t]*\n/.test(this.text.slice(offset, this.text.indexOf("\n", offset) + 200))
  }

  private blankBefore(comment: Comment): boolean {
    return /\n[ \t]*\n[ \t]*$/.test(this.text.slice(Math.max(0, comment.span.start - 200), comment.span.start))
  }

  // ----------------------------------------------------------------------------------------------------- expressions

  /** `name = value`, where the value may move to the next line. */
  protected assignment(name: Doc, value: Expression): Doc {
    if (value.kind === "binary") return group([name, " =", indent(group([line, this.binary(value, false)]))])
    return [name, " = ", this.expression(value)]
  }

  protected expression(node: Expression, least: Level = Level.Open): Doc {
    const printed = this.bare(node)
    return levelOf(node) < least ? group(["(", indent([softline, printed]), softline, ")"]) : printed
  }

  private bare(node: Expression): Doc {
    switch (node.kind) {
      case "number":
        return node.text
      case "string":
        return this.text.slice(node.span.start, node.span.end)
      case "boolean":
        return String(node.value)
      case "none":
        return "none"
      case "name":
        return node.name.text
      case "list": {
        const items = node.items.map((item) =>
          this.withComments(item, [item.spread ? "..." : "", this.expression(item.value)]),
        )
        const simple = node.items.every(({ value }) => value.kind === "number") && !this.hasComments(node.items)
        // Long lists of numbers are read as rows.
        if (simple && items.length > 8) {
          const rows = items.flatMap((item, index) => (index < items.length - 1 ? [[item, ","], line] : [item]))
          return group(["[", indent([softline, fill(rows)]), ifBreak(","), softline, "]"])
        }
        return this.list("[", items, "]")
      }
      case "comprehension":
        return group([
          "[",
          indent([
            softline,
            this.expression(node.body),
            line,
            ["for ", this.pattern(node.variable), " in ", this.expression(node.iterable)],
            node.condition === undefined ? "" : [line, "if ", this.expression(node.condition)],
          ]),
          softline,
          "]",
        ])
      case "record": {
        const fields = node.fields.map((field) => this.withComments(field, this.field(field)))
        return this.list("{", fields, "}", line)
      }
      case "range": {
        const wide = [node.from, node.to].some(({ kind }) => kind === "binary" || kind === "unary")
        const dots = wide ? " .. " : ".."
        return [this.expression(node.from, Level.Or), dots, this.expression(node.to, Level.Or)]
      }
      case "unary":
        return node.operator === "-"
          ? ["-", this.expression(node.operand, Level.Postfix)]
          : ["not ", this.expression(node.operand, Level.Comparison)]
      case "binary":
        return group(this.binary(node, true))
      case "pipe": {
        const [first, ...steps] = pipeSteps(node).map((step, index) => {
          const value = this.expression(step, Level.Range)
          return this.withComments(step, index === 0 ? value : ["|> ", value])
        })
        return group([first ?? "", indent(steps.map((step) => [line, step]))])
      }
      case "call":
        return [this.expression(node.callee, Level.Postfix), this.arguments(node.arguments, node.open)]
      case "member":
        return [this.expression(node.object, Level.Postfix), ".", node.name.text]
      case "index":
        return [this.expression(node.object, Level.Postfix), "[", this.expression(node.index), "]"]
      case "if":
        return this.conditional(node)
      case "fold": {
        const header = ["fold ", node.accumulator.text, " = ", this.expression(node.start), " for "]
        const loop = [this.pattern(node.variable), " in ", this.expression(node.iterable), " =>"]
        const body = this.expression(node.body)
        return group([header, loop, node.body.kind === "do" ? [" ", body] : indent([line, body])])
      }
      case "do":
        return this.braces(node, node.body)
    }
  }

  /** `a + b - c`: operators of one level in a row, each at the beginning of its line when they do not fit. */
  private binary(node: Binary, indented: boolean): Doc {
    const level = BINARY_LEVELS[node.operator]
    const links: { operator: string; right: Expression }[] = []
    let first: Expression = node
    while (
      first.kind === "binary" &&
      BINARY_LEVELS[first.operator] === level &&
      (first === node || level !== Level.Comparison)
    ) {
      links.push({ operator: first.operator, right: first.right })
      first = first.left
    }
    const start = this.expression(first, level === Level.Comparison ? level + 1 : level)
    const rest = links.reverse().map(({ operator, right }) => [line, operator, " ", this.expression(right, level + 1)])
    return [start, indented ? indent(rest) : rest]
  }

  /** `if a then b else if c then d else e`: one line, or one for each case. */
  private conditional(node: If): Doc {
    const parts: Doc[] = []
    let rest: Expression = node
    while (rest.kind === "if") {
      const keyword = parts.length === 0 ? "if " : "else if "
      const part = [
        keyword,
        this.expression(rest.condition, Level.Pipe),
        " then ",
        this.expression(rest.then, Level.Pipe),
      ]
      parts.push(part)
      rest = rest.else
    }
    parts.push(["else ", this.expression(rest)])
    const [first, ...others] = parts
    return group([first ?? "", indent(others.map((part) => [line, part]))])
  }

  private arguments(given: readonly Argument[], open: boolean): Doc {
    const [only] = given
    const printed = given.map((argument) =>
      this.withComments(argument, [
        argument.name === undefined ? "" : [argument.name.text, " = "],
        this.expression(argument.value),
      ]),
    )
    // A bracket alone within parentheses breaks, rather than the parentheses around it.
    const kinds = ["list", "record", "do", "comprehension"]
    if (
      only !== undefined &&
      given.length === 1 &&
      !open &&
      kinds.includes(only.value.kind) &&
      !this.hasComments(given)
    ) {
      return ["(", printed, ")"]
    }
    return this.list("(", open ? [...printed, "..."] : printed, ")")
  }

  private field(field: RecordField): Doc {
    if (field.kind === "spread") return ["...", this.expression(field.value)]
    return field.value === undefined ? field.name.text : [field.name.text, ": ", this.expression(field.value)]
  }

  /** Parts between brackets: on one line, or one on each with a comma after the last. */
  protected list(open: string, parts: readonly Doc[], close: string, edge: Doc = softline): Doc {
    if (parts.length === 0) return [open, close]
    return group([open, indent([edge, join([",", line], [...parts])]), ifBreak(","), edge, close])
  }

  protected pattern(pattern: Pattern): Doc {
    if (pattern.kind === "name-pattern") return pattern.name.text
    const fields = pattern.fields.map((field) =>
      this.withComments(
        field,
        field.field === field.name ? field.name.text : [field.field.text, ": ", field.name.text],
      ),
    )
    return this.list("{", fields, "}", line)
  }

  protected identifiers(names: readonly Identifier[], separator: string): Doc {
    return join(
      separator,
      names.map(({ text }) => text),
    )
  }

  // ------------------------------------------------------------------------------------------------------------ types

  protected type(type: TypeExpression): Doc {
    if (type.kind === "plain-type") return type.name.text
    const dims = type.dims.map((dim) => this.withComments(dim, this.dim(dim)))
    return [type.element.text, this.list("[", dims, "]")]
  }

  private dim(dim: DimExpression): Doc {
    if (dim.kind === "rest-dims") return ["...", dim.name?.text ?? ""]
    const value = this.expression(dim.value)
    return dim.default === undefined ? value : [value, " = ", this.expression(dim.default)]
  }
}

function levelOf(node: Expression): Level {
  switch (node.kind) {
    case "if":
    case "fold":
      return Level.Open
    case "pipe":
      return Level.Pipe
    case "range":
      return Level.Range
    case "unary":
      return node.operator === "-" ? Level.Negation : Level.Not
    case "binary":
      return BINARY_LEVELS[node.operator]
    default:
      return Level.Postfix
  }
}
