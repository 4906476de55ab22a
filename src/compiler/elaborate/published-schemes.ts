/**
 * Published names put together: from what each block says of its own parts to the full names in a file.
 *
 * Takes the clauses of all instances, sections and the model, and the parameters; gives one table for each outermost thing
 * that has names under a scheme. A block speaks only of what is inside it, as a checkpoint of it alone would: a block, a
 * section or a model around it puts a name in front by naming the instance under the same scheme.
 */

import type { Parameter } from "../ir/graph.js"
import { type PublishedScheme, renamed, type WeightSource } from "../published-weights.js"
import type { PublishedClause } from "./published-names.js"

interface Owner {
  /** how many parts its path has */
  readonly length: number
  readonly clause: PublishedClause
}

/** The tables of a model, schemes in the order in which they were met, outer things first. */
export function publishedSchemes(
  clauses: readonly PublishedClause[],
  parameters: readonly Pick<Parameter, "name" | "role">[],
): readonly PublishedScheme[] {
  const schemes = new Map<string, { scheme: string; root: string; tensors: Map<string, WeightSource> }>()
  for (const scheme of new Set(clauses.map((clause) => clause.scheme))) {
    const owners = clauses
      .filter((clause) => clause.scheme === scheme)
      .map((clause): Owner => ({ clause, length: partsOf(clause.owner).length }))
      .sort((a, b) => a.length - b.length || a.clause.depth - b.clause.depth)
    for (const { name, role } of parameters) {
      if (role === "const") continue
      const around = owners.filter(({ clause }) => clause.owner === "" || name.startsWith(`${clause.owner}.`))
      const found = nameIn(partsOf(name), around)
      if (!found) continue
      const key = JSON.stringify([scheme, found.root])
      const table = schemes.get(key) ?? { scheme, root: found.root, tensors: new Map<string, WeightSource>() }
      table.tensors.set(name, found.source)
      schemes.set(key, table)
    }
  }
  return [...schemes.values()].sort((a, b) => partsOf(a.root).length - partsOf(b.root).length)
}

/** What the outermost owner that speaks of a parameter calls it. */
function nameIn(
  parameter: readonly string[],
  owners: readonly Owner[],
): { readonly root: string; readonly source: WeightSource } | undefined {
  for (const [at, { clause, length }] of owners.entries()) {
    // The longest path is the most exact one.
    for (let end = parameter.length; end > length; end--) {
      const entry = clause.names.get(parameter.slice(length, end).join("."))
      if (!entry) continue
      if (end === parameter.length) return { root: clause.owner, source: entry }
      const inside = owners.slice(at + 1).filter((owner) => owner.length >= end)
      const rest: WeightSource = { kind: "stored", name: parameter.slice(end).join(".") }
      const source = inside.length > 0 ? nameIn(parameter, inside)?.source : rest
      return source && { root: clause.owner, source: behind(entry, source) }
    }
  }
  return undefined
}

/** `source` with the name of what it is in before each of its names. */
function behind(prefix: WeightSource, source: WeightSource): WeightSource {
  if (prefix.kind === "first") return { ...prefix, options: prefix.options.map((option) => behind(option, source)) }
  if (prefix.kind !== "stored") throw new Error(`a ${prefix.kind} stands where a name was checked for`)
  return renamed(source, (name) => dotted(prefix.name, name))
}

function dotted(prefix: string, name: string): string {
  return prefix === "" || prefix.endsWith(".") ? `${prefix}${name}` : `${prefix}.${name}`
}

const partsOf = (path: string): readonly string[] => (path === "" ? [] : path.split("."))
