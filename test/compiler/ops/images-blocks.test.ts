/**
 * The image layers of the library and attention in windows against PyTorch: written in MDL, compiled, run by the reference
 * target forwards and backwards; and exported with an open batch, run by ONNX Runtime.
 */

import { describe, expect, test } from "vitest"
import type { NdArray } from "../../../src/compiler/ops/ndarray.js"
import { exportOnnx } from "../../../src/compiler/targets/onnx/export.js"
import { interpret } from "../../../src/compiler/targets/reference/interpret.js"
import { runOnnx } from "../../../src/runtime/onnx/run.js"
import { compileText, elaborated } from "../source-host.js"
import { runtimeTensor } from "../targets/onnx/graphs.js"
import { relativeError } from "./measured-errors.js"
import { modelOf, storedExpressions, torchExpressions, type StoredCase } from "./torch-expressions.js"

const FIXTURE = "torch-image-blocks"
const OPTIONS = { sizes: new Map<string, number>(), seed: 0, step: 0 }
const cases = torchExpressions(FIXTURE)

function expectClose(actual: NdArray, expected: NdArray, name: string): void {
  expect(actual.shape, name).toEqual(expected.shape)
  // The fixture holds 13 digits; everything is computed in float64.
  expect(relativeError(actual.data, expected.data), name).toBeLessThan(1e-11)
}

test.each(cases.map((c) => [c.id, c] as const))("results and gradients are PyTorch's: %s", (_, one) => {
  const { graph, feeds, expected } = one
  const fed = [...graph.inputs, ...graph.parameters].map(({ name, value }) => [value, feeds.get(name)!] as const)
  const wanted = graph.outputs.map(({ value }) => value)
  const results = interpret(graph, wanted, new Map(fed), OPTIONS)
  graph.outputs.forEach(({ name }, index) => expectClose(results[index]!, expected.get(name)!, name))
})

/** The model of a case with its batch open: the inputs' first axes are N. */
function openModel({ mdl, inputs, imports }: StoredCase): string {
  return modelOf(mdl, inputs, imports).replaceAll(/(input x\d+: \w+\[)\d+/g, "$1N")
}

describe("exported with an open batch, ONNX Runtime gives PyTorch's results", () => {
  const stored = storedExpressions(FIXTURE).filter(({ inputs }) => inputs.length > 0)

  for (const [index, one] of stored.entries()) {
    test(`${index}: ${one.mdl}`, async () => {
      const { graph } = elaborated(compileText(openModel(one)))
      const parameters = new Map(
        Object.entries(one.parameters).map(([name, { values }]) => [`y.${name}`, Float32Array.from(values)] as const),
      )
      for (const opset of [15, 18]) {
        const model = exportOnnx({ name: "m", graph, parameters, opset, symbols: ["N"], metadata: {} })
        const given = Object.fromEntries(
          one.inputs.map(({ shape, values }, i) => [
            `x${i}`,
            runtimeTensor("f32", { shape, data: Float64Array.from(values) }),
          ]),
        )
        const found = (await runOnnx(model.bytes, given))["y"]!
        expect([...found.shape]).toEqual(one.result.shape)
        expect(relativeError(Float64Array.from(found.data as Float32Array), one.result.values)).toBeLessThan(2e-5)
      }
    })
  }

  test("which leaves the batch open in the file", () => {
    const dynamic = stored.find(({ mdl }) => mdl.startsWith("dynamic_conv2d"))!
    const { graph } = elaborated(compileText(openModel(dynamic)))
    const model = exportOnnx({ name: "m", graph, parameters: new Map(), symbols: ["N"], metadata: {} })
    expect(model.inputs.map(({ shape }) => shape[0])).toEqual(["N", "N"])
  })
})
