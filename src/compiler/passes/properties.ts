/**
 * What each property of a graph means: a verifier for every name in `pass.ts`.
 *
 * Takes a program and a property; gives everything that contradicts it. Tests run these after every pass; nothing else
 * does, because a pass is to keep what its record promises, not to be corrected.
 */

import { neededNodes } from "../ir/graph.js"
import { verifyGraph } from "../ir/verify.js"
import { expressionKey } from "./common-subexpressions.js"
import { foldableBatchNorms } from "./fold-batch-norms.js"
import { foldable } from "./fold-constants.js"
import type { PassOptions, Program, Property } from "./pass.js"
import { misplacedNarrow } from "./precision.js"
import { waitingResults } from "./rematerialise.js"
import { wantedOf } from "./rewrite.js"
import { simplifiable } from "./simplify.js"

type Verifier = (program: Program, options: PassOptions) => readonly string[]

const VERIFIERS: Readonly<Record<Property, Verifier>> = {
  typed: ({ graph }) => verifyGraph(graph),
  "precision assigned": ({ graph, results }) => misplacedNarrow(graph, results),
  "storage assigned": ({ graph }) => verifyGraph(graph, { types: "physical" }),
  "no dead nodes": (program) => {
    const needed = neededNodes(program.graph, wantedOf(program))
    return program.graph.nodes
      .filter((node) => !needed.has(node.id))
      .map((node) => `nothing needs node ${node.id} (${node.op})`)
  },
  "no repeated expressions": ({ graph }) => {
    const seen = new Map<string, number>()
    return graph.nodes.flatMap((node) => {
      const key = expressionKey(node, node.inputs)
      const first = seen.get(key)
      if (first === undefined) seen.set(key, node.id)
      return first === undefined ? [] : [`nodes ${first} and ${node.id} both compute ${key}`]
    })
  },
  "constants folded": ({ graph }, options) =>
    graph.nodes
      .filter((node) => foldable(node, graph, options))
      .map((node) => `node ${node.id} (${node.op}) could be a constant`),
  simplified: ({ graph }, options) => simplifiable(graph, options),
  "no foldable batch norms": (program) =>
    [...foldableBatchNorms(program).keys()].map((node) => `node ${node.id} (batch_norm) could be folded`),
  "only gradients wait": waitingResults,
}

/** Everything that contradicts `property`; whatever the property, the graph must be sound. */
export function violations(program: Program, property: Property, options: PassOptions): readonly string[] {
  const { graph } = program
  const missing = wantedOf(program).filter((value) => graph.values[value] === undefined)
  const problems = [
    ...verifyGraph(graph, { types: false }),
    ...missing.map((value) => `value ${value} is wanted, but not there`),
  ]
  return problems.length > 0 ? problems : VERIFIERS[property](program, options)
}
