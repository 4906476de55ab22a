/**
 * Decides what of a graph goes into an ONNX file.
 *
 * Takes a graph, the wanted outputs and the parameter values; gives the nodes to write in order, the inputs and
 * parameters they read, and the constants that replace whatever depends on parameters and constants alone. Dropout and
 * stop_gradient are the identity in inference: values are read through them and they leave no node. What no output
 * needs is not there.
 */

import { evaluate } from "../../ir/dims.js"
import type { Graph, GraphInput, GraphNode, GraphOutput, Parameter, ValueId } from "../../ir/graph.js"
import { languageType } from "../../ir/graph.js"
import { fromValues, sizeOf, type NdArray } from "../../ops/ndarray.js"
import type { OpName } from "../../ops/names.js"
import { symbolsInAttributes } from "../../ops/sized-attributes.js"
import { interpret } from "../reference/interpret.js"
import { ExportRequestError, ParameterValuesError } from "./errors.js"
import { BYTES_PER_ELEMENT, tensorOf, type OnnxTensor } from "./tensors.js"

export type ParameterValues = ReadonlyMap<string, Float32Array | Int32Array>

export interface ExportPlan {
  readonly nodes: readonly GraphNode[]
  readonly inputs: readonly GraphInput[]
  readonly parameters: readonly Parameter[]
  readonly outputs: readonly GraphOutput[]
  /** values that are computed now, once, and become constants of the file */
  readonly folded: ReadonlyMap<ValueId, OnnxTensor>
  /** the value to read in place of `value`: what stands before dropout and stop_gradient */
  readonly resolve: (value: ValueId) => ValueId
}

/** Identity in an inference program. */
const VANISHING: ReadonlySet<OpName> = new Set<OpName>(["dropout", "stop_gradient"])
/** Never computed at export. */
const RANDOM: ReadonlySet<OpName> = new Set<OpName>(["random_uniform", "random_normal"])
/** Left to the exporter's own rewriting of constants, which moves the f32 bytes and knows the tensor's name. */
const MOVES_ONLY: ReadonlySet<OpName> = new Set<OpName>(["reshape", "transpose"])
/** A result that grows beyond this many times what it is made from is better computed when the model runs. */
const MOST_GROWTH = 4

/**
 * @param names outputs to export; all when absent
 * @throws ExportRequestError for unknown outputs and for outputs that need a target
 * @throws ParameterValuesError when values are missing or of the wrong number
 */
export function planExport(graph: Graph, names: readonly string[] | undefined, values: ParameterValues): ExportPlan {
  const outputs = chooseOutputs(graph, names)
  const resolve = (value: ValueId): ValueId => {
    for (let v = value; ;) {
      const node = graph.nodes[graph.values[v]!.node]
      if (!node || !VANISHING.has(node.op)) return v
      v = node.inputs[0]!
    }
  }
  const constants = constantValues(graph, resolve)
  const needed = new Set<ValueId>(outputs.map((output) => resolve(output.value)))
  const folds: ValueId[] = []
  const nodes: GraphNode[] = []
  for (const node of [...graph.nodes].reverse()) {
    const wanted = node.outputs.filter((output) => needed.has(output))
    if (wanted.length === 0) continue
    if (wanted.every((output) => constants.has(output)) && worthFolding(graph, node, resolve)) {
      folds.push(...wanted)
    } else {
      nodes.push(node)
      for (const value of node.inputs) needed.add(resolve(value))
    }
  }
  nodes.reverse()
  checkTargets(graph, needed, outputs)
  return {
    nodes,
    inputs: graph.inputs.filter((input) => needed.has(input.value)),
    parameters: checkedParameters(graph, needed, values),
    outputs,
    folded: fold(graph, folds, values, resolve),
    resolve,
  }
}

function chooseOutputs(graph: Graph, names: readonly string[] | undefined): readonly GraphOutput[] {
  const all = graph.outputs.map((output) => output.name)
  if (names === undefined) {
    if (all.length === 0) throw new ExportRequestError("the model has no outputs, so there is nothing to export")
    return graph.outputs
  }
  if (names.length === 0) throw new ExportRequestError("no outputs were chosen, so there is nothing to export")
  return names.map((name) => {
    const output = graph.outputs.find((o) => o.name === name)
    if (!output) throw new ExportRequestError(`there is no output ${name}; the model's outputs are ${all.join(", ")}`)
    return output
  })
}

/** Values that depend on parameters and constants alone, and whose size is known. */
function constantValues(graph: Graph, resolve: (value: ValueId) => ValueId): ReadonlySet<ValueId> {
  const constants = new Set<ValueId>(graph.parameters.map((parameter) => parameter.value))
  for (const node of graph.nodes) {
    if (RANDOM.has(node.op) || !node.inputs.every((value) => constants.has(resolve(value)))) continue
    if (!symbolsInAttributes(node.attributes).every((name) => graph.sizes.has(name))) continue
    for (const output of node.outputs) if (bytesOf(graph, output) !== undefined) constants.add(output)
  }
  return constants
}

/** Size of a value in bytes; undefined when it depends on a symbol without a size. */
function bytesOf(graph: Graph, value: ValueId): number | undefined {
  const { dtype, shape } = graph.values[value]!.type
  let bytes = BYTES_PER_ELEMENT[languageType(dtype)]
  for (const dim of shape) {
    const size = evaluate(dim, graph.sizes)
    if (size === undefined) return undefined
    bytes *= size
  }
  return bytes
}

/** Whether computing a constant node now saves work without making the file much larger. */
function worthFolding(graph: Graph, node: GraphNode, resolve: (value: ValueId) => ValueId): boolean {
  if (node.op === "constant" || MOVES_ONLY.has(node.op)) return false
  if (node.inputs.length === 0) return true
  let leaves = 0
  const seen = new Set<ValueId>()
  const open = node.inputs.map(resolve)
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (seen.has(value)) continue
    seen.add(value)
    const producer = graph.nodes[graph.values[value]!.node]
    if (producer && producer.inputs.length > 0) open.push(...producer.inputs.map(resolve))
    else leaves += bytesOf(graph, value)!
  }
  const result = node.outputs.reduce((sum, output) => sum + bytesOf(graph, output)!, 0)
  return result <= MOST_GROWTH * leaves
}

function checkTargets(graph: Graph, needed: ReadonlySet<ValueId>, outputs: readonly GraphOutput[]): void {
  const target = graph.inputs.find((input) => input.role === "target" && needed.has(input.value))
  if (!target) return
  const dependent = outputs.map((output) => output.name).join(", ")
  throw new ExportRequestError(
    `the target ${target.name} exists in training only, and what is to be exported (${dependent}) depends on it`,
  )
}

function checkedParameters(graph: Graph, needed: ReadonlySet<ValueId>, values: ParameterValues): readonly Parameter[] {
  const used = graph.parameters.filter((parameter) => needed.has(parameter.value))
  checkValues(used, values)
  return used
}

function checkValues(parameters: readonly Parameter[], values: ParameterValues): void {
  const problems = parameters.flatMap(({ name, shape, dtype }) => {
    const given = values.get(name)
    const text = `${name} [${shape.join(", ")}]`
    if (!given) return [`${text} has no values`]
    if (given.length !== sizeOf(shape)) return [`${text} was given ${given.length} values`]
    const wanted = dtype === "f32" ? Float32Array : Int32Array
    return given instanceof wanted ? [] : [`${text} of ${dtype} was given as ${given.constructor.name}`]
  })
  if (problems.length > 0) throw new ParameterValuesError(problems)
}

/** Computes `folds` with the reference implementation and rounds once, at the end. */
function fold(
  graph: Graph,
  folds: readonly ValueId[],
  values: ParameterValues,
  resolve: (value: ValueId) => ValueId,
): ReadonlyMap<ValueId, OnnxTensor> {
  if (folds.length === 0) return new Map()
  const seen = new Set<ValueId>()
  const open = [...folds]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (seen.has(value)) continue
    seen.add(value)
    const producer = graph.nodes[graph.values[value]!.node]
    if (producer) open.push(...producer.inputs.map(resolve), ...producer.inputs)
  }
  const parameters = graph.parameters.filter((parameter) => seen.has(parameter.value))
  checkValues(parameters, values)
  const feeds = new Map<ValueId, NdArray>(
    parameters.map(({ name, shape, value }) => [value, fromValues(shape, values.get(name)!)]),
  )
  const results = interpret(graph, folds, feeds, { sizes: graph.sizes, seed: 0, step: 0 })
  return new Map(
    folds.map((value, index) => {
      const { shape, data } = results[index]!
      return [value, tensorOf(languageType(graph.values[value]!.type.dtype), shape, data)]
    }),
  )
}
