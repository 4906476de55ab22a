/**
 * A prediction as pictures.
 *
 * Takes: an image file and what a model gave for it. Gives: PNG files in memory: the mask (0 and 255, one pixel for each
 * pixel of the image), the image with the mask drawn on it, and a heat map for each distribution over patches.
 *
 * Why so: the mask takes the network's nearest pixel, so that it adds no value that the network did not give. Pictures for
 * people stop at 2048 pixels.
 */

import { readImage, readImageHeader, type Size } from "../data/images.js"
import { heatmapPng, maskPng, overlayPng } from "../data/pictures.js"
import { drawable } from "./interest.js"
import type { CasePrediction } from "./predict-case.js"
import { fitted, resizeNearest } from "./resize.js"

export interface CasePictures {
  /** of the image file */
  readonly size: Size
  /** of the mask at that size */
  readonly foreground: { readonly pixels: number; readonly share: number }
  readonly mask: Buffer
  readonly overlay: Buffer
  readonly heatmaps: readonly { readonly output: string; readonly png: Buffer }[]
}

const MOST_PICTURE = 2048

/**
 * Draws a prediction.
 *
 * @param threshold a pixel is foreground where its probability is above this
 * @throws DataError for an image that cannot be read
 */
export async function drawPrediction(
  imagePath: string,
  prediction: CasePrediction,
  threshold: number,
): Promise<CasePictures> {
  const { height, width } = await readImageHeader(imagePath)
  const size: Size = { height, width }
  const probability = resizeNearest(prediction.probability, prediction.size, size)
  const pixels = probability.reduce((count, value) => count + (value > threshold ? 1 : 0), 0)
  const shown = fitted(size, MOST_PICTURE)
  const picture = { size: shown, channels: "rgb" as const }
  const image = await readImage(imagePath, shown, "rgb")
  const shownMask = resizeNearest(prediction.probability, prediction.size, shown)
  const heatmaps: { output: string; png: Buffer }[] = []
  for (const patch of prediction.interests) {
    if (patch.kind !== "patches") continue
    const { values } = drawable(patch)
    heatmaps.push({
      output: patch.name,
      png: await heatmapPng({ ...picture, values, grid: patch.grid, over: image }),
    })
  }
  return {
    size,
    foreground: { pixels, share: pixels / probability.length },
    mask: await maskPng(probability, size, threshold),
    overlay: await overlayPng({ ...picture, image, prediction: shownMask, threshold }),
    heatmaps,
  }
}
