/**
 * The safetensors file format: named tensors, and some text about them.
 *
 * Takes tensors in memory; gives a file that PyTorch and Hugging Face tools read, and the way back. The format: 8 bytes
 * with the length of the header, the header as JSON (`{NAME: {dtype, shape, data_offsets}, __metadata__: {...}}`), the
 * values, little-endian, without gaps (huggingface.co/docs/safetensors).
 *
 * Why so: nothing in the file is believed. Every declared size is compared with the real size of the file before memory is
 * taken for it, and the header must describe each byte of the data exactly once. Tensors are written and read one by one, so
 * that a checkpoint of gigabytes is never in memory twice. The metadata holds a SHA-256 of the data when we wrote the file.
 * (TensorFlow's libraries exist for little-endian machines only, so typed arrays are written as they lie in memory.)
 */
import { createHash } from "node:crypto"
import { open, type FileHandle } from "node:fs/promises"
import type { LanguageType } from "../../compiler/ir/graph.js"
import { STORED_WIDTHS } from "../../compiler/data-files/data-file.js"
import {
  type HeaderEntry,
  METADATA,
  parseSafetensorsHeader,
  MOST_HEADER,
} from "../../compiler/data-files/safetensors-header.js"
import { codeOf } from "../data/data-error.js"
import type { HostTensor } from "../session.js"
import { UserError } from "../user-error.js"
import { type AtomicOptions, type FileOperations, NODE_FILES, writeAtomically } from "./atomic-file.js"

/** The file is not a whole safetensors file. `problem` says why, without the path. */
export class SafetensorsError extends UserError {
  override readonly name = "SafetensorsError"
  constructor(
    readonly path: string,
    readonly problem: string,
    options?: ErrorOptions,
  ) {
    super(`${path} ${problem}`, options)
  }
}

export interface TensorFile {
  readonly metadata: ReadonlyMap<string, string>
  readonly tensors: ReadonlyMap<string, HostTensor>
}

/** Where a tensor lies in a file; offsets count from the start of the data. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: LanguageType
  readonly shape: readonly number[]
  readonly start: number
  readonly end: number
}

/** Metadata key of the checksum over the data. */
export const CHECKSUM = "sha256"

const FILE_TYPES: Readonly<Record<LanguageType, string>> = { f32: "F32", i32: "I32", bool: "BOOL" }
const OUR_TYPES: Readonly<Record<string, LanguageType>> = { F32: "f32", I32: "i32", BOOL: "bool" }
const WIDTH: Readonly<Record<LanguageType, number>> = { f32: 4, i32: 4, bool: 1 }
const WIDTHS: Readonly<Record<string, number>> = { F32: 4, I32: 4, BOOL: 1 }
const MOST_AT_ONCE = 2 ** 28

/**
 * Writes tensors to a file, in one piece, and adds the checksum to the metadata.
 *
 * @returns the SHA-256 of the data, in hexadecimal
 * @throws RangeError when a tensor's data does not fit its shape; UserError when the file cannot be written
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: ReadonlyMap<string, string>,
  files: FileOperations = NODE_FILES,
  options: Pick<AtomicOptions, "displaced"> = {},
): Promise<string> {
  // Wide types first, then by name: all values stay aligned, and equal content gives equal files.
  const ordered = [...tensors].sort(([a, x], [b, y]) => WIDTH[y.dtype] - WIDTH[x.dtype] || (a < b ? -1 : a > b ? 1 : 0))
  const hash = createHash("sha256")
  const entries: [string, unknown][] = []
  let offset = 0
  for (const [name, tensor] of ordered) {
    if (name === METADATA) throw new RangeError(`a tensor cannot be named ${METADATA}`)
    const bytes = bytesOf(name, tensor)
    hash.update(bytes)
    const { dtype, shape } = tensor
    entries.push([name, { dtype: FILE_TYPES[dtype], shape, data_offsets: [offset, offset + bytes.length] }])
    offset += bytes.length
  }
  const checksum = hash.digest("hex")
  // Own properties, whatever the names are: assigning to `__proto__` would not make one.
  const header = Object.fromEntries([[METADATA, Object.fromEntries([...metadata, [CHECKSUM, checksum]])], ...entries])
  const text = Buffer.from(JSON.stringify(header), "utf8")
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, " ")
  padded.set(text)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  await writeAtomically(
    path,
    async (sink) => {
      await sink.write(length)
      await sink.write(padded)
      for (const [name, tensor] of ordered) await sink.write(bytesOf(name, tensor))
    },
    files,
    { ...options, bytes: length.length + padded.length + offset },
  )
  return checksum
}

function bytesOf(name: string, { dtype, shape, data }: HostTensor): Uint8Array {
  const size = shape.reduce((product, dim) => product * dim, 1)
  if (data.length !== size || data.BYTES_PER_ELEMENT !== WIDTH[dtype]) {
    throw new RangeError(
      `${name}: ${data.length} values of ${data.BYTES_PER_ELEMENT} bytes for ${dtype}[${shape.join()}]`,
    )
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/**
 * Reads a whole file and checks it, checksum included where there is one.
 *
 * @throws SafetensorsError that says what is wrong with the file
 */
export async function readSafetensors(path: string): Promise<TensorFile> {
  const tensors = new Map<string, HostTensor>()
  const metadata = await readData(
    path,
    WIDTHS,
    () => true,
    ({ name, stored, shape }, bytes) => {
      const dtype = OUR_TYPES[stored]!
      const data =
        dtype === "f32"
          ? new Float32Array(bytes.buffer)
          : dtype === "i32"
            ? new Int32Array(bytes.buffer)
            : checkedBooleans(bytes, name, path)
      tensors.set(name, { dtype, shape, data })
    },
  )
  return { metadata, tensors }
}

/**
 * Reads the bytes of some tensors, one after the other; of all where the file has a checksum, which is then compared.
 *
 * @param widths the types of elements that are taken, with their bytes
 * @param take is given each wanted tensor in a buffer of its own
 * @returns the metadata
 * @throws SafetensorsError that says what is wrong with the file
 */
async function readData(
  path: string,
  widths: Readonly<Record<string, number>>,
  wanted: (name: string) => boolean,
  take: (entry: HeaderEntry, bytes: Uint8Array<ArrayBuffer>) => void,
): Promise<ReadonlyMap<string, string>> {
  return withFile(path, async (handle) => {
    const { metadata, entries, dataStart } = await readHeader(handle, path, widths)
    const declared = metadata.get(CHECKSUM)
    const hash = createHash("sha256")
    for (const entry of entries) {
      if (declared === undefined && !wanted(entry.name)) continue
      const bytes = new Uint8Array(entry.end - entry.start)
      await readExactly(handle, bytes, dataStart + entry.start, path)
      if (declared !== undefined) hash.update(bytes)
      if (wanted(entry.name)) take(entry, bytes)
    }
    const found = hash.digest("hex")
    if (declared !== undefined && declared !== found) {
      throw new SafetensorsError(
        path,
        `is damaged: its data has the checksum ${found.slice(0, 12)}... where ${declared.slice(0, 12)}... was written`,
      )
    }
    return metadata
  })
}

/** The same for files of others, whose tensors may have any type of the format. @throws SafetensorsError */
export async function readStoredTensors(
  path: string,
  wanted: (name: string) => boolean,
  take: (entry: HeaderEntry, bytes: Uint8Array<ArrayBuffer>) => void,
): Promise<void> {
  await readData(path, STORED_WIDTHS, wanted, take)
}

/** The metadata and what tensors there are, of any type of the format; reads no data. @throws SafetensorsError */
export async function readStoredHeader(
  path: string,
): Promise<{ readonly metadata: ReadonlyMap<string, string>; readonly entries: readonly HeaderEntry[] }> {
  return withFile(path, (handle) => readHeader(handle, path, STORED_WIDTHS))
}

/** The metadata and what tensors there are; reads no data. @throws SafetensorsError */
export async function readSafetensorsHeader(
  path: string,
): Promise<{ readonly metadata: ReadonlyMap<string, string>; readonly entries: readonly TensorEntry[] }> {
  return withFile(path, async (handle) => {
    const { metadata, entries } = await readHeader(handle, path, WIDTHS)
    return { metadata, entries: entries.map(({ stored, ...entry }) => ({ ...entry, dtype: OUR_TYPES[stored]! })) }
  })
}

async function withFile<T>(path: string, body: (handle: FileHandle) => Promise<T>): Promise<T> {
  let handle: FileHandle
  try {
    handle = await open(path, "r")
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === "ENOENT") throw new SafetensorsError(path, "does not exist", { cause: thrown })
    if (code === "EACCES") throw new SafetensorsError(path, "may not be read", { cause: thrown })
    throw thrown
  }
  try {
    return await body(handle)
  } finally {
    await handle.close()
  }
}

interface Header {
  readonly metadata: ReadonlyMap<string, string>
  /** in the order of their data, which they cover without gaps */
  readonly entries: readonly HeaderEntry[]
  /** where the data starts in the file */
  readonly dataStart: number
}

async function readHeader(handle: FileHandle, path: string, widths: Readonly<Record<string, number>>): Promise<Header> {
  const fail = (problem: string): never => {
    throw new SafetensorsError(path, problem)
  }
  const found = await handle.stat()
  if (!found.isFile()) fail("is not a file")
  const { size } = found
  if (size < 8) fail(`is cut off: ${size} bytes, less than the 8 of the header's length`)
  const lengthBytes = Buffer.alloc(8)
  await readExactly(handle, lengthBytes, 0, path)
  const declared = lengthBytes.readBigUInt64LE()
  if (declared > BigInt(MOST_HEADER)) {
    fail(`is not a safetensors file: it declares a header of ${declared} bytes, the limit is ${MOST_HEADER}`)
  }
  const length = Number(declared)
  if (8 + length > size) fail(`is cut off in its header: ${8 + length} bytes are declared and ${size} are there`)
  const headerBytes = Buffer.alloc(length)
  await readExactly(handle, headerBytes, 8, path)
  const { metadata, entries } = parseSafetensorsHeader(
    headerBytes.toString("utf8"),
    size - 8 - length,
    widths,
    (problem, cause) => {
      throw new SafetensorsError(path, problem, { cause })
    },
  )
  return { metadata, entries, dataStart: 8 + length }
}

function checkedBooleans(bytes: Uint8Array, name: string, path: string): Uint8Array {
  const wrong = bytes.find((byte) => byte > 1)
  if (wrong !== undefined)
    throw new SafetensorsError(path, `is damaged: ${name} holds ${wrong} where only 0 and 1 may be`)
  return bytes
}

async function readExactly(handle: FileHandle, into: Uint8Array, position: number, path: string): Promise<void> {
  for (let at = 0; at < into.length;) {
    const { bytesRead } = await handle.read(into, at, Math.min(MOST_AT_ONCE, into.length - at), position + at)
    if (bytesRead === 0) throw new SafetensorsError(path, `ended while it was being read, at byte ${position + at}`)
    at += bytesRead
  }
}
