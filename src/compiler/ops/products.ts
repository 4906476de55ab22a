/**
 * The matrix product, with leading axes that broadcast.
 *
 * The case that matters for speed is a linear layer, [N, T, D] by [D, E]: its leading axes are flattened so that it is one
 * large product, forwards and for both gradients, instead of N small ones whose results are then summed.
 */

import { asConstant, product, type Dim } from "../ir/dims.js"
import type { Attributes, TensorType, ValueId } from "../ir/graph.js"
import type { ConcreteType, GradientContext, InferContext, OnnxContext, OpCase, OpDefinition } from "./definition.js"
import { build, sizeOf, stridesOf, type NdArray } from "./ndarray.js"
import { booleanAttribute, moreTelling } from "./shapes.js"

const transposed = (attributes: Attributes): { a: boolean; b: boolean } => ({
  a: booleanAttribute(attributes, "transpose_a"),
  b: booleanAttribute(attributes, "transpose_b"),
})

function checkRanks(context: InferContext): void {
  context.inputs.forEach((type, input) => {
    if (type.shape.length >= 2) return
    context.fail({
      kind: "rank",
      input,
      expected: "at least 2 axes",
      hint: "reshape a vector of n elements to [n, 1] or [1, n]",
    })
  })
}

/** The leading axes of the product, broadcast. */
function leadingDims(context: InferContext): readonly Dim[] {
  const a = context.inputs[0]!.shape.slice(0, -2)
  const b = context.inputs[1]!.shape.slice(0, -2)
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, position): Dim => {
    const left = { axis: position - (rank - a.length), dim: a[position - (rank - a.length)] }
    const right = { axis: position - (rank - b.length), dim: b[position - (rank - b.length)] }
    if (left.dim === undefined || asConstant(left.dim) === 1) return right.dim ?? left.dim!
    if (right.dim === undefined || asConstant(right.dim) === 1) return left.dim
    if (context.same(left.dim, right.dim)) return moreTelling(left.dim, right.dim)
    return context.fail({
      kind: "dims-differ",
      left: { input: 0, axis: left.axis },
      right: { input: 1, axis: right.axis },
      what: "the leading axes of a matrix product must be equal, or one of them 1",
    })
  })
}

/** Why the inner sizes may differ: the one transposition that would make them agree, if there is one. */
function innerHint(context: InferContext): string {
  const [a, b] = context.inputs as [TensorType, TensorType]
  const given = transposed(context.attributes)
  const inner = (flip: { a: boolean; b: boolean }): boolean =>
    context.same(a.shape.at(flip.a ? -2 : -1)!, b.shape.at(flip.b ? -1 : -2)!)
  if (inner({ ...given, b: !given.b })) return `with transpose_b = ${!given.b} they would agree`
  if (inner({ ...given, a: !given.a })) return `with transpose_a = ${!given.a} they would agree`
  return "the columns of the left matrix meet the rows of the right one"
}

function inferProduct(context: InferContext): readonly TensorType[] {
  checkRanks(context)
  const [a, b] = context.inputs as [TensorType, TensorType]
  const flip = transposed(context.attributes)
  const columns = a.shape.length - (flip.a ? 2 : 1)
  const rows = b.shape.length - (flip.b ? 1 : 2)
  if (!context.same(a.shape[columns]!, b.shape[rows]!)) {
    context.fail({
      kind: "dims-differ",
      left: { input: 0, axis: columns },
      right: { input: 1, axis: rows },
      what: "the inner sizes of a matrix product must be equal",
      hint: innerHint(context),
    })
  }
  const shape = [...leadingDims(context), a.shape.at(flip.a ? -1 : -2)!, b.shape.at(flip.b ? -2 : -1)!]
  return [{ dtype: "f32", shape }]
}

/** Whether one large product serves: many left matrices, a single right one. */
const isLinear = (aRank: number, bRank: number, flip: { a: boolean }): boolean => aRank > 2 && bRank === 2 && !flip.a

function productGradient(context: GradientContext): readonly (ValueId | undefined)[] {
  const { op, typeOf, unbroadcast, needs } = context
  const [a, b] = context.inputs as [ValueId, ValueId]
  const dy = context.gradients[0]!
  const flip = transposed(context.attributes)
  const multiply = (left: ValueId, right: ValueId, leftFlip: boolean, rightFlip: boolean): ValueId =>
    op("matmul", [left, right], { transpose_a: leftFlip, transpose_b: rightFlip })
  const byLeft = (): ValueId => (flip.a ? multiply(b, dy, flip.b, true) : multiply(dy, b, false, !flip.b))
  const byRight = (): ValueId => {
    const linear = isLinear(typeOf(a).shape.length, typeOf(b).shape.length, flip)
    const left = linear ? flattened(context, a) : a
    const gradient = linear ? flattened(context, dy) : dy
    return flip.b ? multiply(gradient, left, true, flip.a) : multiply(left, gradient, !flip.a, false)
  }
  return [
    needs[0] ? unbroadcast(byLeft(), typeOf(a)) : undefined,
    needs[1] ? unbroadcast(byRight(), typeOf(b)) : undefined,
  ]
}

/** All axes but the last made one. */
function flattened(context: GradientContext, value: ValueId): ValueId {
  const { shape } = context.typeOf(value)
  return context.op("reshape", [value], { shape: [product(shape.slice(0, -1)), shape.at(-1)!] })
}

/** Exchanges the last two axes where `flip` says so. */
function onnxFlipped(context: OnnxContext, input: number, flip: boolean): string {
  if (!flip) return context.inputs[input]!
  const rank = context.inputTypes[input]!.shape.length
  const leading = Array.from({ length: rank - 2 }, (_, axis) => axis)
  return context.node("Transpose", [context.inputs[input]!], { perm: { ints: [...leading, rank - 1, rank - 2] } })[0]!
}

/** An operand of the product as matrices: where each begins, and how far its rows and columns lie apart. */
interface Matrices {
  readonly data: Float64Array
  readonly columns: number
  readonly rowStep: number
  readonly columnStep: number
  /** offset of the matrix at a leading index of the product, broadcast */
  readonly start: (leading: readonly number[]) => number
}

function matricesOf(x: NdArray, flip: boolean): Matrices {
  const strides = stridesOf(x.shape)
  const [rowStep, columnStep] = strides.slice(-2) as [number, number]
  const own = x.shape.slice(0, -2)
  const start = (leading: readonly number[]): number => {
    const skip = leading.length - own.length
    return own.reduce((sum, size, axis) => sum + (size === 1 ? 0 : leading[axis + skip]! * strides[axis]!), 0)
  }
  return flip
    ? { data: x.data, columns: x.shape.at(-2)!, rowStep: columnStep, columnStep: rowStep, start }
    : { data: x.data, columns: x.shape.at(-1)!, rowStep, columnStep, start }
}

function productReference(a: Matrices, b: Matrices, shape: readonly number[]): NdArray {
  return build(shape, (index) => {
    const leading = index.slice(0, -2)
    const left = a.start(leading) + index.at(-2)! * a.rowStep
    const right = b.start(leading) + index.at(-1)! * b.columnStep
    let sum = 0
    for (let k = 0; k < a.columns; k++) sum += a.data[left + k * a.columnStep]! * b.data[right + k * b.rowStep]!
    return sum
  })
}

const f32s = (...shapes: readonly (readonly number[])[]): OpCase["inputs"] =>
  shapes.map((shape) => ({ dtype: "f32", shape }))

const matmul: OpDefinition = {
  family: "products",
  doc: "The matrix product over the last two axes; leading axes broadcast as in `torch.matmul`.",
  inputs: [
    { name: "a", dtypes: ["f32"], doc: "left matrices, rank at least 2" },
    { name: "b", dtypes: ["f32"], doc: "right matrices, rank at least 2" },
  ],
  attributes: {
    transpose_a: { type: "bool", doc: "exchange the last two axes of `a` first", default: false },
    transpose_b: { type: "bool", doc: "exchange the last two axes of `b` first", default: false },
  },
  infer: inferProduct,
  gradient: productGradient,
  cost: ([a], [y], attributes) => ({
    macs: sizeOf(y!.shape) * a!.shape.at(booleanAttribute(attributes, "transpose_a") ? -2 : -1)!,
  }),
  layout: { kind: "fixed" },
  precision: { kind: "products" },
  tensorflow: (context) => {
    const [a, b] = context.inputTypes as [ConcreteType, ConcreteType]
    const flip = transposed(context.attributes)
    const T = context.type(context.float)
    if (a.shape.length === 2 && b.shape.length === 2) {
      return [context.node("MatMul", context.inputs, { T, transpose_a: { b: flip.a }, transpose_b: { b: flip.b } })]
    }
    if (!isLinear(a.shape.length, b.shape.length, flip)) {
      return [context.node("BatchMatMulV2", context.inputs, { T, adj_x: { b: flip.a }, adj_y: { b: flip.b } })]
    }
    const reshape = (value: string, shape: readonly number[]): string =>
      context.node("Reshape", [value, context.ints(shape)], { T, Tshape: context.type("i32") })
    const rows = reshape(context.inputs[0]!, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1)!])
    const flat = context.node("MatMul", [rows, context.inputs[1]!], {
      T,
      transpose_a: { b: false },
      transpose_b: { b: flip.b },
    })
    return [reshape(flat, context.outputTypes[0]!.shape)]
  },
  onnx: (context) => {
    const flip = transposed(context.attributes)
    return context.node("MatMul", [onnxFlipped(context, 0, flip.a), onnxFlipped(context, 1, flip.b)])
  },
  reference: ([a, b], attributes, [type]) => [
    productReference(matricesOf(a!, transposed(attributes).a), matricesOf(b!, transposed(attributes).b), type!.shape),
  ],
  cases: [
    { name: "matrices", inputs: f32s([2, 3], [3, 4]) },
    { name: "right transposed", inputs: f32s([2, 3], [4, 3]), attributes: { transpose_b: true } },
    { name: "left transposed", inputs: f32s([3, 2], [3, 4]), attributes: { transpose_a: true } },
    { name: "both transposed", inputs: f32s([3, 2], [4, 3]), attributes: { transpose_a: true, transpose_b: true } },
    { name: "linear layer", inputs: f32s([2, 3, 4], [4, 5]) },
    { name: "linear layer, transposed weight", inputs: f32s([2, 2, 3, 4], [5, 4]), attributes: { transpose_b: true } },
    { name: "one matrix, transposed rows", inputs: f32s([2, 4, 3], [4, 5]), attributes: { transpose_a: true } },
    { name: "attention scores", inputs: f32s([2, 2, 3, 4], [2, 2, 5, 4]), attributes: { transpose_b: true } },
    { name: "attention context", inputs: f32s([2, 2, 3, 5], [2, 2, 5, 4]) },
    { name: "leading axes broadcast", inputs: f32s([2, 1, 3, 4], [3, 4, 2]) },
    {
      name: "left broadcasts, both transposed",
      inputs: f32s([4, 3], [2, 2, 4]),
      attributes: { transpose_a: true, transpose_b: true },
    },
  ],
}

export const products = { matmul } satisfies Record<string, OpDefinition>
