import fc from "fast-check"
import { join } from "node:path"
import sharp from "sharp"
import { describe, expect, it } from "vitest"
import type { Sample } from "../../../src/runtime/data/sample.js"
import type { Predictor } from "../../../src/runtime/prediction/predictor.js"
import { chooseCases, galleryOf } from "../../../src/runtime/reports/case-gallery.js"
import { temporaryFolder } from "../data/temporary.js"
import { formatSetting } from "../../../src/compiler/elaborate/values.js"

const scored = (dice: number, id = `case${dice}`) => ({
  ...{ id, note: "", dice, iou: dice, tp: 0, fp: 0, fn: 0, tn: 0 },
  ...{ precision: null, recall: null, specificity: null, hausdorff95: null },
})
const chosen = (dices: readonly number[], each: number) =>
  chooseCases(dices.map((dice) => scored(dice)), each).map(({ rank, scored: one }) => `${rank} ${one.dice}`) // prettier-ignore

describe("chooseCases", () => {
  it("takes the best, the median and the worst", () => {
    expect(chosen([0.2, 0.9, 0.5, 0.7, 0.1], 1)).toEqual(["best 0.9", "median 0.5", "worst 0.1"])
  })

  it("takes several of each when there are enough", () => {
    expect(chosen([6, 5, 4, 3, 2, 1], 2)).toEqual(["best 6", "best 5", "median 4", "median 3", "worst 2", "worst 1"])
  })

  it("shows no case twice", () => {
    expect(chosen([0.5], 1)).toEqual(["best 0.5"])
    expect(chosen([0.5, 0.6], 3)).toEqual(["best 0.6", "worst 0.5"])
    expect(chosen([], 1)).toEqual([])
  })

  it("leaves out cases that the convention does not score", () => {
    const cases = [scored(0.5), { ...scored(0, "empty"), leftOut: true as const }]
    expect(chooseCases(cases, 2).map(({ scored: { id } }) => id)).toEqual(["case0.5"])
  })

  it("does not depend on the order of the cases", () => {
    const cases = ["a", "b", "c", "d", "e"].map((id) => scored(0.5, id))
    fc.assert(
      fc.property(fc.shuffledSubarray(cases, { minLength: 5 }), (shuffled) => {
        expect(chooseCases(shuffled, 1).map(({ scored: { id } }) => id)).toEqual(["a", "c", "e"])
      }),
    )
  })
})

describe("galleryOf", () => {
  const SIZE = { height: 128, width: 128 }
  const pixels = SIZE.height * SIZE.width
  /** Values that look random and are always the same. */
  const noise = (count: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => (Math.sin(i * i) + 1) / 2)

  /** One case with an image of 900 x 600 pixels of noise; the left half is the truth. */
  async function oneSample(): Promise<Sample> {
    const folder = await temporaryFolder()
    const [imagePath, maskPath] = [join(folder, "a.png"), join(folder, "mask_a.png")]
    const raw = { width: 900, height: 600, channels: 1 } as const
    const bytes = (value: (i: number) => number): Uint8Array =>
      Uint8Array.from({ length: 900 * 600 }, (_, i) => value(i))
    await sharp(
      bytes((i) => 128 + 100 * Math.sin(i * i)),
      { raw },
    ).toFile(imagePath)
    await sharp(
      bytes((i) => (i % 900 < 450 ? 255 : 0)),
      { raw },
    ).toFile(maskPath)
    return { id: "a", split: "test", imagePath, maskPath, note: "left" }
  }

  /** A model without a note that gives this probability, and this many distributions over patches. */
  function predictorOf(probability: Float32Array, maps: number): Predictor {
    const names = Array.from({ length: maps }, (_, i) => `map${i}`)
    const share = new Float32Array(16).fill(1 / 16)
    const outputs = { probability: { data: probability }, ...Object.fromEntries(names.map((name) => [name, { data: share }])) } // prettier-ignore
    return {
      ports: {
        variant: "fake",
        image: { name: "image", size: SIZE, channels: "rgb" },
        note: undefined,
        outputs: [{ name: "probability", shape: [1, 128, 128] }, ...names.map((name) => ({ name, shape: [16] }))],
        mask: "probability",
      },
      origin: { kind: "onnx", file: "fake.onnx", sha256: "0" },
      tokenizer: undefined,
      batch: 1,
      run: async (cases) => cases.map(() => outputs),
      close: async () => {},
    }
  }
  const gallery = async (probability: Float32Array, maps: number) =>
    galleryOf(predictorOf(probability, maps), { split: "test", threshold: 0.5, cases: [scored(0.5, "a")] }, [await oneSample()], 1) // prettier-ignore

  it("outlines truth and prediction, at the network's size", async () => {
    const half = Float32Array.from({ length: pixels }, (_, i) => (i % 128 < 64 ? 0.9 : 0.1))
    const { readsNotes, cases } = await gallery(half, 1)
    expect(readsNotes).toBe(false)
    const { overlay, image, heatmaps, heatmapsLeftOut } = cases[0]!
    if (overlay.kind !== "outlines") throw new Error("it was painted")
    expect(overlay.size).toEqual(SIZE)
    // Both go round the left half: half of the probability lies on its edge, between the columns 63 and 64.
    expect(overlay.prediction).toMatch(/^M[\d. L]+Z$/)
    expect(
      Math.max(
        ...overlay.prediction
          .slice(1, -1)
          .split("L")
          .map((point) => Number(point.split(" ")[0])),
      ),
    ).toBe(64)
    expect([heatmaps.length, heatmapsLeftOut]).toEqual([1, 0])
    const shown = await sharp(image.bytes).metadata()
    expect([image.type, shown.format, shown.width, shown.height]).toEqual(["image/jpeg", "jpeg", 320, 213])
    expect(image.size).toEqual({ height: 213, width: 320 })
  })

  it("stays small when a model predicts noise and has many maps", async () => {
    const { cases } = await gallery(noise(pixels), 9)
    const { overlay, image, heatmaps, heatmapsLeftOut } = cases[0]!
    expect([heatmaps.length, heatmapsLeftOut]).toEqual([6, 3])
    if (overlay.kind !== "picture") throw new Error("it was outlined")
    const { width, height } = await sharp(overlay.picture.bytes).metadata()
    expect([width, height]).toEqual([128, 128])
    const bytes = [image, overlay.picture, ...heatmaps.map(({ picture }) => picture)].map((one) => one.bytes.length)
    // Noise is the worst that there is to compress: three bytes for each of 320 x 213 pixels, uncompressed.
    expect(Math.max(...bytes)).toBeLessThan(3 * 320 * 213)
  })
})

describe("formatSetting", () => {
  it("writes a setting as the model does", () => {
    expect(formatSetting({ name: "adam", arguments: { lr: 0.001 } })).toBe("adam(lr = 0.001)")
    expect(formatSetting({ name: "clip", arguments: {} })).toBe("clip")
    expect(formatSetting([1, { name: "a", arguments: {} }, "x"])).toBe('[1, a, "x"]')
    expect(formatSetting({ fields: { vision: 0.1, decoder: 2 } })).toBe("{ vision: 0.1, decoder: 2 }")
  })
})
