/**
 * PNG, JPEG and TIFF, read by libvips through `sharp`.
 *
 * Takes: bytes, and the size wanted. Gives: 8-bit grey or RGB pixels.
 *
 * Why so:
 * - A file that is cut off is an error, not a picture with a grey lower half: `failOn: "warning"`.
 * - 16-bit values become 8-bit ones by their upper byte, as in OpenCV; taken here, because libvips' own conversion of
 *   grey goes through a curve and is one off in places. A scanner's 12 bits in a 16-bit TIFF are therefore dark:
 *   stretching each file to its own range would give the same tissue another grey in every file.
 * - Pixels that are signed, 32-bit or floating-point numbers have no agreed black and white: they are refused.
 */
import sharp, { type Metadata, type Sharp, type SharpOptions } from "sharp"
import { DAMAGED, FormatError, type ImageFormat, MOST_PIXELS, type Pixels, type Size } from "./format.js"

const READ: SharpOptions = { failOn: "warning", limitInputPixels: MOST_PIXELS, ignoreIcc: true, animated: false }

/** What libvips calls 8- and 16-bit unsigned values. */
const DEPTHS: readonly (string | undefined)[] = ["uchar", "ushort"]

export const sharpFormat: ImageFormat = {
  name: "PNG, JPEG or TIFF",
  selects: ["page"],
  // The last to be asked: what libvips does not know, nobody does, and its error says so.
  recognises: () => true,
  async header(bytes, { page }) {
    const found = await metadataOf(bytes, page)
    const { height, width, format } = found
    return { height, width, channels: isGrey(found) ? 1 : 3, format }
  },
  decode: (bytes, { page }, size) => decodeBySharp(bytes, size, page),
  // The labels of a 16-bit mask are small numbers, which their upper byte is not.
  async values(bytes, { page }) {
    const found = await metadataOf(bytes, page)
    if (found.depth !== "ushort" || !isGrey(found)) return undefined
    return inWords(async () => {
      const image = sharp(bytes, optionsFor(page)).removeAlpha().toColourspace("grey16")
      const { data, info } = await image.raw({ depth: "ushort" }).toBuffer({ resolveWithObject: true })
      return { height: info.height, width: info.width, values: wordsOf(data) }
    })
  },
}

/** Decodes a PNG, JPEG or TIFF, resized while it is decoded if a size is given. @throws FormatError */
export async function decodeBySharp(bytes: Uint8Array, size?: Size, page?: number): Promise<Pixels> {
  const header = await metadataOf(bytes, page)
  return inWords(async () => {
    const image = sharp(bytes, optionsFor(page))
    const grey = isGrey(header)
    const deep = header.depth === "ushort"
    image.removeAlpha().toColourspace(deep ? (grey ? "grey16" : "rgb16") : grey ? "b-w" : "srgb")
    if (size) resizeFully(image, size)
    return pixelsOf(image, deep)
  })
}

/** Whether there is one channel, apart from alpha. */
function isGrey({ channels, space }: Metadata): boolean {
  return channels < 3 && space !== "cmyk"
}

/** Resizes without regard to the aspect ratio, as images.ts says. */
export async function resizePixels(pixels: Pixels, size: Size): Promise<Pixels> {
  const { width, height, channels } = pixels
  if (width === size.width && height === size.height) return pixels
  const image = sharp(pixels.data, { raw: { width, height, channels }, limitInputPixels: MOST_PIXELS })
  return pixelsOf(resizeFully(channels === 1 ? image.toColourspace("b-w") : image, size))
}

function resizeFully(image: Sharp, size: Size): Sharp {
  return image.resize(size.width, size.height, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false })
}

async function pixelsOf(image: Sharp, deep = false): Promise<Pixels> {
  const { data, info } = await image.raw({ depth: deep ? "ushort" : "uchar" }).toBuffer({ resolveWithObject: true })
  const { height, width, channels } = info
  if (channels !== 1 && channels !== 3) throw new FormatError(`${channels} channels; 1 (grey) or 3 (RGB) can be read`)
  if (!deep) return { height, width, channels, data }
  const words = wordsOf(data)
  const bytes = new Uint8Array(words.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (words[i] as number) >> 8
  return { height, width, channels, data: bytes }
}

function wordsOf(data: Buffer): Uint16Array {
  return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
}

async function metadataOf(bytes: Uint8Array, page: number | undefined): Promise<Metadata> {
  const found = await inWords(() => sharp(bytes, optionsFor(page)).metadata())
  if (page !== undefined && found.format !== "tiff") {
    throw new FormatError(`a page is chosen in a TIFF, and this is a ${found.format} file`, "leave out #page")
  }
  if (!DEPTHS.includes(found.depth)) {
    throw new FormatError(
      `its pixels are of the type "${found.depth}"; 8-bit and 16-bit unsigned ones have an agreed black and white`,
      "save it with 8 or 16 bits, its values scaled to the full range; or as NIfTI, whose values have a window",
    )
  }
  return found
}

function optionsFor(page: number | undefined): SharpOptions {
  return page === undefined ? READ : { ...READ, page }
}

/**
 * Says what sharp's message means. Its wording for a damaged file depends on which of libvips' threads met the damage
 * first, so it is kept as the cause and said in our own words: the same file must always give the same message.
 */
async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof FormatError || !(cause instanceof Error)) throw cause
    throw new FormatError(reasonOf(cause.message), undefined, { cause })
  }
}

function reasonOf(message: string): string {
  if (message.includes("pixel limit")) return `its header declares more than the pixel limit of ${MOST_PIXELS}`
  if (message.includes("unsupported image format")) return "it is not in a known image format"
  if (message.includes("does not contain page")) return "it has no such page"
  return DAMAGED
}
