/**
 * The places of a file that a comment can belong to: items, members, statements, and the parts of lists.
 *
 * Takes an AST; gives a tree of places in the order of the text. A place is known by the AST object it stands for, also
 * where that object (an item of a list, a field of a record, a step of a pipe) has no span of its own.
 */

import type {
  Expression,
  Item,
  ModelMember,
  Parameter,
  Pattern,
  SourceFile,
  Span,
  Statement,
  TypeExpression,
} from "../../../grammar/ast.js"

export interface Place {
  /** The AST object; comments are looked up by it. */
  readonly node: object
  readonly start: number
  readonly end: number
  /** It ends with a body in braces, which may have comments of its own. */
  readonly hasBody: boolean
  /** Comments can stand directly above it, and after it. Not so where it shares its line with what is around it. */
  readonly takesAbove: boolean
  readonly takesAfter: boolean
  readonly children: readonly Place[]
}

/** The tree of places; its root is the file. */
export function placesOf(file: SourceFile): Place {
  return place(file, file.span, file.items.map(ofItem), true)
}

/** The operands of `a |> b |> c`, first to last. */
export function pipeSteps(node: Expression): Expression[] {
  const steps: Expression[] = []
  let rest = node
  while (rest.kind === "pipe") {
    steps.push(rest.right)
    rest = rest.left
  }
  return [...steps, rest].reverse()
}

function place(node: object, span: Span, children: readonly Place[], hasBody = false): Place {
  // A list in the AST may have its parts in another order than the text.
  const { start, end } = span
  // A list in the AST may have its parts in another order than the text.
  const inOrder = [...children].sort((a, b) => a.start - b.start)
  return { node, start, end, hasBody, takesAbove: true, takesAfter: true, children: inOrder }
}

function joined(first: Span, last: Span): Span {
  return { file: first.file, start: first.start, end: last.end }
}

function ofItem(item: Item): Place {
  switch (item.kind) {
    case "import":
      return place(
        item,
        item.span,
        item.names.map((name) => place(name, joined(name.name.span, (name.alias ?? name.name).span), [])),
      )
    case "block": {
      const lists = [...item.parameters, ...item.inputs].map(ofParameter)
      return place(item, item.span, [...lists, ...ofMaybeType(item.result), ...item.body.map(ofStatement)], true)
    }
    case "fn": {
      const header = [...item.parameters.map(ofParameter), ...ofMaybeType(item.result)]
      const value = item.body[0]
      const body = item.concise && value?.kind === "return" ? within(value.value) : item.body.map(ofStatement)
      return place(item, item.span, [...header, ...body], !item.concise)
    }
    case "model":
      return place(item, item.span, [...item.parameters.map(ofParameter), ...item.members.map(ofMember)], true)
    case "ablation": {
      const changes = item.changes.map((change) => {
        if (change.kind === "set") return place(change, change.span, within(change.value))
        if (change.kind === "vary") return place(change, change.span, within(change.values))
        return place(
          change,
          change.span,
          change.sections.map((section) => place(section, section.span, [])),
        )
      })
      return place(item, item.span, changes, true)
    }
  }
}

function ofParameter(parameter: Parameter): Place {
  const value = parameter.default === undefined ? [] : within(parameter.default)
  return place(parameter, parameter.span, [...ofMaybeType(parameter.type), ...value])
}

function ofMember(member: ModelMember): Place {
  switch (member.kind) {
    case "input": {
      const using = member.using === undefined ? [] : within(member.using)
      return place(member, member.span, [...ofMaybeType(member.type), ...using])
    }
    case "section":
      return place(member, member.span, member.body.map(ofStatement), true)
    case "train": {
      const settings = member.settings.map((setting) => place(setting, setting.span, within(setting.value)))
      return place(member, member.span, settings, true)
    }
    default:
      return ofStatement(member)
  }
}

function ofStatement(statement: Statement): Place {
  switch (statement.kind) {
    case "let":
      return place(statement, statement.span, [...ofPattern(statement.pattern), ...within(statement.value)])
    case "param": {
      const initial = statement.initial === undefined ? [] : within(statement.initial)
      return place(statement, statement.span, [...ofMaybeType(statement.type), ...initial])
    }
    case "const":
      return place(statement, statement.span, [...ofMaybeType(statement.type), ...within(statement.value)])
    case "check":
      return place(statement, statement.span, [...within(statement.condition), ...within(statement.message)])
    case "weights": {
      const entries = statement.entries.map((entry) => place(entry, entry.span, within(entry.value)))
      return place(statement, statement.span, entries, true)
    }
    case "output":
    case "loss":
    case "return":
      return place(statement, statement.span, within(statement.value))
  }
}

function ofPattern(pattern: Pattern): Place[] {
  if (pattern.kind === "name-pattern") return []
  return pattern.fields.map((field) => place(field, joined(field.field.span, field.name.span), []))
}

function ofMaybeType(type: TypeExpression | undefined): Place[] {
  if (type?.kind !== "tensor-type") return []
  return type.dims.map((dim) => {
    if (dim.kind === "rest-dims") return place(dim, dim.span, [])
    const size = dim.default === undefined ? [] : within(dim.default)
    return place(dim, dim.span, [...within(dim.value), ...size])
  })
}

/** The places within an expression. The expression itself is none: only what stands in a list can carry a comment. */
function within(node: Expression): Place[] {
  switch (node.kind) {
    case "number":
    case "string":
    case "boolean":
    case "none":
    case "name":
      return []
    case "list":
      return node.items.map((item) => place(item, item.value.span, within(item.value)))
    case "comprehension":
      return [
        ...within(node.body),
        ...ofPattern(node.variable),
        ...within(node.iterable),
        ...(node.condition === undefined ? [] : within(node.condition)),
      ]
    case "record":
      return node.fields.map((field) => {
        if (field.kind === "spread") return place(field, field.value.span, within(field.value))
        const span = field.value === undefined ? field.name.span : joined(field.name.span, field.value.span)
        return place(field, span, field.value === undefined ? [] : within(field.value))
      })
    case "range":
      return [...within(node.from), ...within(node.to)]
    case "unary":
      return within(node.operand)
    case "binary":
      return [...within(node.left), ...within(node.right)]
    case "pipe":
      return pipeSteps(node).map((step, index, all) => ({
        ...place(step, step.span, within(step)),
        takesAbove: index > 0,
        takesAfter: index < all.length - 1,
      }))
    case "call":
      return [
        ...within(node.callee),
        ...node.arguments.map((argument) => place(argument, argument.span, within(argument.value))),
      ]
    case "member":
      return within(node.object)
    case "index":
      return [...within(node.object), ...within(node.index)]
    case "if":
      return [...within(node.condition), ...within(node.then), ...within(node.else)]
    case "fold":
      return [...within(node.start), ...ofPattern(node.variable), ...within(node.iterable), ...within(node.body)]
    case "do":
      return [{ ...place(node, node.span, node.body.map(ofStatement), true), takesAbove: false, takesAfter: false }]
  }
}
