/**
 * Published names, found in a file.
 *
 * Takes what the model's text says that others call its parameters, and the names in a file; gives what each parameter is made
 * of. A published model is often a part of a greater one (`bert.encoder...` in a classifier, `module.` in front of all of it),
 * so its names may stand behind any prefix: the one under which the file has most of them is taken, and told.
 */

import {
  chosenSource,
  type PublishedScheme,
  renamed,
  storedNames,
  type WeightSource,
} from "../../compiler/published-weights.js"
import { UserError } from "../user-error.js"

/** Published names that a file has. */
export interface FoundScheme {
  /** whose names they are: "Hugging Face" */
  readonly scheme: string
  /** what they belong to in the model: `language.t`; "" for the model itself */
  readonly root: string
  /** what stands before them in the file; "" for nothing */
  readonly prefix: string
  /** parameters that the file has, and all that have a name under the scheme */
  readonly found: number
  readonly of: number
}

interface Candidate {
  readonly table: PublishedScheme
  readonly prefix: string
  readonly sources: ReadonlyMap<string, WeightSource>
}

/** Fewer than one in so many names is a coincidence: two models may both have a `text_projection`. */
const LEAST_SHARE = 4

/**
 * @param there names in the file
 * @param settled parameters that the file has under their own names
 * @throws UserError when two prefixes are equally good
 */
export function fitPublished(
  tables: readonly PublishedScheme[],
  there: ReadonlySet<string>,
  settled: ReadonlySet<string>,
): { readonly schemes: readonly FoundScheme[]; readonly sources: ReadonlyMap<string, WeightSource> } {
  const prefixes = prefixesByEnding(there)
  const done = new Set(settled)
  const schemes: FoundScheme[] = []
  const sources = new Map<string, WeightSource>()
  const best = tables.map((table) => bestOf(table, prefixes, there, done))
  // What the file has most of is what it is; a second scheme for the same parameters is not looked for.
  for (const candidate of best.sort((a, b) => (b?.sources.size ?? 0) - (a?.sources.size ?? 0))) {
    if (!candidate) continue
    const { table, prefix } = candidate
    const names = [...table.tensors.keys()].filter((name) => !settled.has(name))
    if (names.some((name) => done.has(name))) continue
    for (const name of names) done.add(name)
    for (const [name, source] of candidate.sources) sources.set(name, source)
    const { scheme, root } = table
    schemes.push({ scheme, root, prefix, found: candidate.sources.size, of: names.length })
  }
  return { schemes, sources }
}

/** For each dotted ending of a name, what stands before it. */
function prefixesByEnding(names: Iterable<string>): ReadonlyMap<string, readonly string[]> {
  const prefixes = new Map<string, string[]>()
  for (const name of names) {
    for (let start = 0; ; start = name.indexOf(".", start) + 1) {
      const ending = name.slice(start)
      const list = prefixes.get(ending)
      if (list) list.push(name.slice(0, start))
      else prefixes.set(ending, [name.slice(0, start)])
      if (!name.includes(".", start)) break
    }
  }
  return prefixes
}

function bestOf(
  table: PublishedScheme,
  prefixes: ReadonlyMap<string, readonly string[]>,
  there: ReadonlySet<string>,
  settled: ReadonlySet<string>,
): Candidate | undefined {
  const open = [...table.tensors].filter(([name]) => !settled.has(name))
  const tried = new Set(open.flatMap(([, source]) => storedNames(source).flatMap((name) => prefixes.get(name) ?? [])))
  const candidates = [...tried]
    .map((prefix): Candidate => {
      const behind = (source: WeightSource): WeightSource => renamed(source, (name) => `${prefix}${name}`)
      const found = open.flatMap(([name, source]): [string, WeightSource][] => {
        const chosen = chosenSource(behind(source), (stored) => there.has(stored))
        return chosen ? [[name, chosen]] : []
      })
      return { table, prefix, sources: new Map(found) }
    })
    .sort((a, b) => b.sources.size - a.sources.size || a.prefix.length - b.prefix.length)
  const [first, second] = candidates
  if (!first || first.sources.size * LEAST_SHARE < open.length) return undefined
  // The names as they are published win over those behind something.
  if (second && second.sources.size === first.sources.size && first.prefix !== "") throw ambiguous(first, second)
  return first
}

function ambiguous({ table, prefix, sources }: Candidate, other: Candidate): UserError {
  const root = table.root || "the model"
  const [a, b] = [prefix, other.prefix].map((text) => text.replace(/\.$/, ""))
  const part = table.root.split(".").at(-1) ?? ""
  return new UserError(
    `the file has the ${sources.size} ${table.scheme} names of ${root} twice: behind ${a} and behind ${b}; ` +
      `say which in the text, around ${root}: weights "${table.scheme}" { ${part || "name"} = "${a}" }`,
  )
}
