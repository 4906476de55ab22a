/**
 * A prediction as files: the mask, and pictures of it for people.
 *
 * Takes: an open run, an image, a note, and where the mask goes. Gives: `NAME.png` (0 and 255, at the image's own size),
 * `NAME.overlay.png`, and `NAME.OUTPUT.png` for each output that is a distribution over patches.
 *
 * Why so: the mask has one pixel for each pixel of the image, taken from the network's nearest pixel, so that it adds no
 * value that the network did not give. Pictures for people stop at 2048 pixels. No file is written over the image.
 */

import { realpathSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { heatmapPng, maskPng, overlayPng, readImage, readImageHeader, type Size } from "../data/images.js"
import { makeFolderFor } from "../deployment/target-folder.js"
import { writeAtomically } from "../runs/atomic-file.js"
import type { OpenRun } from "../runs/open-run.js"
import { UserError } from "../user-error.js"
import { drawable, type WeighedPiece } from "./interest.js"
import { fitted, predictCase, resizeNearest } from "./predict-case.js"

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

const MOST_PICTURE = 2048

/**
 * Predicts and writes.
 *
 * @throws UserError for a missing note, a threshold out of range, or an output path that cannot be used; DataError for the
 *   image
 */
export async function writePrediction(run: OpenRun, request: PredictionRequest): Promise<WrittenPrediction> {
  const { image, note, out, threshold } = request
  const warnings: string[] = []
  if (!(threshold >= 0 && threshold < 1)) throw new UserError(`a threshold of ${threshold} is not between 0 and 1`)
  if (run.plan.note && note === undefined) {
    throw new UserError(`${run.description.variant} reads a note: give it with --note "..."`)
  }
  if (!run.plan.note && note !== undefined) warnings.push("this model reads no note: --note was not used")
  const stem = stemOf(out)
  const overlay = `${stem}.overlay.png`
  const size = await readImageHeader(image)
  const prediction = await predictCase(run, image, note ?? "")
  const { tokens } = prediction
  if (tokens && tokens.total > tokens.used) {
    warnings.push(`the note is longer than this model reads: ${tokens.total} tokens were cut to ${tokens.used}`)
  }
  const patches = prediction.interests.filter((interest) => interest.kind === "patches")
  const heatmaps = patches.map(({ name }) => ({ output: name, file: `${stem}.${name}.png` }))
  for (const file of [resolve(out), overlay, ...heatmaps.map((map) => map.file)]) refuseImage(file, image)

  const target: Size = { height: size.height, width: size.width }
  const probability = resizeNearest(prediction.probability, prediction.size, target)
  const pixels = probability.reduce((count, value) => count + (value > threshold ? 1 : 0), 0)
  const shown = fitted(target, MOST_PICTURE)
  const picture = { size: shown, channels: "rgb" as const }
  const planes = await readImage(image, shown, "rgb")
  await makeFolderFor(resolve(out))
  await writeAtomically(resolve(out), await maskPng(probability, target, threshold))
  const shownMask = resizeNearest(prediction.probability, prediction.size, shown)
  await writeAtomically(overlay, await overlayPng({ ...picture, image: planes, prediction: shownMask, threshold }))
  for (const [index, patch] of patches.entries()) {
    const { grid } = patch
    const { values } = drawable(patch)
    await writeAtomically(heatmaps[index]!.file, await heatmapPng({ ...picture, values, grid, over: planes }))
  }
  return {
    mask: resolve(out),
    overlay,
    heatmaps,
    size: target,
    threshold,
    foreground: { pixels, share: pixels / probability.length },
    words: prediction.words.map(({ name, words }) => ({ output: name, words })),
    warnings,
  }
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
  if (existing === realpathSync(image)) {
    throw new UserError(`${file} is the input image, which is not overwritten: name another file with -o`)
  }
}
