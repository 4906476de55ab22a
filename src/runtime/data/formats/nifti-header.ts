/**
 * The header of a NIfTI volume: its sizes, the type of its voxels, how they are scaled, and how it lies in the body.
 *
 * Takes: the beginning of a decompressed .nii file. Gives: what decoding needs, checked.
 *
 * Why so: the fields are read by nifti-reader-js from a copy that ends with the header, so that its extensions (which
 * may be long, and of which nothing is needed here) are not touched. The orientation is computed here, because the
 * package leaves out NIfTI-2's quaternion and prefers the quaternion to the matrix where both are given; nibabel and
 * the standard's own sources prefer the matrix. Source: nifti1.h and nifti2.h, nifti.nimh.nih.gov.
 */
import { NIFTI1, NIFTI2 } from "nifti-reader-js"
import { checkSize, DAMAGED, FormatError, MOST_BYTES } from "./format.js"

/** A voxel's type: its bytes, and how one number is read; `rgb` has three or four bytes of colour instead. */
export interface VoxelType {
  readonly name: string
  readonly bytes: number
  readonly read?: (view: DataView, at: number, littleEndian: boolean) => number
}

const TYPES: Readonly<Record<number, VoxelType>> = {
  2: { name: "uint8", bytes: 1, read: (view, at) => view.getUint8(at) },
  4: { name: "int16", bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  8: { name: "int32", bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  16: { name: "float32", bytes: 4, read: (view, at, little) => view.getFloat32(at, little) },
  64: { name: "float64", bytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
  128: { name: "rgb24", bytes: 3 },
  256: { name: "int8", bytes: 1, read: (view, at) => view.getInt8(at) },
  512: { name: "uint16", bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  768: { name: "uint32", bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  1024: { name: "int64", bytes: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  1280: { name: "uint64", bytes: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  2304: { name: "rgba32", bytes: 4 },
}

/** A matrix from voxel indices to millimetres towards the right, the front and the top of the body (RAS+), 3 x 3. */
export type Axes = readonly (readonly [number, number, number])[]

export interface NiftiHeader {
  /** Voxels along i, j, k and t; 1 where the file has fewer dimensions. */
  readonly dims: readonly [number, number, number, number]
  readonly type: VoxelType
  readonly littleEndian: boolean
  /** Where the voxels begin, and where they end. */
  readonly begin: number
  readonly end: number
  readonly slope: number
  readonly intercept: number
  /** The window that the file declares (cal_min, cal_max). */
  readonly window: readonly [number, number] | undefined
  /** Undefined where the file says that it does not know (both codes 0). */
  readonly axes: Axes | undefined
}

/** Length of the longer header, NIfTI-2's, with the four bytes that announce extensions. */
export const HEADER_BYTES = 544

/** Whether these decompressed bytes begin with a NIfTI header: its length in either byte order, and its magic word. */
export function isNifti(bytes: Buffer): boolean {
  return versionOf(bytes) !== undefined
}

function versionOf(bytes: Buffer): 1 | 2 | undefined {
  if (bytes.length < 348) return undefined
  const lengths = [bytes.readInt32LE(0), bytes.readInt32BE(0)]
  if (lengths.includes(348) && /^n[i+]1\0$/.test(bytes.toString("latin1", 344, 348))) return 1
  if (lengths.includes(540) && bytes.length >= 540 && /^n[i+]2\0$/.test(bytes.toString("latin1", 4, 8))) return 2
  return undefined
}

/**
 * Reads and checks a header.
 * @param bytes at least the first {@link HEADER_BYTES} of the decompressed file, or all of it where it is shorter.
 * @throws FormatError for sizes, types and forms that are not read.
 */
export function readNiftiHeader(bytes: Buffer): NiftiHeader {
  const version = versionOf(bytes)
  if (version === undefined) throw new FormatError("it is not a NIfTI volume")
  const raw = version === 1 ? new NIFTI1() : new NIFTI2()
  // A copy of the header alone: with nothing behind it the package looks for no extensions.
  raw.readHeader(new Uint8Array(bytes.subarray(0, version === 1 ? 348 : 540)).buffer)
  const where = version === 1 ? 344 : 4
  if (bytes[where + 1] !== "+".charCodeAt(0)) {
    throw new FormatError(
      "it is the header of a pair (.hdr and .img)",
      "write the volume as one .nii or .nii.gz file: nibabel.save(nibabel.load(FILE), NEW.nii.gz)",
    )
  }
  const type = TYPES[raw.datatypeCode]
  if (type === undefined) {
    const known = Object.values(TYPES).map(({ name }) => name)
    throw new FormatError(
      `its voxels are of type number ${raw.datatypeCode}, and ${known.join(", ")} are read`,
      "write it again with one of these types",
    )
  }
  const count = raw.dims[0] as number
  if (!(count >= 1 && count <= 7)) throw new FormatError(`its header declares ${count} dimensions`)
  const sizes = Array.from({ length: 7 }, (_, i) => (i < count ? (raw.dims[i + 1] as number) : 1))
  if (sizes.some((size) => !Number.isSafeInteger(size) || size < 1)) {
    throw new FormatError(`its header declares the size ${sizes.slice(0, count).join(" x ")}`)
  }
  if (sizes.slice(4).some((size) => size > 1)) {
    throw new FormatError(
      `it has ${count} dimensions, ${sizes.slice(0, count).join(" x ")}; slices are taken of 3 and of time`,
      "split it into volumes of at most 4 dimensions",
    )
  }
  const [ni, nj, nk, nt] = sizes as [number, number, number, number]
  for (const [height, width] of [
    [nj, ni],
    [nk, ni],
    [nk, nj],
  ] as const) {
    checkSize({ height, width })
  }
  const begin = raw.vox_offset
  if (!Number.isSafeInteger(begin) || begin < 0) throw new FormatError(DAMAGED)
  const end = begin + ni * nj * nk * nt * type.bytes
  if (end > MOST_BYTES) {
    throw new FormatError(
      `its header declares ${(end / 2 ** 30).toFixed(1)} GiB of voxels; at most ${MOST_BYTES / 2 ** 30} GiB are read`,
      "cut the volume into smaller ones, or write the slices as PNG",
    )
  }
  // A slope of 0 means that values are not scaled; some writers put NaN there.
  const scaled = Number.isFinite(raw.scl_slope) && raw.scl_slope !== 0
  const window = [raw.cal_min, raw.cal_max] as const
  return {
    dims: [ni, nj, nk, nt],
    type,
    littleEndian: raw.littleEndian,
    begin,
    end,
    slope: scaled ? raw.scl_slope : 1,
    intercept: scaled && Number.isFinite(raw.scl_inter) ? raw.scl_inter : 0,
    window: window[0] < window[1] && Number.isFinite(window[1] - window[0]) ? window : undefined,
    axes: axesOf(raw),
  }
}

/** The matrix (sform) where there is one, else the quaternion (qform); nifti1.h calls them method 3 and method 2. */
function axesOf(raw: NIFTI1 | NIFTI2): Axes | undefined {
  if (raw.sform_code > 0) return [0, 1, 2].map((row) => [0, 1, 2].map((column) => raw.affine[row]?.[column])) as never
  if (!(raw.qform_code > 0)) return undefined
  const { quatern_b: b, quatern_c: c, quatern_d: d, pixDims } = raw
  const a = Math.sqrt(Math.max(0, 1 - (b * b + c * c + d * d)))
  const [x, y, z] = [pixDims[1] as number, pixDims[2] as number, pixDims[3] as number]
  const k = pixDims[0] === -1 ? -z : z
  return [
    [(a * a + b * b - c * c - d * d) * x, 2 * (b * c - a * d) * y, 2 * (b * d + a * c) * k],
    [2 * (b * c + a * d) * x, (a * a + c * c - b * b - d * d) * y, 2 * (c * d - a * b) * k],
    [2 * (b * d - a * c) * x, 2 * (c * d + a * b) * y, (a * a + d * d - c * c - b * b) * k],
  ]
}
