/**
 * Reads the bytes of an ONNX file back into plain data, for the checker and the text form.
 *
 * Takes bytes; gives what is written there, without judging it: element types as numbers, sizes as numbers or texts.
 * Independent of how the exporter writes, so that the checker sees the file as a runtime would.
 */

import onnxProto from "onnx-proto"
import type { onnx as Onnx } from "onnx-proto"
import type { OnnxAttribute } from "../../ops/definition.js"
import { externalPlaces, type ExternalPlace } from "./external-data.js"

const { onnx } = onnxProto

export interface DecodedValue {
  readonly name: string
  /** `onnx.TensorProto.DataType`; 0 when the type is missing or no tensor */
  readonly elementType: number
  /** undefined when the file gives no shape; an empty text is a size of which nothing is said */
  readonly shape: readonly (number | string)[] | undefined
  readonly doc: string
}

export interface DecodedTensor {
  readonly name: string
  readonly elementType: number
  readonly shape: readonly number[]
  /** undefined when the values are stored in another way than as raw bytes in the file */
  readonly bytes: Uint8Array | undefined
  /** where the values lie when they are in another file */
  readonly external: ExternalPlace | undefined
}

export interface DecodedNode {
  readonly name: string
  readonly op: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** undefined for an attribute of a kind that exported models do not use */
  readonly attributes: readonly (readonly [string, OnnxAttribute | undefined])[]
  readonly doc: string
}

export interface DecodedModel {
  readonly irVersion: number
  readonly opsets: readonly { readonly domain: string; readonly version: number }[]
  readonly producer: string
  readonly doc: string
  readonly metadata: readonly (readonly [string, string])[]
  readonly graphName: string
  readonly inputs: readonly DecodedValue[]
  readonly outputs: readonly DecodedValue[]
  readonly values: readonly DecodedValue[]
  readonly tensors: readonly DecodedTensor[]
  readonly nodes: readonly DecodedNode[]
}

type Integer = number | { toNumber(): number }

/** 64-bit integers as numbers; those past the safe range keep only their magnitude. */
function integer(value: unknown): number {
  // The generated types name a `Long` that they do not bring along, so what comes is described here.
  const known = value as Integer | null | undefined
  return known === null || known === undefined ? 0 : typeof known === "number" ? known : known.toNumber()
}

/** @throws Error when `bytes` are not a protobuf message with the fields of a ModelProto */
export function decodeModel(bytes: Uint8Array): DecodedModel {
  const model: Onnx.IModelProto = onnx.ModelProto.decode(bytes)
  const graph = model.graph ?? {}
  const places = externalPlaces(bytes)
  return {
    irVersion: integer(model.irVersion),
    opsets: (model.opsetImport ?? []).map((o) => ({ domain: o.domain ?? "", version: integer(o.version) })),
    producer: model.producerName ?? "",
    doc: model.docString ?? "",
    metadata: (model.metadataProps ?? []).map(({ key, value }) => [key ?? "", value ?? ""] as const),
    graphName: graph.name ?? "",
    inputs: (graph.input ?? []).map(decodeValue),
    outputs: (graph.output ?? []).map(decodeValue),
    values: (graph.valueInfo ?? []).map(decodeValue),
    tensors: (graph.initializer ?? []).map((tensor) => decodeTensor(tensor, places)),
    nodes: (graph.node ?? []).map((node) => ({
      name: node.name ?? "",
      op: node.opType ?? "",
      domain: node.domain ?? "",
      inputs: node.input ?? [],
      outputs: node.output ?? [],
      attributes: (node.attribute ?? []).map((a) => [a.name ?? "", decodeAttribute(a)] as const),
      doc: node.docString ?? "",
    })),
  }
}

function decodeValue(value: Onnx.IValueInfoProto): DecodedValue {
  const tensor = value.type?.tensorType
  const shape = tensor?.shape?.dim?.map(({ dimParam, dimValue }) =>
    dimParam ? dimParam : dimValue === null || dimValue === undefined ? "" : integer(dimValue),
  )
  return {
    name: value.name ?? "",
    elementType: tensor?.elemType ?? 0,
    // protobufjs gives an absent message as null and an empty one (a scalar's shape) as an object
    shape: tensor?.shape ? (shape ?? []) : undefined,
    doc: value.docString ?? "",
  }
}

function decodeTensor(tensor: Onnx.ITensorProto, places: ReadonlyMap<string, ExternalPlace>): DecodedTensor {
  const shape = (tensor.dims ?? []).map(integer)
  const empty = shape.some((size) => size === 0)
  const raw = tensor.rawData
  return {
    name: tensor.name ?? "",
    elementType: tensor.dataType ?? 0,
    shape,
    bytes: raw && (raw.length > 0 || empty) ? raw : undefined,
    external: places.get(tensor.name ?? ""),
  }
}

function decodeAttribute(attribute: Onnx.IAttributeProto): OnnxAttribute | undefined {
  const { AttributeType } = onnx.AttributeProto
  switch (attribute.type) {
    case AttributeType.INT:
      return { int: integer(attribute.i) }
    case AttributeType.FLOAT:
      return { float: attribute.f ?? 0 }
    case AttributeType.STRING:
      return { string: new TextDecoder().decode(attribute.s ?? new Uint8Array()) }
    case AttributeType.INTS:
      return { ints: (attribute.ints ?? []).map(integer) }
    case AttributeType.FLOATS:
      return { floats: attribute.floats ?? [] }
    case AttributeType.TENSOR:
      return decodeIntegers(attribute.t)
    default:
      return undefined
  }
}

function decodeIntegers(tensor: Onnx.ITensorProto | null | undefined): OnnxAttribute | undefined {
  const raw = tensor?.rawData
  if (!raw || tensor.dataType !== onnx.TensorProto.DataType.INT64 || tensor.dims?.length !== 1) return undefined
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  return { tensorInts: Array.from({ length: raw.byteLength / 8 }, (_, i) => Number(view.getBigInt64(i * 8, true))) }
}
