/**
 * How the operations of two outlines differ, statement by statement.
 *
 * Takes two outlines, the first with renames made; gives one line for each statement that came or went and for each
 * operation that computes, reads or gives something else. Statements of sections that came or went as a whole, and
 * multiplications that only weigh a loss, are told elsewhere.
 */

import { weighingOperations, type WrittenOutline } from "./loss-weights.js"
import type { ModelOutline, OperationEntry, Plain, Reference } from "./outline.js"
import { samePlain } from "./patch.js"

/** A difference in one statement (the scope of its operations). */
export interface OperationChange {
  readonly section: string
  readonly scope: string
  readonly change: "added" | "removed" | "changed" | "rewired" | "resized"
  readonly detail: string
}

interface Statement {
  readonly section: string
  readonly operations: ReadonlyMap<string, OperationEntry>
}

export function operationChanges(
  a: ModelOutline & WrittenOutline,
  b: ModelOutline & WrittenOutline,
): OperationChange[] {
  const [old, fresh] = [statements(a), statements(b)]
  const weighing = weighingOperations(a, b)
  // Sections that came or went are told as a whole.
  const isTold = (section: string): boolean => a.sections.has(section) === b.sections.has(section)
  const gone = [...old].flatMap(([scope, { section, operations }]): OperationChange[] =>
    fresh.has(scope) || !isTold(section) ? [] : [{ section, scope, change: "removed", detail: names(operations) }],
  )
  const others = [...fresh].flatMap(([scope, { section, operations }]): OperationChange[] => {
    const was = old.get(scope)
    if (was) return compareStatements(section, scope, was.operations, operations, weighing)
    return isTold(section) ? [{ section, scope, change: "added", detail: names(operations) }] : []
  })
  return [...gone, ...others]
}

function statements({ operations }: ModelOutline): ReadonlyMap<string, Statement> {
  const result = new Map<string, { section: string; operations: Map<string, OperationEntry> }>()
  for (const [name, operation] of operations) {
    const { section, statement } = operation
    const entry = result.get(statement) ?? { section, operations: new Map() }
    entry.operations.set(name, operation)
    result.set(statement, entry)
  }
  return result
}

const names = (operations: ReadonlyMap<string, OperationEntry>): string =>
  [...operations.values()].map(({ op }) => op).join(", ")

function compareStatements(
  section: string,
  scope: string,
  before: ReadonlyMap<string, OperationEntry>,
  after: ReadonlyMap<string, OperationEntry>,
  weighing: ReadonlySet<string>,
): OperationChange[] {
  if ([...before.keys()].sort().join() !== [...after.keys()].sort().join()) {
    return [{ section, scope, change: "changed", detail: `${names(before)} -> ${names(after)}` }]
  }
  return [...after].flatMap(([name, operation]): OperationChange[] => {
    const was = before.get(name)!
    const { op, attributes, inputs, types } = operation
    const tell = (change: OperationChange["change"], detail: string): OperationChange[] => [
      { section, scope, change, detail: `${op}: ${detail}` },
    ]
    if (!samePlain(was.attributes, attributes)) return tell("changed", attributeChanges(was.attributes, attributes))
    const onlyWeighs =
      weighing.has(name) &&
      inputs.every((input, i) => input === was.inputs[i] || (isConstant(input) && isConstant(was.inputs[i]!)))
    if (!onlyWeighs && !samePlain(was.inputs, inputs)) {
      const pairs = Array.from({ length: Math.max(was.inputs.length, inputs.length) }, (_, i) =>
        was.inputs[i] === inputs[i] ? [] : [`${readable(was.inputs[i])} -> ${readable(inputs[i])}`],
      )
      return tell("rewired", pairs.flat().join("; "))
    }
    if (!samePlain(was.types, types)) return tell("resized", `${was.types.join(", ")} -> ${types.join(", ")}`)
    return []
  })
}

const isConstant = (reference: Reference): boolean => reference.startsWith("constant ")

/** A reference as people write it. */
export function readable(reference: Reference | undefined): string {
  if (reference === undefined) return "nothing"
  if (isConstant(reference)) {
    const values = reference.slice(reference.lastIndexOf(" ") + 1)
    return values.includes(",") ? `constant of ${values.split(",").length}` : values
  }
  const [, name, output] = reference.split(" ")
  return output === undefined ? name! : `${name!} (result ${Number(output) + 1})`
}

function attributeChanges(before: Readonly<Record<string, Plain>>, after: Readonly<Record<string, Plain>>): string {
  const text = (value: Plain | undefined): string =>
    Array.isArray(value)
      ? `[${(value as readonly Plain[]).map(text).join(", ")}]`
      : `${value as string | number | boolean}`
  return Object.keys(after)
    .filter((name) => !samePlain(before[name] ?? null, after[name]!))
    .map((name) => `${name} ${text(before[name])} -> ${text(after[name])}`)
    .join(", ")
}
