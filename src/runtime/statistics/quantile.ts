/**
 * Quantiles of sorted numbers.
 *
 * Takes numbers in ascending order and a share; gives the value below which that share of them lies, linear between two
 * neighbours: the default of `numpy.quantile`, so that percentiles here and in published evaluations agree.
 */

/**
 * @param sorted ascending, at least one
 * @param share 0 (the least) to 1 (the greatest)
 * @throws RangeError when there is no value or the share is out of range
 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) throw new RangeError("there is no value to take a quantile of")
  if (!(share >= 0 && share <= 1)) throw new RangeError(`a quantile of ${share}: give a share from 0 to 1`)
  const position = share * (sorted.length - 1)
  const lower = Math.floor(position)
  const a = sorted[lower] as number
  const b = sorted[Math.min(lower + 1, sorted.length - 1)] as number
  return a + (b - a) * (position - lower)
}
