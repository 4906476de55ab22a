/**
 * Outputs that say what a model looked at.
 *
 * Takes: the description of a model and its outputs for one case. Gives: distributions over patches of the image, as a
 * grid, and over the words of the note.
 *
 * Why so: a model names its outputs as it likes, so they are recognised by what they are: one number for each token of
 * the note, or for each cell of a grid over the image, not negative and with the sum 1. Nothing else is taken for one.
 */

import type { TrainerDescription } from "../../compiler/trainer.js"
import type { Size } from "../data/images.js"
import type { OutputTensor } from "../session.js"
import { cleanNote } from "../tokenizers/cleanup.js"
import { createTokenizer, type TokenizerDescription } from "../tokenizers/tokenizer.js"

export interface PatchInterest {
  readonly kind: "patches"
  readonly name: string
  readonly grid: Size
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
  description: Pick<TrainerDescription, "outputs">,
  outputs: Readonly<Record<string, OutputTensor>>,
  image: Size,
  tokens: number,
  valid: number,
): Interest[] {
  return description.outputs.flatMap(({ name, shape }): Interest[] => {
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
function gridOf(sizes: readonly number[], image: Size): Size | undefined {
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

/** A word of a note as it is written, and which tokens it became. */
export interface NoteWord {
  readonly text: string
  readonly from: number
  readonly to: number
}

/**
 * The words of a note with their tokens' positions; words beyond `length` tokens have none (`from` = `to`).
 *
 * @returns undefined when the tokens of the words do not add up to the tokens of the note
 */
export async function noteWords(
  note: string,
  description: TokenizerDescription,
  length: number,
): Promise<readonly NoteWord[] | undefined> {
  const tokenizer = await createTokenizer({ ...description, cleanup: "none" })
  const [start, ends] = tokenizer.kind === "clip" ? [1, 2] : [0, 0]
  const text = cleanNote(note, description.cleanup)
  const room = 2 * text.length + 8
  const count = (part: string): number => tokenizer.encode(part, room).valid - ends
  const last = tokenizer.kind === "clip" ? length - 1 : length
  let position = start
  const words = text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const from = Math.min(position, last)
      position += count(word)
      return { text: word, from, to: Math.min(position, last) }
    })
  return words.length > 0 && position - start === count(text) ? words : undefined
}

/** How much of a distribution over tokens goes to each word, in the order of the note. */
export function wordWeights(
  words: readonly NoteWord[],
  values: ArrayLike<number>,
): { readonly text: string; readonly weight: number }[] {
  return words.map(({ text, from, to }) => {
    let weight = 0
    for (let i = from; i < to; i++) weight += values[i] as number
    return { text, weight }
  })
}
