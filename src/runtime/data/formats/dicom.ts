/**
 * Pictures in DICOM files (.dcm).
 *
 * Takes: the bytes, and which frame. Gives: grey pixels as the file says they are to be looked at, RGB for colour
 * files, or the values before windowing.
 *
 * Why so: the chain is the standard's (PS3.3 C.11): stored bits, modality (slope and intercept, or a table:
 * Hounsfield units for CT), values of interest (a table, or the first window; the path may give another), and
 * MONOCHROME1 inverted at the end. Where the file has no window, unsigned values of up to 8 bits are grey values
 * already, and others are drawn from the least to the greatest value of all frames, so that frames share their grey
 * values. Pixels lie as stored, which is how a viewer shows them. The functional groups of enhanced multi-frame files
 * are read where they hold slope or window.
 */
import dicomParser, { type DataSet } from "dicom-parser"
import { inflateRawSync } from "node:zlib"
import { type Frame, type PixelModule, readFrame, readPixelModule } from "./dicom-frames.js"
import { DAMAGED, FormatError, type ImageFormat, MOST_BYTES, type Pixels, type Selection } from "./format.js"
import { rangeOf, toBytes } from "./intensity.js"
import { chosenOf } from "./selection.js"

export const dicomFormat: ImageFormat = {
  name: "DICOM",
  selects: ["frame", "window"],
  recognises: (bytes) => bytes.length >= 132 && bytes.toString("latin1", 128, 132) === "DICM",
  header: (bytes, selection) =>
    inWords(() => {
      const pixels = readPixelModule(parse(bytes))
      frameOf(pixels, selection)
      const { height, width } = pixels
      return Promise.resolve({ height, width, channels: isGrey(pixels) ? 1 : 3, format: "dicom" })
    }),
  decode: (bytes, selection) =>
    inWords(() => {
      const dataSet = parse(bytes)
      const pixels = readPixelModule(dataSet)
      const frame = frameOf(pixels, selection)
      return isGrey(pixels)
        ? decodeGrey(dataSet, pixels, frame, selection)
        : decodeColour(dataSet, pixels, frame, selection)
    }),
  values: (bytes, selection) =>
    inWords(async () => {
      const dataSet = parse(bytes)
      const pixels = readPixelModule(dataSet)
      const frame = frameOf(pixels, selection)
      const { height, width } = pixels
      // The indices of a palette are the labels of a segmentation, its colours only how it is shown.
      if (pixels.samples !== 1) return undefined
      return { height, width, values: await modalityValues(dataSet, pixels, frame) }
    }),
}

/** Says in our words what the parser says in its own: it throws strings, and errors where it reads past the end. */
async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof FormatError) throw cause
    throw new FormatError(DAMAGED, undefined, { cause })
  }
}

function parse(bytes: Buffer): DataSet {
  return dicomParser.parseDicom(bytes, {
    inflater: (whole, position) =>
      Buffer.concat([
        whole.subarray(0, position),
        inflateRawSync(whole.subarray(position), { maxOutputLength: MOST_BYTES }),
      ]),
  })
}

function frameOf(pixels: PixelModule, { frame }: Selection): number {
  return chosenOf(frame, pixels.frames, "frame", "frames")
}

function isGrey({ photometric }: PixelModule): boolean {
  return photometric === "MONOCHROME1" || photometric === "MONOCHROME2"
}

async function decodeGrey(dataSet: DataSet, pixels: PixelModule, frame: number, selection: Selection): Promise<Pixels> {
  const { height, width } = pixels
  if (pixels.samples !== 1) throw new FormatError(`it declares ${pixels.samples} samples for a grey pixel`)
  const values = await modalityValues(dataSet, pixels, frame)
  const data = await drawn(dataSet, pixels, frame, selection, values)
  if (pixels.photometric === "MONOCHROME1") for (let i = 0; i < data.length; i++) data[i] = 255 - (data[i] as number)
  return { height, width, channels: 1, data }
}

/** Values to bytes: by the path's window, the file's table or window, the bits' range, or that of all frames. */
async function drawn(
  dataSet: DataSet,
  pixels: PixelModule,
  frame: number,
  selection: Selection,
  values: Float64Array,
): Promise<Uint8Array> {
  if (selection.window) return toBytes(values, selection.window)
  const voi = groupOf(dataSet, frame, "x00289132")
  const table = readTable(voi, "x00283010", pixels.signed)
  if (table) return toBytes(values.map(table.at), [0, table.most])
  const center = voi.floatString("x00281050")
  const width = voi.floatString("x00281051")
  if (center === undefined || width === undefined) {
    return toBytes(values, await ownRange(dataSet, pixels, frame))
  }
  const form = (voi.string("x00281056") ?? "LINEAR").trim()
  if (!Number.isFinite(center) || !(width > 0) || !(form !== "LINEAR" || width >= 1)) {
    throw new FormatError(`its window (center ${center}, width ${width}) is no window`, "give one: #window=LOW:HIGH")
  }
  if (form === "SIGMOID")
    return toBytes(
      values.map((x) => 255 / (1 + Math.exp((-4 * (x - center)) / width))),
      [0, 255],
    )
  // PS3.3 C.11.2.1.2.1: the linear window's width counts values, so its ends are half a value further in.
  const [middle, half] = form === "LINEAR" ? [center - 0.5, (width - 1) / 2] : [center, width / 2]
  return toBytes(values, [middle - half, middle + half])
}

async function ownRange(dataSet: DataSet, pixels: PixelModule, frame: number): Promise<readonly [number, number]> {
  if (pixels.bitsStored <= 8 && !pixels.signed && modalityOf(dataSet, pixels, frame) === undefined) {
    return [0, 2 ** pixels.bitsStored - 1]
  }
  const { signed } = pixels
  const padding = signed ? dataSet.int16("x00280120") : dataSet.uint16("x00280120")
  let range: readonly [number, number] | undefined
  for (let each = 0; each < pixels.frames; each++) {
    const { at } = await readFrame(dataSet, pixels, each)
    const modality = modalityOf(dataSet, pixels, each) ?? ((stored: number) => stored)
    const value = (index: number) => (at(index) === padding ? NaN : modality(at(index)))
    const own = rangeOf(value, pixels.height * pixels.width)
    range = range ? [Math.min(range[0], own[0]), Math.max(range[1], own[1])] : own
  }
  return range ?? [0, 0]
}

/** Stored values as measured: Hounsfield units for CT. */
async function modalityValues(dataSet: DataSet, pixels: PixelModule, frame: number): Promise<Float64Array> {
  const { at } = await readFrame(dataSet, pixels, frame)
  const modality = modalityOf(dataSet, pixels, frame)
  const values = new Float64Array(pixels.height * pixels.width)
  for (let i = 0; i < values.length; i++) values[i] = modality ? modality(at(i)) : at(i)
  return values
}

/** What makes a measured value of a stored one; undefined where they are the same. */
function modalityOf(
  dataSet: DataSet,
  { signed }: PixelModule,
  frame: number,
): ((stored: number) => number) | undefined {
  const table = readTable(dataSet, "x00283000", signed)
  if (table) return table.at
  const group = groupOf(dataSet, frame, "x00289145")
  const slope = group.floatString("x00281053") ?? 1
  const intercept = group.floatString("x00281052") ?? 0
  if (!Number.isFinite(slope) || !Number.isFinite(intercept)) {
    throw new FormatError(`its rescale slope (${slope}) and intercept (${intercept}) are no numbers`)
  }
  return slope === 1 && intercept === 0 ? undefined : (stored) => stored * slope + intercept
}

/** The item that holds a frame's settings: its own, the one all frames share, or the file itself. */
function groupOf(dataSet: DataSet, frame: number, sequence: string): DataSet {
  const item = (tag: string, index: number) =>
    dataSet.elements[tag]?.items?.[index]?.dataSet?.elements[sequence]?.items?.[0]?.dataSet
  return item("x52009230", frame) ?? item("x52009229", 0) ?? dataSet
}

/** A table of a sequence, or of the data set itself (palettes): outside its range its first and last entries hold. */
function readTable(
  from: DataSet,
  sequence: string | undefined,
  signed: boolean,
  descriptor = "x00283002",
  data = "x00283006",
): { readonly at: (value: number) => number; readonly most: number } | undefined {
  const source = sequence === undefined ? from : from.elements[sequence]?.items?.[0]?.dataSet
  const element = source?.elements[data]
  if (source === undefined || element === undefined) return undefined
  const declared = source.uint16(descriptor, 0)
  const first = signed ? source.int16(descriptor, 1) : source.uint16(descriptor, 1)
  const bits = source.uint16(descriptor, 2)
  if (declared === undefined || first === undefined || bits === undefined || bits < 8 || bits > 16) {
    throw new FormatError(DAMAGED)
  }
  // 65536 does not fit the 16 bits of the field and is written as 0.
  const count = declared === 0 ? 65536 : declared
  const { dataOffset, length } = element
  const wide = length >= 2 * count
  if (!wide && length < count) throw new FormatError(DAMAGED)
  const entries = Array.from({ length: count }, (_, i) =>
    wide ? (source.uint16(data, i) as number) : (source.byteArray[dataOffset + i] as number),
  )
  const last = count - 1
  return {
    at: (value) => entries[Math.min(Math.max(Math.round(value) - first, 0), last)] as number,
    most: 2 ** bits - 1,
  }
}

async function decodeColour(
  dataSet: DataSet,
  pixels: PixelModule,
  frame: number,
  selection: Selection,
): Promise<Pixels> {
  const { height, width, photometric, bitsStored } = pixels
  if (selection.window) throw new FormatError("it is a colour picture, which has no window", "leave out the window")
  const read = await readFrame(dataSet, pixels, frame)
  if (photometric === "PALETTE COLOR") return fromPalette(dataSet, pixels, read)
  const ybr = !read.rgb && photometric === "YBR_FULL"
  if (pixels.samples !== 3 || !(read.rgb || ybr || photometric === "RGB")) {
    throw new FormatError(
      `its colours are "${photometric}" with ${pixels.samples} samples, which is not read`,
      "convert it to RGB or MONOCHROME2, such as with dcmconv or gdcmconv",
    )
  }
  const count = height * width
  const samples = new Float64Array(3 * count)
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) samples[3 * i + c] = read.at(read.planar ? c * count + i : 3 * i + c)
  }
  const data = toBytes(samples, [0, 2 ** bitsStored - 1])
  if (ybr) toRgb(data)
  return { height, width, channels: 3, data }
}

async function fromPalette(dataSet: DataSet, pixels: PixelModule, { at }: Frame): Promise<Pixels> {
  const { height, width, signed } = pixels
  const data = new Uint8Array(3 * height * width)
  for (const [c, colour] of ["1", "2", "3"].entries()) {
    const table = readTable(dataSet, undefined, signed, `x0028110${colour}`, `x0028120${colour}`)
    if (table === undefined) {
      throw new FormatError(
        "its palette is not in the file, or is segmented",
        "convert it to RGB, such as with dcmconv",
      )
    }
    for (let i = 0; i < height * width; i++) data[3 * i + c] = Math.floor((table.at(at(i)) / table.most) * 255 + 0.5)
  }
  return Promise.resolve({ height, width, channels: 3, data })
}

/** YBR_FULL to RGB in place (PS3.3 C.7.6.3.1.2): Rec. 601 in the full range, as in JPEG. */
function toRgb(data: Uint8Array): void {
  const clamped = (value: number) => Math.min(255, Math.max(0, Math.round(value)))
  for (let i = 0; i < data.length; i += 3) {
    const [y, b, r] = [data[i] as number, (data[i + 1] as number) - 128, (data[i + 2] as number) - 128]
    data[i] = clamped(y + 1.402 * r)
    data[i + 1] = clamped(y - 0.344136 * b - 0.714136 * r)
    data[i + 2] = clamped(y + 1.772 * b)
  }
}
