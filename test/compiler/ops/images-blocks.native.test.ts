/**
 * The image layers of the library and attention in windows in TensorFlow against PyTorch, by the whole way a program
 * takes: elaboration, autodiff, layout, lowering, one session. Parameters are fed as inputs.
 */

import { rmSync } from "node:fs"
import { afterAll, beforeAll, expect, test } from "vitest"
import { constant } from "../../../src/compiler/ir/dims.js"
import type { Graph } from "../../../src/compiler/ir/graph.js"
import { NativeSession } from "../../../src/runtime/session.js"
import { CaseModel, hostTensor, relativeError } from "../targets/tensorflow/case-model.js"
import { torchExpressions } from "./torch-expressions.js"

const cases = torchExpressions("torch-image-blocks")
let directory: string
let session: NativeSession

/** The parameters of a graph as inputs of it. */
function fedParameters(graph: Graph): Graph {
  const parameters = graph.parameters.map(({ name, value }) => ({
    name,
    value,
    role: "input" as const,
    doc: undefined,
  }))
  return { ...graph, inputs: [...graph.inputs, ...parameters], parameters: [] }
}

beforeAll(async () => {
  const model = new CaseModel()
  for (const { id, graph } of cases) model.add(id, fedParameters(graph))
  directory = model.write()
  session = await NativeSession.open(directory)
}, 300_000)

afterAll(() => {
  session?.close()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

test.each(cases.map((c) => [c.id, c] as const))("TensorFlow's results and gradients: %s", (id, one) => {
  const { graph, feeds, expected } = one
  const named = fedParameters(graph).inputs.map(({ name }) => [name, hostTensor("f32", feeds.get(name)!)] as const)
  const results = session.call(id, Object.fromEntries(named))
  expect([...results.keys()].sort()).toEqual([...expected.keys()].sort())
  for (const [name, { shape, data }] of expected) {
    const found = results.get(name)!
    expect(found.shape.map(constant), name).toEqual(shape.map(constant))
    expect(relativeError(found.data, data), name).toBeLessThan(2e-5)
  }
})
