/**
 * What `mdl data inspect` notes of one sample: its image and mask, read and measured.
 *
 * Takes: a sample. Gives: fingerprints, sizes, and what its mask holds.
 *
 * Why so: pixels are let go as soon as they are measured, so a set of any size fits; a volume of which many slices
 * are samples is hashed once. Two pictures count as the same pixels also where one was written as grey and the other
 * as RGB.
 */
import { createHash } from "node:crypto"
import { splitFragment } from "./formats/names.js"
import { foregroundOf, ImageFile, type Pixels } from "./images.js"
import { sidesNamed } from "./note-sides.js"
import type { Sample } from "./sample.js"

export interface Reading {
  readonly sample: Sample
  /** Fingerprint of the image's bytes, and of the slice or frame that is meant. */
  readonly bytes: string
  /** Fingerprint of the decoded pixels. */
  readonly pixels: string
  /** "height x width" of the image. */
  readonly size: string
  readonly channels: 1 | 3
  /** All pixels have one value. */
  readonly constant: boolean
  readonly mask?: {
    /** Share of foreground, 0 to 1. */
    readonly foreground: number
    /** How many different values it holds. */
    readonly levels: number
  }
  /** Where the note names one side: whether most of the mask is on it, as the viewer sees the picture. */
  readonly side?: { readonly agrees: boolean }
  /** What does not fit together, as a line for the report. */
  readonly misfit?: string
}

/** Reads samples; files that many samples share are hashed once. */
export class SampleReader {
  private readonly hashes = new Map<string, string>()

  /** @throws DataError when the image or the mask cannot be read */
  async read(sample: Sample): Promise<Reading> {
    const image = await ImageFile.open(sample.imagePath)
    const pixels = await image.pixels()
    const size = `${pixels.height}x${pixels.width}`
    const plain = asGrey(pixels)
    const reading = {
      sample,
      bytes: this.fingerprint(image),
      pixels: hashOf(`${size}x${plain.channels}`, plain.data),
      size,
      channels: pixels.channels,
      constant: isConstant(plain),
    }
    if (sample.maskPath === undefined) return reading
    const mask = await (await ImageFile.open(sample.maskPath)).maskValues()
    const inside = foregroundOf(mask, sample.maskRule)
    const columns = columnSums(inside, mask.width)
    const area = columns.reduce((sum, value) => sum + value, 0)
    const side = sideOf(sample.note, columns, area)
    const fits = mask.height === pixels.height && mask.width === pixels.width
    return {
      ...reading,
      mask: { foreground: area / inside.length, levels: levelsOf(mask.values) },
      ...(side === undefined ? {} : { side }),
      ...(fits ? {} : { misfit: `${sample.maskPath} is ${mask.height}x${mask.width} but its image is ${size}` }),
    }
  }

  private fingerprint({ path, bytes }: ImageFile): string {
    const { file, fragment = "" } = splitFragment(path)
    const known = this.hashes.get(file) ?? hashOf("", bytes)
    this.hashes.set(file, known)
    return `${known}#${fragment}`
  }
}

function hashOf(prefix: string, data: Uint8Array): string {
  return createHash("sha256").update(prefix).update(data).digest("hex")
}

/** The picture as grey where its three channels are the same everywhere, else as it is. */
function asGrey(pixels: Pixels): Pixels {
  const { height, width, channels, data } = pixels
  if (channels === 1) return pixels
  const grey = new Uint8Array(height * width)
  for (let i = 0; i < grey.length; i++) {
    const value = data[3 * i] as number
    if (value !== data[3 * i + 1] || value !== data[3 * i + 2]) return pixels
    grey[i] = value
  }
  return { height, width, channels: 1, data: grey }
}

function isConstant({ channels, data }: Pixels): boolean {
  return data.every((value, i) => value === data[i % channels])
}

/** How many different values there are, counted up to 257. */
function levelsOf(values: ArrayLike<number>): number {
  const seen = new Set<number>()
  let last: number | undefined
  for (let i = 0; i < values.length && seen.size <= 256; i++) {
    const value = values[i] as number
    // Masks are runs of one value: most lookups are spared.
    if (value !== last) seen.add(value)
    last = value
  }
  return seen.size
}

/** Foreground pixels of each column. */
function columnSums(inside: Uint8Array, width: number): Float64Array {
  const sums = new Float64Array(width)
  for (let start = 0; start < inside.length; start += width) {
    for (let x = 0; x < width; x++) sums[x] = (sums[x] as number) + (inside[start + x] as number)
  }
  return sums
}

/** Undefined where the note names no side or both, the mask is empty, or its halves are equally full. */
function sideOf(note: string, columns: Float64Array, area: number): { agrees: boolean } | undefined {
  const named = sidesNamed(note)
  if (named.size !== 1 || area === 0) return undefined
  const middle = columns.length / 2
  // The middle column of an odd width is cut in two.
  const left = columns.reduce((sum, value, x) => sum + value * Math.min(1, Math.max(0, middle - x)), 0)
  if (left === area / 2) return undefined
  return { agrees: named.has("left") === left > area / 2 }
}
