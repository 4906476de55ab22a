/**
 * A model in TensorFlow beside the same network in PyTorch: float32, in the layout of the fast path.
 *
 * Takes an elaborated model, its inputs and a value for every parameter; gives a session to compare, and expectations.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect } from "vitest"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import type { NdArray } from "../../src/compiler/ops/ndarray.js"
import { buildTrainer } from "../../src/compiler/trainer.js"
import { NativeSession, type Feeds, type HostTensor } from "../../src/runtime/session.js"
import { deviation, type OutputRecord, type RunRecord, type TrainingRecord } from "./torch-comparison.js"

/** Relative; float32 against float64 through some fifty layers. */
export const NATIVE_TOLERANCE = 1e-4

/** Gradients have gone through all layers twice. */
export const GRADIENT_TOLERANCE = 1e-3

export interface Opened {
  readonly session: NativeSession
  readonly feeds: Feeds
  /** Gives every variable its value again. */
  reset(): void
  close(): void
}

/** @param inputs by the names of the graph's inputs: those of a text are `NAME_ids` and `NAME_valid` */
export async function openSession(
  model: ElaboratedModel,
  batch: number,
  inputs: Readonly<Record<string, NdArray>>,
  valueOf: (name: string, shape: readonly number[]) => NdArray,
): Promise<Opened> {
  const { description, savedModel } = buildTrainer(model, { batch })
  const fed = (name: string, dtype: "f32" | "i32"): [string, HostTensor] => {
    const { shape, data } = inputs[name]!
    return [name, { dtype, shape, data: dtype === "i32" ? Int32Array.from(data) : Float32Array.from(data) }]
  }
  const feeds = Object.fromEntries(
    description.inputs.flatMap(({ name, kind }) =>
      kind === "tensor" ? [fed(name, "f32")] : [fed(`${name}_ids`, "i32"), fed(`${name}_valid`, "f32")],
    ),
  )
  const directory = mkdtempSync(join(tmpdir(), "mdl-beside-torch-"))
  writeFileSync(join(directory, "saved_model.pb"), savedModel)
  const session = await NativeSession.open(directory)
  return {
    session,
    feeds,
    reset: () => {
      session.init(1)
      const variables = session.read()
      for (const { name, shape } of model.graph.parameters) {
        variables.set(name, { dtype: "f32", shape, data: Float32Array.from(valueOf(name, shape).data) })
      }
      session.write(variables)
    },
    close: () => {
      session.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Each loss that was recorded is among those given, and near. */
export function expectNear(
  given: Readonly<Record<string, number>>,
  expected: Readonly<Record<string, number>>,
  tolerance = NATIVE_TOLERANCE,
): void {
  for (const [name, value] of Object.entries(expected)) {
    expect(deviation([given[name]!], [value]), name).toBeLessThan(tolerance)
  }
}

/** What `evaluate` gives: all losses, all outputs. */
export function expectEvaluation({ session, feeds }: Opened, record: RunRecord & { outputs: OutputRecord }): void {
  const { losses, outputs } = session.evaluate(feeds)
  expect(Object.keys(losses).sort()).toEqual(Object.keys(record.losses).sort())
  expectNear(losses, record.losses)
  for (const [name, { shape, values }] of Object.entries(record.outputs)) {
    expect(outputs[name]!.shape).toEqual(shape)
    expect(deviation(outputs[name]!.data, values), name).toBeLessThan(NATIVE_TOLERANCE)
  }
}

/** What a training step gives: losses and the norm of the gradient; and what it leaves: statistics. */
export function expectTraining({ session, feeds }: Opened, record: TrainingRecord): void {
  const step = session.trainStep(feeds)
  expectNear(step, record.losses)
  const norms = Object.values(record.gradients).map(([norm]) => norm)
  expect(deviation([step["gradient_norm"]!], [Math.hypot(...norms)])).toBeLessThan(GRADIENT_TOLERANCE)
  const variables = session.read()
  for (const [name, values] of Object.entries(record.statistics)) {
    expect(deviation(variables.get(name)!.data, values), name).toBeLessThan(NATIVE_TOLERANCE)
  }
}
