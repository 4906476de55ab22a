/** Results and gradients of the reference target against pure tfjs and its own autodiff, on every case of the registry. */

import * as tf from "@tensorflow/tfjs"
import { afterEach, beforeAll, describe, expect, test } from "vitest"
import type { Attributes, ValueId } from "../../../src/compiler/ir/graph.js"
import type { OpCase } from "../../../src/compiler/ops/definition.js"
import { OP_NAMES, type OpName } from "../../../src/compiler/ops/names.js"
import type { NdArray } from "../../../src/compiler/ops/ndarray.js"
import { opDefinition } from "../../../src/compiler/ops/registry.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { allCases, buildCase, buildGradientCase, CASE_SIZES, drawCase } from "./case-values.js"
import { MeasuredErrors, relativeError } from "./measured-errors.js"
import { ORACLES, type Oracle } from "./tfjs-oracle.js"

const options = { sizes: CASE_SIZES, seed: 7, step: 3 }

/** Relative to the largest magnitude; tfjs computes in float32. */
const TOLERANCE = 1e-4

const errors = { forward: new MeasuredErrors("tfjs"), gradient: new MeasuredErrors("tfjs-gradient") }

const oracles: Readonly<Record<OpName, Oracle>> = ORACLES

beforeAll(async () => {
  // Keeps tfjs from advertising its native backend.
  tf.env().set("IS_TEST", true)
  await tf.setBackend("cpu")
  tf.engine().startScope()
})

afterEach(() => {
  tf.engine().endScope()
  tf.engine().startScope()
})

const DTYPE = { f32: "float32", i32: "int32", bool: "bool" } as const

function toTensors(c: OpCase, values: readonly NdArray[]): tf.Tensor[] {
  return values.map((value, index) =>
    tf.tensor(Float32Array.from(value.data), [...value.shape], "float32").cast(DTYPE[c.inputs[index]!.dtype]),
  )
}

function attributesOf(op: OpName, c: OpCase): Attributes {
  return buildCase(op, c).graph.nodes.at(-1)!.attributes
}

function expectClose(op: OpName, kind: keyof typeof errors, actual: tf.Tensor, expected: NdArray, what: string): void {
  expect(actual.shape, what).toEqual(expected.shape)
  const error = relativeError(actual.dataSync(), expected.data)
  errors[kind].record(op, error)
  expect(error, what).toBeLessThan(TOLERANCE)
}

const compared = allCases().flatMap((named) => {
  const oracle = oracles[named.op]
  return "run" in oracle && named.case.skip?.tfjs === undefined ? [{ ...named, oracle }] : []
})

test.each(compared)("tfjs computes $id", ({ op, case: c, oracle }) => {
  const { graph, inputs, outputs } = buildCase(op, c)
  const values = drawCase(op, c)
  const feeds = new Map(inputs.map((id, index) => [id, values[index]!]))
  const [expected] = interpret(graph, outputs.slice(0, 1), feeds, options)
  expectClose(op, "forward", oracle.run(toTensors(c, values), attributesOf(op, c)), expected!, "result")
})

const differentiated = compared.filter(
  ({ op, case: c, oracle }) =>
    typeof opDefinition(op).gradient === "function" &&
    oracle.noGradient === undefined &&
    c.skip?.gradient === undefined &&
    c.inputs.some((input) => input.dtype === "f32") &&
    buildCase(op, c).graph.values.at(-1)!.type.dtype === "f32",
)

test.each(differentiated)("tfjs differentiates $id", ({ op, case: c, oracle }) => {
  const built = buildGradientCase(op, c, [0])
  const values = drawCase(op, c)
  const feeds = new Map<ValueId, NdArray>(built.inputs.map((value, index) => [value, values[index]!]))
  const weight = built.weightValues[0]!
  feeds.set(built.weights[0]!, weight)
  const tensors = toTensors(c, values)
  const attributes = attributesOf(op, c)
  const varied = c.inputs.flatMap(({ dtype }, index) =>
    dtype === "f32" && !oracle.constants?.includes(index) ? [index] : [],
  )
  const weights = tf.tensor(Float32Array.from(weight.data), [...weight.shape], "float32")
  const loss = (...floats: tf.Tensor[]): tf.Tensor => {
    const all = tensors.map((tensor, index) => (varied.includes(index) ? floats[varied.indexOf(index)]! : tensor))
    return tf.sum(tf.mul(oracle.run(all, attributes), weights))
  }
  const actual = tf.grads(loss)(varied.map((index) => tensors[index]!))
  const wanted = varied.map((index) => built.gradients[index]!)
  expect(wanted.every((value) => value !== undefined)).toBe(true)
  interpret(built.graph, wanted, feeds, options).forEach((expected, position) => {
    expectClose(op, "gradient", actual[position]!, expected, `gradient by input ${varied[position]}`)
  })
})

test("no error is larger than docs/operators.md says (else: node scripts/docs/measure-operators.mjs)", () => {
  expect([...errors.forward.grown(), ...errors.gradient.grown()]).toEqual([])
})

describe("what is not compared", () => {
  test.each([...OP_NAMES])("%s is compared, or says why not", (name) => {
    const oracle = oracles[name]
    if ("none" in oracle) expect(oracle.none).toMatch(/\S/)
    else expect(compared.some((named) => named.op === name)).toBe(true)
  })
})
