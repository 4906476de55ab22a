/**
 * "Did you mean ...?"
 *
 * Takes a name nobody knows and the names that are known; gives the one that was probably meant, or nothing. Only close
 * names are offered: a wrong suggestion costs more than none.
 */

import { distance } from "fastest-levenshtein"

/**
 * The candidate nearest to `name`: one that differs in case only, else the one with the fewest edits, at most about a
 * third of the longer name's length. Of equals the first wins, so the answer depends on nothing but the arguments.
 */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  const lower = name.toLowerCase()
  let best: string | undefined
  let fewest = Infinity
  for (const candidate of candidates) {
    if (candidate === name) continue
    if (candidate.toLowerCase() === lower) return candidate
    const longer = Math.max(name.length, candidate.length)
    const allowed = Math.floor((longer + 1) / 3)
    // Levenshtein is never less than the difference in length: skip what cannot win.
    if (Math.abs(name.length - candidate.length) > Math.min(allowed, fewest - 1)) continue
    const edits = distance(lower, candidate.toLowerCase())
    if (edits <= allowed && edits < fewest) {
      best = candidate
      fewest = edits
    }
  }
  return best
}
