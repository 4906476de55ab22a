/**
 * ZIP archives from strangers: opened with limits, and written again as plain as can be.
 *
 * Takes: the bytes of an archive. Gives: the contents of the entries asked for; or, the other way, an archive of contents
 * as they are ("stored").
 *
 * Why so: an .xlsx file is a ZIP archive, and readers of .xlsx take what the archive declares on trust: 50 KB can
 * declare, or unpack to, gigabytes. Here the archive's own index is checked first (count, sizes, methods), each entry is
 * unpacked by zlib with its declared size as the limit, and its checksum is compared. What is then handed on is an archive
 * in which nothing is left to be surprised by. The format: PKWARE APPNOTE.TXT 6.3, sections 4.3 to 4.5.
 */
import { inflateRawSync } from "node:zlib"
import { DataError } from "../data-error.js"

export interface ZipLimits {
  /** The most entries. */
  readonly entries: number
  /** The most bytes of all wanted entries together, unpacked. */
  readonly unpacked: number
}

const LOCAL_HEADER = 0x04034b50
const CENTRAL_HEADER = 0x02014b50
const END = 0x06054b50
const END_SIZE = 22
const LOCAL_SIZE = 30
const CENTRAL_SIZE = 46
const ENCRYPTED = 1
const STORED = 0
const DEFLATED = 8

/**
 * Unpacks the wanted entries of an archive.
 * @param file its path, for messages.
 * @returns contents by name, in the archive's order.
 * @throws DataError when it is no archive, is cut off, is encrypted, is damaged (checksum), or is larger than the limits.
 */
export function unzip(
  bytes: Buffer,
  file: string,
  wanted: (name: string) => boolean,
  limits: ZipLimits,
): Map<string, Buffer> {
  const refuse = (what: string, fix = "fetch the file again, or save it anew as .xlsx"): never => {
    throw new DataError({ what: `${file} ${what}`, fix })
  }
  const end = findEnd(bytes)
  if (end === undefined) return refuse("is not a whole ZIP archive: it has no index at its end")
  const count = bytes.readUInt16LE(end + 10)
  if (count > limits.entries) return refuse(`has ${count} entries, more than ${limits.entries}`)
  let at = bytes.readUInt32LE(end + 16)
  let unpacked = 0
  const contents = new Map<string, Buffer>()
  for (let entry = 0; entry < count; entry++) {
    if (at + CENTRAL_SIZE > end || bytes.readUInt32LE(at) !== CENTRAL_HEADER) return refuse("has a damaged index")
    const flags = bytes.readUInt16LE(at + 8)
    const method = bytes.readUInt16LE(at + 10)
    const checksum = bytes.readUInt32LE(at + 16)
    const packedSize = bytes.readUInt32LE(at + 20)
    const size = bytes.readUInt32LE(at + 24)
    const nameLength = bytes.readUInt16LE(at + 28)
    const local = bytes.readUInt32LE(at + 42)
    const name = bytes.toString("utf8", at + CENTRAL_SIZE, at + CENTRAL_SIZE + nameLength)
    at += CENTRAL_SIZE + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
    if (!wanted(name)) continue
    unpacked += size
    if (unpacked > limits.unpacked) {
      return refuse(`would unpack to more than ${limits.unpacked} bytes`, "check that it is the right file")
    }
    if (flags & ENCRYPTED) return refuse("is protected by a password", "save it without one")
    if (contents.has(name)) return refuse(`holds ${name} twice`)
    if (local + LOCAL_SIZE > end || bytes.readUInt32LE(local) !== LOCAL_HEADER) return refuse(`is damaged at ${name}`)
    const begin = local + LOCAL_SIZE + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
    if (begin + packedSize > end) return refuse(`is cut off in ${name}`)
    const packed = bytes.subarray(begin, begin + packedSize)
    const content = unpack(packed, method, size)
    if (content === undefined) return refuse(`is damaged at ${name}: it does not unpack to what the index declares`)
    if (crc32(content) !== checksum) return refuse(`is damaged at ${name}: its checksum differs`)
    contents.set(name, content)
  }
  return contents
}

/** Offset of the record that ends an archive; a comment of up to 65,535 bytes may follow it. */
function findEnd(bytes: Buffer): number | undefined {
  for (let at = bytes.length - END_SIZE; at >= Math.max(0, bytes.length - END_SIZE - 0xffff); at--) {
    if (bytes.readUInt32LE(at) === END && at + END_SIZE + bytes.readUInt16LE(at + 20) === bytes.length) return at
  }
  return undefined
}

/** The entry's content if it is as long as declared; undefined else, and for a method that is not known. */
function unpack(packed: Buffer, method: number, size: number): Buffer | undefined {
  if (method === STORED) return packed.length === size ? packed : undefined
  if (method !== DEFLATED) return undefined
  try {
    // zlib stops at the limit, so that a false declaration costs no more than the declared size. (Its least limit is 1.)
    const content = inflateRawSync(packed, { maxOutputLength: Math.max(1, size) })
    return content.length === size ? content : undefined
  } catch (thrown) {
    // zlib's own errors mean damaged data; anything else is none of the file's doing.
    if (thrown instanceof Error && "code" in thrown) return undefined
    throw thrown
  }
}

/** An archive of contents as they are. */
export function storedZip(contents: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = []
  const index: Buffer[] = []
  let offset = 0
  for (const [name, content] of contents) {
    const path = Buffer.from(name, "utf8")
    // Both headers begin alike: version 2.0, names in UTF-8, stored, the first day of DOS time, checksum, sizes.
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(0x0800, 2)
    common.writeUInt16LE(0x21, 8)
    common.writeUInt32LE(crc32(content), 10)
    common.writeUInt32LE(content.length, 14)
    common.writeUInt32LE(content.length, 18)
    common.writeUInt16LE(path.length, 22)
    const local = Buffer.alloc(4)
    local.writeUInt32LE(LOCAL_HEADER)
    const central = Buffer.alloc(6)
    central.writeUInt32LE(CENTRAL_HEADER)
    central.writeUInt16LE(20, 4)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    index.push(central, common, place, path)
    parts.push(local, common, path, Buffer.from(content.buffer, content.byteOffset, content.byteLength))
    offset += LOCAL_SIZE + path.length + content.length
  }
  const end = Buffer.alloc(END_SIZE)
  end.writeUInt32LE(END)
  end.writeUInt16LE(contents.size, 8)
  end.writeUInt16LE(contents.size, 10)
  end.writeUInt32LE(
    index.reduce((sum, { length }) => sum + length, 0),
    12,
  )
  end.writeUInt32LE(offset, 16)
  return new Uint8Array(Buffer.concat([...parts, ...index, end]))
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value >>> 0
})

/** CRC-32 as ZIP and PNG have it. (`zlib.crc32` came with Node 20.15; this package runs on 20.11.) */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) value = (value >>> 8) ^ (CRC_TABLE[(value ^ byte) & 0xff] as number)
  return (value ^ 0xffffffff) >>> 0
}
