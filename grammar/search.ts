/**
 * Searching in what is in order.
 *
 * Takes how many there are and a question; gives a position. Texts are up to half a million characters, so that looking
 * through all of something for each of something takes too long.
 */

/** The first of `count` positions for which `isBefore` no longer holds; it holds for a beginning of them. */
export function lowerBound(count: number, isBefore: (at: number) => boolean): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(middle)) low = middle + 1
    else high = middle
  }
  return low
}
