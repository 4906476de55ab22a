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
import { encodeModel } from "./encode.js"
import { InvalidOnnx, OPSET_RANGE, OpsetOutOfRange } from "./errors.js"
import { lowerGraph } from "./lower.js"
import { planExport, type ParameterValues } from "./plan.js"
import { simplify } from "./simplify.js"
import type { OnnxDataType, OnnxType } from "./tensors.js"

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
}

/** A tensor at the model's boundary; a size is a number, or the text of a symbolic dimension. */
export interface ExportedTensor {
  readonly name: string
  readonly dtype: OnnxDataType
  readonly shape: readonly (number | string)[]
}

export interface ExportedModel {
  readonly bytes: Uint8Array
  /** number of nodes */
  readonly nodes: number
  /** number of constants: weights, and numbers that nodes need */
  readonly initializers: number
  readonly opset: number
  /** boolean inputs of the graph are int32 here */
  readonly inputs: readonly ExportedTensor[]
  readonly outputs: readonly ExportedTensor[]
}

/**
 * Writes `spec` as ONNX, IR version 8.
 *
 * @throws OnnxExportError (its classes say why) when the request or the model does not allow it
 * @throws LoweringError, InvalidOnnx when the compiler itself is at fault
 */
export function exportOnnx(spec: ExportSpec): ExportedModel {
  const opset = spec.opset ?? OPSET_RANGE.usual
  if (!Number.isInteger(opset) || opset < OPSET_RANGE.first || opset > OPSET_RANGE.last)
    throw new OpsetOutOfRange(opset)
  const plan = planExport(spec.graph, spec.outputs, spec.parameters)
  const draft = lowerGraph({ graph: spec.graph, plan, values: spec.parameters, opset, symbols: spec.symbols })
  simplify(draft)
  const bytes = encodeModel(draft, { name: spec.name, doc: spec.doc, metadata: spec.metadata })
  const problems = checkOnnx(bytes)
  if (problems.length > 0) throw new InvalidOnnx(problems)
  return {
    bytes,
    nodes: draft.nodes.length,
    initializers: draft.tensors.size,
    opset,
    inputs: draft.inputs.map(({ name, type }) => boundary(name, type)),
    outputs: draft.outputs.map(({ name }) => boundary(name, draft.typeOf(name))),
  }
}

const boundary = (name: string, { dtype, shape }: OnnxType): ExportedTensor => ({
  name,
  dtype,
  shape: shape.map((dim) => asConstant(dim) ?? format(dim)),
})
