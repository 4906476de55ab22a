/**
 * The ONNX target: an inference graph with its weights becomes one ONNX file.
 *
 * Takes the graph (batch normalisation and dropout as the language has them), the parameter values in the layout of the
 * language, and what to write about the model; gives the bytes and what they hold. NCHW and the symbolic batch stay as
 * they are. Equal requests give equal bytes. Every file is checked before it is handed out.
 */

import { asConstant, format } from "../../ir/dims.js"
import type { Graph } from "../../ir/graph.js"
import { checkOnnx } from "./check.js"
import type { Draft } from "./draft.js"
import { encodeModel, type ExternalRequest } from "./encode.js"
import { InvalidOnnx, OPSET_RANGE, OpsetOutOfRange } from "./errors.js"
import type { ExternalData } from "./external-data.js"
import { storeHalfWeights } from "./half-weights.js"
import { lowerGraph } from "./lower.js"
import { planExport, type ParameterValues } from "./plan.js"
import { quantise, rangedValues, type Ranges } from "./quantise.js"
import { simplify } from "./simplify.js"
import type { BoundaryType, OnnxType } from "./tensors.js"

/**
 * How weights are stored: as they are; in 16 bits; or in 8 bits, with the arithmetic of convolutions and products in whole
 * numbers too, for which the ranges of values must have been observed.
 */
export type WeightStorage =
  { readonly kind: "f32" } | { readonly kind: "f16" } | { readonly kind: "int8"; readonly ranges: Ranges }

export interface ExportSpec {
  /** name of the model: that of the ONNX graph */
  readonly name: string
  readonly graph: Graph
  /** outputs to export; all of the graph's when absent */
  readonly outputs?: readonly string[]
  /** values by parameter name, row-major, in the layout of the language */
  readonly parameters: ParameterValues
  /** 15, 16, 17 (when absent) or 18 */
  readonly opset?: number
  /** symbols that stay open in the file, such as the batch; all others must have a size */
  readonly symbols: readonly string[]
  readonly doc?: string
  /** written as the model's metadata_props */
  readonly metadata: Readonly<Record<string, string>>
  /** f32 when absent */
  readonly weights?: WeightStorage
  /** a file of their own for large weights; when absent, all must fit into the model */
  readonly external?: ExternalRequest
}

/** A tensor at the model's boundary; a size is a number, or the text of a symbolic dimension. */
export interface ExportedTensor {
  readonly name: string
  readonly dtype: BoundaryType
  readonly shape: readonly (number | string)[]
}

export interface ExportedModel {
  readonly bytes: Uint8Array
  /** the file of weights that belongs to it; undefined when all are in the model */
  readonly data: ExternalData | undefined
  /** number of nodes */
  readonly nodes: number
  /** number of constants: weights, and numbers that nodes need */
  readonly initializers: number
  readonly opset: number
  /** boolean inputs of the graph are int32 here */
  readonly inputs: readonly ExportedTensor[]
  readonly outputs: readonly ExportedTensor[]
  /** what is not stored as it was asked for, and why */
  readonly notes: readonly string[]
}

/**
 * Writes `spec` as ONNX, IR version 8.
 *
 * @throws OnnxExportError (its classes say why) when the request or the model does not allow it
 * @throws LoweringError, InvalidOnnx when the compiler itself is at fault
 */
export function exportOnnx(spec: ExportSpec): ExportedModel {
  const draft = draftOf(spec)
  const notes = store(draft, spec.weights)
  const facts = { name: spec.name, doc: spec.doc, metadata: spec.metadata }
  const { bytes, data } = encodeModel(draft, facts, spec.external)
  const problems = checkOnnx(bytes)
  if (problems.length > 0) throw new InvalidOnnx(problems)
  return {
    bytes,
    data,
    nodes: draft.nodes.length,
    initializers: draft.tensors.size,
    opset: draft.opset,
    inputs: draft.inputs.map(({ name, type }) => boundary(name, type)),
    outputs: draft.outputs.map(({ name }) => boundary(name, draft.typeOf(name))),
    notes,
  }
}

/** A model whose outputs are the values that 8-bit weights need the ranges of. */
export interface ObservedModel {
  readonly bytes: Uint8Array
  /** those of the values that are inputs of the model: they are not among its outputs */
  readonly inputs: readonly string[]
}

/**
 * The f32 model of `spec` with other outputs, to find `ranges` with by running it on cases. The names are those that the
 * model with 8-bit weights is made from. Undefined when there is nothing to store in 8 bits.
 *
 * @throws as `exportOnnx`
 */
export function observedModel(spec: ExportSpec): ObservedModel | undefined {
  const draft = draftOf(spec)
  const inputs = new Set(draft.inputs.map(({ name }) => name))
  const values = rangedValues(draft)
  if (values.length === 0) return undefined
  draft.outputs = values.filter((name) => !inputs.has(name)).map((name) => ({ name, value: name, doc: undefined }))
  const { bytes } = encodeModel(draft, { name: spec.name, doc: undefined, metadata: {} })
  return { bytes, inputs: values.filter((name) => inputs.has(name)) }
}

/** The model as it will be written, but for how weights are stored. */
function draftOf(spec: ExportSpec): Draft {
  const opset = spec.opset ?? OPSET_RANGE.usual
  if (!Number.isInteger(opset) || opset < OPSET_RANGE.first || opset > OPSET_RANGE.last)
    throw new OpsetOutOfRange(opset)
  const plan = planExport(spec.graph, spec.outputs, spec.parameters)
  const draft = lowerGraph({ graph: spec.graph, plan, values: spec.parameters, opset, symbols: spec.symbols })
  simplify(draft)
  return draft
}

function store(draft: Draft, weights: WeightStorage = { kind: "f32" }): readonly string[] {
  if (weights.kind === "f32") return []
  if (weights.kind === "int8") return quantise(draft, weights.ranges)
  const tooLarge = storeHalfWeights(draft)
  return tooLarge.map((name) => `${name} has values above 65504, which f16 does not hold, and is stored as f32`)
}

function boundary(name: string, { dtype, shape }: OnnxType): ExportedTensor {
  if (dtype === "f16" || dtype === "i8" || dtype === "u8") throw new Error(`${name} is ${dtype} at the boundary`)
  return { name, dtype, shape: shape.map((dim) => asConstant(dim) ?? format(dim)) }
}
