/**
 * A profile of a small model on TensorFlow: it is the same step, everything in it is attributed, and the lines exist.
 */
import { readdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { profileTraining, type TrainingProfile } from "../../../src/runtime/training/profile.js"
import { openWorkshop, TINY, type Workshop } from "./tiny.js"

let shop: Workshop
let profile: TrainingProfile
const left = async (): Promise<string[]> => (await readdir(tmpdir())).filter((name) => name.startsWith("mdl-profile-"))
let before: string[]
beforeAll(async () => {
  shop = await openWorkshop()
  before = await left()
  profile = await profileTraining({ model: shop.model(), data: shop.data })
})
afterAll(() => shop.remove())

describe("a profile", () => {
  test("is of the step that is trained: the loss after a first update is the same", () => {
    expect(profile.difference).toBeLessThan(1e-6)
    expect(profile).toMatchObject({ batch: 4, precision: "f32", sizes: { H: 32, W: 32, T: 24 } })
  })

  test("attributes every node, to a line that exists or to the step as a whole", () => {
    const { nodes } = profile
    expect(nodes.length).toBeGreaterThan(100)
    const whole = nodes.filter(({ line }) => line === null)
    expect(whole.filter(({ name }) => /vision|language|decoder/.test(name))).toEqual([])
    const texts = TINY.split("\n")
    for (const { file, line, text } of profile.lines) {
      if (file?.endsWith("tiny.mdl")) expect(text).toBe(texts[line! - 1]!.trim())
      else expect(file ?? "the step").toMatch(/^std\/|^the step$/)
    }
    const convolution = profile.lines.find(({ text }) => text.startsWith("let v = conv2d(image"))
    expect(Object.keys(convolution!.ops)).toEqual(
      expect.arrayContaining(["Conv2D", "Conv2DBackpropFilter", "FusedBatchNormGradV3", "ResourceApplyAdam"]),
    )
    expect(convolution).toMatchObject({ self: expect.any(Number) as number })
    for (const phase of ["forward", "backward", "update"] as const) expect(convolution![phase]).toBeGreaterThan(0)
  })

  test("adds up to one, by lines, sections and operations", () => {
    const { seconds, lines, sections, ops, nodes } = profile
    expect(seconds.step).toBeGreaterThan(0)
    expect(seconds.nodes).toBeGreaterThan(0)
    const share = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
    expect(share(lines.map(({ self }) => self)) / seconds.nodes).toBeCloseTo(1, 9)
    expect(share(sections.map((row) => row.share))).toBeCloseTo(1, 9)
    expect(share(ops.map((row) => row.share))).toBeCloseTo(1, 9)
    expect(share(nodes.map((row) => row.seconds)) / seconds.nodes).toBeCloseTo(1, 9)
    expect(nodes.every((row) => row.seconds >= 0)).toBe(true)
  })

  test("leaves nothing behind", async () => {
    expect(await left()).toEqual(before)
  })
})
