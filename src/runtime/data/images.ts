/**
 * Reading images and masks.
 *
 * Takes: image files (PNG, JPEG, TIFF, BMP, NIfTI slices, DICOM; formats/), named by their paths, behind which
 * `#z=12` may say which slice (formats/selection.ts). Gives: pixels at the size asked for, and float planes in [0, 1]
 * in NCHW order.
 *
 * Why so:
 * - Values are the file's own, divided by 255 and nothing else (no mean and standard deviation, no colour profile, no
 *   EXIF turn): that is what RecLMIS and LViT train on, and what the exported preprocessing says.
 * - Resizing ignores the aspect ratio and uses libvips' "linear" kernel: a triangle filter, widened when shrinking,
 *   so it averages (as Pillow's BILINEAR does; OpenCV's INTER_LINEAR, used by the published code, skips pixels
 *   instead). At 224x224, the size of the published files, no resizing happens and the three agree.
 * - A mask with measured values (NIfTI, DICOM) is foreground where it is not 0, before any window: a window would
 *   move the border. `#label=2` takes one label of several, and is applied before resizing, which would mix labels.
 */
import { readFile, stat } from "node:fs/promises"
import { codeOf, DataError, messageOf } from "./data-error.js"
import {
  DAMAGED,
  FormatError,
  type ImageFormat,
  type ImageHeader,
  MOST_BYTES,
  type Pixels,
  type Selection,
  type Size,
  type Values,
} from "./formats/format.js"
import { splitFragment } from "./formats/names.js"
import { formatOf } from "./formats/registry.js"
import { checkSelects, parseSelection } from "./formats/selection.js"
import { resizePixels } from "./formats/sharp-formats.js"
import { resizedForeground } from "./mask-resize.js"

export type { ImageHeader, Pixels, Size } from "./formats/format.js"

/** The planes of an image: three as stored, three as OpenCV reads (RecLMIS, LViT), or the luminance alone. */
export type ChannelOrder = "rgb" | "bgr" | "gray"
export const CHANNEL_ORDERS: readonly ChannelOrder[] = ["rgb", "bgr", "gray"]

/** How many planes an image has. */
export const planesOf = (channels: ChannelOrder): 1 | 3 => (channels === "gray" ? 1 : 3)

/**
 * How a resized mask becomes 0 or 1. "any": resized as OpenCV does, then every value above 0, as published
 * (mask-resize.ts); it dilates the mask a little. "half": averaged as images are, then 127.5 and more, which keeps the area.
 */
export type MaskRule = "any" | "half"

/** An image file with its bytes read: what it declares, its pixels, and its values as a mask, from one reading. */
export class ImageFile {
  private constructor(
    /** As given, with what stands behind `#`. */
    readonly path: string,
    readonly bytes: Buffer,
    private readonly format: ImageFormat,
    private readonly selection: Selection,
  ) {}

  /** Reads the bytes of a file. @throws DataError naming it: missing, too large, or without what `#` asks for. */
  static async open(path: string): Promise<ImageFile> {
    const { file, fragment } = splitFragment(path)
    const bytes = await readBytes(file)
    return reading(path, () => {
      const selection = parseSelection(fragment)
      const format = formatOf(bytes)
      checkSelects(selection, format)
      return Promise.resolve(new ImageFile(path, bytes, format, selection))
    })
  }

  /** What the file declares. @throws DataError as {@link readPixels}. */
  header(): Promise<ImageHeader> {
    return reading(this.path, () => this.format.header(this.bytes, this.selection))
  }

  /** Decodes and resizes. @throws DataError as {@link readPixels}. */
  pixels(size?: Size): Promise<Pixels> {
    return reading(this.path, async () => {
      if (this.selection.label !== undefined) throw new FormatError("a label is chosen in a mask, and this is an image")
      const pixels = await this.format.decode(this.bytes, this.selection, size)
      return size ? resizePixels(pixels, size) : pixels
    })
  }

  /**
   * The values of the file as a mask, at its own size, [H, W]: what is stored in NIfTI, DICOM and 16-bit files, 0 to
   * 255 elsewhere (the greatest channel of a coloured mask). Where the path chooses a label: 255 for it and 0 for all
   * else.
   * @throws DataError as {@link readPixels}.
   */
  maskValues(): Promise<Values> {
    return reading(this.path, () => this.values())
  }

  /** The mask as 0 and 1, resized. @throws DataError as {@link readPixels}. */
  mask(size?: Size, rule: MaskRule = "any"): Promise<Pixels> {
    return reading(this.path, async () => {
      // What the published rule samples is the file's own pixels; the other one averages, which decoding may begin.
      const { height, width, values } = await this.values(rule === "any" ? undefined : size)
      const pixels = { height, width, channels: 1, data: greyOf(values) } as const
      if (size && rule === "any") return { ...size, channels: 1, data: resizedForeground(pixels.data, pixels, size) }
      const { data, ...own } = size ? await resizePixels(pixels, size) : pixels
      return { ...own, data: cut(data, rule) }
    })
  }

  /** @param size a wish, for files without values of their own, which can be resized while they are decoded. */
  private async values(size?: Size): Promise<Values> {
    const { bytes, format, selection } = this
    const { label } = selection
    const stored = await format.values?.(bytes, selection)
    if (label === undefined) return stored ?? brightest(await format.decode(bytes, selection, size))
    const found = stored ?? (await format.decode(bytes, selection))
    if ("channels" in found && found.channels === 3) {
      throw new FormatError(
        "a label is a number, and this mask is coloured",
        "write the mask with one grey value a label",
      )
    }
    const { height, width } = found
    const all = "channels" in found ? found.data : found.values
    return { height, width, values: mapped(all, (value) => (value === label ? 255 : 0)) }
  }
}

/** The values of a mask at its own size as 0 and 1; see {@link ImageFile.maskValues}. */
export function foregroundOf({ values }: Values, rule: MaskRule = "any"): Uint8Array {
  return cut(greyOf(values), rule)
}

/** Values of a mask as grey: those of 8 bits are; of others 255 is what is not 0, and not NaN (not measured). */
function greyOf(values: ArrayLike<number>): Uint8Array {
  if (values instanceof Uint8Array) return values
  return mapped(values, (value) => (value !== 0 && !Number.isNaN(value) ? 255 : 0))
}

function cut(grey: Uint8Array, rule: MaskRule): Uint8Array {
  const least = rule === "any" ? 1 : 128
  return mapped(grey, (value) => (value >= least ? 1 : 0))
}

/** As `Uint8Array.from`, which goes through an iterator and takes ten times as long: masks are read in every epoch. */
function mapped(values: ArrayLike<number>, of: (value: number) => number): Uint8Array {
  const bytes = new Uint8Array(values.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = of(values[i] as number)
  return bytes
}

/** Reads an image's header. @throws DataError naming the file. */
export async function readImageHeader(path: string): Promise<ImageHeader> {
  return (await ImageFile.open(path)).header()
}

/**
 * Reads an image and resizes it.
 * @param path the file; `#z=12` and the like behind its name choose a slice or frame.
 * @param size the size wanted; undefined leaves the size as it is.
 * @returns grey pixels for a grey file, RGB for a colour one; alpha is dropped, of 16-bit values the upper byte is kept.
 * @throws DataError naming the file: missing, not an image, cut off, or with more pixels than 2^26.
 */
export async function readPixels(path: string, size?: Size): Promise<Pixels> {
  return (await ImageFile.open(path)).pixels(size)
}

/**
 * Reads a mask, resizes it and makes it binary.
 * @returns H*W bytes, 0 or 1.
 * @throws DataError as {@link readPixels}.
 */
export async function readMaskPixels(path: string, size?: Size, rule: MaskRule = "any"): Promise<Pixels> {
  return (await ImageFile.open(path)).mask(size, rule)
}

/** Reads an image as float planes: [3, H, W], or [1, H, W] for "gray", values in [0, 1]. @throws DataError as {@link readPixels}. */
export async function readImage(path: string, size: Size, channels: ChannelOrder): Promise<Float32Array> {
  const planes = new Float32Array(planesOf(channels) * size.height * size.width)
  writePlanes(await readPixels(path, size), channels, planes, 0)
  return planes
}

/** Reads a mask as [1, H, W], values 0 and 1. @throws DataError as {@link readPixels}. */
export async function readMask(path: string, size: Size, rule: MaskRule = "any"): Promise<Float32Array> {
  return Float32Array.from((await readMaskPixels(path, size, rule)).data)
}

/** Writes pixels as planes in [0, 1] into `planes` at `offset`: [3, H, W] in the given order, or [1, H, W] for "gray". */
export function writePlanes(pixels: Pixels, order: ChannelOrder, planes: Float32Array, offset: number): void {
  const count = pixels.height * pixels.width
  const { data } = pixels
  if (pixels.channels === 1) {
    for (let i = 0; i < count; i++) planes[offset + i] = (data[i] as number) / 255
    if (order === "gray") return
    planes.copyWithin(offset + count, offset, offset + count)
    planes.copyWithin(offset + 2 * count, offset, offset + count)
    return
  }
  const first = order === "bgr" ? 2 * count : 0
  const third = order === "bgr" ? 0 : 2 * count
  for (let i = 0; i < count; i++) {
    const r = data[3 * i] as number
    const g = data[3 * i + 1] as number
    const b = data[3 * i + 2] as number
    if (order === "gray") {
      // Rec. 601 luma, the weights of OpenCV's and Pillow's grey conversion.
      planes[offset + i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b) / 255
      continue
    }
    planes[offset + first + i] = r / 255
    planes[offset + count + i] = g / 255
    planes[offset + third + i] = b / 255
  }
}

/** The greatest channel of each pixel. */
function brightest({ height, width, channels, data }: Pixels): Size & { readonly values: Uint8Array } {
  if (channels === 1) return { height, width, values: data }
  const values = new Uint8Array(height * width)
  for (let i = 0; i < values.length; i++) {
    values[i] = Math.max(data[3 * i] as number, data[3 * i + 1] as number, data[3 * i + 2] as number)
  }
  return { height, width, values }
}

async function readBytes(path: string): Promise<Buffer> {
  const fix = "put the file back, or remove its case from the data set"
  try {
    const found = await stat(path)
    // A device says that it has no bytes, and has them without end.
    if (!found.isFile()) throw new DataError({ what: `${path} is no file`, fix })
    const { size } = found
    if (size > MOST_BYTES) {
      const what = `${path} has ${(size / 2 ** 30).toFixed(1)} GiB, and at most ${MOST_BYTES / 2 ** 30} GiB are read`
      throw new DataError({ what, fix: "cut the volume into smaller ones, or write its slices as PNG" })
    }
    return await readFile(path)
  } catch (thrown) {
    if (thrown instanceof DataError) throw thrown
    const what = codeOf(thrown) === "ENOENT" ? `${path} does not exist` : `${path} cannot be read: ${messageOf(thrown)}`
    throw new DataError({ what, fix }, { cause: thrown })
  }
}

/** Names the file in what a decoder says. A read past the end (RangeError) comes from a file that lies about itself. */
async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    const known = thrown instanceof FormatError ? thrown : undefined
    if (known === undefined && !(thrown instanceof RangeError)) throw thrown
    throw new DataError(
      {
        what: `${path} cannot be read as an image: ${known?.message ?? DAMAGED}`,
        fix:
          known?.fix ??
          "fetch the file again (it may be cut off or not an image), or remove its case from the data set",
      },
      { cause: thrown },
    )
  }
}
