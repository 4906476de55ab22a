/**
 * Numbers of operations that share a name: which of one model is which of the other.
 *
 * Takes two outlines; gives the first with its numbers (`decoder.y.relu#2`) as the second has them. Numbers follow from
 * what operations compute, so an edit or a rename may turn them around; without this, that would look like rewiring.
 */

import type { ModelOutline, OperationEntry } from "./outline.js"
import { renumbered, type Renumbering, samePlain } from "./patch.js"

/** Operations read one another, in the order of the table: what a second round changes, a third seldom does. */
const ROUNDS = 4

export function alignNumbers(
  a: ModelOutline,
  b: ModelOutline,
): { readonly renumbering: Renumbering | undefined; readonly after: ModelOutline } {
  let after = a
  const names = new Map([...a.operations.keys()].map((name) => [name, name] as const))
  const wanted = groupsOf(b)
  for (let round = 0; round < ROUNDS; round++) {
    let isSettled = true
    for (const [base, members] of groupsOf(after)) {
      const others = wanted.get(base)
      if (!others || members.length + others.length < 3) continue
      const changed = pairing(members, others, after, b)
      if (!changed) continue
      isSettled = false
      after = renumbered(after, { edit: "renumber", names: [...changed] })
      for (const [first, now] of names) names.set(first, changed.get(now) ?? now)
    }
    if (isSettled) break
  }
  const moved = [...names].filter(([first, now]) => first !== now)
  return { renumbering: moved.length > 0 ? { edit: "renumber", names: moved } : undefined, after }
}

function groupsOf({ operations }: ModelOutline): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const name of operations.keys()) {
    const base = name.replace(/#\d+$/, "")
    const group = groups.get(base)
    if (group) group.push(name)
    else groups.set(base, [name])
  }
  return groups
}

/** New names for `members` with which more of them are as in `b`; undefined when there are none. */
function pairing(
  members: readonly string[],
  others: readonly string[],
  a: ModelOutline,
  b: ModelOutline,
): ReadonlyMap<string, string> | undefined {
  const isSame = (name: string, other: string): boolean => alike(a.operations.get(name)!, b.operations.get(other)!)
  const inPlace = members.filter((name) => b.operations.has(name) && isSame(name, name))
  const result = new Map(inPlace.map((name) => [name, name] as const))
  const free = new Set(others.filter((name) => !result.has(name)))
  for (const name of members) {
    if (result.has(name)) continue
    const other = [...free].find((candidate) => isSame(name, candidate))
    if (other === undefined) continue
    free.delete(other)
    result.set(name, other)
  }
  if (result.size === inPlace.length) return undefined
  // The others take what is left: names that are theirs first, then free ones, then names of `a` that became free.
  const taken = new Set(result.values())
  const rest = members.filter((name) => !result.has(name))
  for (const name of rest.filter((own) => !taken.has(own))) {
    result.set(name, name)
    taken.add(name)
  }
  const left = [...others, ...members].filter((name) => !taken.has(name))
  for (const name of rest.filter((own) => !result.has(own))) result.set(name, left.shift()!)
  return result
}

function alike(a: OperationEntry, b: OperationEntry): boolean {
  return samePlain(a.inputs, b.inputs) && samePlain(a.attributes, b.attributes) && samePlain(a.types, b.types)
}
