/**
 * Functions of one number that JavaScript does not have, to the last digits of a double: for reference implementations.
 */

/**
 * The error function: the series 2/sqrt(pi) exp(-x^2) sum (2x^2)^n x / (2n + 1)!! has positive terms only, so nothing
 * cancels; past 6 the result is 1 in double precision.
 */
export function errorFunction(x: number): number {
  if (Math.abs(x) >= 6) return Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** 1 / (1 + exp(-x)), without overflow at either end. */
export function logistic(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))
}

/** To the nearest integer, halves to the even one, as IEEE 754 rounds. */
export function roundHalfToEven(x: number): number {
  const below = Math.floor(x)
  const rest = x - below
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1
  return below % 2 === 0 ? below : below + 1
}
