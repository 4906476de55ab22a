/**
 * Writes a finished draft as the bytes of an ONNX file (ModelProto, IR version 8).
 *
 * Takes a draft and the facts about the model; gives bytes that are equal for equal drafts: constants stand in the order
 * of their first use, attributes and metadata by name, and there is no time stamp.
 */

import onnxProto from "onnx-proto"
import type { onnx as Onnx } from "onnx-proto"
import { asConstant, format, type Dim } from "../../ir/dims.js"
import type { OnnxAttribute } from "../../ops/definition.js"
import type { Draft } from "./draft.js"
import { ModelTooLarge } from "./errors.js"
import { joinModel, layOut, type ExternalData } from "./external-data.js"
import { DATA_TYPE_NUMBER, tensorOf, type OnnxTensor, type OnnxType } from "./tensors.js"

// The package is CommonJS and names no exports that Node could see.
const { onnx } = onnxProto

export const IR_VERSION = 8

export interface ModelFacts {
  readonly name: string
  readonly doc: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

/** Weights in a file of their own. */
export interface ExternalRequest {
  /** name of that file, in the folder of the model */
  readonly location: string
  /** it is made when the constants have more bytes than this, and always past the 2 GB that a model can hold */
  readonly above: number
  /** metadata about that file, such as its hash */
  readonly describe: (data: ExternalData) => Readonly<Record<string, string>>
}

export interface EncodedModel {
  readonly bytes: Uint8Array
  /** the file of weights that belongs to it; undefined when all are in the model */
  readonly data: ExternalData | undefined
}

/** Protobuf messages end at 2 GB; nodes and names get a share of it. */
const MOST_WEIGHT_BYTES = 2 ** 31 - 2 ** 24

/**
 * The bytes of a model.
 *
 * @throws ModelTooLarge when the constants pass the 2 GB that one file can hold and no other file was named for them
 */
export function encodeModel(draft: Draft, facts: ModelFacts, external?: ExternalRequest): EncodedModel {
  const tensors = constantsInOrder(draft)
  const bytes = [...tensors.values()].reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0)
  if (bytes > Math.min(external?.above ?? Infinity, MOST_WEIGHT_BYTES)) {
    if (!external) throw new ModelTooLarge(bytes)
    const data = layOut(external.location, tensors)
    const elsewhere = new Set(data.parts.map(({ name }) => name))
    const here = new Map([...tensors].filter(([name]) => !elsewhere.has(name)))
    const metadata = { ...facts.metadata, ...external.describe(data) }
    const { graph, ...model } = modelProto(draft, { ...facts, metadata }, here)
    const [head, body] = [onnx.ModelProto.encode(model).finish(), onnx.GraphProto.encode(graph).finish()]
    return { bytes: joinModel(head, body, data, tensors), data }
  }
  return { bytes: onnx.ModelProto.encode(modelProto(draft, facts, tensors)).finish(), data: undefined }
}

function modelProto(
  draft: Draft,
  facts: ModelFacts,
  tensors: ReadonlyMap<string, OnnxTensor>,
): Onnx.IModelProto & { graph: Onnx.IGraphProto } {
  const outputs = new Set(draft.outputs.map((output) => output.name))
  const between = draft.nodes.flatMap((node) => node.outputs).filter((name) => !outputs.has(name))
  return {
    irVersion: IR_VERSION,
    producerName: "mdl",
    opsetImport: [{ domain: "", version: draft.opset }],
    ...(facts.doc === undefined ? {} : { docString: facts.doc }),
    metadataProps: Object.keys(facts.metadata)
      .sort()
      .map((key) => ({ key, value: facts.metadata[key]! })),
    graph: {
      name: facts.name,
      ...(facts.doc === undefined ? {} : { docString: facts.doc }),
      node: draft.nodes.map((node) => ({
        name: node.name,
        opType: node.op,
        input: [...node.inputs],
        output: [...node.outputs],
        attribute: Object.keys(node.attributes)
          .sort()
          .map((name) => attributeProto(name, node.attributes[name]!)),
        ...(node.doc === "" ? {} : { docString: node.doc }),
      })),
      initializer: [...tensors].map(([name, tensor]) => tensorProto(name, tensor)),
      input: draft.inputs.map(({ name, type, doc }) => valueInfo(name, type, doc)),
      output: draft.outputs.map(({ name, doc }) => valueInfo(name, draft.typeOf(name), doc)),
      valueInfo: between.map((name) => valueInfo(name, draft.typeOf(name), undefined)),
    },
  }
}

function constantsInOrder(draft: Draft): ReadonlyMap<string, OnnxTensor> {
  const order = new Map<string, OnnxTensor>()
  for (const node of draft.nodes) {
    for (const name of node.inputs) {
      const tensor = draft.tensors.get(name)
      if (tensor) order.set(name, tensor)
    }
  }
  return order
}

function tensorProto(name: string | undefined, tensor: OnnxTensor): Onnx.ITensorProto {
  return {
    ...(name === undefined ? {} : { name }),
    dataType: DATA_TYPE_NUMBER[tensor.dtype],
    dims: [...tensor.shape],
    rawData: tensor.bytes,
  }
}

function valueInfo(name: string, type: OnnxType, doc: string | undefined): Onnx.IValueInfoProto {
  return {
    name,
    type: { tensorType: { elemType: DATA_TYPE_NUMBER[type.dtype], shape: { dim: type.shape.map(dimension) } } },
    ...(doc === undefined ? {} : { docString: doc }),
  }
}

/** A number, or the text of the polynomial: equal texts are equal sizes, which is what ONNX wants of `dim_param`. */
function dimension(dim: Dim): Onnx.TensorShapeProto.IDimension {
  const size = asConstant(dim)
  return size === undefined ? { dimParam: format(dim) } : { dimValue: size }
}

function attributeProto(name: string, value: OnnxAttribute): Onnx.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto
  if ("int" in value) return { name, type: AttributeType.INT, i: value.int }
  if ("float" in value) return { name, type: AttributeType.FLOAT, f: value.float }
  if ("string" in value) return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value.string) }
  if ("ints" in value) return { name, type: AttributeType.INTS, ints: [...value.ints] }
  if ("floats" in value) return { name, type: AttributeType.FLOATS, floats: [...value.floats] }
  const tensor = tensorOf("i64", [value.tensorInts.length], value.tensorInts)
  return { name, type: AttributeType.TENSOR, t: tensorProto(undefined, tensor) }
}
