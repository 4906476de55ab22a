/**
 * The standard normal distribution.
 *
 * Takes a number; gives its distribution function and the inverse of it, to double precision. Intervals and p values are
 * made of these two, and JavaScript has neither.
 */

/**
 * P(Z <= z).
 *
 * From the continued fraction and the series of the incomplete gamma function (Numerical Recipes, 6.2), whichever
 * converges at z; relative error below 1e-13 in both tails.
 */
export function normalCdf(z: number): number {
  if (Number.isNaN(z)) throw new RangeError("the distribution function of NaN")
  const x = (z * z) / 2
  // erfc(|z| / sqrt 2) = Q(1/2, x)
  const upper = x < 1.5 ? 1 - lowerSeries(x) : upperFraction(x)
  return z > 0 ? 1 - upper / 2 : upper / 2
}

const HALF_LOG_PI = Math.log(Math.PI) / 2

/** P(1/2, x), the regularised lower incomplete gamma function. */
function lowerSeries(x: number): number {
  if (x === 0) return 0
  let term = 2
  let sum = term
  for (let a = 1.5; Math.abs(term) > sum * 1e-17; a++) {
    term *= x / a
    sum += term
  }
  return sum * Math.exp(-x + 0.5 * Math.log(x) - HALF_LOG_PI)
}

/** Q(1/2, x), by Lentz's method. */
function upperFraction(x: number): number {
  if (x === Infinity) return 0
  let b = x + 0.5
  let c = Infinity
  let d = 1 / b
  let fraction = d
  for (let i = 1; i < 500; i++) {
    const a = -i * (i - 0.5)
    b += 2
    d = 1 / (a * d + b)
    c = b + a / c
    fraction *= c * d
    if (Math.abs(c * d - 1) < 1e-16) break
  }
  return fraction * Math.exp(-x + 0.5 * Math.log(x) - HALF_LOG_PI)
}

const CENTRE_OVER = [
  3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
  33430.57558358813, 2509.0809287301227,
]
const CENTRE_UNDER = [
  1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271, 28729.085735721943,
  5226.495278852546,
]
const NEAR_OVER = [
  1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684, 0.2417807251774506,
  0.022723844989269184, 0.0007745450142783414,
]
const NEAR_UNDER = [
  1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
  0.0005475938084995345, 1.0507500716444169e-9,
]
const FAR_OVER = [
  6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
  0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
]
const FAR_UNDER = [
  1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5,
  1.421511758316446e-7, 2.0442631033899397e-15,
]

/**
 * The z with P(Z <= z) = p, for p in [0, 1]; the ends are infinite. Wichura's algorithm AS 241 (Applied Statistics 37,
 * 1988), PPND16: about 16 digits.
 *
 * @throws RangeError for another p
 */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`a probability is 0 to 1, not ${p}`)
  if (p === 0 || p === 1) return p === 0 ? -Infinity : Infinity
  const q = p - 0.5
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q
    return (q * polynomial(CENTRE_OVER, r)) / polynomial(CENTRE_UNDER, r)
  }
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p))
  const z =
    r <= 5
      ? polynomial(NEAR_OVER, r - 1.6) / polynomial(NEAR_UNDER, r - 1.6)
      : polynomial(FAR_OVER, r - 5) / polynomial(FAR_UNDER, r - 5)
  return q < 0 ? -z : z
}

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0)
}
