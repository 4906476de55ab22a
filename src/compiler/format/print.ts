/**
 * Files as Prettier documents: items, members and statements. Expressions are in `expressions.ts`.
 *
 * Takes an AST, the text it came from, and its comments; gives a document. There is one style and no choice but two that
 * the writer made: single blank lines stay, and a body of a single line that was written on the line of its braces stays
 * there if it fits.
 */

import { builders } from "prettier/doc"
import type {
  AblationItem,
  Change,
  Item,
  ModelMember,
  Parameter,
  SourceFile,
  Span,
  Statement,
  WeightPath,
} from "../../../grammar/ast.js"
import type { Comment } from "../../../grammar/lex.js"
import { type Attachments, attach } from "./comments.js"
import { ExpressionPrinter } from "./expressions.js"
import { placesOf } from "./places.js"

const { group, hardline, indent, join, line, breakParent, lineSuffix } = builders
type Doc = builders.Doc

/** The document of a file. */
export function printFile(file: SourceFile, text: string, comments: readonly Comment[]): Doc {
  return new FilePrinter(text, attach(text, placesOf(file), comments)).file(file)
}

class FilePrinter extends ExpressionPrinter {
  constructor(text: string, attachments: Attachments) {
    super(text, attachments)
  }

  file(file: SourceFile): Doc {
    const alone = this.commentsOf(file)?.inside ?? []
    const lines = this.lines([
      ...alone.map((comment) => ({ node: comment, span: comment.span, printed: comment.text, apart: false })),
      ...file.items.map((item) => ({
        node: item,
        span: item.span,
        printed: this.lineWithComments(item, this.item(item)),
        apart: item.kind === "model" || item.kind === "block",
      })),
    ])
    return file.items.length + alone.length === 0 ? "" : [lines, hardline]
  }

  /** Things on lines of their own, with the blank lines that were between them; those `apart` always have one. */
  private lines(parts: readonly { span: Span; printed: Doc; apart?: boolean }[]): Doc {
    return parts.map(({ span, printed, apart = false }, index) => {
      const next = parts[index + 1]
      if (next === undefined) return printed
      const blank = this.blankAfter(span.end) || apart || next.apart === true
      return [printed, hardline, blank ? hardline : ""]
    })
  }

  // ------------------------------------------------------------------------------------------------------------ items

  private item(item: Item): Doc {
    switch (item.kind) {
      case "import": {
        const names = item.names.map((name) =>
          this.withComments(name, [name.name.text, name.alias === undefined ? "" : [" as ", name.alias.text]]),
        )
        const from = this.text.slice(item.from.span.start, item.from.span.end)
        return ["import ", this.list("{", names, "}", line), " from ", from]
      }
      case "block": {
        const inputs = item.inputs.length === 0 ? "" : this.parameters(item.inputs)
        const header = ["block ", item.name.text, this.parameters(item.parameters), inputs, this.result(item.result)]
        return [header, " ", this.braces(item, item.body)]
      }
      case "fn": {
        const header = ["fn ", item.name.text, this.parameters(item.parameters), this.result(item.result)]
        const [only] = item.body
        if (item.concise && only?.kind === "return") return this.assignment(header, only.value)
        return [header, " ", this.braces(item, item.body)]
      }
      case "model": {
        const parameters = item.parameters.length === 0 ? "" : this.parameters(item.parameters)
        const members = item.members.map((member) => ({
          span: member.span,
          printed: this.lineWithComments(member, this.member(member)),
        }))
        return ["model ", item.name.text, parameters, " ", this.body(item, members, false)]
      }
      case "ablation":
        return this.ablation(item)
    }
  }

  private ablation(item: AblationItem): Doc {
    const changes = item.changes.map((change) => ({
      span: change.span,
      printed: this.lineWithComments(change, this.change(change)),
    }))
    const body = this.body(item, changes, this.onOneLine(item.changes))
    return ["ablation ", item.name.text, " of ", item.base.text, " ", body]
  }

  private change(change: Change): Doc {
    switch (change.kind) {
      case "set":
        return this.assignment(["set ", this.identifiers(change.path, ".")], change.value)
      case "vary":
        return ["vary ", this.identifiers(change.path, "."), " in ", this.expression(change.values)]
      default: {
        const sections = change.sections.map((section) => this.withComments(section, section.text))
        return group([change.kind, indent([line, join([",", line], sections)])])
      }
    }
  }

  private parameters(parameters: readonly Parameter[]): Doc {
    const printed = parameters.map((parameter) => {
      const name: Doc = [parameter.name.text, parameter.type === undefined ? "" : [": ", this.type(parameter.type)]]
      const whole = parameter.default === undefined ? name : [name, " = ", this.expression(parameter.default)]
      return this.withComments(parameter, whole)
    })
    return this.list("(", printed, ")")
  }

  private result(type: Parameter["type"]): Doc {
    return type === undefined ? "" : [" -> ", this.type(type)]
  }

  // ---------------------------------------------------------------------------------------------------------- members

  private member(member: ModelMember): Doc {
    switch (member.kind) {
      case "input": {
        const using = member.using === undefined ? "" : [" using ", this.expression(member.using)]
        return [
          member.optional ? "optional " : "",
          member.role,
          " ",
          member.name.text,
          ": ",
          this.type(member.type),
          using,
        ]
      }
      case "section": {
        const words = [
          member.frozen ? "frozen " : "",
          member.role.text,
          member.name === undefined ? "" : [" ", member.name.text],
        ]
        return [words, " ", this.braces(member, member.body)]
      }
      case "train": {
        const settings = member.settings.map((setting) => ({
          span: setting.span,
          printed: this.lineWithComments(setting, this.assignment(setting.name.text, setting.value)),
        }))
        return ["train ", this.body(member, settings, false)]
      }
      default:
        return this.statement(member)
    }
  }

  private statement(statement: Statement): Doc {
    switch (statement.kind) {
      case "let":
        return this.assignment(["let ", this.pattern(statement.pattern)], statement.value)
      case "param": {
        const head = [statement.role, " ", statement.name.text, ": ", this.type(statement.type)]
        return statement.initial === undefined ? head : this.assignment(head, statement.initial)
      }
      case "const":
        return this.assignment(["const ", statement.name.text, ": ", this.type(statement.type)], statement.value)
      case "output":
      case "loss":
        return this.assignment([statement.kind, " ", statement.name.text], statement.value)
      case "return":
        return ["return ", this.expression(statement.value)]
      case "check":
        return group([
          "check ",
          this.expression(statement.condition),
          ",",
          indent([line, this.expression(statement.message)]),
        ])
      case "weights": {
        const { scheme } = statement
        const entries = statement.entries.map((entry) => ({
          span: entry.span,
          printed: this.lineWithComments(entry, this.assignment(weightPath(entry.path), entry.value)),
        }))
        const head = ["weights ", this.text.slice(scheme.span.start, scheme.span.end), " "]
        return [head, this.body(statement, entries, this.onOneLine(statement.entries))]
      }
    }
  }

  // ----------------------------------------------------------------------------------------------------------- bodies

  protected override braces(node: object, statements: readonly Statement[]): Doc {
    const lines = statements.map((statement) => ({
      span: statement.span,
      printed: this.lineWithComments(statement, this.statement(statement)),
    }))
    return this.body(node, lines, this.onOneLine(statements))
  }

  private body(node: object, parts: readonly { span: Span; printed: Doc }[], oneLine: boolean): Doc {
    const { open = [], inside = [] } = this.commentsOf(node) ?? {}
    const opening = ["{", open.map(({ text }) => [lineSuffix([" ", text]), breakParent])]
    const alone = inside.map((comment) => ({ span: comment.span, printed: comment.text }))
    const lines = this.lines([...parts, ...alone])
    if (parts.length + alone.length === 0) return open.length === 0 ? "{}" : [opening, hardline, "}"]
    if (oneLine && open.length + alone.length === 0) return group([opening, indent([line, lines]), line, "}"])
    return [opening, indent([hardline, lines]), hardline, "}"]
  }

  /** A single line that was written on the line of its opening brace. */
  private onOneLine(parts: readonly { readonly span: Span }[]): boolean {
    const [only] = parts
    if (only === undefined || parts.length > 1) return false
    const before = this.text.slice(Math.max(0, only.span.start - 80), only.span.start)
    return /\{[ \t]*$/.test(before)
  }
}

/** `layer[i].attn.q` */
function weightPath({ parts }: WeightPath): string {
  return parts
    .map((part, index) => {
      if (part.kind === "name") return `${index > 0 ? "." : ""}${part.name.text}`
      return `[${part.kind === "number" ? part.text : part.name.text}]`
    })
    .join("")
}
