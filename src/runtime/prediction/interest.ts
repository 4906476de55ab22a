/**
 * Outputs that say what a model looked at.
 *
 * Takes: the shapes of a model's outputs, and their values for one case. Gives: distributions over patches of the image, as a
 * grid, and over the words of the note.
 *
 * Why so: a model names its outputs as it likes, so they are recognised by what they are: one number for each token of
 * the note, or for each cell of a grid over the image, not negative and with the sum 1. Nothing else is taken for one.
 * Free of Node, because the page of `mdl serve` asks the same in the browser.
 */

import type { Extent } from "./resize.js"

/** What is known of an output before the model runs. */
export interface OutputShape {
  readonly name: string
  /** sizes after the batch */
  readonly shape: readonly number[]
}

/** Outputs of one case by name, row-major. */
export type CaseOutputs = Readonly<Record<string, { readonly data: Float32Array }>>

export interface PatchInterest {
  readonly kind: "patches"
  readonly name: string
  readonly grid: Extent
  /** [height * width] of the grid */
  readonly values: Float32Array
}

export interface WordInterest {
  readonly kind: "words"
  readonly name: string
  /** one for each token position, padding included */
  readonly values: Float32Array
}

export type Interest = PatchInterest | WordInterest

/** How far a sum in f32 over a few thousand cells may be from 1. */
const SUM_TOLERANCE = 1e-3

/**
 * The distributions among the outputs of one case (batch 1), in the order of the model.
 *
 * @param image height and width of the network's image
 * @param tokens T, the token positions of the note; 0 without a note
 * @param valid how many of them are tokens of this note
 */
export function interestsOf(
  described: readonly OutputShape[],
  outputs: CaseOutputs,
  image: Extent,
  tokens: number,
  valid: number,
): Interest[] {
  return described.flatMap(({ name, shape }): Interest[] => {
    const values = outputs[name]?.data
    const sizes = shape.filter((size) => size !== 1)
    if (!values || sizes.length === 0 || !isDistribution(values)) return []
    const grid = gridOf(sizes, image)
    const isWords = sizes.length === 1 && sizes[0] === tokens
    // As many patches as tokens: a distribution over words gives nothing to the padding.
    const ambiguous = isWords && grid !== undefined
    const padding = values.subarray(valid).reduce((sum, value) => sum + value, 0)
    if (isWords && (!ambiguous || (valid < tokens && padding < SUM_TOLERANCE))) return [{ kind: "words", name, values }]
    return grid ? [{ kind: "patches", name, grid, values }] : []
  })
}

function isDistribution(values: Float32Array): boolean {
  let sum = 0
  for (const value of values) {
    if (!(value >= 0)) return false
    sum += value
  }
  return Math.abs(sum - 1) <= SUM_TOLERANCE
}

/** The grid with this many cells and the image's proportions; a shape of two sizes is a grid as it stands. */
function gridOf(sizes: readonly number[], image: Extent): Extent | undefined {
  const [first, second] = sizes as [number, number | undefined]
  if (sizes.length > 2) return undefined
  if (second !== undefined) {
    return first * image.width === second * image.height ? { height: first, width: second } : undefined
  }
  const height = Math.round(Math.sqrt((first * image.height) / image.width))
  const width = first / height
  const fits = Number.isInteger(width) && height * image.width === width * image.height
  return fits && height <= image.height && height > 1 ? { height, width } : undefined
}

/** Largest to least share below which a distribution prefers nothing. */
const ALIKE = 1.05

/** Whether a distribution prefers nothing: its differences are rounding errors, which no picture should enlarge. */
export function isAlike(values: ArrayLike<number>): boolean {
  const all = Array.from(values)
  return Math.max(...all) <= ALIKE * Math.min(...all)
}

/**
 * The values to draw a heat map of. Maps are drawn from the least to the greatest value, so one in which all shares are
 * alike would show rounding errors in full colour: it becomes flat.
 */
export function drawable({ values }: PatchInterest): { readonly values: Float32Array; readonly isFlat: boolean } {
  const isFlat = isAlike(values)
  return { values: isFlat ? new Float32Array(values.length) : values, isFlat }
}

/** A piece of a note as it is written: a word, a number or a mark, and which tokens it became. */
export interface NotePiece {
  readonly text: string
  /** whether white space stands before it */
  readonly spaced: boolean
  readonly from: number
  readonly to: number
}

/** A piece with its share of a distribution. */
export interface WeighedPiece {
  readonly text: string
  readonly spaced: boolean
  readonly weight: number
}

/** How much of a distribution over tokens goes to each piece, in the order of the note. */
export function weighed(pieces: readonly NotePiece[], values: ArrayLike<number>): WeighedPiece[] {
  return pieces.map(({ text, spaced, from, to }) => {
    let weight = 0
    for (let i = from; i < to; i++) weight += values[i] as number
    return { text, spaced, weight }
  })
}
