/**
 * What an image format offers, and what it says when a file cannot be read.
 *
 * Types, and the limits that every decoder checks before it allocates: a file of a few bytes can declare any size.
 */

/** Height and width in pixels. */
export interface Size {
  readonly height: number
  readonly width: number
}

/** Pixels as stored: interleaved rows, `channels` 1 (grey) or 3 (RGB), values 0 to 255. */
export interface Pixels extends Size {
  readonly channels: 1 | 3
  readonly data: Uint8Array
}

/** What a file declares of the picture that is meant. */
export interface ImageHeader extends Size {
  /** As decoded: 1 for grey, 3 for colour, without alpha. */
  readonly channels: 1 | 3
  readonly format: string
}

/** The numbers behind the picture, [H, W], before they become grey: labels of a segmentation, Hounsfield units. */
export interface Values extends Size {
  readonly values: ArrayLike<number>
}

/** The most pixels an image may declare (64 million): a header that claims more is refused before any decoding. */
export const MOST_PIXELS = 2 ** 26

/** The most bytes of a file, and of a volume once decompressed: 1 GiB. */
export const MOST_BYTES = 2 ** 30

/** Which picture of a file is meant, and how its values become grey: the part of a path behind `#`. */
export interface Selection {
  /** A slice of a volume, counted from 0: along an axis as stored, or along one of the body. */
  readonly plane?: { readonly axis: PlaneAxis; readonly index: number }
  /** Point in time of a 4-D volume, from 0. */
  readonly t?: number
  /** Frame of a multi-frame file, from 0. */
  readonly frame?: number
  /** Page of a TIFF, from 0. */
  readonly page?: number
  /** The value that is foreground in a mask with several labels. */
  readonly label?: number
  /** The values drawn black and white. */
  readonly window?: readonly [number, number]
}

export const PLANE_AXES = ["x", "y", "z", "axial", "coronal", "sagittal"] as const
export type PlaneAxis = (typeof PLANE_AXES)[number]

/** One family of files. All functions throw {@link FormatError} for what a file's author or user can mend. */
export interface ImageFormat {
  /** As a person calls it. */
  readonly name: string
  /** Which parts of a selection it understands, apart from `label`, which every mask has. */
  readonly selects: readonly (keyof Selection)[]
  /** Whether the bytes look like it; only their beginning is looked at. */
  recognises(bytes: Buffer): boolean
  header(bytes: Buffer, selection: Selection): Promise<ImageHeader>
  /** @param size a wish: a format that can resize while it decodes gives this size, the others their own. */
  decode(bytes: Buffer, selection: Selection, size?: Size): Promise<Pixels>
  /** The values before windowing, for formats that have other values than grey; undefined for a colour picture. */
  values?(bytes: Buffer, selection: Selection): Promise<Values | undefined>
}

/** A file that cannot be read for a reason we can name. The reader adds the file's path. */
export class FormatError extends Error {
  constructor(
    message: string,
    /** What to do; undefined leaves the usual advice (fetch the file again, or remove the case). */
    readonly fix?: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = "FormatError"
  }
}

/** What every decoder says of a file whose parts do not fit together. */
export const DAMAGED = "it is cut off or damaged"

/** @throws FormatError when a declared size is no size, or more than {@link MOST_PIXELS}. */
export function checkSize({ height, width }: Size): void {
  if (!Number.isInteger(height) || !Number.isInteger(width) || height < 1 || width < 1) {
    throw new FormatError(`its header declares ${height}x${width} pixels`)
  }
  if (height * width > MOST_PIXELS) {
    throw new FormatError(`its header declares more than the pixel limit of ${MOST_PIXELS}`)
  }
}
