/**
 * The layers over the picture, and the mask as a file.
 *
 * Takes: canvases, and what the network gave. Gives: the picture; the mask, tinted and outlined as in the overlays of
 * `mdl predict`; a heat map with its colours. Layers have the size of the shown picture and lie on top of each other.
 */

import { heatColour, heatField, heatOpacity } from "../../data/heat-map.js"
import { drawable, type PatchInterest } from "../../prediction/interest.js"
import { type Extent, resizeNearest } from "../../prediction/resize.js"

const ORANGE = [255, 140, 0] as const
const TINT = 0.3
const EDGE = 0.95

/** Fits the canvases to the picture and draws it. */
export function drawPicture(
  picture: HTMLCanvasElement,
  layers: readonly HTMLCanvasElement[],
  image: ImageBitmap,
): void {
  for (const canvas of [picture, ...layers]) {
    canvas.width = image.width
    canvas.height = image.height
  }
  context(picture).drawImage(image, 0, 0)
}

/** Draws the pixels above the threshold; others are transparent. @param from size of `probability` */
export function drawMask(canvas: HTMLCanvasElement, probability: Float32Array, from: Extent, threshold: number): void {
  const size = { height: canvas.height, width: canvas.width }
  const values = resizeNearest(probability, from, size)
  const inside = (y: number, x: number): boolean =>
    y >= 0 && x >= 0 && y < size.height && x < size.width && values[y * size.width + x]! > threshold
  paint(canvas, (y, x) => {
    if (!inside(y, x)) return undefined
    const edge = !inside(y - 1, x) || !inside(y + 1, x) || !inside(y, x - 1) || !inside(y, x + 1)
    return [...ORANGE, edge ? EDGE : TINT]
  })
}

/** Draws a heat map; nothing for `undefined`. */
export function drawHeat(canvas: HTMLCanvasElement, patch: PatchInterest | undefined): void {
  const size = { height: canvas.height, width: canvas.width }
  if (patch === undefined) {
    context(canvas).clearRect(0, 0, size.width, size.height)
    return
  }
  const field = heatField(drawable(patch).values, patch.grid, size)
  paint(canvas, (y, x) => {
    const value = field(y, x)
    return [...heatColour(value), heatOpacity(value)]
  })
}

/** The mask as a PNG of the image's own size, 0 and 255, from the network's nearest pixels: that of `mdl predict`. */
export async function maskFile(
  probability: Float32Array,
  from: Extent,
  size: Extent,
  threshold: number,
): Promise<Blob> {
  const canvas = new OffscreenCanvas(size.width, size.height)
  const values = resizeNearest(probability, from, size)
  const drawing = canvas.getContext("2d")
  if (drawing === null) throw new Error(`this browser draws no picture of ${size.width}x${size.height} pixels`)
  const pixels = drawing.createImageData(size.width, size.height)
  values.forEach((value, index) => {
    pixels.data.fill(value > threshold ? 255 : 0, 4 * index, 4 * index + 3)
    pixels.data[4 * index + 3] = 255
  })
  drawing.putImageData(pixels, 0, 0)
  return canvas.convertToBlob({ type: "image/png" })
}

type Colour = readonly [red: number, green: number, blue: number, alpha: number]

function paint(canvas: HTMLCanvasElement, colourAt: (y: number, x: number) => Colour | undefined): void {
  const { width, height } = canvas
  const pixels = new ImageData(width, height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = colourAt(y, x)
      if (colour === undefined) continue
      const at = 4 * (y * width + x)
      for (let c = 0; c < 3; c++) pixels.data[at + c] = Math.round(colour[c]!)
      pixels.data[at + 3] = Math.round(255 * colour[3])
    }
  }
  context(canvas).putImageData(pixels, 0, 0)
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const found = canvas.getContext("2d")
  if (found === null) throw new Error("this browser has no canvas")
  return found
}
