/** From `train { }` to typed data: defaults are PyTorch's, sections and axes decide what a parameter gets. */

import { describe, expect, test } from "vitest"
import { batchesPerStep, plateauMetric, rateSpec, updateSpec } from "../../src/compiler/training-plan.js"
import { compileText, elaborated, messages } from "./source-host.js"

const text = (train: string): string => `
model Small {
  input image: f32[N, 3, H = 16, W = 16]
  encoder vision { let features = conv2d(image, 4) |> batch_norm() }
  decoder { output probability = sigmoid(conv2d(features, 1)) }
  loss small = mean(probability)
  ${train}
}
ablation cold of Small { freeze vision }
ablation hot of Small { set train.optimizer = sgd(lr = 2) }
`
const model = (settings: string, selector = "Small") =>
  elaborated(compileText(text(`train { ${settings} }`), { selector }))

describe("what a model does not say", () => {
  test("is what PyTorch does", () => {
    const spec = updateSpec(model(""), false)
    expect(spec.optimizer).toEqual({ kind: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 })
    expect(spec.rate).toEqual({ rate: 1e-3, schedule: { kind: "constant" }, per: "epoch" })
    expect([spec.clip, spec.average, spec.accumulates]).toEqual([undefined, undefined, false])
    expect([spec.rates!.size, spec.undecayed!.size, batchesPerStep({})]).toEqual([0, 0, 1])
    expect(updateSpec(model("optimizer = adamw(lr = 1)"), false).optimizer).toMatchObject({ weightDecay: 0.01 })
    expect(updateSpec(model("optimizer = sgd(lr = 1)"), false).optimizer).toEqual({
      kind: "sgd",
      momentum: 0,
      dampening: 0,
      nesterov: false,
      weightDecay: 0,
    })
  })

  test("an ablation can say, also where the model has no settings at all", () => {
    const { training } = elaborated(compileText(text(""), { selector: "hot" }))
    expect(rateSpec(training).rate).toBe(2)
  })
})

describe("parameters", () => {
  test("have the factor of their section, and no decay where they have one axis", () => {
    const settings = 'optimizer = adamw(lr = 1e-3, decay = "weights") learning_rates = { vision: 0.1 }'
    const { rates, undecayed } = updateSpec(model(settings), false)
    const short = [
      "vision.features.conv2d.bias",
      "vision.features.batch_norm.weight",
      "vision.features.batch_norm.bias",
    ]
    const vision = ["vision.features.conv2d.weight", ...short]
    expect(Object.fromEntries(rates!)).toEqual(Object.fromEntries(vision.map((name) => [name, 0.1])))
    expect([...undecayed!].sort()).toEqual([...short, "decoder.probability.bias"].sort())
  })

  test("of frozen sections have none: a factor for them is refused", () => {
    const result = compileText(text("train { learning_rates = { vision: 0.1 } }"), { selector: "cold" })
    expect(result.output).toBeUndefined()
    expect(messages(result)).toContain("names `vision`, which is frozen")
  })
})

describe("a warm-up", () => {
  test("counts what the schedule counts, unless it says what", () => {
    const warmup = (settings: string) => rateSpec(model(settings).training).warmup
    expect(warmup("warmup = 5")).toEqual({ length: 5, per: "epoch" })
    expect(warmup('warmup = 5 schedule = cosine(length = 9, per = "step")')).toEqual({ length: 5, per: "step" })
    expect(warmup('warmup = linear(7, per = "step") schedule = cosine(length = 9)')).toEqual({ length: 7, per: "step" })
    expect(warmup("epochs = 3")).toBeUndefined()
  })
})

test("a plateau schedule knows which way is better", () => {
  const schedule = (settings: string) => model(settings).training["schedule"]
  expect(rateSpec(model("schedule = plateau(loss)").training).schedule).toMatchObject({
    better: "smaller",
    patience: 10,
  })
  expect(rateSpec(model("schedule = plateau(iou)").training).schedule).toMatchObject({ better: "greater", factor: 0.1 })
  expect(plateauMetric(schedule("schedule = plateau(iou)"))).toBe("iou")
  expect(plateauMetric(schedule("schedule = step(every = 3)"))).toBeUndefined()
})
