import { describe, expect, it } from "vitest"
import { randomInputAt, randomInputs } from "../../../src/runtime/deployment/parity-inputs.js"

const tokens = {
  name: "note",
  role: "input",
  kind: "tokens",
  tokenizer: { name: "words", arguments: { vocabulary: 9 } },
}
const model = { inputs: [tokens], graph: { sizes: new Map() } } as unknown as Parameters<typeof randomInputs>[0]
const WANTED = [
  { name: "image", dtype: "f32", shape: ["N", 3, 4, 4] },
  { name: "note_ids", dtype: "i32", shape: ["N", 6] },
  { name: "note_valid", dtype: "f32", shape: ["N", 6] },
] as const

describe("randomInputs", () => {
  const inputs = randomInputs(model, WANTED)

  it("has two batch sizes, and every input at each", () => {
    expect(inputs.map(({ batch }) => batch)).toEqual([1, 3])
    for (const { batch, feeds } of inputs) {
      expect(feeds["image"]?.shape).toEqual([batch, 3, 4, 4])
      expect(feeds["note_ids"]?.shape).toEqual([batch, 6])
    }
  })

  it("has the sizes that a file leaves open as the model has them", () => {
    const wanted = [{ name: "image", dtype: "f32", shape: ["N", 3, "H", "H*W/2 - 1"] }] as const
    const sizes = new Map([...Object.entries({ H: 4, W: 6 })])
    const input = randomInputAt(sizes, { ...model, graph: { sizes } as unknown as typeof model.graph }, wanted)
    expect(input).toMatchObject({ kind: "random", batch: 2, sizes: { H: 4, W: 6 } })
    expect(input.feeds["image"]?.shape).toEqual([2, 3, 4, 11])
  })

  it("draws pixels in [0, 1) and ids within the vocabulary", () => {
    for (const { feeds } of inputs) {
      const pixels = [...(feeds["image"]!.data as Float32Array)]
      expect(pixels.every((value) => value >= 0 && value < 1)).toBe(true)
      expect(new Set(pixels).size).toBeGreaterThan(40)
      expect([...(feeds["note_ids"]!.data as Int32Array)].every((id) => id >= 0 && id < 9)).toBe(true)
    }
  })

  it("makes notes of one token or more, followed by padding", () => {
    const valid = [...(inputs[1]!.feeds["note_valid"]!.data as Float32Array)]
    for (let row = 0; row < 3; row++) expect(valid.slice(6 * row, 6 * row + 6).join("")).toMatch(/^1+0*$/)
  })

  it("draws the same numbers each time, other ones for each batch size", () => {
    expect(randomInputs(model, WANTED)).toEqual(inputs)
    const [one, three] = inputs.map(({ feeds }) => (feeds["image"]!.data as Float32Array)[0])
    expect(one).not.toBe(three)
  })
})
