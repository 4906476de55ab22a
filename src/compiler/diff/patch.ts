/**
 * A patch: what turns the outline of one model into that of another, entry by entry.
 *
 * Takes two outlines; gives a list of edits as plain JSON (renames first, then what is left), and applies such a list.
 * The report that people read is written from the same edits, so it cannot leave out what the patch has: applied to the
 * first outline, the patch gives the second, and an empty one means that nothing differs.
 */

import type { Entry, ModelOutline, Plain, Table, TableName } from "./outline.js"

/** Edits are made in their order. */
export type Edit = Rename | Renumbering | Removal | Addition | Setting

/** Of a section, statement or parameter: the path and all below it, wherever they are named. */
export interface Rename {
  readonly edit: "rename"
  readonly table: "paths" | "inputs" | "outputs"
  readonly from: string
  readonly to: string
}

/** Of operations that share a name: all at once, old and new. */
export interface Renumbering {
  readonly edit: "renumber"
  readonly names: readonly (readonly [string, string])[]
}

export interface Removal {
  readonly edit: "remove"
  readonly table: TableName
  readonly name: string
}

export interface Addition {
  readonly edit: "add"
  readonly table: TableName
  readonly name: string
  readonly entry: Entry
}

export interface Setting {
  readonly edit: "set"
  readonly table: TableName
  readonly name: string
  readonly field: string
  readonly value: Plain
}

const TABLES: readonly TableName[] = [
  "sizes",
  "inputs",
  "sections",
  "parameters",
  "operations",
  "outputs",
  "losses",
  "updates",
  "training",
]

/** The tables whose names are paths. */
const BY_PATH: ReadonlySet<TableName> = new Set<TableName>([
  "sections",
  "parameters",
  "operations",
  "losses",
  "updates",
])

/** What is left between two outlines, without renames: removals, then additions and changed fields. */
export function editsBetween(a: ModelOutline, b: ModelOutline): Edit[] {
  const removals = TABLES.flatMap((table): Edit[] =>
    [...a[table].keys()].filter((name) => !b[table].has(name)).map((name) => ({ edit: "remove", table, name })),
  )
  const others = TABLES.flatMap((table): Edit[] =>
    [...(b[table] as Table)].flatMap(([name, entry]): Edit[] => {
      const was = (a[table] as Table).get(name)
      if (!was) return [{ edit: "add", table, name, entry }]
      return Object.entries(entry)
        .filter(([field, value]) => !samePlain(was[field]!, value))
        .map(([field, value]) => ({ edit: "set", table, name, field, value }))
    }),
  )
  return [...removals, ...others]
}

/**
 * `outline` with all edits made, in their order.
 *
 * @throws RangeError for an edit of something that is not there, or an addition of something that is: the patch is for
 *   another model
 */
export function applyPatch(outline: ModelOutline, patch: readonly Edit[]): ModelOutline {
  let result = outline
  const changed = new Map<TableName, Map<string, Entry>>()
  const settle = (): void => {
    result = { ...result, ...Object.fromEntries(changed) }
    changed.clear()
  }
  for (const edit of patch) {
    if (edit.edit === "rename" || edit.edit === "renumber") {
      settle()
      result = edit.edit === "rename" ? renamed(result, edit) : renumbered(result, edit)
      continue
    }
    const { table, name } = edit
    const entries = changed.get(table) ?? new Map(result[table] as Table)
    changed.set(table, entries)
    if (entries.has(name) === (edit.edit === "add")) {
      throw new RangeError(`cannot ${edit.edit} ${name} of ${table}: it is ${edit.edit === "add" ? "" : "not "}there`)
    }
    if (edit.edit === "remove") entries.delete(name)
    else if (edit.edit === "add") entries.set(name, edit.entry)
    else entries.set(name, { ...entries.get(name)!, [edit.field]: edit.value })
  }
  settle()
  return result
}

/** `path` after a rename of it or of what it lies in. */
export function renamePath(path: string, { from, to }: Pick<Rename, "from" | "to">): string {
  return path === from || path.startsWith(`${from}.`) ? to + path.slice(from.length) : path
}

/** The outline with one thing called otherwise, everywhere. @throws RangeError when the new name is taken */
export function renamed(outline: ModelOutline, rename: Rename): ModelOutline {
  const { table, from, to } = rename
  const inTable = (name: string): string => (name === from ? to : name)
  const path = (name: string): string => renamePath(name, rename)
  const reference = (text: string): string => {
    const [kind, name, ...rest] = text.split(" ")
    const isPath = table === "paths" && (kind === "operation" || kind === "parameter")
    if (!isPath && !(table === "inputs" && kind === "input")) return text
    return [kind, isPath ? path(name!) : inTable(name!), ...rest].join(" ")
  }
  const entryOf = (entry: Entry): Entry => {
    const fresh: Record<string, Plain> = { ...entry }
    if (typeof entry["from"] === "string") fresh["from"] = reference(entry["from"])
    if (Array.isArray(entry["inputs"])) fresh["inputs"] = (entry["inputs"] as readonly string[]).map(reference)
    if (table !== "paths") return fresh
    for (const field of ["section", "statement"]) {
      if (typeof entry[field] === "string") fresh[field] = path(entry[field])
    }
    const attributes = entry["attributes"] as Readonly<Record<string, Plain>> | undefined
    if (typeof attributes?.["key"] === "string") fresh["attributes"] = { ...attributes, key: path(attributes["key"]) }
    return fresh
  }
  const tables = TABLES.map((name): readonly [TableName, Table] => {
    const entries = new Map<string, Entry>()
    for (const [old, entry] of outline[name] as Table) {
      const fresh = table === "paths" ? (BY_PATH.has(name) ? path(old) : old) : table === name ? inTable(old) : old
      if (entries.has(fresh)) throw new RangeError(`cannot rename ${from} to ${to}: ${fresh} is there`)
      entries.set(fresh, isNamed(name) ? entryOf(entry) : entry)
    }
    return [name, entries]
  })
  return Object.fromEntries(tables) as unknown as ModelOutline
}

/** The outline with other numbers. @throws RangeError when two operations would share a name */
export function renumbered(outline: ModelOutline, { names }: Renumbering): ModelOutline {
  const fresh = new Map(names)
  const reference = (text: string): string => {
    const [kind, name, ...rest] = text.split(" ")
    const other = kind === "operation" ? fresh.get(name!) : undefined
    return other === undefined ? text : [kind, other, ...rest].join(" ")
  }
  const operations = new Map(
    [...outline.operations].map(([name, entry]) => [
      fresh.get(name) ?? name,
      { ...entry, inputs: entry.inputs.map(reference) },
    ]),
  )
  if (operations.size !== outline.operations.size) throw new RangeError("cannot renumber: two operations share a name")
  const from = <E extends { readonly from: string }>(table: ReadonlyMap<string, E>): Map<string, E> =>
    new Map([...table].map(([name, entry]) => [name, { ...entry, from: reference(entry.from) }]))
  const { outputs, losses, updates } = outline
  return { ...outline, operations, outputs: from(outputs), losses: from(losses), updates: from(updates) }
}

/** Sizes, inputs, sections and settings name nothing else. */
const isNamed = (table: TableName): boolean => !["sizes", "inputs", "sections", "training"].includes(table)

/** Whether two pieces of plain data are the same; fields in any order. */
export function samePlain(a: Plain, b: Plain): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))] as [[string, Plain][], Map<string, Plain>]
  return left.length === right.size && left.every(([key, value]) => right.has(key) && samePlain(value, right.get(key)!))
}
