/**
 * Whole numbers on the command line.
 *
 * Takes the text of an option; gives the number, or commander's error with what to give instead. Digits only: `1e3`, `0x10`
 * and `+5` are more often slips than meant.
 */

import { InvalidArgumentError } from "commander"

/** No option has a use for more, and a number that doubles hold exactly needs no further check. */
const MOST = 999_999_999

/** From 0. */
export const wholeNumber = wholeNumberFrom(0)
/** From 1. */
export const positive = wholeNumberFrom(1)
/** A seed: what a signed 32-bit integer holds, because TensorFlow's seeds are such. */
export const seedNumber = wholeNumberFrom(0, 2 ** 31 - 1)

/** A parser of whole numbers from `least` to `most`, both included. */
export function wholeNumberFrom(least: number, most = MOST): (text: string) => number {
  const wanted =
    most !== MOST ? `whole number from ${least} to ${most}` : least === 1 ? "whole number above 0" : "whole number"
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`give a ${wanted}.`)
    return value
  }
}
