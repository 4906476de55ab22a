/**
 * Drawing masks, overlays and heat maps.
 *
 * Takes: arrays of the run: images as planes, masks, probabilities, maps of interest. Gives: PNG buffers for reports and
 * files. The same arrays give the same bytes, so that a report made twice is the same report.
 */
import sharp from "sharp"
import { heatColour, heatField, heatOpacity } from "./heat-map.js"
import { type ChannelOrder, type Pixels, planesOf, type Size } from "./images.js"

/** A binary PNG (0 and 255) of a mask or probability map [H, W], cut at `threshold`. */
export async function maskPng(values: ArrayLike<number>, size: Size, threshold = 0.5): Promise<Buffer> {
  checkLength("the mask", values.length, size.height * size.width)
  const data = Uint8Array.from(values, (value) => (value > threshold ? 255 : 0))
  return pngOf({ ...size, channels: 1, data })
}

export interface OverlayOptions {
  /** [3, H, W] in [0, 1]. */
  readonly image: Float32Array
  readonly size: Size
  /** The order of `image`'s planes. */
  readonly channels?: ChannelOrder
  /** Probability or mask [H, W]: tinted and outlined in orange. */
  readonly prediction?: ArrayLike<number>
  /** Mask [H, W]: outlined in cyan. */
  readonly truth?: ArrayLike<number>
  readonly threshold?: number
}

/** The image with the prediction tinted and outlined (orange) and the truth outlined (cyan), as a PNG. */
export async function overlayPng(options: OverlayOptions): Promise<Buffer> {
  const { size, threshold = 0.5 } = options
  const data = paintedImage(options.image, size, options.channels ?? "rgb")
  const paint = (index: number, colour: readonly [number, number, number], alpha: number) => {
    for (let c = 0; c < 3; c++) {
      const at = 3 * index + c
      data[at] = Math.round((data[at] as number) * (1 - alpha) + (colour[c] as number) * alpha)
    }
  }
  const orange = [255, 140, 0] as const
  const cyan = [0, 220, 255] as const
  for (const [values, colour, tint] of [
    [options.prediction, orange, 0.3],
    [options.truth, cyan, 0],
  ] as const) {
    if (values === undefined) continue
    checkLength("the overlay's mask", values.length, size.height * size.width)
    const inside = (y: number, x: number) =>
      y >= 0 && x >= 0 && y < size.height && x < size.width && (values[y * size.width + x] as number) > threshold
    for (let y = 0; y < size.height; y++) {
      for (let x = 0; x < size.width; x++) {
        if (!inside(y, x)) continue
        const edge = !inside(y - 1, x) || !inside(y + 1, x) || !inside(y, x - 1) || !inside(y, x + 1)
        if (edge) paint(y * size.width + x, colour, 0.95)
        else if (tint > 0) paint(y * size.width + x, colour, tint)
      }
    }
  }
  return pngOf({ ...size, channels: 3, data })
}

export interface HeatmapOptions {
  /** [h, w], any scale: the least value is drawn as transparent violet, the greatest as yellow. */
  readonly values: ArrayLike<number>
  readonly grid: Size
  /** [3, H, W] in [0, 1], under the map. */
  readonly over: Float32Array
  readonly size: Size
  readonly channels?: ChannelOrder
}

/** A heat map (such as patches of interest, 14x14) drawn bilinearly over an image, as a PNG of the image's size. */
export async function heatmapPng(options: HeatmapOptions): Promise<Buffer> {
  const { values, grid, size } = options
  checkLength("the heat map", values.length, grid.height * grid.width)
  const data = paintedImage(options.over, size, options.channels ?? "rgb")
  const field = heatField(values, grid, size)
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const value = field(y, x)
      const colour = heatColour(value)
      const alpha = heatOpacity(value)
      const at = 3 * (y * size.width + x)
      for (let c = 0; c < 3; c++)
        data[at + c] = Math.round((data[at + c] as number) * (1 - alpha) + (colour[c] as number) * alpha)
    }
  }
  return pngOf({ ...size, channels: 3, data })
}

/** Pixels as a PNG. The same pixels give the same bytes (fixed filter and compression, no metadata). */
export async function pngOf(pixels: Pixels): Promise<Buffer> {
  const { width, height, channels, data } = pixels
  checkLength("the picture", data.length, width * height * channels)
  const raw = sharp(data, { raw: { width, height, channels } })
  return (channels === 1 ? raw.toColourspace("b-w") : raw)
    .png({ compressionLevel: 6, adaptiveFiltering: false })
    .toBuffer()
}

function paintedImage(image: Float32Array, size: Size, channels: ChannelOrder): Uint8Array {
  const count = size.height * size.width
  checkLength("the image", image.length, planesOf(channels) * count)
  const data = new Uint8Array(3 * count)
  for (let c = 0; c < 3; c++) {
    const plane = { rgb: c, bgr: 2 - c, gray: 0 }[channels] * count
    for (let i = 0; i < count; i++)
      data[3 * i + c] = Math.min(255, Math.max(0, Math.round((image[plane + i] as number) * 255)))
  }
  return data
}

function checkLength(what: string, has: number, wants: number): void {
  if (has !== wants) throw new RangeError(`${what} has ${has} values, its size wants ${wants}`)
}
