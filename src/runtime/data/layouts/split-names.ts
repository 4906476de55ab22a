/**
 * Which of some names stands for which split.
 *
 * Takes: names (folders, keys, files) and how a split is read from one. Gives: the name of each split.
 *
 * Why so: the validation split is `val`, `valid` or `validation`, in any case; but two names for one split would mean that
 * one of them is read and the other is not, which has to be said.
 */
import { DataError } from "../data-error.js"
import type { Split } from "../sample.js"

/**
 * The one name of each split.
 * @param place where the names are, for the message.
 * @throws DataError when two names mean the same split.
 */
export function oneForEachSplit(
  names: Iterable<string>,
  splitOf: (name: string) => Split | undefined,
  place: string,
): Map<Split, string> {
  const found = new Map<Split, string>()
  for (const name of [...names].sort()) {
    const split = splitOf(name)
    if (split === undefined) continue
    const earlier = found.get(split)
    if (earlier !== undefined) {
      throw new DataError({
        what: `${place} has two names for the split "${split}": ${earlier} and ${name}`,
        fix: "keep one of them, or rename the other",
      })
    }
    found.set(split, name)
  }
  return found
}
