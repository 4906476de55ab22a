/**
 * RecLMIS in TensorFlow (float32, in the layout of the fast path) against PyTorch in float64: what `evaluate` gives, what
 * one training step does, and how the losses go over several Adam steps.
 */

import { afterAll, beforeAll, beforeEach, test } from "vitest"
import {
  expectEvaluation,
  expectNear,
  expectTraining,
  GRADIENT_TOLERANCE,
  openSession,
  type Opened,
} from "./native-comparison.js"
import { parameterValue } from "./numbers-by-name.js"
import { BATCH, fixture, hidingAll, inputArrays } from "./reclmis-fixture.js"

let opened: Opened

beforeAll(async () => {
  opened = await openSession(hidingAll(), BATCH, inputArrays(), parameterValue)
})
beforeEach(() => opened.reset())
afterAll(() => opened?.close())

test("evaluate gives PyTorch's losses and outputs", () => expectEvaluation(opened, fixture.evaluation))

test("train_step gives PyTorch's losses, the norm of its gradient, and its statistics", () =>
  expectTraining(opened, fixture.training))

test("with Adam the losses go where PyTorch's Adam takes them", () => {
  for (const record of fixture.adam.losses)
    expectNear(opened.session.trainStep(opened.feeds), record, GRADIENT_TOLERANCE)
})
