/**
 * Tensors and types as ONNX has them: element types, raw little-endian bytes, dims that may be symbolic.
 *
 * Takes numbers and typed arrays; gives `OnnxTensor` (concrete, as an initialiser is stored) and `OnnxType`. Bytes are
 * kept instead of numbers because that is what the file holds, what is hashed, and what large weights can be copied as
 * without a detour over JavaScript numbers.
 */

import {
  add,
  constant,
  DimOverflow,
  fraction,
  multiply,
  substitute,
  symbol,
  symbolsOf,
  type Dim,
  type Sizes,
} from "../../ir/dims.js"
import type { LanguageType } from "../../ir/graph.js"
import { fromHalf, toHalf } from "../../data-files/half.js"
import { sizeOf, stridesOf } from "../../ops/ndarray.js"

/** Element types of what an exported model is fed and gives; 64-bit integers only for shapes, axes and indices. */
export type BoundaryType = LanguageType | "i64"

/** The element types that exported models use: those, what weights are stored in, and what values are rounded to. */
export type OnnxDataType = BoundaryType | "f16" | "i8" | "u8"

export interface OnnxType {
  readonly dtype: OnnxDataType
  readonly shape: readonly Dim[]
}

/** A concrete tensor; `bytes` is row-major and little-endian, one byte per boolean. */
export interface OnnxTensor {
  readonly dtype: OnnxDataType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** `onnx.TensorProto.DataType` */
export const DATA_TYPE_NUMBER: Readonly<Record<OnnxDataType, number>> = {
  f32: 1,
  u8: 2,
  i8: 3,
  i32: 6,
  i64: 7,
  bool: 9,
  f16: 10,
}

/** The words of ONNX's textual syntax. */
export const DATA_TYPE_WORD: Readonly<Record<OnnxDataType, string>> = {
  f32: "float",
  f16: "float16",
  i8: "int8",
  u8: "uint8",
  i32: "int32",
  i64: "int64",
  bool: "bool",
}

export const BYTES_PER_ELEMENT: Readonly<Record<OnnxDataType, number>> = {
  f32: 4,
  f16: 2,
  i8: 1,
  u8: 1,
  i32: 4,
  i64: 8,
  bool: 1,
}

/** The element type with the given enum number; undefined for those that exported models do not use. */
export function dataTypeOfNumber(number: number): OnnxDataType | undefined {
  return (Object.keys(DATA_TYPE_NUMBER) as OnnxDataType[]).find((dtype) => DATA_TYPE_NUMBER[dtype] === number)
}

const hostIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** Raw little-endian bytes of `values`: rounded as typed arrays round, f16 to the nearest, i64 from safe integers. */
export function tensorOf(dtype: OnnxDataType, shape: readonly number[], values: ArrayLike<number>): OnnxTensor {
  if (values.length !== sizeOf(shape)) throw new RangeError(`${values.length} values for shape [${shape.join(", ")}]`)
  return { dtype, shape, bytes: bytesOf(dtype, values) }
}

function bytesOf(dtype: OnnxDataType, values: ArrayLike<number>): Uint8Array {
  if (dtype === "bool") return Uint8Array.from(values, (value) => (value === 0 ? 0 : 1))
  if (dtype === "i8") return new Uint8Array(Int8Array.from(values).buffer)
  if (dtype === "u8") return Uint8Array.from(values)
  if (dtype === "f16") {
    const bytes = new Uint8Array(values.length * 2)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < values.length; i++) view.setUint16(i * 2, toHalf(values[i]!), true)
    return bytes
  }
  if (dtype === "i64") {
    const bytes = new Uint8Array(values.length * 8)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < values.length; i++) view.setBigInt64(i * 8, BigInt(values[i]!), true)
    return bytes
  }
  const typed =
    dtype === "f32"
      ? values instanceof Float32Array
        ? values
        : Float32Array.from(values)
      : values instanceof Int32Array
        ? values
        : Int32Array.from(values)
  const bytes = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength)
  return hostIsLittleEndian ? bytes : swapWords(bytes)
}

function swapWords(bytes: Uint8Array): Uint8Array {
  const swapped = new Uint8Array(bytes.length)
  for (let i = 0; i < bytes.length; i++) swapped[i] = bytes[i - (i % 4) + (3 - (i % 4))]!
  return swapped
}

/** The elements of `tensor` as numbers. 64-bit integers past the safe range are brought to its end ("to the last"). */
export function numbersOf(tensor: OnnxTensor): number[] {
  const view = new DataView(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength)
  const step = BYTES_PER_ELEMENT[tensor.dtype]
  return Array.from({ length: tensor.bytes.byteLength / step }, (_, i) => {
    if (tensor.dtype === "f32") return view.getFloat32(i * step, true)
    if (tensor.dtype === "i32") return view.getInt32(i * step, true)
    if (tensor.dtype === "bool" || tensor.dtype === "u8") return view.getUint8(i)
    if (tensor.dtype === "i8") return view.getInt8(i)
    if (tensor.dtype === "f16") return fromHalf(view.getUint16(i * step, true))
    const value = Number(view.getBigInt64(i * step, true))
    return Math.min(Math.max(value, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
  })
}

/** The shortest text that reads back as the same f32. */
export function floatText(value: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return `${short}`
  }
  // only infinities and NaN come here: nine digits hold every f32
  return `${value}`
}

/** The same elements with axis `i` of the result taken from axis `perm[i]`. */
export function transposeTensor(tensor: OnnxTensor, perm: readonly number[]): OnnxTensor {
  const width = BYTES_PER_ELEMENT[tensor.dtype]
  const shape = perm.map((axis) => tensor.shape[axis]!)
  const from = stridesOf(tensor.shape)
  const strides = perm.map((axis) => from[axis]! * width)
  const bytes = new Uint8Array(tensor.bytes.byteLength)
  const index = new Array<number>(shape.length).fill(0)
  let source = 0
  for (let target = 0; target < bytes.length; target += width) {
    for (let byte = 0; byte < width; byte++) bytes[target + byte] = tensor.bytes[source + byte]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      source -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return { dtype: tensor.dtype, shape, bytes }
}

export function reshapeTensor(tensor: OnnxTensor, shape: readonly number[]): OnnxTensor {
  return { ...tensor, shape }
}

/** Equal type, shape and bytes. */
export function sameTensor(a: OnnxTensor, b: OnnxTensor): boolean {
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length || a.bytes.length !== b.bytes.length) return false
  if (!a.shape.every((size, axis) => size === b.shape[axis])) return false
  // Weights that nothing rewrote are views of one array.
  if (a.bytes.buffer === b.bytes.buffer && a.bytes.byteOffset === b.bytes.byteOffset) return true
  for (let i = 0; i < a.bytes.length; i++) if (a.bytes[i] !== b.bytes[i]) return false
  return true
}

/**
 * A 64-bit hash of bytes, as 16 hexadecimal digits: two FNV-1a streams of 32 bits with different starts. Not for
 * secrets; it tells two tensors apart in golden files and names constants by their content.
 */
export function hashBytes(bytes: Uint8Array): string {
  let a = 0x811c9dc5
  let b = 0x9e3779b9
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ byte ^ (a >>> 24), 0x01000193)
  }
  return [a, b].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("")
}

/** `dim` with the known sizes put in: a number, or a polynomial over the symbols that stay open. */
export function withSizes(dim: Dim, sizes: Sizes): Dim {
  const bindings = new Map(
    symbolsOf(dim).flatMap((name) => (sizes.has(name) ? [[name, constant(sizes.get(name)!)]] : [])),
  )
  return bindings.size === 0 ? dim : substitute(dim, bindings)
}

/**
 * Reads back what `format` of dims prints: `224`, `N`, `18*N + 1`, `N*T - 2`, `3*H*W/16 - 1/2`. Undefined for other text.
 *
 * ONNX keeps a symbolic dimension as a text; the checker needs its meaning to see that two of them agree.
 */
export function parseDim(text: string): Dim | undefined {
  try {
    return sumOfTerms(text)
  } catch (error) {
    // A text from elsewhere can name more than is computed with.
    if (error instanceof DimOverflow) return undefined
    throw error
  }
}

function sumOfTerms(text: string): Dim | undefined {
  let sum = constant(0)
  for (const term of text.replaceAll(" - ", " + -").split(" + ")) {
    const match = /^(-?)(\d+|[A-Za-z_]\w*)((?:\*[A-Za-z_]\w*)*)(?:\/([1-9]\d*))?$/.exec(term)
    if (!match) return undefined
    const [, sign, head, tail, divisor] = match
    let value = constant(sign ? -1 : 1)
    for (const factor of [head!, ...tail!.split("*").slice(1)]) {
      value = multiply(value, /^\d/.test(factor) ? constant(Number(factor)) : symbol(factor))
    }
    sum = add(sum, divisor === undefined ? value : fraction(value, Number(divisor)))
  }
  return sum
}
