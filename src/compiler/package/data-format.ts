/**
 * The data format of a trainer package, in one place: what `mdl compile --data` writes and a generated trainer reads.
 *
 * `data/index.json` holds a `DataIndex`. Each split is one file of cases of equal length, one after the other. A case is
 * its fields, one after the other, row-major, little-endian. Images and masks are stored as bytes, a quarter of the size:
 * the value is the byte divided by `divide`, in float32, which gives back exactly what the model is trained on.
 */

/** Version of the format. */
export const DATA_FORMAT = 1

export interface DataField {
  /** name of the graph input it feeds */
  readonly name: string
  readonly stored: "u8" | "f32" | "i32"
  /** for `u8`: what a byte is divided by */
  readonly divide?: number
  /** sizes after the batch */
  readonly shape: readonly number[]
}

export interface DataSplit {
  readonly file: string
  readonly count: number
}

export interface DataIndex {
  readonly format: typeof DATA_FORMAT
  /** length of a case */
  readonly bytes: number
  /** in the order they are stored; those of 4 bytes for each element come first, so that all are aligned */
  readonly fields: readonly DataField[]
  readonly splits: Readonly<Record<string, DataSplit>>
  /** how notes became ids, by the name of the input */
  readonly tokenizers: Readonly<Record<string, unknown>>
}

const WIDTH = { u8: 1, f32: 4, i32: 4 } as const

/** Bytes that a field takes in a case. */
export function fieldBytes(field: DataField): number {
  return WIDTH[field.stored] * field.shape.reduce((a, b) => a * b, 1)
}
