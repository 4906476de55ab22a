/**
 * Graphs as short texts, for tests that expect an exact graph: one line for each node, operands by name or number.
 *
 * `%0 = add(x, 2)` is node 0 with the input x and a constant of one number; attributes stand behind the operands as the
 * shape or list that they hold.
 */

import { format, type Dim } from "../../../src/compiler/ir/dims.js"
import type { AttributeValue, ValueId } from "../../../src/compiler/ir/graph.js"
import type { Program } from "../../../src/compiler/passes/pass.js"

/** The nodes of `program` that are no scalar constants, and what it gives. */
export function graphText({ graph, results }: Program): string[] {
  const names = new Map<ValueId, string>([...graph.inputs, ...graph.parameters].map((v) => [v.value, v.name]))
  const nameOf = (value: ValueId): string => names.get(value) ?? "?"
  const lines: string[] = []
  for (const node of graph.nodes) {
    const values = node.attributes["values"]
    if (node.op === "constant" && Array.isArray(values) && values.length === 1) {
      const shape = node.attributes["shape"] as readonly number[]
      names.set(node.outputs[0]!, String(values[0]) + (shape.length > 0 ? `[${shape.join(", ")}]` : ""))
      continue
    }
    const label = `%${lines.length}`
    node.outputs.forEach((value, index) => names.set(value, index === 0 ? label : `${label}.${index}`))
    const attributes = Object.values(node.attributes).map(attributeText)
    lines.push(`${label} = ${node.op}(${[...node.inputs.map(nameOf), ...attributes].join(", ")})`)
  }
  return [...lines, `gives ${results.map(nameOf).join(", ")}`]
}

function attributeText(value: AttributeValue): string {
  if (!Array.isArray(value)) return String(value)
  const entries = value as readonly (number | Dim)[]
  return `[${entries.map((entry) => (typeof entry === "number" ? String(entry) : format(entry))).join(", ")}]`
}
