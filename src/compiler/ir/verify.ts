/**
 * The verifier: what must hold of every graph, after every pass.
 *
 * Takes a graph; gives the list of violations, empty for a sound one. It is run on the result of each pass in tests (and
 * by nothing else, because a graph that elaboration made is sound by construction).
 */

import { opDefinition } from "../ops/registry.js"
import { sameSize } from "../ops/shapes.js"
import { inferTypes } from "./builder.js"
import { formatShape } from "./dims.js"
import type { Attributes, Graph, GraphNode, TensorType, ValueId } from "./graph.js"

export interface VerifyOptions {
  /**
   * check types against the ops' shape rules; `physical`: as they are after the layout pass, where operands that are
   * images are NHWC and filters HWIO
   */
  readonly types?: boolean | "physical"
}

/** Everything that is wrong with `graph`. */
export function verifyGraph(graph: Graph, { types = true }: VerifyOptions = {}): readonly string[] {
  const problems: string[] = []
  const defined = new Set<ValueId>([...graph.inputs, ...graph.parameters].map((v) => v.value))
  const exists = (value: ValueId): boolean => graph.values[value] !== undefined

  graph.values.forEach((value, index) => {
    if (value.id !== index) problems.push(`value ${index} calls itself ${value.id}`)
  })
  graph.nodes.forEach((node, index) => {
    const where = `node ${index} (${node.op} in ${node.origin.scope || "no scope"})`
    if (node.id !== index) problems.push(`${where} calls itself ${node.id}`)
    for (const input of node.inputs) {
      if (!exists(input)) problems.push(`${where} reads value ${input}, which does not exist`)
      else if (!defined.has(input)) problems.push(`${where} reads value ${input} before it is made`)
    }
    node.outputs.forEach((output, position) => {
      const value = graph.values[output]
      if (!value || value.node !== index || value.output !== position) {
        problems.push(`${where}: output ${position} does not lead back to it`)
      }
      if (defined.has(output)) problems.push(`${where} makes value ${output} a second time`)
      defined.add(output)
    })
    for (const attribute of Object.keys(node.attributes)) {
      if (!(attribute in opDefinition(node.op).attributes)) problems.push(`${where}: unknown attribute ${attribute}`)
    }
    if (types) problems.push(...typeProblems(graph, index, where, types === "physical"))
  })
  const used = [
    ...graph.outputs.map((o) => [`output ${o.name}`, o.value] as const),
    ...graph.losses.map((l) => [`loss ${l.name}`, l.value] as const),
    ...graph.updates.flatMap((u) => [["state", u.state] as const, ["update", u.value] as const]),
  ]
  for (const [what, value] of used) if (!defined.has(value)) problems.push(`${what} is value ${value}, never made`)
  const names = graph.parameters.map((p) => p.name)
  for (const name of new Set(names.filter((n, i) => names.indexOf(n) !== i))) {
    problems.push(`two parameters are called ${name}`)
  }
  return problems
}

function typeProblems(graph: Graph, index: number, where: string, physical: boolean): string[] {
  const node = graph.nodes[index]!
  const { layout } = opDefinition(node.op)
  const rule = physical && layout.kind === "spatial" ? layout : undefined
  try {
    const inputs = node.inputs.map((v, i) =>
      inLanguageOrder(wide(graph.values[v]!.type), i, rule?.inputs, rule?.filters),
    )
    const expected = inferTypes(node.op, inputs, wideAttributes(node), graph.sizes)
    return node.outputs.flatMap((output, position) => {
      const stored = wide(graph.values[output]!.type)
      const { dtype, shape } = inLanguageOrder(stored, position, rule?.outputs, rule?.filterOutputs)
      const wanted = expected[position]
      const same =
        wanted?.dtype === dtype &&
        wanted.shape.length === shape.length &&
        shape.every((dim, axis) => sameSize(dim, wanted.shape[axis]!, graph.sizes))
      if (same) return []
      return [
        `${where}: output is ${dtype}${formatShape(shape)}, inference says ${wanted ? wanted.dtype + formatShape(wanted.shape) : "nothing"}`,
      ]
    })
  } catch (error) {
    return [`${where}: ${(error as Error).message}`]
  }
}

/** bf16 read as f32: shape rules know nothing of precision, which has a verifier of its own (`passes/precision.ts`). */
function wide(type: TensorType): TensorType {
  return type.dtype === "bf16" ? { ...type, dtype: "f32" } : type
}

function wideAttributes({ op, attributes }: GraphNode): Attributes {
  return op === "cast" && attributes["to"] === "bf16" ? { ...attributes, to: "f32" } : attributes
}

/** The type that the language knows: NHWC read as NCHW for `images`, HWIO as OIHW for `filters` (indices of operands). */
function inLanguageOrder(
  type: TensorType,
  index: number,
  images: readonly number[] | undefined,
  filters: readonly number[] | undefined,
): TensorType {
  const [a, b, c, d] = type.shape
  if (type.shape.length !== 4) return type
  if (images?.includes(index)) return { ...type, shape: [a!, d!, b!, c!] }
  return filters?.includes(index) ? { ...type, shape: [d!, c!, a!, b!] } : type
}
