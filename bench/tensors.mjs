// Tensors in a file, for the programs of the benchmark: the safetensors format, read and written without a library.
//
// Takes: named float tensors.
// Gives: one file that JavaScript and Python read in a few lines each.
// Why so: all competitors must start from the same weights and see the same batch.
import { readFileSync, writeFileSync } from "node:fs"

/**
 * @typedef {{ shape: readonly number[], data: Float32Array }} Tensor
 */

/** @param {string} file @param {ReadonlyMap<string, Tensor>} tensors */
export function writeTensors(file, tensors) {
  const header = {}
  let offset = 0
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const text = Buffer.from(JSON.stringify(header))
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  const values = [...tensors.values()].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  writeFileSync(file, Buffer.concat([length, padded, ...values]))
}

/** @param {string} file @returns {Map<string, Tensor>} */
export function readTensors(file) {
  const bytes = readFileSync(file)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, start).toString("utf8"))
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const copy = Uint8Array.from(bytes.subarray(start + from, start + to))
        return [name, { shape, data: new Float32Array(copy.buffer) }]
      },
    ),
  )
}
