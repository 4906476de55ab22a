/**
 * Images and notes through a model.
 *
 * Takes: a predictor, images (files, or prepared) and notes. Gives: the probability map at the network's resolution, what
 * the model looked at, and what became of the note. Images are read exactly as in training.
 */

import { readImage, type Size } from "../data/images.js"
import { UserError } from "../user-error.js"
import { type CaseOutputs, type Interest, interestsOf, weighed, type WeighedPiece } from "./interest.js"
import { notePieces } from "./note-pieces.js"
import { type EncodedCase, originText, type Predictor } from "./predictor.js"

export interface CasePrediction {
  /** height and width of the network's image */
  readonly size: Size
  /** [H * W] in [0, 1] */
  readonly probability: Float32Array
  readonly interests: readonly Interest[]
  /** by the pieces of the note, for every distribution over words; empty when its tokens cannot be told apart */
  readonly words: readonly {
    readonly name: string
    readonly words: readonly WeighedPiece[]
  }[]
  /** undefined for a model that reads no note */
  readonly tokens: { readonly used: number; readonly total: number } | undefined
}

/**
 * One image and one note through the model.
 *
 * @throws DataError for an image that cannot be read; UserError when the values of the mask are not finite
 */
export async function predictCase(predictor: Predictor, imagePath: string, note: string): Promise<CasePrediction> {
  const prepared = await prepareCase(predictor, imagePath, note)
  const [outputs] = await predictor.run([prepared])
  return describeCase(predictor, outputs!, { image: imagePath, note, encoded: prepared })
}

/** Reads an image as the model wants it, and encodes the note. @throws DataError for an image that cannot be read */
export async function prepareCase(predictor: Predictor, imagePath: string, note: string): Promise<EncodedCase> {
  const { image, note: port } = predictor.ports
  return {
    image: await readImage(imagePath, image.size, image.channels),
    note: port && predictor.tokenizer?.encode(note, port.length),
  }
}

/**
 * What the outputs of a case say.
 *
 * @throws UserError when the values of the mask are not finite
 */
export async function describeCase(
  predictor: Predictor,
  outputs: CaseOutputs,
  one: { readonly image: string; readonly note: string; readonly encoded: EncodedCase },
): Promise<CasePrediction> {
  const { ports, tokenizer } = predictor
  const { size } = ports.image
  const probability = outputs[ports.mask]!.data
  if (!probability.every(Number.isFinite)) {
    const weights = originText(predictor.origin)
    throw new UserError(`${weights} cannot be used: the output ${ports.mask} is not finite for ${one.image}`)
  }
  const length = ports.note?.length ?? 0
  const { note: encoding } = one.encoded
  const interests = interestsOf(ports.outputs, outputs, size, length, encoding?.valid ?? 0)
  const parts = ports.note && tokenizer && (await notePieces(one.note, tokenizer.describe(), length))
  return {
    size,
    probability,
    interests,
    words: parts
      ? interests
          .filter((interest) => interest.kind === "words")
          .map(({ name, values }) => ({ name, words: weighed(parts, values) }))
      : [],
    tokens: encoding &&
      tokenizer && { used: encoding.valid, total: tokenizer.encode(one.note, roomFor(one.note)).valid },
  }
}

/** No tokenizer makes more tokens than there are bytes, and a few are added for start, end and clean-up. */
export function roomFor(note: string): number {
  return Buffer.byteLength(note, "utf8") + 128
}
