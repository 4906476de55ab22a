/**
 * Algebraic clean-up: a node that a rule of the table can replace by less is replaced.
 *
 * Takes a typed program; gives one in which no rule of `simplify-rules.ts` applies. One sweep is enough: the inputs of a
 * node have been cleaned up before it, and what a rule puts in its place is looked at again at once. What thereby comes
 * to depend on constants alone is folded on the way, so that folding need not run again.
 */

import { inferTypes } from "../ir/builder.js"
import type { Graph, GraphNode, TensorType, ValueId } from "../ir/graph.js"
import type { OpName } from "../ops/names.js"
import { sameSize } from "../ops/shapes.js"
import { constantsOf, foldedNode } from "./fold-constants.js"
import type { Pass, PassOptions } from "./pass.js"
import { rewriteProgram } from "./rewrite.js"
import {
  RULES,
  type Candidate,
  type Look,
  type Operand,
  type Replacement,
  type SimplifyRule,
} from "./simplify-rules.js"

const BY_OP: ReadonlyMap<OpName, readonly SimplifyRule[]> = (() => {
  const table = new Map<OpName, SimplifyRule[]>()
  for (const rule of RULES) for (const op of rule.ops) table.set(op, [...(table.get(op) ?? []), rule])
  return table
})()

/** The first rule that applies to `node`, and what it gives; undefined when none does. */
export function applicableRule(
  node: Candidate,
  look: Look,
  { rounding }: Pick<PassOptions, "rounding">,
): { readonly rule: SimplifyRule; readonly replacement: Replacement } | undefined {
  for (const rule of BY_OP.get(node.op) ?? []) {
    if (rule.rounding === "rounds" && rounding === "exact") continue
    const replacement = rule.apply(node, look)
    if (replacement === undefined) continue
    if (keepsType(node.type, replacement, look)) return { rule, replacement }
  }
  return undefined
}

const SCALAR: TensorType = { dtype: "f32", shape: [] }

/** A rule may think of a broadcast operand as of the result; a replacement of another shape is none. */
function keepsType(wanted: TensorType, replacement: Replacement, look: Look): boolean {
  const typeOf = (input: Operand): TensorType => (typeof input === "number" ? look.typeOf(input) : SCALAR)
  const { dtype, shape } =
    typeof replacement === "number"
      ? look.typeOf(replacement)
      : inferTypes(replacement.op, replacement.inputs.map(typeOf), replacement.attributes, look.sizes)[0]!
  return (
    dtype === wanted.dtype &&
    shape.length === wanted.shape.length &&
    shape.every((dim, axis) => sameSize(dim, wanted.shape[axis]!, look.sizes))
  )
}

export const simplify: Pass = {
  name: "algebraic clean-up",
  doc: "Nodes that change nothing vanish, and pairs that cancel or combine become one, by the table of rules.",
  requires: ["typed", "constants folded"],
  ensures: ["simplified"],
  destroys: ["no repeated expressions", "no dead nodes"],
  run: (program, options) => {
    const { graph } = program
    const simplified = rewriteProgram(program, (node, inputs, look) => {
      if (node.outputs.length !== 1) return undefined
      const type = graph.values[node.outputs[0]!]!.type
      let current: Candidate = { op: node.op, inputs, attributes: node.attributes, type }
      for (;;) {
        const constant = foldedNode(current, constantsOf(current.inputs, look), [type], graph.sizes, options)
        if (constant) return look.all("constant", [], constant)
        const found = applicableRule(current, look, options)
        if (!found) break
        if (typeof found.replacement === "number") return [found.replacement]
        const { op, inputs: operands, attributes } = found.replacement
        const made = operands.map((input) => (typeof input === "number" ? input : look.scalar(input.scalar)))
        current = { op, inputs: made, attributes, type }
      }
      return look.append(current.op, current.inputs, current.attributes, [type])
    })
    return { program: simplified }
  },
}

/** The nodes of `graph` to which a rule still applies. */
export function simplifiable(graph: Graph, options: Pick<PassOptions, "rounding">): readonly string[] {
  const look: Look = {
    sizes: graph.sizes,
    typeOf: (value) => graph.values[value]!.type,
    producerOf: (value: ValueId): GraphNode | undefined => graph.nodes[graph.values[value]!.node],
  }
  return graph.nodes.flatMap((node) => {
    const [output] = node.outputs
    if (node.outputs.length !== 1) return []
    const found = applicableRule({ ...node, type: graph.values[output!]!.type }, look, options)
    return found ? [`node ${node.id} (${node.op}): "${found.rule.name}" applies`] : []
  })
}
