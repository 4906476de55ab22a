/** Tensors of data files as NumPy, PyTorch and safetensors wrote them (scripts/fixtures/constant-files.py), and damaged ones. */

import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type DataFile, DataFileProblem } from "../../../src/compiler/data-files/data-file.js"
import { findTensor } from "../../../src/compiler/data-files/find-tensor.js"

const FOLDER = new URL("../../fixtures/constants/", import.meta.url)
const expected = JSON.parse(readFileSync(new URL("expected.json", FOLDER), "utf8")) as Record<string, number[]>

/** Bytes as a file; reading beyond its end is a mistake of the reader. */
function fileOf(bytes: Uint8Array): DataFile {
  return {
    size: bytes.length,
    read(offset, length) {
      if (offset + length > bytes.length) throw new RangeError(`${offset}+${length} is beyond ${bytes.length}`)
      return bytes.slice(offset, offset + length)
    },
  }
}

const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, FOLDER)))

function elements(bytes: Uint8Array, path: string, tensor?: string): number[] {
  const found = findTensor(fileOf(bytes), path, tensor)
  return Array.from(found.decode(found.bytes()))
}

function problem(body: () => unknown): string {
  try {
    body()
  } catch (error) {
    if (error instanceof DataFileProblem) return error.message
    throw error
  }
  return "no problem"
}

describe("a tensor is read as it was written", () => {
  test.each(Object.entries(expected))("%s", (reference, values) => {
    const [path = "", tensor] = reference.split("#")
    expect(elements(bytesOf(path), path, tensor)).toEqual(values)
  })

  test("with its shape and a type of the language", () => {
    const of = (path: string, tensor?: string) => findTensor(fileOf(bytesOf(path)), path, tensor)
    expect(of("fortran.npy")).toMatchObject({ dtype: "f32", shape: [2, 3, 4] })
    expect(of("scalar.npy")).toMatchObject({ dtype: "f32", shape: [] })
    expect(of("small-integers.npy")).toMatchObject({ dtype: "i32", shape: [3] })
    expect(of("tensors.safetensors", "ids")).toMatchObject({ dtype: "i32", shape: [2, 2] })
    expect(of("tensors.safetensors", "mask")).toMatchObject({ dtype: "bool", shape: [3] })
    expect(of("tensors.safetensors", "brain")).toMatchObject({ dtype: "f32", shape: [4] })
  })
})

describe("what cannot be read says why", () => {
  const words = bytesOf("words.npy")
  const patched = (bytes: Uint8Array, find: string, replace: string): Uint8Array => {
    const text = Buffer.from(bytes).toString("latin1")
    expect(text).toContain(find)
    return new Uint8Array(Buffer.from(text.replace(find, replace), "latin1"))
  }

  test.each([
    ["elements that f32 cannot hold", () => elements(bytesOf("doubles.npy"), "a.npy"), "F64"],
    ["elements that i32 cannot hold", () => elements(bytesOf("tensors.safetensors"), "a.safetensors", "long"), "I64"],
    ["another kind of file", () => elements(words, "a.csv"), "neither"],
    ["no name where there are several", () => elements(bytesOf("tensors.safetensors"), "a.safetensors"), "7 tensors"],
    ["a name that is not there", () => elements(bytesOf("one.safetensors"), "a.safetensors", "onyl"), "`onyl`"],
    ["a name for a file of one array", () => elements(words, "a.npy", "x"), "without a name"],
    ["a file that is cut off", () => elements(words.slice(0, -4), "a.npy"), "44 are there"],
    ["a file that is cut off in its header", () => elements(words.slice(0, 40), "a.npy"), "cut off"],
    ["a file without a beginning", () => elements(words.slice(3), "a.npy"), "no .npy file"],
    ["a shape far beyond the file", () => elements(patched(words, "(4, 3)", "(4, 9)"), "a.npy"), "needs 144 bytes"],
    ["a type that is no number", () => elements(patched(words, "<f4", "|O4"), "a.npy"), "no numbers"],
    ["big-endian elements", () => elements(patched(words, "<f4", ">f4"), "a.npy"), "big-endian"],
    ["code in a header", () => elements(patched(words, "(4, 3)", "f(4,3"), "a.npy"), "not that of a plain array"],
    [
      "truth that is neither",
      () =>
        elements(
          new Uint8Array([...patched(words, "<f4", "|b1").slice(0, 128), ...new Uint8Array(12).fill(2)]),
          "a.npy",
        ),
      "2 where only 0 and 1 may be",
    ],
    [
      "a header larger than the file",
      () => elements(new Uint8Array([255, 255, 255, 255, 255, 255, 255, 127, 1]), "a.safetensors"),
      "is declared",
    ],
  ])("%s", (_, body, words) => {
    expect(problem(body)).toContain(words)
  })

  test.each([
    // Nothing but the lengths: a file of this size that is read further than its beginning fails.
    ["a.safetensors", [0, 0, 0, 0, 1, 0, 0, 0]],
    ["a.npy", [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 0, 0, 0, 128]],
  ])("a header of gigabytes in a file of gigabytes: %s", (path, beginning) => {
    const file: DataFile = {
      size: 2 ** 40,
      read: (offset, length) => {
        if (offset + length > beginning.length) throw new RangeError("the header was read")
        return Uint8Array.from(beginning.slice(offset, offset + length))
      },
    }
    expect(problem(() => findTensor(file, path, undefined))).toMatch(/header of \d+ bytes/)
  })

  test("any damage is a problem or another value, and nothing else", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("words.npy", "fortran.npy", "tensors.safetensors"),
        fc.array(fc.record({ at: fc.nat(400), value: fc.nat(255) }), { minLength: 1, maxLength: 4 }),
        fc.nat(500),
        (path, edits, end) => {
          const bytes = bytesOf(path).slice(0, 40 + end)
          for (const { at, value } of edits) if (at < bytes.length) bytes[at] = value
          problem(() => elements(bytes, path, path.endsWith("s") ? "words" : undefined))
        },
      ),
      { numRuns: 500 },
    )
  })
})
