/**
 * Where the changes of a difference stand in the pictures of both models.
 *
 * Takes a difference, as `mdl diff --json` prints it, and the indexes of both pictures; gives one entry for each change,
 * with its places. What changed is never worked out a second time here: a picture says what the difference says.
 */

import type { ModelDiff, ValueChange } from "../diff/diff.js"
import { renamer } from "../diff/checkpoint-fit.js"
import type { PictureIndex } from "./picture.js"

export type ChangeKind =
  | "added"
  | "removed"
  | "changed"
  | "rewired"
  | "resized"
  | "frozen"
  | "unfrozen"
  | "re-weighted"
  | "renamed"
  | "first value"
  | "other role"

/** A sign for each kind, so that none is told by colour alone. */
export const SIGNS: Readonly<Record<ChangeKind, string>> = {
  added: "+",
  removed: "−",
  changed: "≠",
  rewired: "⇄",
  resized: "↔",
  frozen: "∗",
  unfrozen: "~",
  "re-weighted": "×",
  renamed: "≡",
  "first value": "∘",
  "other role": "§",
}

/** One change, as a list shows it. */
export interface PlacedChange {
  /** what it is a change of: the name of the list in the difference */
  readonly of:
    "renames" | "sections" | "inputs" | "outputs" | "losses" | "operations" | "parameters" | "training" | "sizes"
  readonly kind: ChangeKind
  /** by its name in the second model, if it is there */
  readonly name: string
  readonly detail: string
  /** paths of boxes in the first picture and in the second; both empty for what no picture shows, as a setting */
  readonly places: readonly [before: readonly string[], after: readonly string[]]
}

type Paths = ReadonlyMap<string, ReadonlySet<string>>
type Table = keyof PictureIndex

/** All changes of `diff` in its order. Parameters of sections that came or went whole are part of those. */
export function placedChanges(diff: ModelDiff, before: PictureIndex, after: PictureIndex): readonly PlacedChange[] {
  const renames = diff.patch.filter((edit) => edit.edit === "rename")
  const newName = renamer(renames)
  /** the first picture's index by the names of the second model */
  const renamed = (table: Table, own: "inputs" | "outputs" | "paths"): Paths => {
    const names = new Map(renames.filter(({ table: of }) => of === own).map(({ from, to }) => [from, to] as const))
    const named = own === "paths" ? newName : (name: string): string => names.get(name) ?? name
    return new Map([...before[table]].map(([name, paths]) => [named(name), paths]))
  }
  const old: PictureIndex = {
    sections: renamed("sections", "paths"),
    statements: renamed("statements", "paths"),
    parameters: renamed("parameters", "paths"),
    inputs: renamed("inputs", "inputs"),
    outputs: renamed("outputs", "outputs"),
    losses: renamed("losses", "paths"),
  }
  const at = (table: Table, name: string, section?: string): PlacedChange["places"] => {
    const places = [old, after].map((index) => [...(index[table].get(name) ?? [])])
    if (section === undefined || places.some((paths) => paths.length > 0)) return [places[0]!, places[1]!]
    // What no box holds, such as a parameter that nothing reads, is shown by its section.
    return at("sections", section)
  }
  const told = new Set(
    diff.sections.filter(({ change }) => change === "added" || change === "removed").map(({ section }) => section),
  )
  const arrow = (was: string | number | undefined, is: string | number | undefined): string =>
    [was, is].filter((one) => one !== undefined && one !== "").join(" → ")
  const values = (of: "inputs" | "outputs" | "training" | "sizes", changes: readonly ValueChange[]): PlacedChange[] =>
    changes.map(({ name, before: was, after: is }) => {
      const kind = was === undefined ? "added" : is === undefined ? "removed" : "changed"
      const places: PlacedChange["places"] = of === "inputs" || of === "outputs" ? at(of, name) : [[], []]
      return { of, kind, name, detail: arrow(was, is), places }
    })
  return [
    ...diff.renames.map(({ what, before: was, after: is }): PlacedChange => {
      return { of: "renames", kind: "renamed", name: is, detail: `${what} ${was}`, places: renamedPlaces(what, is) }
    }),
    ...diff.sections.map(({ section, change }): PlacedChange => {
      return { of: "sections", kind: change, name: section, detail: "", places: at("sections", section) }
    }),
    ...values("inputs", diff.inputs),
    ...values("outputs", diff.outputs),
    ...diff.losses.map(({ name, change, before: was, after: is }): PlacedChange => {
      const weights = change === "rewired" ? "" : `weight ${arrow(was, is)}`
      return { of: "losses", kind: change, name, detail: weights, places: at("losses", name) }
    }),
    ...diff.operations.map(({ section, scope, change, detail }): PlacedChange => {
      return { of: "operations", kind: change, name: scope, detail, places: at("statements", scope, section) }
    }),
    ...diff.parameters
      .filter(({ section }) => !told.has(section))
      .map(({ name, section, change, before: was, after: is }): PlacedChange => {
        return { of: "parameters", kind: change, name, detail: arrow(was, is), places: at("parameters", name, section) }
      }),
    ...values("training", diff.training),
    ...values("sizes", diff.sizes),
  ]

  function renamedPlaces(what: ModelDiff["renames"][number]["what"], name: string): PlacedChange["places"] {
    switch (what) {
      case "section":
        return at("sections", name)
      case "statement":
        return [around(old.statements, name), around(after.statements, name)]
      case "parameter":
        return at("parameters", name)
      case "loss":
        return at("losses", name)
      case "input":
        return at("inputs", name)
      case "output":
        return at("outputs", name)
    }
  }
}

/** The innermost box that holds everything called `name` or below it. */
function around(statements: Paths, name: string): readonly string[] {
  const found = [...statements]
    .filter(([statement]) => statement === name || statement.startsWith(`${name}.`))
    .flatMap(([, paths]) => [...paths].map((path) => path.split("/")))
  const [first] = found
  if (!first) return []
  let shared = 0
  while (shared < first.length && found.every((path) => path[shared] === first[shared])) shared++
  return shared === 0 ? [...new Set(found.map((path) => path[0]!))] : [first.slice(0, shared).join("/")]
}
