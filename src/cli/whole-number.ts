/**
 * Whole numbers on the command line.
 *
 * Takes the text of an option; gives the number, or commander's error with what to give instead. Options with limits of their
 * own have parsers beside them.
 */

import { InvalidArgumentError } from "commander"

/** From 0, of at most nine digits. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("give a whole number.")
  return Number(text)
}
