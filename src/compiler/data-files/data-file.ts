/**
 * What a data file is to the compiler.
 *
 * Takes nothing; gives the types that reading constants is written in. The core touches no file system, so that a file is
 * something that can be read in pieces, and a fault of one is a value with words.
 */

import type { LanguageType } from "../ir/graph.js"

/** A file that can be read in pieces. */
export interface DataFile {
  /** in bytes */
  readonly size: number
  /** Exactly `length` bytes from `offset`. */
  read(offset: number, length: number): Uint8Array
}

/** Elements, row-major; `bool` is one byte for each. */
export type Elements = Float32Array | Int32Array | Uint8Array

/** A tensor that was found in a file, its elements not yet read. */
export interface StoredTensor {
  readonly dtype: LanguageType
  readonly shape: readonly number[]
  /** its bytes as they lie in the file */
  bytes(): Uint8Array
  /** the elements in `bytes` */
  decode(bytes: Uint8Array): Elements
}

/** A file, or a tensor in it, that cannot be used; `message` says why, without the path. */
export class DataFileProblem extends Error {
  override readonly name = "DataFileProblem"
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message)
  }
}

/** Bytes of one element of each type that a file may have. */
export const STORED_WIDTHS: Readonly<Record<string, number>> = {
  ...{ F32: 4, F16: 2, BF16: 2, F64: 8 },
  ...{ I8: 1, U8: 1, I16: 2, U16: 2, I32: 4, U32: 4, I64: 8, U64: 8, BOOL: 1 },
  ...{ F8_E4M3: 1, F8_E5M2: 1 },
}
