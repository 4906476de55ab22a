/**
 * Every case of every op that an ONNX file can hold: exported at each opset, run with ONNX Runtime, compared with the
 * float64 reference. One session per case and opset; the records decide what is left out, with a reason.
 */

import { describe, expect, it } from "vitest"
import { exportOnnx } from "../../../../src/compiler/targets/onnx/export.js"
import { interpret } from "../../../../src/compiler/targets/reference/interpret.js"
import type { NdArray } from "../../../../src/compiler/ops/ndarray.js"
import { GraphBuilder, OpTypeError } from "../../../../src/compiler/ir/builder.js"
import { symbol } from "../../../../src/compiler/ir/dims.js"
import type { Graph } from "../../../../src/compiler/ir/graph.js"
import type { OpCase } from "../../../../src/compiler/ops/definition.js"
import type { OpName } from "../../../../src/compiler/ops/names.js"
import { runOnnx, type RuntimeTensor } from "../../../../src/runtime/onnx/run.js"
import { allCases, buildCase, CASE_ORIGIN, CASE_SIZES, caseType, drawCase } from "../../ops/case-values.js"
import { OpNotInInference } from "../../../../src/compiler/targets/onnx/errors.js"
import { MeasuredErrors, relativeError } from "../../ops/measured-errors.js"
import { OPSETS, runtimeTensor } from "./graphs.js"

const DEFAULT_TOLERANCE = 2e-5

const errors = new MeasuredErrors("onnx")

/** Checks the shape, takes note of the error and gives it. */
function errorOf(op: OpName, found: RuntimeTensor, expected: NdArray): number {
  expect([...found.shape]).toEqual([...expected.shape])
  const error = relativeError(Array.from(found.data, Number), expected.data)
  errors.record(op, error)
  return error
}

const kept = allCases().filter((c) => c.case.skip?.onnx === undefined)
const skipped = allCases().filter((c) => c.case.skip?.onnx !== undefined)

describe("ONNX gives what the reference gives", () => {
  it("for most ops", () => {
    // a record that skips all its cases would otherwise go unnoticed
    const ops = new Set(kept.map((c) => c.op))
    expect(ops.size).toBeGreaterThanOrEqual(55)
  })

  for (const { id, op, case: c } of kept) {
    it(id, async () => {
      const { graph, outputs } = buildCase(op, c)
      const inputs = drawCase(op, c)
      const feeds = new Map(graph.inputs.map(({ value }, i) => [value, inputs[i]!] as const))
      const expected = interpret(graph, outputs, feeds, { sizes: CASE_SIZES, seed: 0, step: 0 })
      for (const opset of OPSETS) {
        const model = exportOnnx({ name: op, graph, parameters: new Map(), opset, symbols: [], metadata: {} })
        expect(model.opset).toBe(opset)
        const given = Object.fromEntries(
          model.inputs.map(({ name, dtype }) => {
            const index = graph.inputs.findIndex((input) => input.name === name)
            return [name, runtimeTensor(dtype, inputs[index]!)]
          }),
        )
        const found = await runOnnx(model.bytes, given)
        expected.forEach((array, index) => {
          const error = errorOf(op, found[`o${index}`]!, array)
          expect(error, `output ${index} at opset ${opset}`).toBeLessThanOrEqual(c.tolerance ?? DEFAULT_TOLERANCE)
        })
      }
    })
  }
})

/**
 * The graph of a case whose leading axis stays open (`N`) in the first input, and in all inputs that share its size when
 * that is what the op wants; undefined when the op cannot have it open.
 */
function withOpenBatch(op: OpName, c: OpCase): Graph | undefined {
  const batch = c.inputs[0]?.shape[0]
  const variants = [(index: number) => c.inputs[index]!.shape[0] === batch, (index: number) => index === 0]
  for (const isOpen of batch === undefined ? [] : variants) {
    const builder = new GraphBuilder(CASE_SIZES)
    builder.setOrigin(CASE_ORIGIN)
    const inputs = c.inputs.map((input, index) => {
      const { dtype, shape } = caseType(input)
      return builder.input(
        `i${index}`,
        { dtype, shape: isOpen(index) ? [symbol("N"), ...shape.slice(1)] : shape },
        "input",
      )
    })
    try {
      builder.all(op, inputs, c.attributes).forEach((value, index) => builder.output(`o${index}`, value))
    } catch (error) {
      if (error instanceof OpTypeError) continue
      throw error
    }
    return builder.finish()
  }
  return undefined
}

describe("ONNX gives what the reference gives when the batch is open", () => {
  const open = kept.flatMap(({ id, op, case: c }) => {
    const graph = withOpenBatch(op, c)
    return graph ? [{ id, op, case: c, graph }] : []
  })

  it("for most ops", () => {
    expect(new Set(open.map((c) => c.op)).size).toBeGreaterThanOrEqual(45)
  })

  for (const { id, op, case: c, graph } of open) {
    it(id, async () => {
      const inputs = drawCase(op, c)
      const values = graph.outputs.map((output) => output.value)
      const feeds = new Map(graph.inputs.map(({ value }, i) => [value, inputs[i]!] as const))
      const sizes = new Map([["N", c.inputs[0]!.shape[0]!]])
      const expected = interpret(graph, values, feeds, { sizes, seed: 0, step: 0 })
      for (const opset of [15, 18]) {
        const model = exportOnnx({ name: op, graph, parameters: new Map(), opset, symbols: ["N"], metadata: {} })
        const given = model.inputs.map(({ name, dtype }) => {
          const index = graph.inputs.findIndex((input) => input.name === name)
          return [name, runtimeTensor(dtype, inputs[index]!)] as const
        })
        const found = await runOnnx(model.bytes, Object.fromEntries(given))
        expected.forEach((array, index) => {
          const error = errorOf(op, found[`o${index}`]!, array)
          expect(error, `output ${index} at opset ${opset}`).toBeLessThanOrEqual(c.tolerance ?? DEFAULT_TOLERANCE)
        })
      }
    })
  }
})

describe("what has no place in inference is refused with its place", () => {
  for (const { id, op, case: c } of skipped) {
    it(id, () => {
      const { graph } = buildCase(op, c)
      const attempt = (): unknown => exportOnnx({ name: op, graph, parameters: new Map(), symbols: [], metadata: {} })
      expect(attempt).toThrow(OpNotInInference)
      expect(attempt).toThrow(/in case \(section case\)/)
    })
  }
})

it("no error is larger than docs/operators.md says (else: node scripts/docs/measure-operators.mjs)", () => {
  expect(errors.grown()).toEqual([])
})
