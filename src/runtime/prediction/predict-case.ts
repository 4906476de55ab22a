/**
 * One image and one note through a trained model.
 *
 * Takes: an open run, an image file and a note. Gives: the probability map at the network's resolution, what the model
 * looked at, and what became of the note. Images are read exactly as in training.
 */

import { readImage, type Size } from "../data/images.js"
import type { OpenRun } from "../runs/open-run.js"
import { UserError } from "../user-error.js"
import { type Interest, interestsOf, notePieces, weighed, type WeighedPiece } from "./interest.js"

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
 * @throws DataError for an image that cannot be read; UserError when no output of the model is a mask, or its values are
 *   not finite
 */
export async function predictCase(run: OpenRun, imagePath: string, note: string): Promise<CasePrediction> {
  const { plan, session, description, record } = run
  const { scored, size } = plan
  if (scored === undefined) {
    throw new UserError(
      `${description.variant} gives no mask: none of its outputs has the shape of its target; ` +
        `its outputs are ${description.outputs.map(({ name, shape }) => `${name}: [${shape.join(", ")}]`).join(", ")}`,
    )
  }
  const image = await readImage(imagePath, size, run.channels)
  const { feeds, note: encoding } = run.feedsFor(image, note)
  const outputs = session.predict(feeds)
  const probability = outputs[scored]!.data
  if (!probability.every(Number.isFinite)) {
    throw new UserError(`${run.checkpoint.path} cannot be used: the output ${scored} is not finite for ${imagePath}`)
  }
  const interests = interestsOf(description, outputs, size, plan.tokenLength, encoding?.valid ?? 0)
  const described = plan.note && record.tokenizers[plan.note.name]
  const parts = described && (await notePieces(note, described, plan.tokenLength))
  return {
    size,
    probability,
    interests,
    words: parts
      ? interests
          .filter((interest) => interest.kind === "words")
          .map(({ name, values }) => ({ name, words: weighed(parts, values) }))
      : [],
    tokens: encoding && { used: encoding.valid, total: tokenCount(run, note) },
  }
}

/** How many tokens the whole note has. */
function tokenCount({ plan, tokenizers }: OpenRun, note: string): number {
  // No tokenizer makes more tokens than there are bytes, and a few are added for start, end and clean-up.
  const room = Buffer.byteLength(note, "utf8") + 128
  return (plan.note && tokenizers.get(plan.note.name)?.encode(note, room).valid) ?? 0
}

/** Each pixel of a larger (or smaller) grid takes the value of the pixel that its centre falls on. */
export function resizeNearest(values: ArrayLike<number>, from: Size, to: Size): Float32Array {
  const result = new Float32Array(to.height * to.width)
  const columns = Int32Array.from({ length: to.width }, (_, x) => Math.floor(((x + 0.5) * from.width) / to.width))
  for (let y = 0; y < to.height; y++) {
    const row = Math.floor(((y + 0.5) * from.height) / to.height) * from.width
    for (let x = 0; x < to.width; x++) result[y * to.width + x] = values[row + columns[x]!]!
  }
  return result
}

/** The size with the same proportions whose longer side is at most `most`; smaller sizes stay. */
export function fitted({ height, width }: Size, most: number): Size {
  const scale = Math.min(1, most / Math.max(height, width))
  return { height: Math.max(1, Math.round(height * scale)), width: Math.max(1, Math.round(width * scale)) }
}
