/**
 * Weights in a file of their own (ONNX's external data).
 *
 * Takes the large constants of a model and the name of the file they go to; gives where each lies there, what is written
 * about it in the model, and, from the bytes of a model, what is said there. Nothing is copied: what is to be written are
 * views of the constants, so that a model of many gigabytes is held once.
 *
 * Why the bytes are made here by hand: one protobuf message ends at 2 GB, and the protobuf classes in use (onnx-proto 8.0)
 * are older than the two fields that say where external data lies. Format: docs/ExternalData.md of the ONNX project.
 */

import onnxProto from "onnx-proto"
import { DATA_TYPE_NUMBER, type OnnxTensor } from "./tensors.js"

const { onnx } = onnxProto

/** Where a constant's bytes lie. */
export interface ExternalPlace {
  /** the file, relative to the folder of the model */
  readonly location: string
  readonly offset: number
  readonly length: number
}

/** A file of weights, not yet written. */
export interface ExternalData {
  readonly location: string
  readonly bytes: number
  /** in ascending order of offset; what lies between them is zeros */
  readonly parts: readonly { readonly name: string; readonly offset: number; readonly bytes: Uint8Array }[]
}

/** Smaller constants stay in the model, as in ONNX's own helper: tools read shapes and axes from them. */
const LEAST_EXTERNAL_BYTES = 1024

/** Large tensors begin where every system can map a file into memory, the others where every element is aligned. */
const ALIGNMENT = { large: 2 ** 20, page: 2 ** 16, usual: 64 }

/** Lays the large ones of `tensors` out in a file named `location`, in the given order. */
export function layOut(location: string, tensors: ReadonlyMap<string, OnnxTensor>): ExternalData {
  let end = 0
  const parts = [...tensors].flatMap(([name, { bytes }]) => {
    if (bytes.byteLength < LEAST_EXTERNAL_BYTES) return []
    const step = bytes.byteLength >= ALIGNMENT.large ? ALIGNMENT.page : ALIGNMENT.usual
    const offset = Math.ceil(end / step) * step
    end = offset + bytes.byteLength
    return [{ name, offset, bytes }]
  })
  return { location, bytes: end, parts }
}

/** Hashes and writes take less than 2 GB at a time. */
const MOST_AT_ONCE = 2 ** 28

/** The content of the file in pieces, without a copy of the weights: for a stream, or for a hash. */
export function* piecesOf(data: ExternalData): Generator<Uint8Array> {
  let at = 0
  for (const { offset, bytes } of data.parts) {
    if (offset > at) yield new Uint8Array(offset - at)
    for (let from = 0; from < bytes.byteLength; from += MOST_AT_ONCE) yield bytes.subarray(from, from + MOST_AT_ONCE)
    at = offset + bytes.byteLength
  }
}

/**
 * What is wrong with the name of a file of weights; undefined for one in the model's own folder or below. A model from
 * elsewhere must not make a program read files that it names at will.
 */
export function locationProblem(location: string): string | undefined {
  if (location === "") return "it names no file"
  if (/^([/\\]|[A-Za-z]:)/.test(location)) return "it is not relative"
  if (location.includes("\\") || location.includes("\0")) return "it is no plain name"
  return location.split("/").includes("..") ? "it leads out of the model's folder" : undefined
}

// ------------------------------------------------------------------------------------------------------ bytes, written

/** Field numbers of onnx.proto. */
const FIELD = { modelGraph: 7, graphInitializer: 5, tensorName: 8, tensorExternalData: 13, tensorDataLocation: 14 }
const EXTERNAL = 1

/** A ModelProto of `model` (without its graph), `graph`, and the constants of `data`. */
export function joinModel(
  model: Uint8Array,
  graph: Uint8Array,
  data: ExternalData,
  tensors: ReadonlyMap<string, OnnxTensor>,
): Uint8Array {
  const constants = data.parts.flatMap(({ name, offset, bytes }) => {
    const { dtype, shape } = tensors.get(name)!
    const known = onnx.TensorProto.encode({ name, dataType: DATA_TYPE_NUMBER[dtype], dims: [...shape] }).finish()
    const entries = Object.entries({ location: data.location, offset: `${offset}`, length: `${bytes.byteLength}` })
    const place = entries.flatMap(([key, value]) =>
      delimited(FIELD.tensorExternalData, [onnx.StringStringEntryProto.encode({ key, value }).finish()]),
    )
    const stored = Uint8Array.of(...varint(FIELD.tensorDataLocation << 3), EXTERNAL)
    return delimited(FIELD.graphInitializer, [known, ...place, stored])
  })
  return joined([model, ...delimited(FIELD.modelGraph, [graph, ...constants])])
}

/** A field of a message, its bytes in pieces. */
function delimited(field: number, pieces: readonly Uint8Array[]): Uint8Array[] {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  return [Uint8Array.of(...varint((field << 3) | 2), ...varint(length)), ...pieces]
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return [...bytes, rest]
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

// --------------------------------------------------------------------------------------------------------- bytes, read

/**
 * Where the constants lie that are not in the model, by name. `bytes` must be a message that protobuf has decoded.
 *
 * An offset that is left out is 0; a length that is left out, or a number that is none, is NaN, which fits no tensor.
 */
export function externalPlaces(bytes: Uint8Array): ReadonlyMap<string, ExternalPlace> {
  const places = new Map<string, ExternalPlace>()
  for (const graph of fieldsOf(bytes, FIELD.modelGraph)) {
    for (const tensor of fieldsOf(graph, FIELD.graphInitializer)) {
      const entries = [...fieldsOf(tensor, FIELD.tensorExternalData)].map((entry) =>
        onnx.StringStringEntryProto.decode(entry),
      )
      if (entries.length === 0) continue
      const texts = new Map(entries.map(({ key, value }) => [key ?? "", value ?? ""]))
      const number = (text: string | undefined): number => (/^\d{1,15}$/.test(text ?? "") ? Number(text) : NaN)
      const [name] = [...fieldsOf(tensor, FIELD.tensorName)].map((field) => new TextDecoder().decode(field))
      places.set(name ?? "", {
        location: texts.get("location") ?? "",
        offset: number(texts.get("offset") ?? "0"),
        length: number(texts.get("length")),
      })
    }
  }
  return places
}

/** The length-delimited fields of a message with the given number; others are passed over. */
function* fieldsOf(message: Uint8Array, wanted: number): Generator<Uint8Array> {
  let at = 0
  const number = (): number => {
    let [value, scale] = [0, 1]
    for (;;) {
      const byte = message[at++]
      if (byte === undefined) throw new Error("the message ends within a number")
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
  }
  while (at < message.length) {
    const tag = number()
    const [field, kind] = [Math.floor(tag / 8), tag % 8]
    if (kind === 0) number()
    else if (kind === 1) at += 8
    else if (kind === 5) at += 4
    else if (kind === 2) {
      const length = number()
      if (field === wanted) yield message.subarray(at, at + length)
      at += length
    } else throw new Error(`a field of kind ${kind} is in no ONNX file`)
  }
}
