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
import { DATA_TYPE_NUMBER, tensorOf, type OnnxTensor, type OnnxType } from "./tensors.js"

// The package is CommonJS and names no exports that Node could see.
const { onnx } = onnxProto

export const IR_VERSION = 8

export interface ModelFacts {
  readonly name: string
  readonly doc: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

/** Protobuf messages end at 2 GB; nodes and names get a share of it. */
const MOST_WEIGHT_BYTES = 2 ** 31 - 2 ** 24

/** @throws ModelTooLarge when the constants pass the 2 GB that one file can hold */
export function encodeModel(draft: Draft, facts: ModelFacts): Uint8Array {
  const order = constantsInOrder(draft)
  const bytes = order.reduce((sum, name) => sum + draft.tensors.get(name)!.bytes.byteLength, 0)
  if (bytes > MOST_WEIGHT_BYTES) throw new ModelTooLarge(bytes)
  const outputs = new Set(draft.outputs.map((output) => output.name))
  const between = draft.nodes.flatMap((node) => node.outputs).filter((name) => !outputs.has(name))
  const message: Onnx.IModelProto = {
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
      initializer: order.map((name) => tensorProto(name, draft.tensors.get(name)!)),
      input: draft.inputs.map(({ name, type, doc }) => valueInfo(name, type, doc)),
      output: draft.outputs.map(({ name, doc }) => valueInfo(name, draft.typeOf(name), doc)),
      valueInfo: between.map((name) => valueInfo(name, draft.typeOf(name), undefined)),
    },
  }
  return onnx.ModelProto.encode(message).finish()
}

function constantsInOrder(draft: Draft): readonly string[] {
  const order = new Set<string>()
  for (const node of draft.nodes) for (const name of node.inputs) if (draft.tensors.has(name)) order.add(name)
  return [...order]
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
