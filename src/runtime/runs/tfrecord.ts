/**
 * TFRecord, the framing of TensorFlow's event files: records one after another, each with checksums.
 *
 * Takes records; gives bytes, and the way back. A record is its length (8 bytes, little-endian), the masked CRC-32C of
 * those 8 bytes, the data, and the masked CRC-32C of the data (tensorflow/core/lib/io/record_writer.h). The mask keeps a
 * checksum of data that itself holds checksums from being weak (core/lib/hash/crc32c.h).
 */

/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  return crc
})

/** CRC-32C, as an unsigned integer. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

const HEADER = 12
const FOOTER = 4

/** A record with its frame. */
export function frameRecord(data: Uint8Array): Buffer {
  const framed = Buffer.alloc(HEADER + data.length + FOOTER)
  framed.writeBigUInt64LE(BigInt(data.length))
  framed.writeUInt32LE(masked(crc32c(framed.subarray(0, 8))), 8)
  framed.set(data, HEADER)
  framed.writeUInt32LE(masked(crc32c(data)), HEADER + data.length)
  return framed
}

export interface FramedRecord {
  /** where its frame starts and ends in the file */
  readonly start: number
  readonly end: number
  readonly data: Uint8Array
}

/** The whole records at the beginning of a file; what follows the last one was cut off or is damaged. */
export function* wholeRecords(bytes: Buffer): Generator<FramedRecord, void, undefined> {
  for (let start = 0; start + HEADER + FOOTER <= bytes.length;) {
    const length = bytes.readBigUInt64LE(start)
    if (bytes.readUInt32LE(start + 8) !== masked(crc32c(bytes.subarray(start, start + 8)))) return
    if (length > BigInt(bytes.length - start - HEADER - FOOTER)) return
    const end = start + HEADER + Number(length) + FOOTER
    const data = bytes.subarray(start + HEADER, end - FOOTER)
    if (bytes.readUInt32LE(end - FOOTER) !== masked(crc32c(data))) return
    yield { start, end, data }
    start = end
  }
}
