/**
 * What is inside an instance, by name.
 *
 * Takes an instance and a name; gives one of its parameters as a tensor, or an instance inside it.
 */

import type { Span } from "../../../grammar/ast.js"
import { didYouMean } from "../diagnostics/suggest.js"
import type { Elaboration } from "./context.js"
import type { Instance, StaticValue } from "./values.js"

/**
 * A parameter of an instance, or an instance inside it, by the names that they have in a checkpoint after the instance's
 * own: `embedding.weight`, `tower.layer.0`. They are there once the instance has been applied, which is when their sizes
 * are known.
 */
export function partOf(instance: Instance, name: string, span: Span, context: Elaboration): StaticValue {
  const parts = partsOf(instance, context)
  const found = parts.get(name)
  if (found) return found
  const owner = `the instance \`${instance.path}\` of ${instance.item.name.text}`
  if (parts.size === 0 && context.parametric.isParametric(instance.item, instance.module)) {
    return context.fail({ kind: "instance-not-applied", span: context.locate(span).span, name, owner })
  }
  const fields = [...parts.keys()]
  return context.fail({
    kind: "no-such-field",
    span: context.locate(span).span,
    name,
    owner,
    fields,
    suggestion: didYouMean(name, fields),
  })
}

/** What can be named in an instance. A part that took the instance's own path adds its parts under their names. */
function partsOf(instance: Instance, context: Elaboration): Map<string, StaticValue> {
  const parts = new Map<string, StaticValue>()
  const add = (path: string, value: StaticValue): void => {
    const [first = "", ...rest] = path.split(".")
    if (rest.length === 0) return void parts.set(first, value)
    const group = parts.get(first)
    const fields = new Map(group?.kind === "record" ? group.fields : [])
    fields.set(rest.join("."), value)
    parts.set(first, { kind: "record", fields })
  }
  for (const [name, value] of instance.parameters) {
    add(name, { kind: "tensor", value, type: context.builder.typeOf(value) })
  }
  for (const [path, child] of instance.children) {
    const inner = path.slice(instance.path.length).replace(/^\./, "")
    if (inner !== "") add(inner, { kind: "instance", instance: child })
    else for (const [name, value] of partsOf(child, context)) parts.set(name, value)
  }
  return parts
}
