/**
 * Inputs of a model matched with what data offers, by kind and shape.
 */
import { describe, expect, test } from "vitest"
import type { TrainerDescription, TrainerInput } from "../../../src/compiler/trainer.js"
import { planInputs } from "../../../src/runtime/training/feeds.js"
import { RECORD } from "../runs/records.js"

const tensor = (name: string, shape: number[], more: Partial<TrainerInput> = {}): TrainerInput => ({
  name,
  role: "input",
  kind: "tensor",
  dtype: "f32",
  shape,
  tokenizer: undefined,
  ...more,
})
const note = (name: string): TrainerInput => tensor(name, [18], { kind: "tokens", dtype: "i32" })
const target = (shape: number[]): TrainerInput => tensor("truth", shape, { role: "target" })
const xray = tensor("xray", [3, 32, 48])

function describeInputs(inputs: TrainerInput[], outputs: [string, number[]][] = []): TrainerDescription {
  return { ...RECORD.description, inputs, outputs: outputs.map(([name, shape]) => ({ name, shape, doc: undefined })) }
}

test("image, note and target are found whatever their names; the first output of the target's shape is scored", () => {
  const outputs: [string, number[]][] = [
    ["weights", [18]],
    ["probability", [1, 32, 48]],
    ["second", [1, 32, 48]],
  ]
  const plan = planInputs(describeInputs([note("report"), xray, target([1, 32, 48])], outputs))
  expect(plan.image.name).toBe("xray")
  expect(plan.size).toEqual({ height: 32, width: 48 })
  expect([plan.note?.name, plan.tokenLength, plan.target?.name, plan.scored]).toEqual([
    "report",
    18,
    "truth",
    "probability",
  ])
})

test("a model without note and target is possible", () => {
  const plan = planInputs(describeInputs([xray], [["probability", [1, 32, 48]]]))
  expect([plan.note, plan.tokenLength, plan.target, plan.scored]).toEqual([undefined, 0, undefined, undefined])
})

describe("what the data cannot fill is refused by name", () => {
  test.each<[string, TrainerInput[], RegExp]>([
    ["no image", [note("report")], /has no image input/],
    ["two images", [xray, tensor("lateral", [3, 32, 48])], /lateral.* a case has one image, and that is xray/],
    ["two notes", [xray, note("a"), note("b")], /`?b.* a case has one note, and that is a/],
    ["two targets", [xray, target([1, 32, 48]), { ...target([1, 32, 48]), name: "edge" }], /edge.* one mask/],
    ["two planes", [tensor("ct", [2, 32, 32])], /ct: f32\[N, 2, 32, 32\].* 3 planes, or 1 \(grey\), not 2$/],
    ["four planes", [tensor("ct", [4, 32, 32])], /3 planes, or 1 \(grey\), not 4$/],
    ["a volume", [tensor("ct", [3, 8, 32, 32])], /an image is f32\[N, 3, H, W\]/],
    ["integers", [tensor("ct", [3, 32, 32], { dtype: "i32" })], /an image is f32/],
    ["a mask of another size", [xray, target([1, 16, 24])], /truth.* a mask is f32\[N, 1, 32, 48\]/],
    ["a mask of classes", [xray, target([4, 32, 48])], /a mask is f32\[N, 1, 32, 48\]/],
  ])("%s", (_, inputs, message) => {
    expect(() => planInputs(describeInputs(inputs))).toThrow(message)
  })
})
