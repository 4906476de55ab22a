/**
 * How wide a text is, without a screen to measure it on.
 *
 * Takes a text and a size; gives a width that the text does not exceed in the fonts that pictures name. A picture is laid
 * out where no browser is; the classes of widths below are those of Arial and Helvetica, rounded up, and wide characters of other
 * scripts take a full square.
 */

import { characterWidth } from "../diagnostics/display-width.js"

/** Widths in shares of the font's size, first match. */
const CLASSES: readonly (readonly [RegExp, number])[] = [
  [/[ijl.,:;'|! ]/, 0.29],
  [/[fItr()[\]/\\-]/, 0.36],
  [/[mwMW@%→…×]/, 0.95],
  [/[A-Z&]/, 0.72],
  [/[\u0000-\u02ff]/, 0.57], // eslint-disable-line no-control-regex
]

/** Of proportional text. @param size of the font @returns in the same unit */
export function textWidth(text: string, size: number): number {
  let width = 0
  for (const character of text) {
    const known = CLASSES.find(([characters]) => characters.test(character))
    width += known ? known[1] : characterWidth(character) * 0.6 + 0.1
  }
  return width * size
}

/** Bold letters are wider. */
export const boldWidth = (text: string, size: number): number => 1.07 * textWidth(text, size)

/** Of text in a font of equal widths. */
export function codeWidth(text: string, size: number): number {
  let columns = 0
  for (const character of text) columns += characterWidth(character)
  return columns * size * 0.61
}

/** The text, cut to `most` characters with an ellipsis. */
export function shortened(text: string, most: number): string {
  const characters = [...text]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`
}
