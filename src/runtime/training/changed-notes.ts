/**
 * Cases with notes that are not theirs.
 *
 * Takes cases; gives the same cases, each with the note of another one. What a score loses by it is what the true note was
 * worth to the model.
 */
import { RandomStream } from "../data/random.js"
import type { Sample } from "../data/sample.js"
import { UserError } from "../user-error.js"

/**
 * The samples, each with the note of another one: a random cyclic permutation (Sattolo's algorithm), so that none keeps its
 * own. Two cases may have notes of the same words.
 *
 * @throws UserError when there is only one sample
 */
export function withNotesShuffled(samples: readonly Sample[], seed: number): readonly Sample[] {
  if (samples.length < 2) throw new UserError("notes can be shuffled only among two cases or more")
  const order = samples.map((_, i) => i)
  const stream = new RandomStream(`shuffled-notes/${seed}`)
  for (let i = order.length - 1; i > 0; i--) {
    const j = stream.integer(i)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return samples.map((sample, i) => ({ ...sample, note: samples[order[i]!]!.note }))
}
