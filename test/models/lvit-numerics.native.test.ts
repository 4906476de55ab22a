/** LViT in TensorFlow (float32) against PyTorch in float64: what `evaluate` gives, and what one training step does. */

import { afterAll, beforeAll, beforeEach, test } from "vitest"
import { BATCH, compiled, fixture, inputArrays, valueOf } from "./lvit-fixture.js"
import { expectEvaluation, expectTraining, openSession, type Opened } from "./native-comparison.js"

let opened: Opened

beforeAll(async () => {
  opened = await openSession(compiled("tiny"), BATCH, inputArrays(), valueOf)
})
beforeEach(() => opened.reset())
afterAll(() => opened?.close())

test("evaluate gives PyTorch's losses and probability", () => expectEvaluation(opened, fixture.evaluation))

test("train_step gives PyTorch's losses, the norm of its gradient, and its statistics", () =>
  expectTraining(opened, fixture.training))
