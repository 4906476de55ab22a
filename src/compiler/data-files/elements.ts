/**
 * The elements of stored tensors.
 *
 * Takes bytes as they lie in a file and the name of their type; gives numbers. Constants of the compiler and weights of the
 * runtime are read by it.
 */

import { DataFileProblem, type Elements } from "./data-file.js"
import { fromHalf } from "./half.js"

/**
 * Elements from little-endian bytes, in the language's types. F64 is rounded to f32: who wants exact values does not ask.
 *
 * @param stored the type, as safetensors files name it
 * @throws DataFileProblem for a truth value that is neither 0 nor 1
 */
export function decodeElements(stored: string, bytes: Uint8Array, count: number): Elements {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fill = <T extends Elements>(into: T, element: (index: number) => number): T => {
    for (let i = 0; i < count; i++) into[i] = element(i)
    return into
  }
  const floats = (element: (index: number) => number) => fill(new Float32Array(count), element)
  const integers = (element: (index: number) => number) => fill(new Int32Array(count), element)
  switch (stored) {
    case "F32":
      return floats((i) => view.getFloat32(i * 4, true))
    case "F64":
      return floats((i) => view.getFloat64(i * 8, true))
    case "F16":
      return floats((i) => fromHalf(view.getUint16(i * 2, true)))
    case "BF16": {
      const word = new DataView(new ArrayBuffer(4))
      return floats((i) => {
        word.setUint32(0, view.getUint16(i * 2, true) << 16)
        return word.getFloat32(0)
      })
    }
    case "I8":
      return integers((i) => view.getInt8(i))
    case "U8":
      return integers((i) => view.getUint8(i))
    case "I16":
      return integers((i) => view.getInt16(i * 2, true))
    case "U16":
      return integers((i) => view.getUint16(i * 2, true))
    case "I32":
      return integers((i) => view.getInt32(i * 4, true))
    case "BOOL": {
      const wrong = bytes.find((byte) => byte > 1)
      if (wrong !== undefined) throw new DataFileProblem(`it is damaged: ${wrong} where only 0 and 1 may be`)
      return Uint8Array.from(bytes)
    }
    default:
      throw new Error(`no elements of type ${stored} are read`)
  }
}
