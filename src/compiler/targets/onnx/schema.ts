/**
 * The table of ONNX operators that exported models may use, and the check of one node against it.
 *
 * Takes a node (operator, attributes, what is known of its inputs) and the opset; gives the types of its outputs, or
 * throws `SchemaError` with a sentence. Valid for opsets 15 to 18; where those differ, the entries say so.
 */

import { constant, type Dim, type Sizes } from "../../ir/dims.js"
import type { OnnxAttribute } from "../../ops/definition.js"
import { elementwiseOperators } from "./schema-elementwise.js"
import { networkOperators } from "./schema-networks.js"
import { structureOperators } from "./schema-structure.js"
import { kindOf, MOST_KNOWN_ELEMENTS, type Known, type OnnxOperator } from "./schema-types.js"
import { numbersOf, type OnnxTensor } from "./tensors.js"
import { sizeOf } from "../../ops/ndarray.js"

/** Every operator that a lowering may emit. */
export const ONNX_OPERATORS: Readonly<Record<string, OnnxOperator>> = {
  ...elementwiseOperators,
  ...networkOperators,
  ...structureOperators,
}

/** A node does not fit its operator. */
export class SchemaError extends Error {
  constructor(
    op: string,
    readonly reason: string,
  ) {
    super(`${op}: ${reason}`)
    this.name = "SchemaError"
  }
}

/**
 * Checks a node and gives what is known of its outputs.
 *
 * @param inputs undefined for an optional input that is left out
 * @param sizes see `SchemaContext`
 * @throws SchemaError
 */
export function inferOnnx(
  op: string,
  inputs: readonly (Known | undefined)[],
  attributes: Readonly<Record<string, OnnxAttribute>>,
  outputs: number,
  opset: number,
  sizes: Sizes = new Map(),
): readonly Known[] {
  const fail = (message: string): never => {
    throw new SchemaError(op, message)
  }
  const operator = Object.hasOwn(ONNX_OPERATORS, op)
    ? ONNX_OPERATORS[op]!
    : fail("there is no such operator in the table")
  if (operator.since !== undefined && opset < operator.since)
    fail(`exists from opset ${operator.since}, not in ${opset}`)
  const [least, mostAtFirst] = operator.inputs
  const later = operator.inputsFrom
  const most = later && opset >= later.opset ? later.most : mostAtFirst
  if (inputs.length < least || inputs.length > most) fail(`takes ${least} to ${most} inputs, has ${inputs.length}`)
  const [fewest, largest] = operator.outputs ?? [1, 1]
  if (outputs < fewest || outputs > largest) fail(`has ${fewest} to ${largest} outputs, not ${outputs}`)
  for (const [name, value] of Object.entries(attributes)) {
    const schema = Object.hasOwn(operator.attributes, name) ? operator.attributes[name] : undefined
    if (!schema || opset < (schema.from ?? 0) || opset > (schema.until ?? opset)) {
      fail(`has no attribute ${name} in opset ${opset}`)
    } else if (kindOf(value) !== schema.kind) {
      fail(`attribute ${name} is of kind ${schema.kind}, not ${kindOf(value)}`)
    }
  }
  for (const [name, schema] of Object.entries(operator.attributes)) {
    if (schema.required && !(name in attributes)) fail(`attribute ${name} is required`)
  }
  return operator.infer({ op, opset, inputs, outputs, attributes, sizes, fail })
}

/** What is known of a constant: its type, and its contents when it is small. */
export function knownOfTensor(tensor: OnnxTensor): Known {
  const type = { dtype: tensor.dtype, shape: tensor.shape.map(constant) }
  if (sizeOf(tensor.shape) > MOST_KNOWN_ELEMENTS) return { type }
  const numbers = numbersOf(tensor)
  const holdsSizes = (tensor.dtype === "i32" || tensor.dtype === "i64") && tensor.shape.length <= 1
  const elements: readonly Dim[] | undefined = holdsSizes ? numbers.map(constant) : undefined
  return { type, numbers, ...(elements ? { elements } : {}) }
}
