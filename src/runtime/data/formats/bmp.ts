/**
 * Windows and OS/2 bitmaps (BMP), which the libvips in `sharp` does not read.
 *
 * Takes: the bytes. Gives: grey pixels where every colour of the palette is a grey, RGB otherwise.
 *
 * Why so: BMP is what many scanners and old tools write, and uncompressed it is rows of pixels behind a short header.
 * The run-length forms (RLE4, RLE8) and embedded JPEG and PNG are refused by name. An alpha channel is dropped.
 * Source: Microsoft, "Bitmap Storage" (BITMAPFILEHEADER, BITMAPINFOHEADER, BITMAPV5HEADER).
 */
import { checkSize, DAMAGED, FormatError, type ImageFormat, type Pixels } from "./format.js"

interface BmpHeader {
  readonly width: number
  readonly height: number
  /** Rows are stored from the top; the usual order is from the bottom. */
  readonly topDown: boolean
  readonly bits: number
  /** Where the palette begins, its entries' bytes, and how many it has. */
  readonly palette: { readonly at: number; readonly entry: 3 | 4; readonly count: number }
  readonly pixelsAt: number
  /** Bytes of a row, padded to four. */
  readonly stride: number
  /** Bit masks of red, green and blue for 16 and 32 bits. */
  readonly masks: readonly [number, number, number]
}

const COMPRESSIONS = ["none", "RLE8", "RLE4", "bit fields", "JPEG", "PNG", "alpha bit fields"]

export const bmpFormat: ImageFormat = {
  name: "BMP",
  selects: [],
  recognises: (bytes) => bytes.length >= 18 && bytes.toString("latin1", 0, 2) === "BM",
  header: (bytes) => {
    const { width, height, ...header } = readHeader(bytes)
    return Promise.resolve({ width, height, channels: greyPalette(bytes, header) ? 1 : 3, format: "bmp" })
  },
  decode: (bytes) => Promise.resolve(readPixels(bytes)),
}

function readHeader(bytes: Buffer): BmpHeader {
  const size = bytes.readUInt32LE(14)
  const core = size === 12
  if (!core && (size < 40 || size > 256)) throw new FormatError(`a header of ${size} bytes is not known`)
  if (bytes.length < 14 + size) throw new FormatError(DAMAGED)
  const width = core ? bytes.readUInt16LE(18) : bytes.readInt32LE(18)
  const rows = core ? bytes.readUInt16LE(20) : bytes.readInt32LE(22)
  const bits = bytes.readUInt16LE(core ? 24 : 28)
  const height = Math.abs(rows)
  checkSize({ height, width })
  const compression = core ? 0 : bytes.readUInt32LE(30)
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw new FormatError(`${bits} bits for a pixel are not known`)
  const fields = compression === 3 || compression === 6
  if (compression !== 0 && !(fields && (bits === 16 || bits === 32))) {
    const name = COMPRESSIONS[compression] ?? `number ${compression}`
    throw new FormatError(`its compression (${name}) is not read`, "save it as PNG, or as an uncompressed BMP")
  }
  // The masks stand behind the 40 bytes of the oldest header, or at the same place inside the newer ones.
  if (fields && bytes.length < 14 + 40 + 12) throw new FormatError(DAMAGED)
  const masks = fields
    ? ([bytes.readUInt32LE(54), bytes.readUInt32LE(58), bytes.readUInt32LE(62)] as const)
    : bits === 16
      ? ([0x7c00, 0x03e0, 0x001f] as const)
      : ([0xff0000, 0x00ff00, 0x0000ff] as const)
  const declared = core ? 0 : bytes.readUInt32LE(46)
  const most = bits <= 8 ? 2 ** bits : 0
  const palette = {
    at: 14 + size,
    entry: core ? (3 as const) : (4 as const),
    count: declared > 0 ? Math.min(declared, most) : most,
  }
  const stride = Math.ceil((width * bits) / 32) * 4
  const pixelsAt = bytes.readUInt32LE(10)
  if (pixelsAt + stride * height > bytes.length || palette.at + palette.entry * palette.count > bytes.length) {
    throw new FormatError(DAMAGED)
  }
  return { width, height, topDown: rows < 0, bits, palette, pixelsAt, stride, masks }
}

/** Whether the picture has a palette and all its colours are greys. */
function greyPalette(bytes: Buffer, { bits, palette }: Pick<BmpHeader, "bits" | "palette">): boolean {
  if (bits > 8) return false
  for (let i = 0; i < palette.count; i++) {
    const at = palette.at + i * palette.entry
    if (bytes[at] !== bytes[at + 1] || bytes[at] !== bytes[at + 2]) return false
  }
  return true
}

function readPixels(bytes: Buffer): Pixels {
  const header = readHeader(bytes)
  const { width, height, bits, palette, stride } = header
  const channels = greyPalette(bytes, header) ? 1 : 3
  const data = new Uint8Array(width * height * channels)
  const fields = header.masks.map(fieldOf)
  for (let y = 0; y < height; y++) {
    const row = header.pixelsAt + (header.topDown ? y : height - 1 - y) * stride
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * channels
      if (bits <= 8) {
        const byte = bytes[row + ((x * bits) >> 3)] as number
        const index = (byte >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1)
        if (index >= palette.count) throw new FormatError(DAMAGED)
        const at = palette.at + index * palette.entry
        // Colours are stored blue, green, red.
        for (let c = 0; c < channels; c++) data[to + c] = bytes[at + 2 - c] as number
      } else if (bits === 24) {
        for (let c = 0; c < 3; c++) data[to + c] = bytes[row + 3 * x + 2 - c] as number
      } else {
        const word = bits === 16 ? bytes.readUInt16LE(row + 2 * x) : bytes.readUInt32LE(row + 4 * x)
        for (let c = 0; c < 3; c++) data[to + c] = (fields[c] as (word: number) => number)(word)
      }
    }
  }
  return { width, height, channels, data }
}

/** Reads the bits of a mask as 0 to 255, rounded down as Pillow does; without bits the colour is always 0. */
function fieldOf(mask: number): (word: number) => number {
  if (mask === 0) return () => 0
  const shift = 31 - Math.clz32(mask & -mask)
  const most = mask >>> shift
  return (word) => Math.floor((((word & mask) >>> shift) * 255) / most)
}
