/**
 * The header of a NumPy file.
 *
 * Takes a `.npy` file; gives the type, shape and place of its elements. The format (numpy.lib.format): the bytes
 * `\x93NUMPY`, a version, the length of the header, and the header, which is a Python dictionary. It is read by a pattern,
 * not evaluated; whatever the pattern does not know is refused.
 */

import { type DataFile, DataFileProblem, STORED_WIDTHS } from "./data-file.js"

export interface NpyTensor {
  /** name of the element type, as safetensors files have it: F32, I64, BOOL */
  readonly stored: string
  readonly shape: readonly number[]
  /** byte at which the elements begin */
  readonly start: number
  /** stored with the first index running fastest */
  readonly fortran: boolean
}

/** NumPy itself reads no more without being asked to. */
const MOST_HEADER = 10_000
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const KINDS: Readonly<Record<string, string>> = { f: "F", i: "I", u: "U" }
const HEADER = /^\{'descr': '([<>|=]?)(\w)(\d+)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \}\s*$/

/** @throws DataFileProblem when the file is cut off, or is no array of numbers */
export function findInNpy(file: DataFile): NpyTensor {
  if (file.size < 10) throw new DataFileProblem(`it is cut off: ${file.size} bytes are less than a header`)
  const first = file.read(0, 10)
  if (MAGIC.some((byte, index) => first[index] !== byte)) {
    throw new DataFileProblem("it is no .npy file: it does not begin with the mark of one")
  }
  const short = first[6] === 1
  if (!short && file.size < 12) throw new DataFileProblem("it is cut off in its header")
  const lengthBytes = short ? first.subarray(8, 10) : file.read(8, 4)
  const length = lengthBytes.reduceRight((sum, byte) => sum * 256 + byte, 0)
  if (length > MOST_HEADER) {
    throw new DataFileProblem(
      `it declares a header of ${length} bytes, that of a plain array has fewer than ${MOST_HEADER}`,
    )
  }
  const start = (short ? 10 : 12) + length
  if (start > file.size) throw new DataFileProblem(`it is cut off in its header: ${start} bytes are declared`)
  const text = new TextDecoder("latin1").decode(file.read(start - length, length))
  const [, order, kind, width, fortran, sizes] = HEADER.exec(text) ?? []
  if (kind === undefined || sizes === undefined) {
    throw new DataFileProblem(`its header is not that of a plain array: ${text.trim().slice(0, 80)}`)
  }
  if (order === ">") throw new DataFileProblem("its elements are big-endian", "save it in the machine's own order")
  const stored = kind === "b" ? "BOOL" : `${KINDS[kind] ?? "?"}${Number(width) * 8}`
  const bytes = STORED_WIDTHS[stored]
  if (bytes === undefined) throw new DataFileProblem(`its elements are no numbers: '${kind}${width}'`, "save numbers")
  const shape = sizes.split(",").flatMap((size) => (size.trim() === "" ? [] : [Number(size)]))
  const needed = shape.reduce((product, size) => product * size, bytes)
  if (needed !== file.size - start) {
    throw new DataFileProblem(
      `it is damaged: [${shape.join(", ")}] needs ${needed} bytes and ${file.size - start} are there`,
    )
  }
  return { stored, shape, start, fortran: fortran === "True" }
}
