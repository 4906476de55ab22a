/**
 * p values of several hypotheses that are tested at once.
 *
 * Takes the p value of each; gives them adjusted, to be held against the same level as a single one. An ablation study asks
 * as many questions as it has ablations, and at 0.05 one in twenty is answered wrongly by chance; adjusted by Holm (Scand.
 * J. Stat. 6, 1979) the chance of a single wrong answer among all of them is at most 0.05, however they depend on each
 * other, and never with less power than Bonferroni's correction.
 */

/**
 * Holm's adjusted p values, in the order given; equal to `multipletests(method="holm")` of statsmodels.
 *
 * @throws RangeError for a value that is not between 0 and 1
 */
export function holm(pValues: readonly number[]): readonly number[] {
  const wrong = pValues.findIndex((p) => !(p >= 0 && p <= 1))
  if (wrong >= 0) throw new RangeError(`the p value ${wrong} is ${pValues[wrong]}`)
  const order = pValues.map((_, index) => index).sort((a, b) => pValues[a]! - pValues[b]!)
  const adjusted = new Array<number>(pValues.length)
  let least = 0
  order.forEach((index, rank) => {
    least = Math.max(least, Math.min(1, (pValues.length - rank) * pValues[index]!))
    adjusted[index] = least
  })
  return adjusted
}
