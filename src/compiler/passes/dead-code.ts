/**
 * Dead code: nodes that no result depends on.
 *
 * Takes any program; gives it without them. Inputs and parameters stay, because programs of one model agree about them.
 */

import { neededNodes } from "../ir/graph.js"
import type { Pass } from "./pass.js"
import { rewriteProgram, wantedOf } from "./rewrite.js"

export const removeDeadCode: Pass = {
  name: "dead code",
  doc: "Nodes that no result depends on are left out.",
  requires: [],
  ensures: ["no dead nodes"],
  destroys: [],
  run: (program) => {
    const needed = neededNodes(program.graph, wantedOf(program))
    return { program: needed.size === program.graph.nodes.length ? program : rewriteProgram(program) }
  },
}
