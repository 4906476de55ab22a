/**
 * Sizes and nearest-pixel resizing of what a network gives.
 *
 * Takes and gives plain arrays. Free of Node, because the page of `mdl serve` does the same in the browser, and a mask
 * that is downloaded there must be the mask that `mdl predict` writes.
 */

/** Height and width in pixels or cells. */
export interface Extent {
  readonly height: number
  readonly width: number
}

/** Each pixel of a larger (or smaller) grid takes the value of the pixel that its centre falls on. */
export function resizeNearest(values: ArrayLike<number>, from: Extent, to: Extent): Float32Array {
  const result = new Float32Array(to.height * to.width)
  const columns = Int32Array.from({ length: to.width }, (_, x) => Math.floor(((x + 0.5) * from.width) / to.width))
  for (let y = 0; y < to.height; y++) {
    const row = Math.floor(((y + 0.5) * from.height) / to.height) * from.width
    for (let x = 0; x < to.width; x++) result[y * to.width + x] = values[row + columns[x]!]!
  }
  return result
}

/** The size with the same proportions whose longer side is at most `most`; smaller sizes stay. */
export function fitted({ height, width }: Extent, most: number): Extent {
  const scale = Math.min(1, most / Math.max(height, width))
  return { height: Math.max(1, Math.round(height * scale)), width: Math.max(1, Math.round(width * scale)) }
}
