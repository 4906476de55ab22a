/**
 * Which definitions make parameters, and how many named things one statement makes.
 *
 * Takes definitions with the modules they stand in; answers by looking at the text alone, so that names of parameters do
 * not depend on values: a block or function is parametric when it declares a `param` or a `const`, or calls something that is.
 */

import type { BlockItem, Expression, FunctionItem, ModelItem, Parameter, Statement } from "../../../grammar/ast.js"
import { childExpressions, statementExpressions } from "../../../grammar/walk.js"
import type { Module } from "./modules.js"

export class ParametricAnalysis {
  /** by module too: the same text means something else when what it imports does */
  private readonly known = new WeakMap<Module, Map<BlockItem | FunctionItem, boolean>>()
  /** a statement stands in one definition, so its block names are always the same */
  private readonly counts = new WeakMap<Module, Map<Statement, number>>()

  /** Whether using `item` makes parameters. */
  isParametric(item: BlockItem | FunctionItem, module: Module): boolean {
    const answers = within(this.known, module)
    const known = answers.get(item)
    if (known !== undefined) return known
    answers.set(item, false) // a definition that only leads back to itself makes nothing
    const names = blockValued(item, module)
    const result = item.body.some(
      (statement) =>
        statement.kind === "param" ||
        statement.kind === "const" ||
        statementExpressions(statement).some((e) => this.countCalls(e, module, names) > 0),
    )
    answers.set(item, result)
    return result
  }

  /**
   * How many calls in `expression` make named things.
   *
   * @param blockNames local names that hold blocks, whose calls therefore make instances
   */
  countCalls(expression: Expression, module: Module, blockNames: ReadonlySet<string>): number {
    let count = 0
    const callee =
      // `Conv2d(kernel = 3, ...)` is still a block: what it makes, it makes where it is called.
      expression.kind === "call" && !expression.open
        ? expression.callee
        : expression.kind === "pipe"
          ? bare(expression.right)
          : undefined
    if (callee?.kind === "name") {
      const found = module.scope.get(callee.name.text)
      if (blockNames.has(callee.name.text)) count++
      else if (found && (found.definition.kind === "block" || found.definition.kind === "fn")) {
        if (this.isParametric(found.definition, found.module)) count++
      }
    }
    for (const child of childExpressions(expression)) count += this.countCalls(child, module, blockNames)
    return count
  }

  /** The same for a whole statement. */
  countStatement(statement: Statement, module: Module, blockNames: ReadonlySet<string>): number {
    const counts = within(this.counts, module)
    const known = counts.get(statement)
    if (known !== undefined) return known
    const count = statementExpressions(statement).reduce((sum, e) => sum + this.countCalls(e, module, blockNames), 0)
    counts.set(statement, count)
    return count
  }
}

/** The table of `module`, made when it is first asked for. */
function within<K, V>(tables: WeakMap<Module, Map<K, V>>, module: Module): Map<K, V> {
  const table = tables.get(module) ?? new Map<K, V>()
  tables.set(module, table)
  return table
}

/** In `x |> Block`, the right side without brackets is called too. */
function bare(right: Expression): Expression | undefined {
  return right.kind === "name" ? right : undefined
}

/** Names in `item` that hold blocks: parameters declared to be, and `let`s of a block or of one with some settings given. */
export function blockValued(item: BlockItem | FunctionItem, module: Module): ReadonlySet<string> {
  const parameters = item.kind === "block" ? [...item.parameters, ...item.inputs] : item.parameters
  return new Set([...blockParameters(parameters), ...blockLets(item.body, module)])
}

/** The same in a model, whose sections share one scope. */
export function blockValuedInModel(model: ModelItem, module: Module): ReadonlySet<string> {
  const statements = model.members.flatMap((member): readonly Statement[] => {
    if (member.kind === "section") return member.body
    return member.kind === "input" || member.kind === "train" ? [] : [member]
  })
  return new Set([...blockParameters(model.parameters), ...blockLets(statements, module)])
}

function blockParameters(parameters: readonly Parameter[]): string[] {
  return parameters.flatMap(({ name, type }) =>
    type?.kind === "plain-type" && type.name.text === "block" ? [name.text] : [],
  )
}

function blockLets(statements: readonly Statement[], module: Module): string[] {
  return statements.flatMap((statement) => {
    if (statement.kind !== "let" || statement.pattern.kind !== "name-pattern") return []
    const { value, pattern } = statement
    const isBlock = value.kind === "name" && module.scope.get(value.name.text)?.definition.kind === "block"
    return isBlock || (value.kind === "call" && value.open) ? [pattern.name.text] : []
  })
}
