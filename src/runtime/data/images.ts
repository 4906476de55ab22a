/**
 * Reading images and masks, and drawing masks, overlays and heat maps.
 *
 * Takes: image files (PNG, JPEG, TIFF, BMP...) or arrays. Gives: pixels at the size asked for, float planes in [0, 1] in
 * NCHW order, and PNG buffers for reports.
 *
 * Why so:
 * - Values are the file's own, divided by 255 and nothing else (no mean and standard deviation, no colour profile, no EXIF
 *   turn): that is what RecLMIS and LViT train on, and what the exported preprocessing says.
 * - Resizing ignores the aspect ratio and uses libvips' "linear" kernel: a triangle filter, widened when shrinking, so it
 *   averages (as Pillow's BILINEAR does; OpenCV's INTER_LINEAR, used by the published code, skips pixels instead).
 *   At 224x224, the size of the published files, no resizing happens and the three agree.
 * - A file that is cut off is an error, not a picture with a grey lower half: `failOn: "warning"`.
 */
import { readFile, writeFile } from "node:fs/promises"
import sharp, { type SharpOptions } from "sharp"
import { codeOf, DataError, messageOf } from "./data-error.js"

/** Height and width in pixels. */
export interface Size {
  readonly height: number
  readonly width: number
}

/** The order of the three planes: as stored, as OpenCV reads (RecLMIS, LViT), or the luminance three times. */
export type ChannelOrder = "rgb" | "bgr" | "gray3"
export const CHANNEL_ORDERS: readonly ChannelOrder[] = ["rgb", "bgr", "gray3"]

/**
 * How a resized mask becomes 0 or 1. "any": every value above 0, as published; it dilates the mask a little when resizing.
 * "half": values of 127.5 and more, which keeps the area.
 */
export type MaskRule = "any" | "half"

/** Pixels as stored: interleaved rows, `channels` 1 (grey) or 3 (RGB), values 0 to 255. */
export interface Pixels extends Size {
  readonly channels: 1 | 3
  readonly data: Uint8Array
}

/** The most pixels an image may declare (64 million): a header that claims more is refused before any decoding. */
export const MOST_PIXELS = 2 ** 26

const READ: SharpOptions = { failOn: "warning", limitInputPixels: MOST_PIXELS, ignoreIcc: true, animated: false }

/** What an image's header declares. */
export interface ImageHeader extends Size {
  readonly channels: number
  readonly format: string
}

/** Reads an image's header. @throws DataError naming the file. */
export async function readImageHeader(path: string): Promise<ImageHeader> {
  const bytes = await readBytes(path)
  return reading(path, async () => {
    const found = await sharp(bytes, READ).metadata()
    return { height: found.height, width: found.width, channels: found.channels, format: found.format }
  })
}

/**
 * Reads an image and resizes it.
 * @param size the size wanted; undefined leaves the size as it is.
 * @returns grey pixels for a grey file, RGB for a colour one; an alpha channel is dropped, 16-bit values are scaled to 8.
 * @throws DataError naming the file: missing, not an image, cut off, or larger than {@link MOST_PIXELS}.
 */
export async function readPixels(path: string, size?: Size): Promise<Pixels> {
  const bytes = await readBytes(path)
  return reading(path, () => decode(bytes, size))
}

/**
 * Reads a mask, resizes it and makes it binary.
 * @returns H*W bytes, 0 or 1.
 * @throws DataError as {@link readPixels}.
 */
export async function readMaskPixels(path: string, size?: Size, rule: MaskRule = "any"): Promise<Pixels> {
  const bytes = await readBytes(path)
  const pixels = await reading(path, () => decode(bytes, size))
  const data = new Uint8Array(pixels.height * pixels.width)
  const least = rule === "any" ? 1 : 128
  for (let i = 0; i < data.length; i++) {
    let value = 0
    for (let c = 0; c < pixels.channels; c++) value = Math.max(value, pixels.data[i * pixels.channels + c] as number)
    data[i] = value >= least ? 1 : 0
  }
  return { height: pixels.height, width: pixels.width, channels: 1, data }
}

/** Reads an image as float planes: [3, H, W], values in [0, 1]. @throws DataError as {@link readPixels}. */
export async function readImage(path: string, size: Size, channels: ChannelOrder): Promise<Float32Array> {
  const planes = new Float32Array(3 * size.height * size.width)
  writePlanes(await readPixels(path, size), channels, planes, 0)
  return planes
}

/** Reads a mask as [1, H, W], values 0 and 1. @throws DataError as {@link readPixels}. */
export async function readMask(path: string, size: Size, rule: MaskRule = "any"): Promise<Float32Array> {
  return Float32Array.from((await readMaskPixels(path, size, rule)).data)
}

/** Writes pixels as three planes in [0, 1] into `planes` at `offset`: [3, H, W] in the given channel order. */
export function writePlanes(pixels: Pixels, order: ChannelOrder, planes: Float32Array, offset: number): void {
  const count = pixels.height * pixels.width
  const { data } = pixels
  if (pixels.channels === 1) {
    for (let i = 0; i < count; i++) planes[offset + i] = (data[i] as number) / 255
    planes.copyWithin(offset + count, offset, offset + count)
    planes.copyWithin(offset + 2 * count, offset, offset + count)
    return
  }
  const first = order === "bgr" ? 2 * count : 0
  const third = order === "bgr" ? 0 : 2 * count
  for (let i = 0; i < count; i++) {
    let r = data[3 * i] as number
    let g = data[3 * i + 1] as number
    let b = data[3 * i + 2] as number
    // Rec. 601 luma, the weights of OpenCV's and Pillow's grey conversion.
    if (order === "gray3") r = g = b = Math.round(0.299 * r + 0.587 * g + 0.114 * b)
    planes[offset + first + i] = r / 255
    planes[offset + count + i] = g / 255
    planes[offset + third + i] = b / 255
  }
}

/** A binary PNG (0 and 255) of a mask or probability map [H, W], cut at `threshold`. */
export async function maskPng(values: ArrayLike<number>, size: Size, threshold = 0.5): Promise<Buffer> {
  checkLength("the mask", values.length, size.height * size.width)
  const data = Uint8Array.from(values, (value) => (value > threshold ? 255 : 0))
  return pngOf({ ...size, channels: 1, data })
}

/** Writes {@link maskPng} to a file. */
export async function writeMaskPng(
  path: string,
  values: ArrayLike<number>,
  size: Size,
  threshold = 0.5,
): Promise<void> {
  const png = await maskPng(values, size, threshold)
  try {
    await writeFile(path, png)
  } catch (thrown) {
    const fix = "name a file in a folder that exists and may be written"
    throw new DataError({ what: `${path} cannot be written: ${messageOf(thrown)}`, fix }, { cause: thrown })
  }
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
  let low = Infinity
  let high = -Infinity
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (!Number.isFinite(value)) throw new RangeError(`the heat map's value ${i} is ${value}`)
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  const range = high > low ? high - low : 1
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const value =
        (bilinear(values, grid, ((y + 0.5) * grid.height) / size.height, ((x + 0.5) * grid.width) / size.width) - low) /
        range
      const colour = heatColour(value)
      const alpha = 0.15 + 0.5 * value
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

/** Value at (y, x) in units of cells, whose centres lie at .5; clamped at the border. */
function bilinear(values: ArrayLike<number>, grid: Size, y: number, x: number): number {
  const cy = Math.min(Math.max(y - 0.5, 0), grid.height - 1)
  const cx = Math.min(Math.max(x - 0.5, 0), grid.width - 1)
  const y0 = Math.floor(cy)
  const x0 = Math.floor(cx)
  const y1 = Math.min(y0 + 1, grid.height - 1)
  const x1 = Math.min(x0 + 1, grid.width - 1)
  const at = (row: number, column: number) => values[row * grid.width + column] as number
  const top = at(y0, x0) * (x0 + 1 - cx) + at(y0, x1) * (cx - x0)
  const bottom = at(y1, x0) * (x0 + 1 - cx) + at(y1, x1) * (cx - x0)
  return top * (y0 + 1 - cy) + bottom * (cy - y0)
}

/** Five stops of the "inferno" colour map (matplotlib, CC0): even steps of lightness, readable without colour vision. */
const HEAT: readonly (readonly [number, number, number])[] = [
  [20, 11, 52],
  [101, 21, 110],
  [187, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
]

function heatColour(value: number): [number, number, number] {
  const position = Math.min(Math.max(value, 0), 1) * (HEAT.length - 1)
  const index = Math.min(Math.floor(position), HEAT.length - 2)
  const low = HEAT[index] as readonly [number, number, number]
  const high = HEAT[index + 1] as readonly [number, number, number]
  const t = position - index
  return [low[0] + (high[0] - low[0]) * t, low[1] + (high[1] - low[1]) * t, low[2] + (high[2] - low[2]) * t]
}

function paintedImage(image: Float32Array, size: Size, channels: ChannelOrder): Uint8Array {
  const count = size.height * size.width
  checkLength("the image", image.length, 3 * count)
  const data = new Uint8Array(3 * count)
  for (let c = 0; c < 3; c++) {
    const plane = (channels === "bgr" ? 2 - c : c) * count
    for (let i = 0; i < count; i++)
      data[3 * i + c] = Math.min(255, Math.max(0, Math.round((image[plane + i] as number) * 255)))
  }
  return data
}

async function decode(bytes: Buffer, size: Size | undefined): Promise<Pixels> {
  const image = sharp(bytes, READ)
  const header = await image.metadata()
  const grey = header.channels < 3 && header.space !== "cmyk"
  image.removeAlpha().toColourspace(grey ? "b-w" : "srgb")
  if (size) image.resize(size.width, size.height, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false })
  const { data, info } = await image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true })
  if (info.channels !== 1 && info.channels !== 3)
    throw new Error(`${info.channels} channels; 1 (grey) or 3 (RGB) can be read`)
  return { height: info.height, width: info.width, channels: info.channels, data }
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (thrown) {
    const what = codeOf(thrown) === "ENOENT" ? `${path} does not exist` : `${path} cannot be read: ${messageOf(thrown)}`
    throw new DataError({ what, fix: "put the file back, or remove its case from the data set" }, { cause: thrown })
  }
}

async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw new DataError(
      {
        what: `${path} cannot be read as an image: ${reasonOf(messageOf(thrown))}`,
        fix: "fetch the file again (it may be cut off or not an image), or remove its case from the data set",
      },
      { cause: thrown },
    )
  }
}

/**
 * What sharp's message means. Its wording for a damaged file depends on which of libvips' threads met the damage first, so
 * it is kept as the cause and said in our own words: the same file must always give the same message.
 */
function reasonOf(message: string): string {
  if (message.includes("pixel limit")) return `its header declares more than the pixel limit of ${MOST_PIXELS}`
  if (message.includes("unsupported image format")) return "it is not in a known image format"
  if (message.includes("channels; 1 (grey)")) return message
  return "it is cut off or damaged"
}

function checkLength(what: string, has: number, wants: number): void {
  if (has !== wants) throw new RangeError(`${what} has ${has} values, its size wants ${wants}`)
}
