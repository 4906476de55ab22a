/**
 * The ONNX target: an inference graph with its weights becomes one ONNX file.
 *
 * Takes the graph (batch normalisation and dropout as the language has them), the parameter values in the layout of the
 * language, and what to write about the model; gives the bytes and what they hold. NCHW and the symbolic batch stay as
 * they are. Equal requests give equal bytes. Every file is checked before it is handed out.
 */

import { asConstant, format, symbolsOf, type Sizes } from "../../ir/dims.js"
import type { Graph, Origin } from "../../ir/graph.js"
import { checkOnnx } from "./check.js"
import { firstDifference } from "./compare-drafts.js"
import type { Draft } from "./draft.js"
import { encodeModel, type ExternalRequest } from "./encode.js"
import { ExportRequestError, InvalidOnnx, OPSET_RANGE, OpsetOutOfRange, SizeFixed } from "./errors.js"
import type { ExternalData } from "./external-data.js"
import { storeHalfWeights } from "./half-weights.js"
import { lowerGraph, sourceOf } from "./lower.js"
import { OPEN_SIZES_KEY, SizeConstraints, type OpenSizes } from "./open-sizes.js"
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
  /** the graph at other sizes of open symbols; needed when one of `symbols` has a size in `graph` */
  readonly resized?: (sizes: Sizes) => Graph
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
  /** what the symbols may be that have a size in the graph and stay open here */
  readonly openSizes: OpenSizes
  /** sizes at which the graph was found to give this same file, but for those in `openSizes` themselves */
  readonly probes: readonly Sizes[]
}

/**
 * Writes `spec` as ONNX, IR version 8.
 *
 * @throws OnnxExportError (its classes say why) when the request or the model does not allow it
 * @throws LoweringError, InvalidOnnx when the compiler itself is at fault
 */
export function exportOnnx(spec: ExportSpec): ExportedModel {
  const draft = draftOf(spec)
  const { openSizes, probes } = provenOpen(draft, spec)
  const notes = store(draft, spec.weights)
  const said = probes.length > 0 ? { [OPEN_SIZES_KEY]: JSON.stringify(openSizes) } : {}
  const facts = { name: spec.name, doc: spec.doc, metadata: { ...spec.metadata, ...said } }
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
    openSizes,
    probes,
  }
}

/**
 * What the open symbols of `draft` may be, after it was seen that the model gives the same nodes and constants at other
 * sizes. Shapes alone do not show it: a text can take a size as a number, choose by it, or own a parameter of that size.
 */
function provenOpen(draft: Draft, spec: ExportSpec): Pick<ExportedModel, "openSizes" | "probes"> {
  const names = [...draft.sizes.keys()]
  if (names.length === 0) return { openSizes: {}, probes: [] }
  const told = new Set(draft.inputs.flatMap(({ type }) => type.shape.flatMap(symbolsOf)))
  const untold = names.filter((name) => !told.has(name))
  if (untold.length > 0) {
    throw new ExportRequestError(`no input that the outputs depend on has the size ${untold.join(" or ")}`)
  }
  const constraints = SizeConstraints.of(draft)
  const [openSizes, probes] = [constraints.sizes(), constraints.probes()]
  if (probes.length === 0) {
    const usual = names.map((name) => `${name} = ${draft.sizes.get(name)}`).join(", ")
    throw new SizeFixed(names, undefined, "", `the shapes of this model allow no other sizes than ${usual}`)
  }
  if (!spec.resized) throw new Error("a graph with open sizes was given without a way to get it at others")
  for (const sizes of probes) {
    const graph = spec.resized(sizes)
    refuseSizedParameters(spec.graph, graph, { names, sizes })
    const difference = firstDifference(draft, draftOf({ ...spec, graph }))
    if (difference) throw new SizeFixed(names, originOf(spec.graph, difference.doc), difference.op, difference.reason)
  }
  return { openSizes, probes }
}

/** @throws SizeFixed for a parameter that has another size, or is not there, at `sizes` */
function refuseSizedParameters(
  usual: Graph,
  other: Graph,
  { names, sizes }: { readonly names: readonly string[]; readonly sizes: Sizes },
): void {
  const shapes = new Map(other.parameters.map(({ name, shape }) => [name, `[${shape.join(", ")}]`]))
  for (const { name, shape, origin } of usual.parameters) {
    const [here, there] = [`[${shape.join(", ")}]`, shapes.get(name) ?? "not there"]
    if (here === there) continue
    const at = [...sizes].map(([symbol, size]) => `${symbol} = ${size}`).join(", ")
    throw new SizeFixed(names, origin, "param", `${name} is ${here}, and ${there} at ${at}`)
  }
}

/** Where the node with the doc string `doc` stands in the text. */
function originOf({ nodes }: Graph, doc: string): Origin | undefined {
  return nodes.find((node) => sourceOf(node) === doc)?.origin
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
  const { symbols, parameters: values } = spec
  const [usual, sizes] = [new Map<string, number>(), new Map<string, number>()]
  for (const [name, size] of spec.graph.sizes) (symbols.includes(name) ? usual : sizes).set(name, size)
  const graph = { ...spec.graph, sizes }
  const plan = planExport(graph, spec.outputs, values)
  const draft = lowerGraph({ graph, plan, values, opset, symbols, usual })
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
