/**
 * How sure a mean difference between two models is that were each trained with several seeds.
 *
 * Takes a difference for each seed and case (both models trained with that seed, scored on that case); gives their mean, an
 * interval and a p value.
 *
 * Why so: every seed meets every case, so seeds and cases are crossed, and a resample draws both: seeds with replacement and,
 * independently, cases with replacement, the same for all its seeds (Owen, Annals of Applied Statistics 1, 2007, "the
 * pigeonhole bootstrap"). Resampling cases alone would call a difference sure that another seed turns around. The interval
 * is BCa as in bootstrap.ts, with the acceleration of the cases' means over the seeds. With one seed this is
 * `pairedBootstrap` itself. With few seeds their share of the spread is estimated from few numbers, and by (S - 1) / S too
 * small.
 */
import { RandomStream } from "../data/random.js"
import {
  bcaInterval,
  type BootstrapInterval,
  type BootstrapOptions,
  DRAWS,
  LEVEL,
  pairedBootstrap,
} from "./bootstrap.js"

/**
 * Mean of the differences with an interval over seeds and cases.
 *
 * @param differences [seeds][cases], as many cases for every seed
 * @throws RangeError for no seed, fewer than two cases, rows of different lengths, a difference that is not finite
 */
export function crossedBootstrap(
  differences: readonly (readonly number[])[],
  options: BootstrapOptions = {},
): BootstrapInterval {
  const [first, ...others] = differences
  if (first === undefined) throw new RangeError("a bootstrap interval needs the differences of one seed or more")
  if (others.length === 0) return pairedBootstrap(first, options)
  const { seed = 1, draws = DRAWS, level = LEVEL } = options
  const cases = first.length
  if (cases < 2) throw new RangeError(`a bootstrap interval needs two cases or more, not ${cases}`)
  if (others.some((row) => row.length !== cases)) throw new RangeError("every seed needs a difference for every case")
  const rows = differences.map((row) => Float64Array.from(row))
  if (rows.some((row) => !row.every(Number.isFinite))) throw new RangeError("a difference is not finite")
  const stream = new RandomStream(`crossed-bootstrap/${seed}`)
  const means = new Float64Array(draws)
  const times = new Float64Array(rows.length)
  for (let draw = 0; draw < draws; draw++) {
    times.fill(0)
    for (let i = 0; i < rows.length; i++) times[stream.integer(rows.length)]! += 1
    let sum = 0
    for (let i = 0; i < cases; i++) {
      const at = stream.integer(cases)
      for (let row = 0; row < rows.length; row++) sum += times[row]! * rows[row]![at]!
    }
    means[draw] = sum / (cases * rows.length)
  }
  const caseMeans = first.map((_, at) => rows.reduce((sum, row) => sum + row[at]!, 0) / rows.length)
  return bcaInterval(caseMeans, means, level)
}
