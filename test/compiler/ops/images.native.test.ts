/**
 * Image ops and their gradients in TensorFlow against PyTorch's numbers, by the whole way a program takes: autodiff,
 * layout, lowering, one session. Also the one case that a single op cannot have: the gradient of batch normalisation
 * needs what its forward node kept.
 */

import { rmSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { NativeSession } from "../../../src/runtime/session.js"
import { CaseModel, hostTensor, relativeError } from "../targets/tensorflow/case-model.js"
import { torchCases } from "./torch-cases.js"

const cases = torchCases()

describe("TensorFlow's results and gradients are PyTorch's", () => {
  let directory: string
  let session: NativeSession

  beforeAll(async () => {
    const model = new CaseModel()
    for (const { id, graph } of cases) model.add(id, graph)
    directory = model.write()
    session = await NativeSession.open(directory)
  }, 300_000)

  afterAll(() => {
    session?.close()
    if (directory) rmSync(directory, { recursive: true, force: true })
  })

  test.each(cases.map((c) => [c.id, c] as const))("%s", (id, { graph, feeds, expected }) => {
    const named = graph.inputs.map(({ name, value }) => [name, hostTensor("f32", feeds.get(value)!)] as const)
    const results = session.call(id, Object.fromEntries(named))
    expect([...results.keys()].sort()).toEqual([...expected.keys()].sort())
    for (const [name, { shape, data }] of expected) {
      expect(results.get(name)!.shape, name).toEqual(shape)
      expect(relativeError(results.get(name)!.data, data), name).toBeLessThan(1e-5)
    }
  })
})
