/**
 * Reductions over axes: sum, mean, maximum, minimum, log-sum-exp, any, all. One factory, because they differ in the number they fold with, the
 * names the targets give them, and their gradients.
 */

import { asConstant, constant, type Dim } from "../ir/dims.js"
import type { Attributes, DataType, ValueId } from "../ir/graph.js"
import type {
  GradientContext,
  InferContext,
  NodeAppender,
  OnnxContext,
  OpCase,
  OpDefinition,
  TensorFlowContext,
} from "./definition.js"
import { free } from "./definition.js"
import { ONNX_TYPE } from "./elementwise-unary.js"
import { build, stridesOf, type NdArray } from "./ndarray.js"
import { axisOf, booleanAttribute, integersAttribute, normalAxis } from "./shapes.js"
import { reshape } from "./tensorflow-movement.js"

type ReductionParts = Pick<OpDefinition, "doc" | "gradient" | "cases"> & {
  readonly dtypes: readonly DataType[]
  /** a reduction with a type attribute, one without, or a lowering that keeps the axes */
  readonly tensorflow: string | { readonly untyped: string } | ((context: TensorFlowContext, axes: string) => string)
  /** a faster kernel for all axes but the last, as the gradient of a bias needs it */
  readonly tensorflowColumns?: string
  readonly onnx: string
  /** the operand and the result of the ONNX node in another element type */
  readonly onnxThrough?: DataType
  /** first opset at which ONNX takes the axes as an input instead of an attribute */
  readonly axesInputSince: number
  /** the result for one group of elements, which is never empty for `max` and `min` */
  readonly fold: (values: readonly number[]) => number
}

/** The reduced axes, non-negative and ascending; all of them when the attribute is empty. */
export function reducedAxes(attributes: Attributes, rank: number): readonly number[] {
  const axes = integersAttribute(attributes, "axes")
  if (axes.length === 0) return Array.from({ length: rank }, (_, axis) => axis)
  return axes.map((axis) => normalAxis(axis, rank)).sort((a, b) => a - b)
}

function checkAxes(context: InferContext, rank: number): readonly number[] {
  const axes = integersAttribute(context.attributes, "axes").map((axis) => axisOf(context, axis, rank, "axes"))
  const repeated = axes.find((axis, position) => axes.indexOf(axis) !== position)
  if (repeated !== undefined) {
    context.fail({ kind: "attribute", name: "axes", message: `axis ${repeated} is named twice` })
  }
  return reducedAxes(context.attributes, rank)
}

function reduction(parts: ReductionParts): OpDefinition {
  return {
    family: "reductions",
    doc: parts.doc,
    inputs: [{ name: "x", dtypes: parts.dtypes, doc: "operand, of any shape" }],
    attributes: {
      axes: { type: "axes", doc: "axes to reduce; none named means all", default: [] },
      keep: { type: "bool", doc: "whether reduced axes stay, with size 1", default: false },
    },
    infer: (context) => {
      const { dtype, shape } = context.inputs[0]!
      const axes = checkAxes(context, shape.length)
      if (booleanAttribute(context.attributes, "keep")) return [{ dtype, shape: keptShape(shape, axes) }]
      return [{ dtype, shape: shape.filter((_, axis) => !axes.includes(axis)) }]
    },
    gradient: parts.gradient,
    cost: free,
    layout: { kind: "axes", attribute: "axes", reduces: true },
    precision: { kind: "full" },
    tensorflow: (context) => {
      const { dtype, shape } = context.inputTypes[0]!
      if (shape.length === 0) return [context.inputs[0]!]
      const keep = booleanAttribute(context.attributes, "keep")
      const { tensorflow, tensorflowColumns } = parts
      const reduced = reducedAxes(context.attributes, shape.length)
      if (tensorflowColumns && dtype === "f32" && isOverRows(reduced, shape)) {
        const columns = context.node(tensorflowColumns, context.inputs, {
          T: context.type(dtype),
          data_format: { s: "NHWC" },
        })
        return [keep ? reshape(context, columns, context.outputTypes[0]!.shape) : columns]
      }
      const axes = context.ints(reduced)
      if (typeof tensorflow === "function") {
        const kept = tensorflow(context, axes)
        return [keep ? kept : reshape(context, kept, context.outputTypes[0]!.shape)]
      }
      const common = { Tidx: context.type("i32"), keep_dims: { b: keep } }
      return [
        typeof tensorflow === "string"
          ? context.node(tensorflow, [context.inputs[0]!, axes], { T: context.type(dtype), ...common })
          : context.node(tensorflow.untyped, [context.inputs[0]!, axes], common),
      ]
    },
    onnx: (context) => {
      const rank = context.inputTypes[0]!.shape.length
      if (rank === 0) return [context.inputs[0]!]
      const axes = reducedAxes(context.attributes, rank)
      const keep = booleanAttribute(context.attributes, "keep")
      const through = (value: string, dtype: DataType): string =>
        parts.onnxThrough ? context.node("Cast", [value], { to: { int: ONNX_TYPE[dtype] } })[0]! : value
      const operand = through(context.inputs[0]!, parts.onnxThrough ?? "f32")
      const [reduced] = reduceOnnx(context, parts.onnx, parts.axesInputSince, operand, axes, keep)
      return [through(reduced!, context.outputTypes[0]!.dtype)]
    },
    reference: ([x], attributes, [type]) => [reduceReference(x!, attributes, type!.shape, parts.fold)],
    cases: parts.cases,
  }
}

/** Fewer columns than these leave the kernel for columns nothing to do side by side: it is slower than the general one. */
const FEWEST_COLUMNS = 8

/** Whether everything is reduced but a last axis of some length. */
function isOverRows(axes: readonly number[], shape: readonly number[]): boolean {
  return (
    axes.length > 0 &&
    axes.length === shape.length - 1 &&
    !axes.includes(shape.length - 1) &&
    shape.at(-1)! >= FEWEST_COLUMNS
  )
}

/** A reduction node, with its axes where the opset wants them. */
function reduceOnnx(
  context: OnnxContext,
  op: string,
  axesInputSince: number,
  input: string,
  axes: readonly number[],
  keep: boolean,
): readonly string[] {
  const keepdims = { int: keep ? 1 : 0 }
  if (context.opset >= axesInputSince) return context.node(op, [input, context.int64s(axes)], { keepdims })
  return context.node(op, [input], { axes: { ints: axes }, keepdims })
}

/** The mean over axes that stay, for other records' ONNX lowerings. */
export function onnxMean(context: OnnxContext, input: string, axes: readonly number[]): string {
  return reduceOnnx(context, "ReduceMean", 18, input, axes, true)[0]!
}

/** The shape with size 1 at `axes`. */
function keptShape(shape: readonly Dim[], axes: readonly number[]): readonly Dim[] {
  return shape.map((dim, axis) => (axes.includes(axis) ? constant(1) : dim))
}

function reduceReference(
  x: NdArray,
  attributes: Attributes,
  shape: readonly number[],
  fold: (values: readonly number[]) => number,
): NdArray {
  const rank = x.shape.length
  const axes = reducedAxes(attributes, rank)
  const left = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis))
  const strides = stridesOf(x.shape)
  // Offsets, from the first element of a group, of all its elements.
  let offsets = [0]
  for (const axis of axes) {
    const steps = Array.from({ length: x.shape[axis]! }, (_, position) => position * strides[axis]!)
    offsets = offsets.flatMap((offset) => steps.map((step) => offset + step))
  }
  const kept = shape.length === rank
  return build(shape, (index) => {
    const first = left.reduce((sum, axis, position) => sum + index[kept ? axis : position]! * strides[axis]!, 0)
    return fold(offsets.map((offset) => x.data[first + offset]!))
  })
}

/** A reduced value with its axes back in place, with size 1. */
function restoreAxes(context: GradientContext, reduced: ValueId): ValueId {
  if (booleanAttribute(context.attributes, "keep")) return reduced
  const { shape } = context.typeOf(context.inputs[0]!)
  return context.op("reshape", [reduced], { shape: keptShape(shape, reducedAxes(context.attributes, shape.length)) })
}

/**
 * The product of `dims` as a scalar f32 value. Symbols that have no size yet (the batch) are counted by summing ones,
 * axis by axis, which costs nothing and is folded once sizes are known.
 */
function countOf(context: NodeAppender, dims: readonly Dim[]): ValueId {
  const known = dims.reduce((product, dim) => product * (asConstant(dim) ?? 1), 1)
  const symbolic = dims.filter((dim) => asConstant(dim) === undefined)
  return symbolic.reduce((product, dim) => {
    const ones = context.op("broadcast_to", [context.scalar(1)], { shape: [dim] })
    return context.op("mul", [product, context.op("sum", [ones])])
  }, context.scalar(known))
}

const sumGradient = (context: GradientContext): readonly ValueId[] => {
  const restored = restoreAxes(context, context.gradients[0]!)
  return [context.op("broadcast_to", [restored], { shape: context.typeOf(context.inputs[0]!).shape })]
}

const meanGradient = (context: GradientContext): readonly ValueId[] => {
  const { shape } = context.typeOf(context.inputs[0]!)
  const reduced = reducedAxes(context.attributes, shape.length).map((axis) => shape[axis]!)
  // Divided before it is spread out, where there are fewest elements.
  const share = context.op("div", [restoreAxes(context, context.gradients[0]!), countOf(context, reduced)])
  return [context.op("broadcast_to", [share], { shape })]
}

/** Elements that attain the extremum share the gradient equally, as in `torch.amax`. */
const extremumGradient = (context: GradientContext): readonly ValueId[] => {
  const { op, inputs, outputs, gradients } = context
  const x = inputs[0]!
  const { shape } = context.typeOf(x)
  const attains = op("cast", [op("equal", [x, restoreAxes(context, outputs[0]!)])], { to: "f32" })
  const ties = op("sum", [attains], { axes: reducedAxes(context.attributes, shape.length), keep: true })
  return [op("mul", [attains, op("div", [restoreAxes(context, gradients[0]!), ties])])]
}

const cases = (away?: number): readonly OpCase[] => {
  const x = (shape: readonly number[]): OpCase["inputs"] => [
    { dtype: "f32", shape, ...(away !== undefined && { awayFromZero: away }) },
  ]
  return [
    { name: "all axes", inputs: x([2, 3, 4]) },
    { name: "all axes, kept", inputs: x([3, 4]), attributes: { keep: true } },
    { name: "vector", inputs: x([7]), attributes: { axes: [0] } },
    { name: "last axis", inputs: x([2, 5]), attributes: { axes: [-1] } },
    { name: "spatial axes, kept", inputs: x([2, 3, 4, 5]), attributes: { axes: [2, 3], keep: true } },
    { name: "outer axes in any order", inputs: x([2, 3, 4, 2]), attributes: { axes: [-2, 0] } },
    { name: "scalar", inputs: x([]) },
  ]
}

const integerCase: OpCase = {
  name: "integers",
  inputs: [{ dtype: "i32", shape: [3, 4], low: -5, high: 6 }],
  attributes: { axes: [1] },
}

/** Masks of the shapes above. */
const maskCases: readonly OpCase[] = cases().map((c) => ({
  ...c,
  inputs: c.inputs.map(({ shape }) => ({ dtype: "bool", shape })),
}))

/** The logarithm of a sum of exponentials, shifted by the maximum so that nothing overflows. */
function logSumExpTensorFlow(context: TensorFlowContext, axes: string): string {
  const T = context.type("f32")
  const over = (op: string, value: string): string =>
    context.node(op, [value, axes], { T, Tidx: context.type("i32"), keep_dims: { b: true } })
  const x = context.inputs[0]!
  const highest = over("Max", x)
  const sum = over("Sum", context.node("Exp", [context.node("Sub", [x, highest], { T })], { T }))
  return context.node("AddV2", [context.node("Log", [sum], { T }), highest], { T })
}

function logSumExp(values: readonly number[]): number {
  const highest = Math.max(...values)
  return highest + Math.log(total(values.map((value) => Math.exp(value - highest))))
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

export const reductions = {
  sum: reduction({
    doc: "The sum over axes.",
    dtypes: ["f32", "i32"],
    tensorflow: "Sum",
    tensorflowColumns: "BiasAddGrad",
    onnx: "ReduceSum",
    axesInputSince: 13,
    fold: total,
    gradient: sumGradient,
    cases: [
      ...cases(),
      integerCase,
      { name: "columns", inputs: [{ dtype: "f32", shape: [5, 9] }], attributes: { axes: [0] } },
      { name: "channels", inputs: [{ dtype: "f32", shape: [2, 8, 3, 4] }], attributes: { axes: [0, 2, 3] } },
      { name: "columns, kept", inputs: [{ dtype: "f32", shape: [2, 3, 8] }], attributes: { axes: [0, 1], keep: true } },
    ],
  }),
  mean: reduction({
    doc: "The arithmetic mean over axes.",
    dtypes: ["f32"],
    tensorflow: "Mean",
    onnx: "ReduceMean",
    axesInputSince: 18,
    fold: (values) => total(values) / values.length,
    gradient: meanGradient,
    cases: cases(),
  }),
  max: reduction({
    doc: "The maximum over axes. Elements that tie for it share the gradient equally, as in `torch.amax`.",
    dtypes: ["f32", "i32"],
    tensorflow: "Max",
    onnx: "ReduceMax",
    axesInputSince: 18,
    fold: (values) => values.reduce((best, value) => Math.max(best, value)),
    gradient: extremumGradient,
    cases: [...cases(0.02), integerCase],
  }),
  min: reduction({
    doc: "The minimum over axes. Elements that tie for it share the gradient equally, as in `torch.amin`.",
    dtypes: ["f32", "i32"],
    tensorflow: "Min",
    onnx: "ReduceMin",
    axesInputSince: 18,
    fold: (values) => values.reduce((best, value) => Math.min(best, value)),
    gradient: extremumGradient,
    cases: [...cases(0.02), integerCase],
  }),
  log_sum_exp: reduction({
    doc: "The logarithm of the sum of exponentials over axes, as `torch.logsumexp`; large operands do not overflow.",
    dtypes: ["f32"],
    tensorflow: logSumExpTensorFlow,
    onnx: "ReduceLogSumExp",
    axesInputSince: 18,
    fold: logSumExp,
    gradient: (context) => {
      const { op, inputs, outputs, gradients } = context
      const share = op("exp", [op("sub", [inputs[0]!, restoreAxes(context, outputs[0]!)])])
      return [op("mul", [restoreAxes(context, gradients[0]!), share])]
    },
    cases: [
      ...cases(),
      {
        name: "large scores",
        inputs: [{ dtype: "f32", shape: [2, 3], values: [90, 100, 95, -200, -210, -205] }],
        attributes: { axes: [1] },
      },
    ],
  }),
  any: reduction({
    doc: "Whether any element along the axes is true, as `torch.any`.",
    dtypes: ["bool"],
    tensorflow: { untyped: "Any" },
    onnx: "ReduceMax",
    onnxThrough: "i32",
    axesInputSince: 18,
    fold: (values) => Number(values.some((value) => value !== 0)),
    gradient: { none: "booleans have no gradient" },
    cases: maskCases,
  }),
  all: reduction({
    doc: "Whether all elements along the axes are true, as `torch.all`.",
    dtypes: ["bool"],
    tensorflow: { untyped: "All" },
    onnx: "ReduceMin",
    onnxThrough: "i32",
    axesInputSince: 18,
    fold: (values) => Number(values.every((value) => value !== 0)),
    gradient: { none: "booleans have no gradient" },
    cases: maskCases,
  }),
} satisfies Record<string, OpDefinition>
