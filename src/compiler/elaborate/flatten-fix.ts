/**
 * Where a flatten was forgotten, and the text with it.
 *
 * Takes an image that met a vector: where it was given, or the graph that it came from; gives an edit that a person can take
 * over. In PyTorch a layer refuses an image that was not flattened. Here a linear layer works on the last axis of anything,
 * so that the mistake shows later, where the result meets its labels: the layer is looked for from there.
 */

import type { Expression, ModelMember, Span, Statement } from "../../../grammar/ast.js"
import { childExpressions, statementExpressions } from "../../../grammar/walk.js"
import { format, product } from "../ir/dims.js"
import type { TensorType, ValueId } from "../ir/graph.js"
import type { Module } from "../resolve/modules.js"
import { type Elaboration, isStandard } from "./context.js"

/** A text in the place of another. */
export interface FlattenFix {
  readonly span: Span
  readonly text: string
  readonly title: string
}

const isImage = ({ shape }: TensorType): boolean => shape.length === 4

/** `x` flattened, where an image stands at `span` and a vector is declared; undefined where it cannot be written there. */
export function flattened(span: Span, type: TensorType, context: Elaboration): FlattenFix | undefined {
  const text = context.modules.modules.get(span.file)?.text.slice(span.start, span.end)
  if (!isImage(type) || text === undefined || isStandard(span)) return undefined
  const [batch, ...rest] = type.shape
  const reshaped = `reshape(${text}, [${format(batch!)}, ${format(product(rest))}])`
  return { span, text: reshaped, title: `Insert a flatten: \`${reshaped}\`` }
}

/** Flattens what went into the linear layer that made the image `value`; undefined where there is none. */
export function flattenedBefore(value: ValueId, context: Elaboration): FlattenFix | undefined {
  const { builder } = context
  for (let node = builder.producerOf(value); node;) {
    const { inputs, origin } = node
    const types = inputs.map((id) => builder.typeOf(id))
    if (node.op === "matmul" && isImage(types[0]!) && types[1]!.shape.length === 2) {
      const call = isStandard(origin.span) ? origin.chain.findLast((span) => !isStandard(span)) : origin.span
      const module = call && context.modules.modules.get(call.file)
      const given = module && givenFirst(module, call)
      return given && flattened(given, types[0]!, context)
    }
    const image = inputs.findIndex((_, i) => isImage(types[i]!))
    node = image < 0 ? undefined : builder.producerOf(inputs[image]!)
  }
  return undefined
}

/** The place of what is given first to the call at `span`: before the pipe, else between the brackets. */
function givenFirst(module: Module, span: Span): Span | undefined {
  const isCall = (part: Expression): boolean => part.span.start === span.start && part.span.end === span.end
  const queue = module.file.items.flatMap((item) => {
    if (item.kind === "model") return item.members.flatMap(memberExpressions)
    return item.kind === "block" || item.kind === "fn" ? item.body.flatMap(statementExpressions) : []
  })
  let called: Expression | undefined
  for (let part = queue.pop(); part; part = queue.pop()) {
    if (part.kind === "pipe" && isCall(part.right)) return part.left.span
    if (isCall(part)) called = part
    queue.push(...childExpressions(part))
  }
  return called?.kind === "call" ? called.arguments[0]?.value.span : undefined
}

function memberExpressions(member: ModelMember): readonly Expression[] {
  if (member.kind === "section") return member.body.flatMap(statementExpressions)
  return member.kind === "input" || member.kind === "train" ? [] : statementExpressions(member satisfies Statement)
}
