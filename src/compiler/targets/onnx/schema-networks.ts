/**
 * The ONNX operators of neural networks (products, convolution, pooling, normalisation, resampling): entries of the
 * operator table.
 */

import { add, asConstant, constant, floorDivide, formatShape, multiply, type Dim } from "../../ir/dims.js"
import { parseEquation } from "../../ops/einsum.js"
import {
  ANY_NUMBER,
  axisIn,
  broadcast,
  FLOAT,
  intAttribute,
  intsAttribute,
  numbersOfInput,
  NUMERIC,
  sameDataType,
  sizesOfInput,
  stringAttribute,
  typeOfInput,
  wantEqual,
  wantRank,
  type Known,
  type OnnxOperator,
  type SchemaContext,
} from "./schema-types.js"
import type { OnnxDataType } from "./tensors.js"

const known = (dtype: OnnxDataType, shape: readonly Dim[]): readonly Known[] => [{ type: { dtype, shape } }]

const window = {
  dilations: { kind: "ints" },
  pads: { kind: "ints" },
  strides: { kind: "ints" },
} as const

/** Sizes after sliding a window over the spatial axes: floor((size + pads - reach) / stride) + 1. */
function windowed(context: SchemaContext, spatial: readonly Dim[], kernel: readonly number[]): readonly Dim[] {
  const rank = spatial.length
  if (kernel.length !== rank) context.fail(`a kernel of rank ${kernel.length} for ${rank} spatial axes`)
  const ones = kernel.map(() => 1)
  const strides = intsAttribute(context, "strides") ?? ones
  const dilations = intsAttribute(context, "dilations") ?? ones
  const pads = intsAttribute(context, "pads") ?? [...ones, ...ones].map(() => 0)
  if (strides.length !== rank || dilations.length !== rank || pads.length !== 2 * rank) {
    context.fail(`strides, dilations or pads do not fit ${rank} spatial axes`)
  }
  return spatial.map((dim, axis) => {
    const reach = dilations[axis]! * (kernel[axis]! - 1) + 1
    const room = add(dim, constant(pads[axis]! + pads[axis + rank]! - reach))
    const steps = floorDivide(room, strides[axis]!, context.sizes)
    if (!steps) context.fail(`spatial axis ${axis} of ${formatShape(spatial)} must have a known size`)
    return add(steps, constant(1))
  })
}

const conv: OnnxOperator = {
  inputs: [2, 3],
  attributes: { ...window, group: { kind: "int" }, kernel_shape: { kind: "ints" } },
  infer: (context) => {
    sameDataType(context, context.inputs[2] ? [0, 1, 2] : [0, 1], FLOAT)
    const x = typeOfInput(context, 0).shape
    const w = wantRank(context, 1, x.length)
    const kernel = w.slice(2).map((dim) => asConstant(dim) ?? context.fail("the kernel must have a known size"))
    const given = intsAttribute(context, "kernel_shape")
    if (given && given.join() !== kernel.join()) context.fail(`kernel_shape [${given.join(", ")}] is not the weight's`)
    const group = intAttribute(context, "group", 1)
    wantEqual(context, x[1]!, multiply(w[1]!, constant(group)), "channels of the input and of the weight")
    if (context.inputs[2]) wantEqual(context, wantRank(context, 2, 1)[0]!, w[0]!, "the bias and the output channels")
    return known("f32", [x[0]!, w[0]!, ...windowed(context, x.slice(2), kernel)])
  },
}

/** Sizes after spreading each element over a window: (size - 1) * stride + output_padding + reach - pads. */
const convTranspose: OnnxOperator = {
  inputs: [2, 3],
  attributes: { ...window, group: { kind: "int" }, kernel_shape: { kind: "ints" }, output_padding: { kind: "ints" } },
  infer: (context) => {
    sameDataType(context, context.inputs[2] ? [0, 1, 2] : [0, 1], FLOAT)
    const x = typeOfInput(context, 0).shape
    const w = wantRank(context, 1, x.length)
    wantEqual(context, x[1]!, w[0]!, "channels of the input and of the weight")
    const channels = multiply(w[1]!, constant(intAttribute(context, "group", 1)))
    const rank = x.length - 2
    const list = (name: string, fallback: number, length: number): readonly number[] => {
      const values = intsAttribute(context, name) ?? new Array<number>(length).fill(fallback)
      return values.length === length ? values : context.fail(`${name} does not fit ${rank} spatial axes`)
    }
    const [strides, dilations] = [list("strides", 1, rank), list("dilations", 1, rank)]
    const [pads, more] = [list("pads", 0, 2 * rank), list("output_padding", 0, rank)]
    const spatial = x.slice(2).map((dim, axis) => {
      const kernel = asConstant(w[axis + 2]!) ?? context.fail("the kernel must have a known size")
      const reach = dilations[axis]! * (kernel - 1) + 1
      const surplus = reach + more[axis]! - strides[axis]! - pads[axis]! - pads[axis + rank]!
      return add(multiply(dim, constant(strides[axis]!)), constant(surplus))
    })
    return known("f32", [x[0]!, channels, ...spatial])
  },
}

function pool(attributes: OnnxOperator["attributes"]): OnnxOperator {
  return {
    inputs: [1, 1],
    attributes: {
      kernel_shape: { kind: "ints", required: true },
      pads: window.pads,
      strides: window.strides,
      ...attributes,
    },
    infer: (context) => {
      const { shape } = typeOfInput(context, 0)
      const kernel = intsAttribute(context, "kernel_shape")!
      const spatial = windowed(context, shape.slice(2), kernel)
      return known(sameDataType(context, [0], FLOAT), [...shape.slice(0, 2), ...spatial])
    },
  }
}

const batchNormalization: OnnxOperator = {
  inputs: [5, 5],
  attributes: { epsilon: { kind: "float" }, momentum: { kind: "float" } },
  infer: (context) => {
    const { shape } = typeOfInput(context, 0)
    for (const index of [1, 2, 3, 4]) {
      wantEqual(context, wantRank(context, index, 1)[0]!, shape[1]!, `input ${index + 1} and the channels`)
    }
    return known(sameDataType(context, [0, 1, 2, 3, 4], FLOAT), shape)
  },
}

const instanceNormalization: OnnxOperator = {
  inputs: [3, 3],
  attributes: { epsilon: { kind: "float" } },
  infer: (context) => {
    const { shape } = typeOfInput(context, 0)
    if (shape.length < 3) context.fail(`${formatShape(shape)} has no axes to normalise over`)
    for (const index of [1, 2]) {
      wantEqual(context, wantRank(context, index, 1)[0]!, shape[1]!, `input ${index + 1} and the channels`)
    }
    return known(sameDataType(context, [0, 1, 2], FLOAT), shape)
  },
}

const einsum: OnnxOperator = {
  inputs: [1, ANY_NUMBER],
  attributes: { equation: { kind: "string", required: true } },
  infer: (context) => {
    const dtype = sameDataType(
      context,
      context.inputs.map((_, index) => index),
      NUMERIC,
    )
    const equation = parseEquation(stringAttribute(context, "equation", ""))
    if (typeof equation === "string") return context.fail(equation)
    const sizes = new Map<string, Dim>()
    equation.operands.forEach((letters, index) => {
      wantRank(context, index, letters.length).forEach((dim, axis) => {
        const letter = letters[axis]!
        wantEqual(context, sizes.get(letter) ?? dim, dim, `sizes of the letter ${letter}`)
        sizes.set(letter, dim)
      })
    })
    return known(
      dtype,
      [...equation.result].map((letter) => sizes.get(letter)!),
    )
  },
}

const layerNormalization: OnnxOperator = {
  inputs: [2, 3],
  since: 17,
  attributes: { axis: { kind: "int" }, epsilon: { kind: "float" }, stash_type: { kind: "int" } },
  infer: (context) => {
    const { shape } = typeOfInput(context, 0)
    const axis = axisIn(context, intAttribute(context, "axis", -1), shape.length)
    const indices = context.inputs[2] ? [0, 1, 2] : [0, 1]
    for (const index of indices.slice(1)) {
      const scale = broadcast(context, [shape.slice(axis), typeOfInput(context, index).shape])
      if (scale.length !== shape.length - axis) context.fail(`input ${index + 1} has more axes than are normalised`)
    }
    return known(sameDataType(context, indices, FLOAT), shape)
  },
}

const matMul: OnnxOperator = {
  inputs: [2, 2],
  attributes: {},
  infer: (context) => {
    const dtype = sameDataType(context, [0, 1], NUMERIC)
    const [a, b] = [typeOfInput(context, 0).shape, typeOfInput(context, 1).shape]
    if (a.length < 2 || b.length < 2) context.fail(`operands ${formatShape(a)} and ${formatShape(b)} are not matrices`)
    wantEqual(context, a.at(-1)!, b.at(-2)!, "the inner axes")
    return known(dtype, [...broadcast(context, [a.slice(0, -2), b.slice(0, -2)]), a.at(-2)!, b.at(-1)!])
  },
}

const resize: OnnxOperator = {
  inputs: [1, 4],
  attributes: {
    antialias: { kind: "int", from: 18 },
    axes: { kind: "ints", from: 18 },
    coordinate_transformation_mode: { kind: "string" },
    cubic_coeff_a: { kind: "float" },
    exclude_outside: { kind: "int" },
    extrapolation_value: { kind: "float" },
    mode: { kind: "string" },
    nearest_mode: { kind: "string" },
  },
  infer: (context) => {
    const { dtype, shape } = typeOfInput(context, 0)
    if (context.inputs[3]) {
      const sizes = sizesOfInput(context, 3)
      if (sizes.length !== shape.length) context.fail(`${sizes.length} sizes for shape ${formatShape(shape)}`)
      return known(dtype, sizes)
    }
    const scales = numbersOfInput(context, 2)
    if (scales.length !== shape.length) context.fail(`${scales.length} scales for shape ${formatShape(shape)}`)
    return known(
      dtype,
      shape.map((dim, axis) => scaled(context, dim, scales[axis]!)),
    )
  },
}

function scaled(context: SchemaContext, dim: Dim, scale: number): Dim {
  if (Number.isInteger(scale)) return multiply(dim, constant(scale))
  const size = asConstant(dim) ?? context.fail("a symbolic axis cannot be scaled by a fraction")
  return constant(Math.floor(size * scale))
}

export const networkOperators = {
  AveragePool: pool({ count_include_pad: { kind: "int" } }),
  BatchNormalization: batchNormalization,
  Conv: conv,
  ConvTranspose: convTranspose,
  Einsum: einsum,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  MatMul: matMul,
  MaxPool: pool({ dilations: window.dilations }),
  Resize: resize,
} as const satisfies Record<string, OnnxOperator>
