/**
 * What augmentations change: an image and its mask.
 *
 * Takes a pair and where each new pixel comes from; gives a new pair, in which image and mask have moved together.
 */
import type { Pixels } from "../images.js"

/** An image and its mask ([H * W], 0 or 1), of one size. */
export interface Pair {
  readonly image: Pixels
  readonly mask: Uint8Array
}

/** A new pair whose pixel (y, x) is the old one's at the index that `source` gives, or 0 for -1. */
export function gather(pair: Pair, source: (y: number, x: number) => number): Pair {
  const { height, width, channels, data } = pair.image
  const image = new Uint8Array(data.length)
  const mask = new Uint8Array(pair.mask.length)
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to++) {
      const from = source(y, x)
      if (from < 0) continue
      mask[to] = pair.mask[from] as number
      for (let c = 0; c < channels; c++) image[to * channels + c] = data[from * channels + c] as number
    }
  }
  return { image: { height, width, channels, data: image }, mask }
}
