/**
 * The ONNX operators that work element by element, and those that reduce axes: entries of the operator table.
 */

import { add, constant, divideExactly, multiply, subtract, type Dim, type Sizes } from "../../ir/dims.js"
import {
  ANY,
  ANY_NUMBER,
  axesIn,
  axisIn,
  broadcast,
  FLOAT,
  intAttribute,
  intsAttribute,
  INTEGER,
  numbersOfInput,
  NUMERIC,
  sameDataType,
  typeOfInput,
  wantEqual,
  type Known,
  type OnnxOperator,
  type SchemaContext,
} from "./schema-types.js"
import { dataTypeOfNumber, type OnnxDataType } from "./tensors.js"

const known = (dtype: OnnxDataType, shape: readonly Dim[]): readonly Known[] => [{ type: { dtype, shape } }]

/** Same type out as in. */
function unary(allowed: readonly OnnxDataType[]): OnnxOperator {
  return {
    inputs: [1, 1],
    attributes: {},
    infer: (context) => known(sameDataType(context, [0], allowed), typeOfInput(context, 0).shape),
  }
}

type SizeArithmetic = (a: Dim, b: Dim, sizes: Sizes) => Dim | undefined

/** Two operands of one element type, broadcast. Sizes of shapes are followed through `arithmetic`. */
function binary(allowed: readonly OnnxDataType[], result?: "bool", arithmetic?: SizeArithmetic): OnnxOperator {
  return {
    inputs: [2, 2],
    attributes: {},
    infer: (context) => {
      const dtype = sameDataType(context, [0, 1], allowed)
      const shape = broadcast(context, [typeOfInput(context, 0).shape, typeOfInput(context, 1).shape])
      const elements = arithmetic && sizeArithmetic(context, arithmetic)
      return [{ type: { dtype: result ?? dtype, shape }, ...(elements ? { elements } : {}) }]
    },
  }
}

function sizeArithmetic(context: SchemaContext, apply: SizeArithmetic): readonly Dim[] | undefined {
  const [a, b] = [context.inputs[0]?.elements, context.inputs[1]?.elements]
  if (!a || !b) return undefined
  const length = Math.max(a.length, b.length)
  const elements: Dim[] = []
  for (let i = 0; i < length; i++) {
    const element = apply(a[a.length === 1 ? 0 : i]!, b[b.length === 1 ? 0 : i]!, context.sizes)
    if (!element) return undefined
    elements.push(element)
  }
  return elements
}

/** Any number of operands of one element type, broadcast. */
const variadic: OnnxOperator = {
  inputs: [1, ANY_NUMBER],
  attributes: {},
  infer: (context) => {
    const indices = context.inputs.map((_, index) => index)
    const shapes = indices.map((index) => typeOfInput(context, index).shape)
    return known(sameDataType(context, indices, NUMERIC), broadcast(context, shapes))
  },
}

/** `axes` is an attribute up to the opset before `axesAreInputFrom` and an input from there on. */
function reduce(axesAreInputFrom: number): OnnxOperator {
  const always = axesAreInputFrom <= 15
  return {
    inputs: [1, always ? 2 : 1],
    ...(always ? {} : { inputsFrom: { opset: axesAreInputFrom, most: 2 } }),
    attributes: {
      keepdims: { kind: "int" },
      noop_with_empty_axes: { kind: "int", ...(always ? {} : { from: axesAreInputFrom }) },
      ...(always ? {} : { axes: { kind: "ints", until: axesAreInputFrom - 1 } }),
    },
    infer: (context) => {
      const dtype = sameDataType(context, [0], NUMERIC)
      const { shape } = typeOfInput(context, 0)
      const given = context.inputs[1] ? numbersOfInput(context, 1) : (intsAttribute(context, "axes") ?? [])
      if (given.length === 0 && intAttribute(context, "noop_with_empty_axes", 0) === 1) return known(dtype, shape)
      const axes = given.length === 0 ? shape.map((_, axis) => axis) : axesIn(context, given, shape.length)
      const keep = intAttribute(context, "keepdims", 1) === 1
      return known(
        dtype,
        shape.flatMap((dim, axis) => (!axes.includes(axis) ? [dim] : keep ? [constant(1)] : [])),
      )
    },
  }
}

const alongAxis: OnnxOperator = {
  inputs: [1, 1],
  attributes: { axis: { kind: "int" } },
  infer: (context) => {
    const { shape } = typeOfInput(context, 0)
    axisIn(context, intAttribute(context, "axis", -1), shape.length)
    return known(sameDataType(context, [0], FLOAT), shape)
  },
}

const positionOf: OnnxOperator = {
  inputs: [1, 1],
  attributes: { axis: { kind: "int" }, keepdims: { kind: "int" }, select_last_index: { kind: "int" } },
  infer: (context) => {
    sameDataType(context, [0], NUMERIC)
    const { shape } = typeOfInput(context, 0)
    const axis = axisIn(context, intAttribute(context, "axis", 0), shape.length)
    const keep = intAttribute(context, "keepdims", 1) === 1
    return known(
      "i64",
      shape.flatMap((dim, position) => (position !== axis ? [dim] : keep ? [constant(1)] : [])),
    )
  },
}

const cumSum: OnnxOperator = {
  inputs: [2, 2],
  attributes: { exclusive: { kind: "int" }, reverse: { kind: "int" } },
  infer: (context) => {
    const { shape } = typeOfInput(context, 0)
    sameDataType(context, [1], INTEGER)
    axisIn(context, numbersOfInput(context, 1)[0]!, shape.length)
    return known(sameDataType(context, [0], NUMERIC), shape)
  },
}

const clip: OnnxOperator = {
  inputs: [1, 3],
  attributes: {},
  infer: (context) => {
    const present = [0, 1, 2].filter((index) => context.inputs[index] !== undefined)
    for (const index of present.slice(1)) {
      if (typeOfInput(context, index).shape.length !== 0) context.fail(`input ${index + 1} must be a scalar`)
    }
    return known(sameDataType(context, present, NUMERIC), typeOfInput(context, 0).shape)
  },
}

const cast: OnnxOperator = {
  inputs: [1, 1],
  attributes: { to: { kind: "int", required: true } },
  infer: (context) => {
    const to = intAttribute(context, "to", 0)
    const dtype = dataTypeOfNumber(to) ?? context.fail(`element type number ${to} is not used in exported models`)
    const from = context.inputs[0]!
    // sizes stay sizes when they are counted in floats, as the limit of a Range may be
    const elements = dtype === "bool" ? undefined : from.elements
    return [{ type: { dtype, shape: from.type.shape }, ...(elements ? { elements } : {}) }]
  },
}

/** Per-tensor with a scalar scale, or per index of `axis` with a vector of scales. */
function scaled(from: readonly OnnxDataType[], to: (context: SchemaContext) => OnnxDataType): OnnxOperator {
  return {
    inputs: [2, 3],
    attributes: { axis: { kind: "int" } },
    infer: (context) => {
      sameDataType(context, [0], from)
      sameDataType(context, [1], FLOAT)
      const [{ shape }, scale] = [typeOfInput(context, 0), typeOfInput(context, 1).shape]
      if (scale.length > 1) context.fail(`input 2 must be a scalar or a vector`)
      if (scale.length === 1) {
        const axis = axisIn(context, intAttribute(context, "axis", 1), shape.length)
        wantEqual(context, scale[0]!, shape[axis]!, `scales and axis ${axis}`)
      }
      if (context.inputs[2] && typeOfInput(context, 2).shape.length !== scale.length) {
        context.fail("inputs 2 and 3 must have one shape")
      }
      return known(to(context), shape)
    },
  }
}

const quantizeLinear = scaled(FLOAT, (context) => sameDataType(context, [2], ["u8"]))
const dequantizeLinear = scaled(["i8", "u8", "i32"], () => "f32")

const where: OnnxOperator = {
  inputs: [3, 3],
  attributes: {},
  infer: (context) => {
    sameDataType(context, [0], ["bool"])
    const shapes = [0, 1, 2].map((index) => typeOfInput(context, index).shape)
    return known(sameDataType(context, [1, 2], ANY), broadcast(context, shapes))
  },
}

const pow: OnnxOperator = {
  ...binary(NUMERIC),
  // the exponent may have another element type than the base
  infer: (context) => {
    sameDataType(context, [1], NUMERIC)
    const shape = broadcast(context, [typeOfInput(context, 0).shape, typeOfInput(context, 1).shape])
    return known(sameDataType(context, [0], NUMERIC), shape)
  },
}

const identity: OnnxOperator = { inputs: [1, 1], attributes: {}, infer: (context) => [context.inputs[0]!] }

export const elementwiseOperators = {
  Abs: unary(NUMERIC),
  Add: binary(NUMERIC, undefined, add),
  And: binary(["bool"]),
  ArgMax: positionOf,
  ArgMin: positionOf,
  Cast: cast,
  Ceil: unary(FLOAT),
  Clip: clip,
  Cos: unary(FLOAT),
  CumSum: cumSum,
  DequantizeLinear: dequantizeLinear,
  Div: binary(NUMERIC, undefined, divideExactly),
  Elu: { ...unary(FLOAT), attributes: { alpha: { kind: "float" } } },
  Equal: binary(ANY, "bool"),
  Erf: unary(FLOAT),
  Exp: unary(FLOAT),
  Floor: unary(FLOAT),
  Greater: binary(NUMERIC, "bool"),
  GreaterOrEqual: binary(NUMERIC, "bool"),
  HardSigmoid: { ...unary(FLOAT), attributes: { alpha: { kind: "float" }, beta: { kind: "float" } } },
  HardSwish: unary(FLOAT),
  Identity: identity,
  LeakyRelu: { ...unary(FLOAT), attributes: { alpha: { kind: "float" } } },
  Less: binary(NUMERIC, "bool"),
  LessOrEqual: binary(NUMERIC, "bool"),
  Log: unary(FLOAT),
  LogSoftmax: alongAxis,
  Max: variadic,
  Min: variadic,
  Mod: { ...binary(INTEGER), attributes: { fmod: { kind: "int" } } },
  Mul: binary(NUMERIC, undefined, multiply),
  Neg: unary(NUMERIC),
  Not: unary(["bool"]),
  Or: binary(["bool"]),
  Pow: pow,
  QuantizeLinear: { ...quantizeLinear, inputs: [3, 3] },
  Reciprocal: unary(FLOAT),
  ReduceLogSumExp: reduce(18),
  ReduceMax: reduce(18),
  ReduceMean: reduce(18),
  ReduceMin: reduce(18),
  ReduceSum: reduce(13),
  Relu: unary(["f32", "i32"]),
  Round: unary(FLOAT),
  Sigmoid: unary(FLOAT),
  Sign: unary(NUMERIC),
  Sin: unary(FLOAT),
  Softmax: alongAxis,
  Softplus: unary(FLOAT),
  Sqrt: unary(FLOAT),
  Sub: binary(NUMERIC, undefined, subtract),
  Tanh: unary(FLOAT),
  Where: where,
} as const satisfies Record<string, OnnxOperator>
