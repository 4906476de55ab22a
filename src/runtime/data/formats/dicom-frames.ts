/**
 * The frames of a DICOM file's Pixel Data, as arrays of samples.
 *
 * Takes: a parsed data set. Gives: the layout of its pixels, checked, and the samples of a frame.
 *
 * Why so: the forms that need no codec of their own are read: uncompressed in either byte order, run-length (RLE
 * Lossless, PS3.5 annex G) and baseline JPEG, which libvips decodes. The others (JPEG 2000, JPEG-LS, lossless and
 * 12-bit JPEG, video) are refused with their names and the command that decompresses them, because a native codec for
 * each would have to be carried. Source: DICOM PS3.3 C.7.6.3 (Image Pixel module), PS3.5 section 8 and annexes A and
 * G.
 */
import dicomParser, { type ByteArray, type DataSet, type Element } from "dicom-parser"
import { checkSize, DAMAGED, FormatError, type Size } from "./format.js"
import { decodeBySharp } from "./sharp-formats.js"

/** What the Image Pixel module declares. */
export interface PixelModule extends Size {
  readonly frames: number
  /** Samples of a pixel: 1 or 3. */
  readonly samples: number
  /** Photometric interpretation, such as MONOCHROME2. */
  readonly photometric: string
  readonly bitsAllocated: number
  readonly bitsStored: number
  readonly highBit: number
  readonly signed: boolean
  /** Colours stand plane after plane and not pixel after pixel. */
  readonly planar: boolean
  readonly syntax: string
  readonly element: Element
}

/** Samples of a frame by index; `planar`: plane after plane; `rgb`: the decoder has made RGB of them already. */
export interface Frame {
  readonly at: (index: number) => number
  readonly planar: boolean
  readonly rgb: boolean
}

const RLE = "1.2.840.10008.1.2.5"
const JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
const BIG_ENDIAN = "1.2.840.10008.1.2.2"
const UNCOMPRESSED = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", BIG_ENDIAN]

/** Transfer syntaxes that are refused, by the beginning of their identifiers; the longer one first. */
const REFUSED: readonly (readonly [string, string, string])[] = [
  ["1.2.840.10008.1.2.4.51", "12-bit JPEG", "dcmdjpeg FILE NEW.dcm"],
  ["1.2.840.10008.1.2.4.57", "lossless JPEG", "dcmdjpeg FILE NEW.dcm"],
  ["1.2.840.10008.1.2.4.70", "lossless JPEG", "dcmdjpeg FILE NEW.dcm"],
  ["1.2.840.10008.1.2.4.8", "JPEG-LS", "dcmdjpls FILE NEW.dcm"],
  ["1.2.840.10008.1.2.4.9", "JPEG 2000", "gdcmconv --raw FILE NEW.dcm"],
  ["1.2.840.10008.1.2.4.10", "video (MPEG)", "ffmpeg, which writes its frames as PNG"],
  ["1.2.840.10008.1.2.4.20", "high-throughput JPEG 2000", "gdcmconv --raw FILE NEW.dcm"],
]

/** @throws FormatError when there are no pixels, or they are declared in a way that is not read. */
export function readPixelModule(dataSet: DataSet): PixelModule {
  const element = dataSet.elements["x7fe00010"]
  const height = dataSet.uint16("x00280010")
  const width = dataSet.uint16("x00280011")
  if (element === undefined || height === undefined || width === undefined) {
    throw new FormatError(
      "it is a DICOM file without a picture (no Rows, Columns and Pixel Data)",
      "give a file of an image; reports, directories (DICOMDIR) and float maps have none",
    )
  }
  checkSize({ height, width })
  const samples = dataSet.uint16("x00280002") ?? 1
  const bitsAllocated = dataSet.uint16("x00280100") ?? 0
  const bitsStored = dataSet.uint16("x00280101") ?? bitsAllocated
  const highBit = dataSet.uint16("x00280102") ?? bitsStored - 1
  const frames = dataSet.string("x00280008") === undefined ? 1 : (dataSet.intString("x00280008") as number)
  const fits = bitsStored >= 1 && highBit >= bitsStored - 1 && highBit < bitsAllocated
  if (![1, 8, 16, 32].includes(bitsAllocated) || !fits) {
    throw new FormatError(
      `its pixels have ${bitsAllocated} bits, ${bitsStored} stored, highest ${highBit}; 1, 8, 16 and 32 are read`,
    )
  }
  if ((samples !== 1 && samples !== 3) || !Number.isInteger(frames) || frames < 1) {
    throw new FormatError(`it declares ${samples} samples for a pixel and ${frames} frames`)
  }
  return {
    height,
    width,
    frames,
    samples,
    photometric: (dataSet.string("x00280004") ?? "").trim(),
    bitsAllocated,
    bitsStored,
    highBit,
    signed: dataSet.uint16("x00280103") === 1,
    planar: dataSet.uint16("x00280006") === 1,
    syntax: (dataSet.string("x00020010") ?? "").trim(),
    element,
  }
}

/** The samples of a frame. @throws FormatError for a form that is not read, and where there is less than declared. */
export async function readFrame(dataSet: DataSet, pixels: PixelModule, frame: number): Promise<Frame> {
  const { syntax } = pixels
  const count = pixels.height * pixels.width * pixels.samples
  if (UNCOMPRESSED.includes(syntax)) return nativeFrame(dataSet.byteArray, pixels, frame, count)
  if (syntax === RLE) {
    const data = unpackRle(fragmentsOf(dataSet, pixels, frame), pixels)
    return { at: samplesOf(data, pixels, true), planar: true, rgb: false }
  }
  if (syntax === JPEG_BASELINE) {
    const { height, width, channels, data } = await decodeBySharp(asRgb(fragmentsOf(dataSet, pixels, frame), pixels))
    if (height !== pixels.height || width !== pixels.width || channels !== pixels.samples) {
      throw new FormatError(`its JPEG frame is ${height}x${width}x${channels} and not as its header declares`)
    }
    return { at: (index) => data[index] as number, planar: false, rgb: channels === 3 }
  }
  const [, name, command] = REFUSED.find(([id]) => syntax.startsWith(id)) ?? [
    "",
    `"${syntax}"`,
    "gdcmconv --raw FILE NEW.dcm",
  ]
  throw new FormatError(`its pixels are compressed as ${name}, which is not read`, `decompress it first: ${command}`)
}

function nativeFrame(bytes: ByteArray, pixels: PixelModule, frame: number, count: number): Frame {
  const { element, bitsAllocated, frames, planar } = pixels
  if (element.encapsulatedPixelData) throw new FormatError(DAMAGED)
  // Frames of single bits follow each other without a gap, so a frame may begin inside a byte.
  const bits = count * bitsAllocated
  const end = element.dataOffset + Math.ceil((bits * frames) / 8)
  if (Math.ceil((bits * frames) / 8) > element.length || end > bytes.length) throw new FormatError(DAMAGED)
  if (pixels.photometric === "YBR_FULL_422") {
    throw new FormatError(
      "its colours are uncompressed YBR_FULL_422, which is not read",
      "convert it to RGB: dcmconv or gdcmconv",
    )
  }
  if (bitsAllocated === 1) {
    const first = 8 * element.dataOffset + bits * frame
    return {
      at: (index) => ((bytes[(first + index) >>> 3] as number) >> ((first + index) & 7)) & 1,
      planar,
      rgb: false,
    }
  }
  const begin = element.dataOffset + (bits / 8) * frame
  const data = bytes.subarray(begin, begin + bits / 8)
  return { at: samplesOf(data, pixels, pixels.syntax !== BIG_ENDIAN), planar, rgb: false }
}

/** Reads the stored bits of a sample, with their sign. */
function samplesOf(data: Uint8Array, pixels: PixelModule, littleEndian: boolean): (index: number) => number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const up = 31 - pixels.highBit
  const down = 32 - pixels.bitsStored
  const word =
    pixels.bitsAllocated === 8
      ? (index: number) => view.getUint8(index)
      : pixels.bitsAllocated === 16
        ? (index: number) => view.getUint16(2 * index, littleEndian)
        : (index: number) => view.getUint32(4 * index, littleEndian)
  return pixels.signed ? (index) => (word(index) << up) >> down : (index) => (word(index) << up) >>> down
}

/** The compressed bytes of a frame, which may be cut into several fragments. */
function fragmentsOf(dataSet: DataSet, { element, frames, syntax }: PixelModule, frame: number): Uint8Array {
  const { fragments, basicOffsetTable } = element
  if (!element.encapsulatedPixelData || fragments === undefined || fragments.length < frames)
    throw new FormatError(DAMAGED)
  const from = (first: number, count: number) =>
    dicomParser.readEncapsulatedPixelDataFromFragments(dataSet, element, first, count)
  if (frames === 1) return from(0, fragments.length)
  if (fragments.length === frames) return from(frame, 1)
  if (basicOffsetTable?.length === frames) return dicomParser.readEncapsulatedImageFrame(dataSet, element, frame)
  if (syntax === RLE) throw new FormatError(DAMAGED)
  const table = dicomParser.createJPEGBasicOffsetTable(dataSet, element)
  if (table.length !== frames) throw new FormatError(DAMAGED)
  return dicomParser.readEncapsulatedImageFrame(dataSet, element, frame, table)
}

/**
 * Says in the JPEG what only the DICOM header says: that its three components are RGB already. Without the marker
 * that Adobe's writers set (APP14, transform 0), a decoder takes three unnamed components for YCbCr. A JFIF marker in
 * the JPEG means YCbCr, and decoders heed it before this one.
 */
function asRgb(jpeg: Uint8Array, { photometric, samples }: PixelModule): Uint8Array {
  const named = Buffer.from(jpeg.buffer, jpeg.byteOffset, Math.min(jpeg.byteLength, 4096)).includes("Adobe")
  if (samples !== 3 || photometric !== "RGB" || named) return jpeg
  const marker = [0xff, 0xee, 0, 14, ...Buffer.from("Adobe"), 0, 100, 0, 0, 0, 0, 0]
  return Buffer.concat([jpeg.subarray(0, 2), Uint8Array.from(marker), jpeg.subarray(2)])
}

/**
 * RLE Lossless: for each sample and each of its bytes, the highest first, a segment of PackBits.
 * @returns plane after plane, samples little-endian.
 */
function unpackRle(packed: Uint8Array, { height, width, samples, bitsAllocated }: PixelModule): Uint8Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  const bytes = bitsAllocated / 8
  const segments = packed.length >= 64 ? view.getUint32(0, true) : 0
  if (segments !== samples * bytes || segments > 15) throw new FormatError(DAMAGED)
  const count = height * width
  // PackBits makes at most 128 bytes of 2: what cannot fill the frame is refused before the frame is allocated.
  if (packed.length * 64 < count * segments) throw new FormatError(DAMAGED)
  const data = new Uint8Array(count * segments)
  for (let segment = 0; segment < segments; segment++) {
    const begin = view.getUint32(4 + 4 * segment, true)
    const end = segment + 1 < segments ? view.getUint32(8 + 4 * segment, true) : packed.length
    const sample = Math.floor(segment / bytes)
    const byte = bytes - 1 - (segment % bytes)
    unpackBits(packed.subarray(begin, end), count, (value, index) => {
      data[(sample * count + index) * bytes + byte] = value
    })
  }
  return data
}

function unpackBits(packed: Uint8Array, count: number, write: (value: number, index: number) => void): void {
  let from = 0
  let to = 0
  while (to < count) {
    const head = packed[from++]
    if (head === undefined) throw new FormatError(DAMAGED)
    if (head === 128) continue
    const literal = head < 128
    const run = Math.min(literal ? head + 1 : 257 - head, count - to)
    if (from + (literal ? run : 1) > packed.length) throw new FormatError(DAMAGED)
    for (let i = 0; i < run; i++) write(packed[literal ? from + i : from] as number, to++)
    from += literal ? head + 1 : 1
  }
}
