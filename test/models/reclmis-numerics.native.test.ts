/**
 * RecLMIS in TensorFlow (float32, in the layout of the fast path) against PyTorch in float64: what `evaluate` gives, what
 * one training step does, and how the losses go over several Adam steps.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { buildTrainer } from "../../src/compiler/trainer.js"
import { NativeSession, type Feeds, type HostTensor } from "../../src/runtime/session.js"
import { parameterValue } from "./numbers-by-name.js"
import { BATCH, fixture, hidingAll, inputArrays } from "./reclmis-fixture.js"

/** Relative; float32 against float64 through some fifty layers. */
const TOLERANCE = 1e-4

/** Gradients have gone through all layers twice, and a temperature of 1/100. */
const GRADIENT_TOLERANCE = 1e-3

let directory: string
let session: NativeSession
let feeds: Feeds

beforeAll(async () => {
  const { description, savedModel } = buildTrainer(hidingAll(), { batch: BATCH })
  const arrays = inputArrays()
  feeds = Object.fromEntries(
    description.inputs.flatMap(({ name, kind }): [string, HostTensor][] => {
      const float = (key: string): [string, HostTensor] => {
        const { shape, data } = arrays[key]!
        return [key, { dtype: "f32", shape, data: Float32Array.from(data) }]
      }
      if (kind === "tensor") return [float(name)]
      const { shape, data } = arrays[`${name}_ids`]!
      return [[`${name}_ids`, { dtype: "i32", shape, data: Int32Array.from(data) }], float(`${name}_valid`)]
    }),
  )
  directory = mkdtempSync(join(tmpdir(), "mdl-reclmis-"))
  writeFileSync(join(directory, "saved_model.pb"), savedModel)
  session = await NativeSession.open(directory)
})

beforeEach(() => {
  session.init(1)
  const variables = session.read()
  const names = Object.keys(fixture.training.gradients).concat(Object.keys(fixture.training.statistics))
  for (const name of names) {
    const { shape, dtype } = variables.get(name)!
    variables.set(name, { dtype, shape, data: Float32Array.from(parameterValue(name, shape).data) })
  }
  session.write(variables)
})

afterAll(() => {
  session?.close()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

/** The largest difference, against the largest expected magnitude. */
function deviation(given: ArrayLike<number>, expected: readonly number[]): number {
  expect(given.length).toBe(expected.length)
  const scale = Math.max(...expected.map(Math.abs))
  return Math.max(...expected.map((value, index) => Math.abs(given[index]! - value))) / scale
}

describe("evaluate", () => {
  test("gives PyTorch's losses", () => {
    const { losses } = session.evaluate(feeds)
    expect(Object.keys(losses).sort()).toEqual(Object.keys(fixture.evaluation.losses).sort())
    for (const [name, value] of Object.entries(fixture.evaluation.losses)) {
      expect(deviation([losses[name]!], [value]), name).toBeLessThan(TOLERANCE)
    }
  })
  test("gives PyTorch's outputs", () => {
    const { outputs } = session.evaluate(feeds)
    for (const [name, { shape, values }] of Object.entries(fixture.evaluation.outputs)) {
      expect(outputs[name]!.shape).toEqual(shape)
      expect(deviation(outputs[name]!.data, values), name).toBeLessThan(TOLERANCE)
    }
  })
})

describe("train_step", () => {
  test("gives PyTorch's losses and the norm of its gradient", () => {
    const step = session.trainStep(feeds)
    for (const [name, value] of Object.entries(fixture.training.losses)) {
      expect(deviation([step[name]!], [value]), name).toBeLessThan(TOLERANCE)
    }
    const norms = Object.values(fixture.training.gradients).map(([norm]) => norm)
    expect(deviation([step["gradient_norm"]!], [Math.hypot(...norms)])).toBeLessThan(GRADIENT_TOLERANCE)
  })
  test("moves the running statistics as PyTorch does", () => {
    session.trainStep(feeds)
    const variables = session.read()
    for (const [name, values] of Object.entries(fixture.training.statistics)) {
      expect(deviation(variables.get(name)!.data, values), name).toBeLessThan(TOLERANCE)
    }
  })
  test("with Adam takes the losses where PyTorch's Adam takes them", () => {
    for (const record of fixture.adam.losses) {
      const step = session.trainStep(feeds)
      for (const [name, value] of Object.entries(record)) {
        expect(deviation([step[name]!], [value]), `${name} in step ${step["step"]}`).toBeLessThan(GRADIENT_TOLERANCE)
      }
    }
  })
})
