/**
 * Signatures: the named entry points of a SavedModel, and the file itself.
 *
 * Takes a GraphDef builder and signatures; gives the bytes of `saved_model.pb`. Protobuf maps are written in the order
 * of their keys, so equal input gives equal bytes. `readSignatures` is the way back, for the session.
 */

import messages, { type TensorInfo } from "@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js"
import type { LanguageType } from "../../ir/graph.js"
import { dataTypeOf, elementTypeNumber, shapeMessage, type ElementType, type GraphDefBuilder } from "./graphdef.js"

export interface SignatureTensor {
  /** `node` or `node:output` */
  readonly tensor: string
  readonly type: ElementType
  readonly shape: readonly number[]
}

export interface Signature {
  readonly inputs: Readonly<Record<string, SignatureTensor>>
  readonly outputs: Readonly<Record<string, SignatureTensor>>
}

/** The tag under which tfjs-node looks for the graph. */
export const SAVED_MODEL_TAG = "serve"

/** The bytes of `saved_model.pb`. */
export function savedModelBytes(builder: GraphDefBuilder, signatures: ReadonlyMap<string, Signature>): Uint8Array {
  const info = new messages.MetaGraphDef.MetaInfoDef()
  info.setTagsList([SAVED_MODEL_TAG])
  const meta = new messages.MetaGraphDef()
  meta.setMetaInfoDef(info)
  meta.setGraphDef(builder.finish())
  for (const [name, signature] of signatures) {
    const message = new messages.SignatureDef()
    message.setMethodName(`mdl/${name}`)
    for (const [key, tensor] of Object.entries(signature.inputs)) message.getInputsMap().set(key, tensorInfo(tensor))
    for (const [key, tensor] of Object.entries(signature.outputs)) message.getOutputsMap().set(key, tensorInfo(tensor))
    meta.getSignatureDefMap().set(name, message)
  }
  const model = new messages.SavedModel()
  model.setSavedModelSchemaVersion(1)
  model.setMetaGraphsList([meta])
  return model.serializeBinary()
}

function tensorInfo(tensor: SignatureTensor): TensorInfo {
  const info = new messages.TensorInfo()
  // tfjs-node takes a name without an output number for the number itself, so it is always written.
  info.setName(tensor.tensor.includes(":") ? tensor.tensor : `${tensor.tensor}:0`)
  info.setDtype(elementTypeNumber(tensor.type))
  info.setTensorShape(shapeMessage(tensor.shape))
  return info
}

/** One tensor of a signature, as read from a file. */
export interface SignatureEntry {
  readonly name: string
  readonly tensor: string
  readonly dtype: LanguageType
  readonly shape: readonly number[]
}

export interface SignatureEntries {
  readonly inputs: readonly SignatureEntry[]
  readonly outputs: readonly SignatureEntry[]
}

/**
 * The signatures in the bytes of a `saved_model.pb` that `savedModelBytes` wrote.
 *
 * @throws Error when the bytes are no such file
 */
export function readSignatures(bytes: Uint8Array): ReadonlyMap<string, SignatureEntries> {
  const metas = messages.SavedModel.deserializeBinary(bytes).getMetaGraphsList()
  const meta = metas.find((graph) => graph.getMetaInfoDef()?.getTagsList().includes(SAVED_MODEL_TAG))
  if (!meta) throw new Error(`the SavedModel has no graph tagged "${SAVED_MODEL_TAG}"`)
  const signatures = new Map<string, SignatureEntries>()
  meta.getSignatureDefMap().forEach((signature, name) => {
    const inputs: SignatureEntry[] = []
    const outputs: SignatureEntry[] = []
    signature.getInputsMap().forEach((info, key) => inputs.push(entry(key, info)))
    signature.getOutputsMap().forEach((info, key) => outputs.push(entry(key, info)))
    signatures.set(name, { inputs, outputs })
  })
  return signatures
}

function entry(name: string, info: TensorInfo): SignatureEntry {
  const dtype = dataTypeOf(info.getDtype())
  if (!dtype) throw new Error(`signature tensor ${name} has the TensorFlow type number ${info.getDtype()}`)
  const dims = info.getTensorShape()?.getDimList() ?? []
  return { name, tensor: info.getName(), dtype, shape: dims.map((dim) => dim.getSize()) }
}
