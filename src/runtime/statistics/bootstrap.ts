/**
 * How sure a mean difference between two models is.
 *
 * Takes one difference for each case (both models scored the same cases); gives their mean, a bootstrap interval and a p
 * value.
 *
 * Why so: scores of cases are far from normal (many near 0.9, some at 0), so the cases are resampled instead of assuming a
 * distribution, and always in pairs: most of the spread between cases is common to both models and cancels. The interval is
 * bias-corrected and accelerated (BCa; Efron, JASA 82, 1987), the default of `scipy.stats.bootstrap`, because differences
 * are skewed. The p value is the one at which that interval would just touch zero, so the two say the same (up to the gaps
 * between resampled means, which are wide for a handful of cases).
 */
import { RandomStream } from "../data/random.js"
import { normalCdf, normalQuantile } from "./normal.js"
import { quantile } from "./quantile.js"

export interface BootstrapOptions {
  /** 1 by default; the same seed gives the same interval */
  readonly seed?: number
  /** resamples, 10,000 by default */
  readonly draws?: number
  /** 0.95 by default */
  readonly level?: number
}

export interface BootstrapInterval {
  readonly mean: number
  /** ends of the interval at the level asked for */
  readonly low: number
  readonly high: number
  /** two-sided, of the hypothesis that the mean is zero; 2 / (draws + 1), the least, when no draw reaches zero */
  readonly p: number
}

export const DRAWS = 10_000
export const LEVEL = 0.95

/**
 * Mean of the differences with a BCa interval over resampled cases.
 *
 * @param differences one for each case, two or more
 * @throws RangeError for fewer than two, a difference that is not finite, or options out of range
 */
export function pairedBootstrap(
  differences: readonly number[],
  { seed = 1, draws = DRAWS, level = LEVEL }: BootstrapOptions = {},
): BootstrapInterval {
  const n = differences.length
  if (n < 2) throw new RangeError(`a bootstrap interval needs two cases or more, not ${n}`)
  if (!(Number.isInteger(draws) && draws >= 1)) throw new RangeError(`${draws} draws: give a whole number from 1`)
  const wrong = differences.findIndex((value) => !Number.isFinite(value))
  if (wrong >= 0) throw new RangeError(`the difference ${wrong} is ${differences[wrong]}`)
  const values = Float64Array.from(differences)
  const stream = new RandomStream(`bootstrap/${seed}`)
  const means = new Float64Array(draws)
  for (let draw = 0; draw < draws; draw++) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += values[stream.integer(n)] as number
    means[draw] = sum / n
  }
  return bcaInterval(values, means, level)
}

/**
 * The BCa interval of a mean, from the means of resamples.
 *
 * @param values the sample
 * @param means of resamples of it, in any order
 */
export function bcaInterval(values: ArrayLike<number>, means: ArrayLike<number>, level: number): BootstrapInterval {
  if (!(level > 0 && level < 1)) throw new RangeError(`a level of ${level}: give one between 0 and 1`)
  const sample = Array.from(values)
  const sorted = Float64Array.from(means).sort()
  const mean = sample.reduce((sum, value) => sum + value, 0) / sample.length
  const bias = normalQuantile(shareBelow(sorted, mean))
  const acceleration = accelerationOf(sample, mean)
  const end = (share: number): number => {
    const shifted = bias + normalQuantile(share)
    return quantile(sorted, normalCdf(bias + shifted / (1 - acceleration * shifted)))
  }
  // The share at which the end of an interval is zero: the formula above, solved for it.
  const atZero = normalQuantile(shareBelow(sorted, 0)) - bias
  const lower = normalCdf(atZero / (1 + acceleration * atZero) - bias)
  const least = 2 / (sorted.length + 1)
  const beyond = (sorted[0] as number) > 0 || (sorted[sorted.length - 1] as number) < 0
  return {
    mean,
    low: end((1 - level) / 2),
    high: end((1 + level) / 2),
    p: beyond ? least : Math.min(1, Math.max(least, 2 * Math.min(lower, 1 - lower))),
  }
}

/** Skewness of the sample, as the jackknife of its mean has it. */
function accelerationOf(sample: readonly number[], mean: number): number {
  let squares = 0
  let cubes = 0
  for (const value of sample) {
    squares += (value - mean) ** 2
    cubes += (value - mean) ** 3
  }
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5)
}

/**
 * The share of draws below a value, equal ones by half; never 0 or 1, which finitely many draws cannot show and whose
 * quantiles are infinite.
 */
function shareBelow(sorted: Float64Array, value: number): number {
  const below = firstIndex(sorted, (draw) => draw >= value)
  const upTo = firstIndex(sorted, (draw) => draw > value)
  const least = 1 / (sorted.length + 1)
  return Math.min(1 - least, Math.max(least, (below + upTo) / (2 * sorted.length)))
}

/** Index of the first value for which the rule holds; it holds from there on. */
function firstIndex(sorted: Float64Array, rule: (value: number) => boolean): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (rule(sorted[middle] as number)) high = middle
    else low = middle + 1
  }
  return low
}
