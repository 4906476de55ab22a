/**
 * Tensors in data files: what a constant of the language is read from.
 *
 * Takes a file as something that can be read in pieces (the core touches no file system); gives one tensor of it, found by
 * its header alone, with a function that reads its elements. Nothing in a file is believed: every size it declares is
 * compared with what is there before memory is taken for it. Elements become the language's own types where that is exact
 * (f16 is exact in f32), and are refused where it is not (f64): nothing is rounded in silence.
 */

import { didYouMean } from "../diagnostics/suggest.js"
import type { LanguageType } from "../ir/graph.js"
import { type DataFile, DataFileProblem, type Elements, STORED_WIDTHS, type StoredTensor } from "./data-file.js"
import { decodeElements } from "./elements.js"
import { findInNpy } from "./npy.js"
import { MOST_HEADER, parseSafetensorsHeader } from "./safetensors-header.js"

const EXACT: Readonly<Record<string, LanguageType>> = {
  ...{ F32: "f32", F16: "f32", BF16: "f32" },
  ...{ I8: "i32", U8: "i32", I16: "i32", U16: "i32", I32: "i32", BOOL: "bool" },
} as const

/**
 * Finds a tensor by the header of its file.
 *
 * @param path says by its ending what kind of file it is: `.npy` or `.safetensors`
 * @param name of the tensor; may be left out where the file holds one only
 * @throws DataFileProblem
 */
export function findTensor(file: DataFile, path: string, name: string | undefined): StoredTensor {
  if (path.endsWith(".npy")) {
    if (name !== undefined)
      throw new DataFileProblem("a .npy file holds one tensor, without a name", "leave the name out")
    const { stored, shape, start, fortran } = findInNpy(file)
    return tensorAt(file, stored, shape, start, fortran)
  }
  if (path.endsWith(".safetensors")) return findInSafetensors(file, name)
  throw new DataFileProblem("it is neither a .safetensors nor a .npy file")
}

function findInSafetensors(file: DataFile, name: string | undefined): StoredTensor {
  const { entries, dataStart } = readSafetensorsHeader(file)
  const names = entries.map((entry) => entry.name)
  if (name === undefined && entries.length !== 1) {
    throw new DataFileProblem(
      `it holds ${entries.length} tensors: ${shortList(names)}`,
      'say which: load("FILE", "NAME")',
    )
  }
  const found = name === undefined ? entries[0] : entries.find((entry) => entry.name === name)
  if (!found) {
    const suggestion = didYouMean(name!, names)
    throw new DataFileProblem(
      `it holds no tensor \`${name}\`, but ${shortList(names) || "none at all"}`,
      suggestion && `did you mean \`${suggestion}\`?`,
    )
  }
  return tensorAt(file, found.stored, found.shape, dataStart + found.start, false)
}

function readSafetensorsHeader(file: DataFile) {
  if (file.size < 8)
    throw new DataFileProblem(`it is cut off: ${file.size} bytes, less than the 8 of the header's length`)
  const first = file.read(0, 8)
  const declared = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true)
  if (declared > BigInt(file.size - 8)) {
    throw new DataFileProblem(`it is cut off, or no safetensors file: a header of ${declared} bytes is declared`)
  }
  if (declared > BigInt(MOST_HEADER)) {
    throw new DataFileProblem(
      `it is no safetensors file: a header of ${declared} bytes is declared, the limit is ${MOST_HEADER}`,
    )
  }
  const length = Number(declared)
  const text = new TextDecoder().decode(file.read(8, length))
  const { entries } = parseSafetensorsHeader(text, file.size - 8 - length, STORED_WIDTHS, (problem) => {
    throw new DataFileProblem(`it ${problem}`)
  })
  return { entries, dataStart: 8 + length }
}

const shortList = (names: readonly string[]): string =>
  names.length > 6 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ")

function tensorAt(
  file: DataFile,
  stored: string,
  shape: readonly number[],
  start: number,
  fortran: boolean,
): StoredTensor {
  const dtype = EXACT[stored]
  if (dtype === undefined) {
    const [to, method] = stored.startsWith("F") ? ["f32", "float32"] : ["i32", "int32"]
    throw new DataFileProblem(`its elements are ${stored}, which ${to} cannot hold exactly`, `save it as ${method}`)
  }
  const count = shape.reduce((product, size) => product * size, 1)
  return {
    dtype,
    shape,
    bytes: () => file.read(start, count * STORED_WIDTHS[stored]!),
    decode: (bytes) => {
      const elements = decodeElements(stored, bytes, count)
      return fortran ? rowMajor(elements, shape) : elements
    },
  }
}

/** From column-major (the first index runs fastest) to row-major. */
function rowMajor<T extends Elements>(elements: T, shape: readonly number[]): T {
  const result = elements.slice() as T
  const index = shape.map(() => 0)
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1))
  for (let i = 0; i < elements.length; i++) {
    result[i] = elements[index.reduce((sum, at, axis) => sum + at * strides[axis]!, 0)]!
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0
  }
  return result
}
