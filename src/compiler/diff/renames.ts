/**
 * What was renamed: the parts of two outlines that are called otherwise and are otherwise alike.
 *
 * Takes two outlines; gives renames that bring the first nearer to the second. A part (a section, a statement, a block in
 * it, a parameter) is looked for only in the place it was in, among what is new there, and is the same when most of what
 * it does, gives and reads is: as with files in version control, a guess, but one that only changes how a difference is
 * told, never whether it is.
 */

import type { ModelOutline, Table } from "./outline.js"
import { renamed, type Rename, samePlain } from "./patch.js"

/** Of two parts, how much has to be the same; parts without parameters are too alike to be taken for less. */
const ALIKE = { withParameters: 0.6, without: 0.7 }

/** Renames in the order they have to be made in. */
export function findRenames(
  a: ModelOutline,
  b: ModelOutline,
): { readonly renames: Rename[]; readonly after: ModelOutline } {
  const renames: Rename[] = []
  let after = a
  const make = (rename: Rename): void => {
    renames.push(rename)
    after = renamed(after, rename)
  }
  for (const rename of sameEntries("inputs", after, b)) make(rename)
  for (;;) {
    const found = nextPath(after, b)
    if (!found) break
    make(found)
  }
  for (const rename of sameEntries("outputs", after, b)) make(rename)
  return { renames, after }
}

/** Names of one table that are gone and come with the same entry. */
function sameEntries(table: "inputs" | "outputs", a: ModelOutline, b: ModelOutline): Rename[] {
  const come = new Map([...(b[table] as Table)].filter(([name]) => !a[table].has(name)))
  return [...(a[table] as Table)].flatMap(([from, entry]): Rename[] => {
    if (b[table].has(from)) return []
    const to = [...come].find(([, other]) => samePlain(entry, other))?.[0]
    if (to === undefined) return []
    come.delete(to)
    return [{ edit: "rename", table, from, to }]
  })
}

/** A part of the tree of dotted names. */
interface Part {
  readonly path: string
  readonly children: Map<string, Part>
  /** a parameter, or an operation; undefined inside the tree */
  leaf: "parameter" | "operation" | undefined
}

function treeOf(outline: ModelOutline): Part {
  const root: Part = { path: "", children: new Map(), leaf: undefined }
  const insert = (name: string, leaf: "parameter" | "operation"): void => {
    let at = root
    for (const piece of name.split(".")) {
      let next = at.children.get(piece)
      if (!next) {
        next = { path: at.path === "" ? piece : `${at.path}.${piece}`, children: new Map(), leaf: undefined }
        at.children.set(piece, next)
      }
      at = next
    }
    at.leaf = leaf
  }
  for (const name of outline.parameters.keys()) insert(name, "parameter")
  for (const name of outline.operations.keys()) insert(name, "operation")
  return root
}

/** The best rename at the outermost place that has one. */
function nextPath(a: ModelOutline, b: ModelOutline): Rename | undefined {
  const consumers = [consumersOf(a), consumersOf(b)] as const
  let level: (readonly [Part, Part])[] = [[treeOf(a), treeOf(b)]]
  while (level.length > 0) {
    let best: { readonly score: number; readonly rename: Rename } | undefined
    for (const [old, fresh] of level) {
      const gone = [...old.children].filter(([name, part]) => !fresh.children.has(name) && part.leaf !== "operation")
      const come = [...fresh.children].filter(([name, part]) => !old.children.has(name) && part.leaf !== "operation")
      if (gone.length === 0 || come.length === 0) continue
      const candidates = come
        .filter(([, part]) => !isTaken(part.path, a))
        .map(([, part]) => [part, featuresOf(part, b, consumers[1])] as const)
      for (const [, part] of gone) {
        const own = featuresOf(part, a, consumers[0])
        for (const [other, features] of candidates) {
          if ((part.leaf === undefined) !== (other.leaf === undefined)) continue
          const score = likeness(own.all, features.all)
          const least = own.parameters > 0 ? ALIKE.withParameters : ALIKE.without
          if (score < least || score <= (best?.score ?? 0)) continue
          best = { score, rename: { edit: "rename", table: "paths", from: part.path, to: other.path } }
        }
      }
    }
    if (best) return best.rename
    level = level.flatMap(([old, fresh]) =>
      [...old.children].flatMap(([name, part]): (readonly [Part, Part])[] => {
        const other = fresh.children.get(name)
        return other ? [[part, other]] : []
      }),
    )
  }
  return undefined
}

/** A section or loss without operations of its own is no part of the tree, but has its name. */
function isTaken(path: string, { sections, losses }: ModelOutline): boolean {
  return [...sections.keys(), ...losses.keys()].some((name) => name === path || name.startsWith(`${path}.`))
}

interface Features {
  /** how often each is there */
  readonly all: ReadonlyMap<string, number>
  readonly parameters: number
}

/** What a part does, gives and reads, without its own name. */
function featuresOf(part: Part, outline: ModelOutline, consumers: ReadonlyMap<string, readonly string[]>): Features {
  const all = new Map<string, number>()
  let parameters = 0
  const inside = (name: string): string =>
    name === part.path ? "." : name.startsWith(`${part.path}.`) ? `.${name.slice(part.path.length)}` : name
  const add = (...feature: unknown[]): void => {
    const text = JSON.stringify(feature)
    all.set(text, (all.get(text) ?? 0) + 1)
  }
  const walk = (at: Part): void => {
    const place = inside(at.path)
    if (at.leaf === "parameter") {
      const { role, type, initializer } = outline.parameters.get(at.path)!
      parameters++
      add(place, role)
      add(place, type, initializer)
      // Alone it is known by who reads it; inside a part the readers tell the same themselves.
      if (at === part) add(consumers.get(at.path))
    } else if (at.leaf === "operation") {
      const { op, attributes, inputs, types } = outline.operations.get(at.path)!
      const { key: _, ...others } = attributes
      add(place, op, others)
      add(place, types)
      inputs.forEach((input, index) => {
        const [kind, ...name] = input.split(" ")
        add(place, index, kind, kind === "constant" ? name : [inside(name[0]!), ...name.slice(1)])
      })
    }
    for (const child of at.children.values()) walk(child)
  }
  walk(part)
  return { all, parameters }
}

/** By parameter: the operations that read it, and where. */
function consumersOf({ operations }: ModelOutline): ReadonlyMap<string, readonly string[]> {
  const result = new Map<string, string[]>()
  for (const [name, { inputs }] of operations) {
    inputs.forEach((input, index) => {
      const [kind, parameter] = input.split(" ")
      if (kind !== "parameter") return
      const known = result.get(parameter!)
      const reader = `${name} ${index}`
      if (known) known.push(reader)
      else result.set(parameter!, [reader])
    })
  }
  return result
}

/** Twice what both have, of what each has: 1 for the same, 0 for nothing in common. */
function likeness(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  const size = (features: ReadonlyMap<string, number>): number => [...features.values()].reduce((sum, n) => sum + n, 0)
  const common = [...a].reduce((sum, [feature, count]) => sum + Math.min(count, b.get(feature) ?? 0), 0)
  return (2 * common) / Math.max(size(a) + size(b), 1)
}
