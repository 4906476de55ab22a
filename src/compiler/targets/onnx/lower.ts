/**
 * Turns the planned part of a graph into ONNX nodes by the op records' own rules.
 *
 * Takes a graph and its export plan; gives a `Draft`. What stands here is the context that the rules write against: it
 * names values after the user's statements, makes shapes that follow a symbolic batch, and checks that what a rule wrote
 * has the type that the language promised for it.
 */

import { asConstant, equal, evaluate, format, formatShape, symbolsOf, type Dim, type Sizes } from "../../ir/dims.js"
import type { Attributes, AttributeValue, Graph, GraphNode, TensorType, ValueId } from "../../ir/graph.js"
import { languageType } from "../../ir/graph.js"
import type { OnnxAttribute, OnnxContext } from "../../ops/definition.js"
import { sizeOf } from "../../ops/ndarray.js"
import { NotInInference } from "../../ops/not-in-inference.js"
import { opDefinition } from "../../ops/registry.js"
import { symbolsInAttributes, UnsizedAttribute } from "../../ops/sized-attributes.js"
import { Draft } from "./draft.js"
import {
  ExportRequestError,
  LoweringError,
  OpNotInInference,
  SizeFixed,
  UnsizedDimension,
  type Place,
} from "./errors.js"
import type { ExportPlan, ParameterValues } from "./plan.js"
import { RuntimeShapes } from "./runtime-shapes.js"
import { SchemaError } from "./schema.js"
import { DATA_TYPE_NUMBER, tensorOf, withSizes, type OnnxDataType, type OnnxType } from "./tensors.js"

export interface LoweringRequest {
  readonly graph: Graph
  readonly plan: ExportPlan
  readonly values: ParameterValues
  readonly opset: number
  /** symbols that stay open in the file, such as the batch; the graph gives them no size */
  readonly symbols: readonly string[]
  /** those that some of them have in the model's text: by them is known what divides */
  readonly usual: Sizes
}

const placeOf = (node: GraphNode): Place => ({ op: node.op, ...node.origin })

/** Where a node stands in the text, as ONNX doc string. */
export function sourceOf(node: GraphNode): string {
  const { file, start, end } = node.origin.span
  return file === "" ? "" : `${file}@${start}-${end}`
}

/**
 * @throws OnnxExportError when the graph asks for what an ONNX file cannot hold
 * @throws LoweringError when a record's rule is wrong
 */
export function lowerGraph({ graph, plan, values, opset, symbols, usual }: LoweringRequest): Draft {
  const draft = new Draft(opset, usual)
  const names = new Map<ValueId, string>()
  // Inputs, outputs and parameters keep their names whatever else is there, so they are taken first.
  const boundary = [...plan.inputs, ...plan.outputs, ...plan.parameters].map((v) => v.name)
  for (const name of boundary) {
    if (draft.unique(name) !== name) throw new ExportRequestError(`two inputs, outputs or parameters are named ${name}`)
  }
  const read = (value: ValueId): string => {
    const name = names.get(plan.resolve(value))
    if (name === undefined) throw new Error(`value ${value} was read before it was written`)
    return name
  }
  for (const { name, value, doc } of plan.inputs)
    names.set(value, declareInput(draft, graph, symbols, name, value, doc))
  for (const { name, value, shape, dtype } of plan.parameters) {
    draft.reserved(name, tensorOf(dtype, shape, values.get(name)!))
    names.set(value, name)
  }
  for (const [value, tensor] of plan.folded) {
    const node = graph.nodes[graph.values[value]!.node]!
    names.set(value, draft.tensor(baseName(node), tensor))
  }
  const shapes = new RuntimeShapes(draft)
  for (const node of plan.nodes) {
    const results = lowerNode(draft, graph, node, node.inputs.map(read), shapes, symbols)
    node.outputs.forEach((output, index) => names.set(output, results[index]!))
  }
  draft.outputs = plan.outputs.map(({ name, value, doc }) => ({ name, value: read(value), doc }))
  return draft
}

/** Declares a graph input; gives the value to read, which for booleans is converted from int32. */
function declareInput(
  draft: Draft,
  graph: Graph,
  symbols: readonly string[],
  name: string,
  value: ValueId,
  doc: string | undefined,
): string {
  const place: Place = { op: "input", scope: name, section: "" }
  const type = exportedType(graph.values[value]!.type, graph.sizes, symbols, place)
  if (type.dtype !== "bool") {
    draft.input(name, type, doc)
    return name
  }
  // Many runtimes cannot be fed booleans; int32 is understood by all.
  draft.input(name, { dtype: "i32", shape: type.shape }, doc)
  const output = draft.unique(`${name}/bool`)
  const attributes = { to: { int: DATA_TYPE_NUMBER.bool } }
  draft.append({ name: output, op: "Cast", inputs: [name], outputs: [output], attributes, doc: "" })
  return output
}

/** `type` at the graph's sizes; only `symbols` may remain. */
function exportedType(type: TensorType, sizes: Sizes, symbols: readonly string[], place: Place): OnnxType {
  const shape = type.shape.map((dim) => {
    const exported = withSizes(dim, sizes)
    if (symbolsOf(exported).some((name) => !symbols.includes(name))) throw new UnsizedDimension(format(exported), place)
    return exported
  })
  return { dtype: languageType(type.dtype), shape }
}

/** `vision.down1.conv/conv2d` */
function baseName(node: GraphNode): string {
  return node.origin.scope === "" ? node.op : `${node.origin.scope}/${node.op}`
}

/** Runs the record's rule for one node; gives the names of the node's results. */
function lowerNode(
  draft: Draft,
  graph: Graph,
  node: GraphNode,
  inputs: readonly string[],
  shapes: RuntimeShapes,
  symbols: readonly string[],
): readonly string[] {
  const place = placeOf(node)
  const promised = node.outputs.map((v) => exportedType(graph.values[v]!.type, graph.sizes, symbols, place))
  const base = draft.unique(baseName(node))
  const doc = sourceOf(node)
  const before = draft.nodes.length
  const append = (
    op: string,
    from: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    count = 1,
  ): readonly string[] => {
    const name = draft.unique(`${base}.${op}`)
    const outputs = Array.from({ length: count }, (_, i) => (i === 0 ? name : draft.unique(`${name}.${i}`)))
    draft.append({ name, op, inputs: from, outputs, attributes, doc })
    return outputs
  }
  const context: OnnxContext = {
    opset: draft.opset,
    inputs,
    inputTypes: node.inputs.map((v) => typeWithSizes(graph.values[v]!.type, graph.sizes)),
    outputTypes: node.outputs.map((v) => typeWithSizes(graph.values[v]!.type, graph.sizes)),
    attributes: attributesWithSizes(node.attributes, graph.sizes),
    size: (dim) => {
      const size = evaluate(dim, graph.sizes)
      if (size === undefined) throw new UnsizedDimension(format(withSizes(dim, graph.sizes)), place)
      return size
    },
    node: append,
    constant: (dtype, shape, given) => draft.literal(constantTensor(languageType(dtype), shape, given)),
    int64s: (given) => draft.literal(tensorOf("i64", [given.length], given)),
    shape: (shape, purpose) => {
      const sized = shape.map((dim) => withSizes(dim, graph.sizes))
      const open = sized.filter((dim) => asConstant(dim) === undefined)
      if (open.length === 0 || (open.length === 1 && purpose === "reshape")) {
        const numbers = sized.map((dim) => asConstant(dim) ?? -1)
        return draft.literal(tensorOf("i64", [numbers.length], numbers))
      }
      return shapes.vector(sized, place)
    },
  }
  let results: readonly string[]
  try {
    results = opDefinition(node.op).onnx(context)
    checkResults(draft, place, results, promised)
  } catch (error) {
    if (error instanceof NotInInference) throw new OpNotInInference(place, { cause: error })
    // A rule fits every size that the compiler lets through. Where it does not fit an open one, the model has fixed it.
    const open = draft.sizes.size > 0 ? openIn(context, draft.sizes) : []
    const reason = error instanceof SchemaError || error instanceof LoweringError ? error.reason : undefined
    const unsized = error instanceof UnsizedDimension || error instanceof UnsizedAttribute ? error.dim : undefined
    const why = unsized === undefined ? reason : `it needs ${unsized} as a number when the file is written`
    if (open.length > 0 && why !== undefined) throw new SizeFixed(open, node.origin, node.op, why, { cause: error })
    if (error instanceof UnsizedAttribute) throw new UnsizedDimension(error.dim, place)
    if (error instanceof SchemaError) throw new LoweringError(place, error.message, { cause: error })
    throw error
  }
  return nameResults(draft, base, results, before)
}

/** Those of the open sizes that a node's types and attributes are made of; all of them when it tells none. */
function openIn({ inputTypes, outputTypes, attributes }: OnnxContext, usual: Sizes): readonly string[] {
  const dims = [...inputTypes, ...outputTypes].flatMap(({ shape }) => shape)
  const found = [...dims.flatMap(symbolsOf), ...symbolsInAttributes(attributes)]
  const named = [...usual.keys()].filter((name) => found.includes(name))
  return named.length > 0 ? named : [...usual.keys()]
}

/** A rule sees one and the same dimension for `H`, and for `224` where H = 224: only what stays open is a symbol. */
function typeWithSizes({ dtype, shape }: TensorType, sizes: Sizes): TensorType {
  return { dtype, shape: shape.map((dim) => withSizes(dim, sizes)) }
}

function attributesWithSizes(attributes: Attributes, sizes: Sizes): Attributes {
  const entry = (value: number | Dim): number | Dim => (typeof value === "number" ? value : withSizes(value, sizes))
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name,
      Array.isArray(value) ? ((value as readonly (number | Dim)[]).map(entry) as AttributeValue) : value,
    ]),
  )
}

/** A single value for a larger shape means: filled with it. */
function constantTensor(
  dtype: OnnxDataType,
  shape: readonly number[],
  values: readonly number[],
): ReturnType<typeof tensorOf> {
  const count = sizeOf(shape)
  const filled = values.length === 1 && count > 1 ? new Array<number>(count).fill(values[0]!) : values
  return tensorOf(dtype, shape, filled)
}

/** What the rule wrote must be what inference promised; else a wrong model would be written without a word. */
function checkResults(draft: Draft, place: Place, results: readonly string[], promised: readonly OnnxType[]): void {
  if (results.length < promised.length) {
    throw new LoweringError(place, `it gave ${results.length} values for ${promised.length} outputs`)
  }
  promised.forEach(({ dtype, shape }, index) => {
    const type = draft.typeOf(results[index]!)
    const same = type.shape.length === shape.length && type.shape.every((dim, axis) => equal(dim, shape[axis]!))
    if (type.dtype === dtype && same) return
    const found = `${type.dtype}${formatShape(type.shape)}`
    throw new LoweringError(place, `output ${index + 1} is ${found}, expected ${dtype}${formatShape(shape)}`)
  })
}

/** Values that a rule made and gives as results are named after the statement, without the ONNX operator. */
function nameResults(draft: Draft, base: string, results: readonly string[], before: number): readonly string[] {
  const own = new Set(draft.nodes.slice(before).flatMap((node) => node.outputs))
  const named = results.map((result, index) => {
    if (!own.has(result) || results.indexOf(result) !== index) return result
    const name = index === 0 ? base : draft.unique(`${base}.output${index}`)
    draft.rename(result, name, before)
    draft.release(result)
    return name
  })
  if (named[0] !== base) draft.release(base)
  return named
}
