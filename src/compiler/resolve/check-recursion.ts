/**
 * Recursion: no definition may use itself, directly or through others, because compiling always has to end.
 *
 * Takes the loaded modules; gives one diagnostic for each circle. The text alone decides, so that a circle is found also
 * where a condition would stop it for some values. Blocks given as arguments name nothing and make no circle.
 */

import type { BlockItem, Expression, FunctionItem, Span } from "../../../grammar/ast.js"
import { childExpressions, statementExpressions } from "../../../grammar/walk.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe } from "../diagnostics/facts.js"
import { LIMITS } from "../elaborate/budget.js"
import type { Module, ModuleGraph } from "./modules.js"

type Definition = BlockItem | FunctionItem

/** Finds definitions that lead back to themselves, and rows of definitions too long to be followed. */
export function checkRecursion(graph: ModuleGraph): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = []
  /** definitions looked at, with how many use one another in a row from there on */
  const finished = new Map<Definition, number>()
  let tooLong = false
  const open: { readonly item: Definition; readonly module: Module }[] = []

  const visit = (item: Definition, module: Module): void => {
    if (finished.has(item)) return
    open.push({ item, module })
    let height = 1
    for (const { name, span } of namesIn(item)) {
      const found = module.scope.get(name)
      if (!found || (found.definition.kind !== "block" && found.definition.kind !== "fn")) continue
      const target = found.definition
      const at = open.findIndex((entry) => entry.item === target)
      if (at < 0) {
        // Later stages follow the row by recursion, whichever end this one came from.
        if (open.length < LIMITS.definitions) visit(target, found.module)
        height = Math.max(height, 1 + (finished.get(target) ?? LIMITS.definitions))
        if (height > LIMITS.definitions && !tooLong) {
          tooLong = true
          const what = "definitions that use one another in a row"
          const place = { span, inner: undefined, calls: [] }
          diagnostics.push(describe({ kind: "limit-exceeded", ...place, what, limit: LIMITS.definitions }))
        }
      } else if (!finished.has(target)) {
        const path = [...open.slice(at).map((entry) => entry.item.name.text), target.name.text]
        diagnostics.push(describe({ kind: "recursive-definition", span, path }))
        finished.set(target, 1)
      }
    }
    open.pop()
    finished.set(item, height)
  }

  for (const module of graph.modules.values()) {
    for (const definition of module.definitions.values()) {
      if (definition.kind === "block" || definition.kind === "fn") visit(definition, module)
    }
  }
  return diagnostics
}

/** Names used in a definition that are not its own: parameters and `let` names hide definitions. */
function* namesIn(item: Definition): Generator<{ readonly name: string; readonly span: Span }> {
  const local = new Set([...item.parameters, ...(item.kind === "block" ? item.inputs : [])].map((p) => p.name.text))
  const queue: Expression[] = item.body.flatMap(statementExpressions)
  // Not shift(): moving what is left forward each time is slow for long lists.
  let at = 0
  for (const statement of item.body) {
    if (statement.kind !== "let") continue
    const { pattern } = statement
    if (pattern.kind === "name-pattern") local.add(pattern.name.text)
    else for (const { name } of pattern.fields) local.add(name.text)
  }
  for (let next = queue[at]; next; next = queue[++at]) {
    if (next.kind === "name" && !local.has(next.name.text)) yield { name: next.name.text, span: next.span }
    queue.push(...childExpressions(next))
  }
}
