/**
 * Common subexpressions: what is computed twice is computed once.
 *
 * Takes any program; gives it with one node for all that have the same op, inputs and attributes. No op has state, so
 * every op qualifies: random ops are the same when they draw with the same key, and what is to be computed a second time
 * on purpose (`rematerialise.ts`) reads other values, behind `after`. The first of the nodes stays, with its origin.
 */

import type { AttributeValue, GraphNode, ValueId } from "../ir/graph.js"
import type { OpName } from "../ops/names.js"
import type { Pass } from "./pass.js"
import { rewriteProgram } from "./rewrite.js"

/** Ops whose two operands may change places without changing a bit of the result. */
const COMMUTATIVE: ReadonlySet<OpName> = new Set<OpName>(["add", "mul", "equal", "logical_and", "logical_or"])

/** A text that two nodes share when, and only when, they compute the same. */
export function expressionKey({ op, attributes }: GraphNode, inputs: readonly ValueId[]): string {
  const ordered = COMMUTATIVE.has(op) ? [...inputs].sort((a, b) => a - b) : inputs
  let key = `${op}(${ordered.join()})`
  // Attributes stand in the order of the op's record, so equal ones give equal texts.
  for (const name in attributes) key += `;${name}=${valueKey(attributes[name]!)}`
  return key
}

/** Texts are marked off by JSON, and -0 is not 0: 1 divided by them differs. */
function valueKey(value: AttributeValue): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value)
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "boolean") return String(value)
  return (value as readonly (number | { readonly key: string })[])
    .map((entry) => (typeof entry === "number" ? valueKey(entry) : entry.key))
    .join()
}

export const shareCommonSubexpressions: Pass = {
  name: "common subexpressions",
  doc: "Nodes with the same operation, operands and attributes become one; random ones when they have the same key.",
  requires: [],
  // Only what is needed is copied, and of equal nodes the first is.
  ensures: ["no repeated expressions", "no dead nodes"],
  destroys: [],
  run: (program) => {
    const made = new Map<string, readonly ValueId[]>()
    const shared = rewriteProgram(program, (node, inputs, builder) => {
      const key = expressionKey(node, inputs)
      let outputs = made.get(key)
      if (!outputs) {
        outputs = builder.copy(node, inputs, program.graph)
        made.set(key, outputs)
      }
      return outputs
    })
    return { program: shared }
  },
}
