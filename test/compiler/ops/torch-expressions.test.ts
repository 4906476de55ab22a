/**
 * Activations, reductions, ordering, indexing, einsum and the library's functions and normalisations against PyTorch: each
 * is written in MDL, compiled and run by the reference target, forwards and backwards.
 */

import { describe, expect, test } from "vitest"
import { OP_NAMES } from "../../../src/compiler/ops/names.js"
import type { NdArray } from "../../../src/compiler/ops/ndarray.js"
import { exportOnnx } from "../../../src/compiler/targets/onnx/export.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { runOnnx } from "../../../src/runtime/onnx/run.js"
import { runtimeTensor } from "../targets/onnx/graphs.js"
import { MeasuredErrors, relativeError } from "./measured-errors.js"
import { torchExpressions } from "./torch-expressions.js"

const OPTIONS = { sizes: new Map<string, number>(), seed: 0, step: 0 }
const cases = torchExpressions()
const errors = new MeasuredErrors("pytorch")

/** The fixture holds 13 digits; everything is computed in float64. */
const TOLERANCE = 1e-11

function expectClose(actual: NdArray, expected: NdArray, name: string): void {
  expect(actual.shape, name).toEqual(expected.shape)
  const scale = Math.max(1, ...expected.data.map(Math.abs))
  expected.data.forEach((value, index) => {
    expect(Math.abs(actual.data[index]! - value), `${name}[${index}]`).toBeLessThan(TOLERANCE * scale)
  })
}

describe("results and gradients are PyTorch's", () => {
  test.each(cases.map((c) => [c.id, c] as const))("%s", (_, { graph, feeds, expected, covers }) => {
    const fed = graph.inputs.map(({ name, value }) => [value, feeds.get(name)!] as const)
    const wanted = graph.outputs.map(({ value }) => value)
    const results = interpret(graph, wanted, new Map(fed), OPTIONS)
    graph.outputs.forEach(({ name }, index) => {
      const op = OP_NAMES.find((known) => known === covers)
      if (op) errors.record(op, relativeError(results[index]!.data, expected.get(name)!.data))
      expectClose(results[index]!, expected.get(name)!, name)
    })
  })
})

describe("ONNX Runtime gives PyTorch's results", () => {
  test.each(cases.map((c) => [c.id, c] as const))("%s", async (_, { graph, feeds, expected }) => {
    for (const opset of [15, 18]) {
      const spec = { name: "m", graph, outputs: ["y"], parameters: new Map(), symbols: [], metadata: {}, opset }
      const model = exportOnnx(spec)
      const given = model.inputs.map(({ name, dtype }) => [name, runtimeTensor(dtype, feeds.get(name)!)] as const)
      const found = (await runOnnx(model.bytes, Object.fromEntries(given)))["y"]!
      expect(found.shape).toEqual(expected.get("y")!.shape)
      expect(relativeError(Array.from(found.data, Number), expected.get("y")!.data)).toBeLessThan(2e-6)
    }
  })
})

test("no error is larger than docs/operators.md says (else: node scripts/docs/measure-operators.mjs)", () => {
  expect(errors.grown()).toEqual([])
})

test("einsum leaves no op of its own in a model", () => {
  const written = cases.filter(({ covers }) => covers === "einsum")
  expect(written.length).toBeGreaterThan(8)
  for (const { graph, id } of written)
    expect(
      graph.nodes.map((node) => node.op),
      id,
    ).not.toContain("einsum")
})

test("matrix products that fit need no transposes", () => {
  const moved = (id: string): number =>
    cases
      .find((c) => c.id.includes(id))!
      .graph.nodes.filter(({ op, origin }) => op === "transpose" && !origin.scope.includes("gradient")).length
  expect(moved("bhqd,bhkd->bhqk")).toBe(0)
  expect(moved("btc,oc->bto")).toBe(0)
  expect(moved("bchw,bnc->bnhw")).toBe(1)
})
