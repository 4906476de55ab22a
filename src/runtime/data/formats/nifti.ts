/**
 * Slices of NIfTI volumes (.nii, .nii.gz; NIfTI-1 and NIfTI-2).
 *
 * Takes: the bytes, and which slice. Gives: grey pixels through a window (RGB for colour volumes), or the scaled
 * values.
 *
 * Why so:
 * - `z=12` (and `y=`, `x=`) is the array as it is stored: rows along j, columns along i. It is what ITK and SimpleITK
 *   give (`GetArrayFromImage(image)[12]`), so an image and a mask written by one program fit each other whatever
 *   their headers say of orientation. A file with one slice needs no name.
 * - `axial=`, `coronal=`, `sagittal=` is the body: the axes are put into the nearest anatomical order and the picture
 *   is drawn as radiologists look at it, the patient's right on the viewer's left, front or head on top. Slices count
 *   from the feet, the back, and the patient's left. It needs an orientation in the header; a file without one is
 *   refused.
 * - The default window is the file's own (cal_min, cal_max), or the least to the greatest value of the *volume*, so
 *   that all slices of a volume share their grey values.
 * - The header is checked before the rest is decompressed, and nothing is decompressed beyond what it declares.
 */
import { promisify } from "node:util"
import { constants, gunzip, gunzipSync } from "node:zlib"
import {
  checkSize,
  DAMAGED,
  FormatError,
  type ImageFormat,
  MOST_BYTES,
  type Selection,
  type Size,
  type Values,
} from "./format.js"
import { rangeOf, toBytes } from "./intensity.js"
import { type Axes, HEADER_BYTES, isNifti, type NiftiHeader, readNiftiHeader, type VoxelType } from "./nifti-header.js"
import { chosenOf } from "./selection.js"

const unzip = promisify(gunzip)

/** Enough compressed bytes for the header, whatever the file's name in the gzip header; they give at most 8 MiB. */
const HEAD_COMPRESSED = 8192

/** Bytes that may follow the voxels: some writers pad. */
const TAIL = 2 ** 20

/** A slice as a walk through the voxels: the first one, and the steps to the next column and the next row. */
interface Plane extends Size {
  readonly first: number
  readonly column: number
  readonly row: number
}

export const niftiFormat: ImageFormat = {
  name: "NIfTI",
  selects: ["plane", "t", "window"],
  recognises: (bytes) => isGzip(bytes) || isNifti(bytes),
  header(bytes, selection) {
    const header = headerOf(bytes)
    const { height, width } = planeOf(header, selection)
    return Promise.resolve({ height, width, channels: header.type.read ? 1 : 3, format: "nifti" })
  },
  async decode(bytes, selection) {
    const { header, data } = await open(bytes)
    const plane = planeOf(header, selection)
    const { read } = header.type
    if (read === undefined) return decodeColour(header, data, plane, selection)
    const values = valuesOf(header, read, data, plane)
    const window = selection.window ?? header.window ?? wholeRange(header, read, data)
    return { height: plane.height, width: plane.width, channels: 1, data: toBytes(values, window) }
  },
  async values(bytes, selection): Promise<Values | undefined> {
    const { header, data } = await open(bytes)
    if (header.type.read === undefined) return undefined
    const plane = planeOf(header, selection)
    return { height: plane.height, width: plane.width, values: valuesOf(header, header.type.read, data, plane) }
  },
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

function headerOf(bytes: Buffer): NiftiHeader {
  if (!isGzip(bytes)) return readNiftiHeader(bytes.subarray(0, HEADER_BYTES))
  let head: Buffer
  try {
    // The file ends in the middle of the compressed stream here: flush gives what has come out so far.
    head = gunzipSync(bytes.subarray(0, HEAD_COMPRESSED), { finishFlush: constants.Z_SYNC_FLUSH })
  } catch (cause) {
    throw new FormatError(DAMAGED, undefined, { cause })
  }
  if (!isNifti(head)) throw new FormatError("it is compressed with gzip, and there is no NIfTI volume inside")
  return readNiftiHeader(head.subarray(0, HEADER_BYTES))
}

async function open(bytes: Buffer): Promise<{ header: NiftiHeader; data: DataView }> {
  const header = headerOf(bytes)
  let whole = bytes
  if (isGzip(bytes)) {
    try {
      whole = await unzip(bytes, { maxOutputLength: Math.min(header.end + TAIL, MOST_BYTES + TAIL) })
    } catch (cause) {
      const larger = cause instanceof RangeError
      throw new FormatError(larger ? "it holds more than its header declares" : DAMAGED, undefined, { cause })
    }
  }
  if (whole.length < header.end) throw new FormatError(DAMAGED)
  return { header, data: new DataView(whole.buffer, whole.byteOffset, whole.byteLength) }
}

/** @throws FormatError when the slice is not there, or which one is meant is not said. */
function planeOf({ dims, axes }: NiftiHeader, { plane, t }: Selection): Plane {
  const [ni, nj, nk, nt] = dims
  const begin = chosenOf(t, nt, "t", "points in time") * ni * nj * nk
  const axis = plane?.axis ?? "z"
  if (axis !== "x" && axis !== "y" && axis !== "z") return bodyPlane(dims, axes, axis, plane?.index, begin)
  const steps = { x: 1, y: ni, z: ni * nj } as const
  const counts = { x: ni, y: nj, z: nk } as const
  const column = axis === "x" ? "y" : "x"
  const row = axis === "z" ? "y" : "z"
  const slices = axis === "z" ? "slices" : `slices along ${axis}`
  const index = chosenOf(plane?.index, counts[axis], axis, slices)
  const size = { height: counts[row], width: counts[column] }
  checkSize(size)
  return { ...size, first: begin + index * steps[axis], column: steps[column], row: steps[row] }
}

/** The body's axes (0 right, 1 front, 2 top): which one counts the slices, and which point along columns and rows. */
const BODY = {
  axial: { slice: 2, column: 0, row: 1 },
  coronal: { slice: 1, column: 0, row: 2 },
  sagittal: { slice: 0, column: 1, row: 2 },
} as const

function bodyPlane(
  dims: NiftiHeader["dims"],
  axes: Axes | undefined,
  axis: keyof typeof BODY,
  wanted: number | undefined,
  begin: number,
): Plane {
  const body = axes && nearestAxes(axes)
  if (body === undefined) {
    throw new FormatError(
      `its header does not say how it lies in the body, so "${axis}" means nothing`,
      "take a slice along an axis as stored: #z=0",
    )
  }
  const steps = [1, dims[0], dims[0] * dims[1]] as const
  const along = (direction: 0 | 1 | 2) => {
    const { stored, towards } = body[direction] as BodyAxis
    return { count: dims[stored], step: steps[stored], towards }
  }
  const { slice, column, row } = BODY[axis]
  const [s, c, r] = [along(slice), along(column), along(row)]
  const index = chosenOf(wanted, s.count, axis, `${axis} slices`)
  // Slices count towards the right, front and top. Pictures run the other way: from right, front and top.
  const place = (line: typeof s, i: number) => (line.towards > 0 ? i : line.count - 1 - i) * line.step
  const first = begin + place(s, index) + place(c, c.count - 1) + place(r, r.count - 1)
  return { height: r.count, width: c.count, first, column: -c.towards * c.step, row: -r.towards * r.step }
}

interface BodyAxis {
  /** Which stored axis runs along this axis of the body. */
  readonly stored: 0 | 1 | 2
  /** 1 where its index grows towards right, front or top. */
  readonly towards: 1 | -1
}

const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const

/** The stored axes as the body's, turning the volume least; undefined for a matrix without directions. */
function nearestAxes(axes: Axes): readonly BodyAxis[] | undefined {
  const lengths = [0, 1, 2].map((stored) => Math.hypot(...axes.map((row) => row[stored as 0 | 1 | 2])))
  const cosine = (body: number, stored: 0 | 1 | 2) => (axes[body]?.[stored] as number) / (lengths[stored] as number)
  const fit = (order: (typeof ORDERS)[number]) =>
    order.reduce<number>((sum, stored, body) => sum + Math.abs(cosine(body, stored)), 0)
  let best: (typeof ORDERS)[number] = ORDERS[0]
  for (const order of ORDERS) if (fit(order) > fit(best) + 1e-6) best = order
  if (!Number.isFinite(fit(best)) || best.some((stored, body) => cosine(body, stored) === 0)) return undefined
  return best.map((stored, body) => ({ stored, towards: cosine(body, stored) > 0 ? 1 : -1 }))
}

type ReadVoxel = NonNullable<VoxelType["read"]>

/** The scaled values of a slice, row by row. */
function valuesOf(header: NiftiHeader, read: ReadVoxel, data: DataView, plane: Plane): Float64Array {
  const { type, littleEndian, begin, slope, intercept } = header
  const values = new Float64Array(plane.height * plane.width)
  eachVoxel(plane, (voxel, to) => {
    values[to] = read(data, begin + voxel * type.bytes, littleEndian) * slope + intercept
  })
  return values
}

function decodeColour({ type, begin }: NiftiHeader, data: DataView, plane: Plane, { window }: Selection) {
  if (window) throw new FormatError("it is a colour volume, which has no window", "leave out the window")
  const pixels = new Uint8Array(3 * plane.height * plane.width)
  eachVoxel(plane, (voxel, to) => {
    for (let c = 0; c < 3; c++) pixels[3 * to + c] = data.getUint8(begin + voxel * type.bytes + c)
  })
  return { height: plane.height, width: plane.width, channels: 3, data: pixels } as const
}

function eachVoxel({ height, width, first, column, row }: Plane, visit: (voxel: number, to: number) => void): void {
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) visit(first + y * row + x * column, y * width + x)
}

function wholeRange(header: NiftiHeader, read: ReadVoxel, data: DataView): readonly [number, number] {
  const { type, littleEndian, begin, end, slope, intercept } = header
  const at = (voxel: number) => read(data, begin + voxel * type.bytes, littleEndian)
  const [low, high] = rangeOf(at, (end - begin) / type.bytes)
  const [a, b] = [low * slope + intercept, high * slope + intercept]
  return a <= b ? [a, b] : [b, a]
}
