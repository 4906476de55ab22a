/**
 * Turns the conformance cases of the op records into numbers and graphs.
 *
 * Takes an op and one of its cases; gives drawn inputs (seeded by op, case and input, so that every target sees the same
 * numbers), a one-op graph, and the graph of its gradient. Every f32 draw is rounded to float32, because the targets
 * are fed float32: rounding must not be mistaken for their error.
 */

import { asConstant, constant, type Sizes } from "../../../src/compiler/ir/dims.js"
import { differentiate } from "../../../src/compiler/autodiff/reverse.js"
import { GraphBuilder } from "../../../src/compiler/ir/builder.js"
import type { Graph, Origin, TensorType, ValueId } from "../../../src/compiler/ir/graph.js"
import type { CaseInput, OpCase } from "../../../src/compiler/ops/definition.js"
import { OP_NAMES, type OpName } from "../../../src/compiler/ops/names.js"
import { fromValues, sizeOf, type NdArray } from "../../../src/compiler/ops/ndarray.js"
import { opDefinition } from "../../../src/compiler/ops/registry.js"

/** Cases have concrete shapes, so no symbol needs a size. */
export const CASE_SIZES: Sizes = new Map()

/** The place that nodes of one-op graphs say they come from. */
export const CASE_ORIGIN: Origin = {
  span: { file: "case.mdl", start: 0, end: 0 },
  section: "case",
  scope: "case",
  chain: [],
}

/** One case of one op, with a readable id (`matmul: both transposed`) for test titles. */
export interface NamedCase {
  readonly id: string
  readonly op: OpName
  readonly case: OpCase
}

/** Every case of every op, in the order of the registry's name list. */
export function allCases(): NamedCase[] {
  return OP_NAMES.flatMap((op) => opDefinition(op).cases.map((c) => ({ id: `${op}: ${c.name}`, op, case: c })))
}

/** A generator of uniform numbers in [0, 1) (mulberry32) whose stream depends on `label` only. */
export function seededUniform(label: string): () => number {
  let state = 0x811c9dc5
  for (const character of label) state = Math.imul(state ^ character.codePointAt(0)!, 0x01000193)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The drawn values of one case's inputs, in order; the same on every call. */
export function drawCase(op: OpName, c: OpCase): NdArray[] {
  const distinct = distinctLevels(op, c)
  return c.inputs.map((input, index) => {
    const uniform = seededUniform(`${op}/${c.name}/${index}`)
    return drawInput(input, uniform, distinct)
  })
}

function drawInput(input: CaseInput, uniform: () => number, distinct: () => number): NdArray {
  if (input.values) return fromValues(input.shape, input.values)
  const count = sizeOf(input.shape)
  const draw = (one: () => number): NdArray => fromValues(input.shape, Array.from({ length: count }, one))
  switch (input.dtype) {
    case "bool":
      return draw(() => (uniform() < 0.5 ? 0 : 1))
    case "i32": {
      const { low = 0, high = 4 } = input
      return draw(() => low + Math.floor(uniform() * (high - low)))
    }
    case "f32": {
      const { low = -1, high = 1, awayFromZero: distance } = input
      if (distance === undefined) return draw(() => Math.fround(low + uniform() * (high - low)))
      return draw(() => Math.fround(awayFromIntegers(low + distinct() * (high - low), distance)))
    }
  }
}

/**
 * Numbers in [0, 1) no two of which are close: a shuffled sequence of equal strata with a little jitter, shared by all
 * inputs of the case that have kinks, so that neither a maximum within one input nor one across two inputs has a tie.
 */
function distinctLevels(op: OpName, c: OpCase): () => number {
  const kinked = c.inputs.filter((input) => input.dtype === "f32" && input.awayFromZero !== undefined && !input.values)
  const count = kinked.reduce((sum, input) => sum + sizeOf(input.shape), 0)
  const uniform = seededUniform(`${op}/${c.name}/levels`)
  const order = Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(uniform() * (last + 1))
    ;[order[last], order[other]] = [order[other]!, order[last]!]
  }
  let next = 0
  return () => (order[next++]! + 0.25 + 0.5 * uniform()) / count
}

/** Squeezes each unit interval so that nothing is nearer than `distance` to an integer; monotonic, so ties stay away. */
function awayFromIntegers(value: number, distance: number): number {
  const floor = Math.floor(value)
  return floor + distance + (value - floor) * (1 - 2 * distance)
}

/** A graph of one node: inputs `i0`, `i1`, ... and outputs `o0`, `o1`, ... */
export interface CaseGraph {
  readonly graph: Graph
  readonly inputs: readonly ValueId[]
  readonly outputs: readonly ValueId[]
}

/** The type of a case's input. */
export function caseType(input: CaseInput): TensorType {
  return { dtype: input.dtype, shape: input.shape.map(constant) }
}

/** The one-op graph of a case; throws what the op's `infer` throws when the case does not fit the op. */
export function buildCase(op: OpName, c: OpCase): CaseGraph {
  const builder = new GraphBuilder(CASE_SIZES)
  builder.setOrigin(CASE_ORIGIN)
  const inputs = c.inputs.map((input, index) => builder.input(`i${index}`, caseType(input), "input"))
  const outputs = builder.all(op, inputs, c.attributes)
  outputs.forEach((value, index) => builder.output(`o${index}`, value))
  return { graph: builder.finish(), inputs, outputs }
}

/** The gradient of a weighted sum of a case's differentiable outputs, by its f32 inputs. */
export interface GradientGraph extends CaseGraph {
  /** per output: the input that weighs it, undefined for outputs without a gradient (integers, booleans) */
  readonly weights: readonly (ValueId | undefined)[]
  readonly loss: ValueId
  /** per input of the op; undefined where the op gives none */
  readonly gradients: readonly (ValueId | undefined)[]
  /** drawn weights, for `weights` */
  readonly weightValues: readonly (NdArray | undefined)[]
}

/**
 * The graph of loss = sum over outputs of sum(weight * output), and its gradients by all f32 inputs of the case.
 *
 * @param outputs which outputs take part; by default all f32 ones
 */
export function buildGradientCase(op: OpName, c: OpCase, outputs?: readonly number[]): GradientGraph {
  const builder = new GraphBuilder(CASE_SIZES)
  builder.setOrigin(CASE_ORIGIN)
  const inputs = c.inputs.map((input, index) => builder.input(`i${index}`, caseType(input), "input"))
  const results = builder.all(op, inputs, c.attributes)
  const weights: (ValueId | undefined)[] = []
  const weightValues: (NdArray | undefined)[] = []
  let loss: ValueId | undefined
  results.forEach((value, index) => {
    const type = builder.typeOf(value)
    if (type.dtype !== "f32" || (outputs && !outputs.includes(index))) {
      weights.push(undefined)
      weightValues.push(undefined)
      return
    }
    const shape = type.shape.map((dim) => asConstant(dim)!)
    const weight = builder.input(`w${index}`, type, "input")
    const term = builder.op("sum", [builder.op("mul", [value, weight])])
    loss = loss === undefined ? term : builder.op("add", [loss, term])
    weights.push(weight)
    const uniform = seededUniform(`${op}/${c.name}/weight ${index}`)
    weightValues.push(
      fromValues(
        shape,
        Array.from({ length: sizeOf(shape) }, () => Math.fround(0.5 + uniform())),
      ),
    )
  })
  if (loss === undefined) throw new Error(`${op}: no output of case "${c.name}" has a gradient`)
  const wrt = inputs.filter((_, index) => c.inputs[index]!.dtype === "f32")
  const found = differentiate(builder, loss, wrt)
  const gradients = inputs.map((value) => {
    const position = wrt.indexOf(value)
    return position < 0 ? undefined : found[position]
  })
  results.forEach((value, index) => builder.output(`o${index}`, value))
  gradients.forEach((value, index) => {
    if (value !== undefined) builder.output(`g${index}`, value)
  })
  return { graph: builder.finish(), inputs, outputs: results, weights, weightValues, loss, gradients }
}
