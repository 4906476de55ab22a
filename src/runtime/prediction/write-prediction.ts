/**
 * The prediction of one image as files.
 *
 * Takes: a predictor, an image, a note, and where the mask goes. Gives: `NAME.png`, `NAME.overlay.png`, and
 * `NAME.OUTPUT.png` for each output that is a distribution over patches. No file is written over the image.
 */

import { realpathSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { splitFragment } from "../data/formats/names.js"
import type { Size } from "../data/images.js"
import { makeFolderFor } from "../deployment/target-folder.js"
import { writeAtomically } from "../runs/atomic-file.js"
import { UserError } from "../user-error.js"
import { drawPrediction } from "./case-pictures.js"
import type { WeighedPiece } from "./interest.js"
import { type CasePrediction, predictCase } from "./predict-case.js"
import type { Predictor } from "./predictor.js"

export interface PredictionRequest {
  readonly image: string
  /** undefined only for a model that reads no note */
  readonly note: string | undefined
  /** path of the mask, ending in .png */
  readonly out: string
  /** a pixel is foreground where its probability is above this; 0 to 1 */
  readonly threshold: number
}

export interface WrittenPrediction {
  readonly mask: string
  readonly overlay: string
  readonly heatmaps: readonly { readonly output: string; readonly file: string }[]
  readonly size: Size
  readonly threshold: number
  /** of the mask at the image's size */
  readonly foreground: { readonly pixels: number; readonly share: number }
  readonly words: readonly {
    readonly output: string
    readonly words: readonly WeighedPiece[]
  }[]
  readonly warnings: readonly string[]
}

/** A note was given to a model that reads none. */
export const NOTE_NOT_USED = "this model reads no note: --note was not used"

/**
 * Predicts and writes.
 *
 * @throws UserError for a missing note, a threshold out of range, or an output path that cannot be used; DataError for the
 *   image
 */
export async function writePrediction(predictor: Predictor, request: PredictionRequest): Promise<WrittenPrediction> {
  const { image, note, out, threshold } = request
  const { ports } = predictor
  checkThreshold(threshold)
  if (ports.note && note === undefined) {
    throw new UserError(`${ports.variant} reads a note: give it with --note "..."`)
  }
  const stem = stemOf(out)
  const overlay = `${stem}.overlay.png`
  const prediction = await predictCase(predictor, image, note ?? "")
  const pictures = await drawPrediction(image, prediction, threshold)
  const heatmaps = pictures.heatmaps.map(({ output, png }) => ({ output, file: `${stem}.${output}.png`, png }))
  for (const file of [resolve(out), overlay, ...heatmaps.map((map) => map.file)]) refuseImage(file, image)
  await makeFolderFor(resolve(out))
  await writeAtomically(resolve(out), pictures.mask)
  await writeAtomically(overlay, pictures.overlay)
  for (const { file, png } of heatmaps) await writeAtomically(file, png)
  return {
    mask: resolve(out),
    overlay,
    heatmaps: heatmaps.map(({ output, file }) => ({ output, file })),
    size: pictures.size,
    threshold,
    foreground: pictures.foreground,
    words: wordsOf(prediction),
    warnings: [...(!ports.note && note !== undefined ? [NOTE_NOT_USED] : []), ...noteWarnings(prediction)],
  }
}

/** The shares of words, by the output they come from. */
export function wordsOf(prediction: CasePrediction): WrittenPrediction["words"] {
  return prediction.words.map(({ name, words }) => ({ output: name, words }))
}

/** What a person should know about what became of the note. */
export function noteWarnings({ tokens }: Pick<CasePrediction, "tokens">): string[] {
  return tokens && tokens.total > tokens.used
    ? [`the note is longer than this model reads: ${tokens.total} tokens were cut to ${tokens.used}`]
    : []
}

/** @throws UserError for a threshold out of range */
export function checkThreshold(threshold: number): void {
  if (!(threshold >= 0 && threshold < 1)) throw new UserError(`a threshold of ${threshold} is not between 0 and 1`)
}

/** The absolute path without `.png`. @throws UserError for another ending */
function stemOf(out: string): string {
  const name = basename(out)
  if (!/.\.png$/i.test(name)) throw new UserError(`the mask is a PNG file: name it so, such as ${out || "mask"}.png`)
  return join(resolve(dirname(out)), name.slice(0, -4))
}

/** @throws UserError when `file` is the image, by whatever path */
function refuseImage(file: string, image: string): void {
  let existing: string
  try {
    existing = realpathSync(file)
  } catch (thrown) {
    // A file that is not there yet cannot be the image.
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return
    throw thrown
  }
  if (existing === realpathSync(splitFragment(image).file)) {
    throw new UserError(`${file} is the input image, which is not overwritten: name another file with -o`)
  }
}
