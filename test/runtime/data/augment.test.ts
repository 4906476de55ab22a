import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  areNoteAware,
  type Augmentation,
  augmentationStream,
  augmentPair,
  mirrorsNote,
} from "../../../src/runtime/data/augment.js"
import type { Pair } from "../../../src/runtime/data/augmentations/pair.js"
import { rotate, turnAndFlip } from "../../../src/runtime/data/augmentations/turns.js"
import { RandomStream } from "../../../src/runtime/data/random.js"
import { BLUR, FLIP_ROTATE, NOTE_AWARE, PHOTOMETRIC, PUBLISHED, ROW_BLUR } from "./published.js"

/** A pair whose mask is 1 exactly where the image is bright, so that the two can be seen to move together. */
function pairOf(height: number, width: number, channels: 1 | 3 = 1): Pair {
  const stream = new RandomStream(`pair/${height}/${width}`)
  const mask = Uint8Array.from({ length: height * width }, () => stream.integer(2))
  const data = Uint8Array.from({ length: height * width * channels }, (_, i) =>
    mask[Math.floor(i / channels)] ? 200 + stream.integer(56) : 1 + stream.integer(50),
  )
  return { image: { height, width, channels, data }, mask }
}

const sides = fc.integer({ min: 1, max: 9 })
const streams = (count: number) => Array.from({ length: count }, (_, i) => new RandomStream(`trial${i}`))
const imageOf = (pair: Pair, augmentation: Augmentation, stream: RandomStream) =>
  augmentPair(pair, [augmentation], stream).image

describe("augmentPair", () => {
  it("is decided by its stream, keeps the sizes and leaves the original alone", () => {
    const all = [...PUBLISHED, BLUR, NOTE_AWARE]
    fc.assert(
      fc.property(sides, sides, fc.constantFrom(1 as const, 3 as const), fc.nat(), (height, width, channels, key) => {
        const pair = pairOf(height, width, channels)
        const before = structuredClone(pair)
        const once = augmentPair(pair, all, new RandomStream(`${key}`))
        const again = augmentPair(pair, all, new RandomStream(`${key}`))
        expect(once).toEqual(again)
        expect(once.image.data).toHaveLength(height * width * channels)
        expect(once.mask).toHaveLength(height * width)
        expect(pair).toEqual(before)
      }),
    )
  })

  it("moves the mask with the image", () => {
    fc.assert(
      fc.property(sides, sides, fc.boolean(), fc.nat(), (height, width, aware, key) => {
        const stream = new RandomStream(`${key}`)
        const { image, mask } = augmentPair(pairOf(height, width), [aware ? NOTE_AWARE : FLIP_ROTATE], stream)
        image.data.forEach((value, i) => expect(value >= 200).toBe(mask[i] === 1))
      }),
    )
  })

  it("changes the draws of one augmentation by no other", () => {
    const alone = augmentPair(pairOf(6, 6), [PHOTOMETRIC], new RandomStream("k"))
    const after = augmentPair(pairOf(6, 6), [FLIP_ROTATE, PHOTOMETRIC], new RandomStream("k"))
    expect([...after.image.data].sort()).toEqual([...alone.image.data].sort())
  })

  it("draws anew for an augmentation that is there twice", () => {
    const flip: Augmentation = { ...NOTE_AWARE, degrees: 0 }
    const both = streams(400).map((stream) => mirrorsNote([flip, flip], stream))
    // The same draw twice would always give the picture back.
    expect(both.filter(Boolean).length / 400).toBeGreaterThan(0.4)
    expect(both.filter(Boolean).length / 400).toBeLessThan(0.6)
  })
})

describe("flip_rotate", () => {
  it("turns and flips half the time, rotates a quarter of it, and does nothing in the rest", () => {
    const pair = pairOf(9, 9)
    const total = pair.mask.reduce((a, b) => a + b)
    let unchanged = 0
    let sameArea = 0
    const trials = 2000
    for (const stream of streams(trials)) {
      const { mask } = augmentPair(pair, [FLIP_ROTATE], stream)
      if (mask.every((value, k) => value === pair.mask[k])) unchanged++
      if (mask.reduce((a, b) => a + b) === total) sameArea++
    }
    // A turn always comes with a flip, so only "neither" (1/4) and small angles leave the mask as it is.
    expect(unchanged / trials).toBeGreaterThan(0.22)
    expect(unchanged / trials).toBeLessThan(0.33)
    expect(sameArea / trials).toBeGreaterThan(0.72)
  })

  it("reaches the four reflections that quarter turns with a flip are, and only with p = 1 always", () => {
    const pair = pairOf(5, 5)
    const always = { ...FLIP_ROTATE, p: 1 }
    const seen = new Set(streams(200).map((stream) => augmentPair(pair, [always], stream).mask.join("")))
    const reflections = [0, 1].flatMap((quarters) =>
      ([0, 1] as const).map((axis) => turnAndFlip(pair, quarters, axis).mask.join("")),
    )
    expect([...seen].sort()).toEqual(reflections.sort())
  })

  it("turns an oblong picture by halves only", () => {
    expect(() => turnAndFlip(pairOf(4, 6), 1, 0)).toThrow("4x6 pixels cannot be turned by 1 quarters")
  })

  it("rotates by whole degrees from -degrees, below +degrees", () => {
    const pair = pairOf(60, 60)
    const turned = new Map(Array.from({ length: 9 }, (_, i) => [rotate(pair, i - 4).mask.join(""), i - 4]))
    expect(turned.size).toBe(9)
    const seen = new Set(
      streams(400).map((stream) =>
        turned.get(augmentPair(pair, [{ ...FLIP_ROTATE, degrees: 4 }], stream).mask.join("")),
      ),
    )
    // Undefined: a turn with a flip. 0: nothing done, too.
    expect(seen).toEqual(new Set([undefined, -4, -3, -2, -1, 0, 1, 2, 3]))
  })
})

describe("mirrorsNote", () => {
  /** A mark in the left half of the picture only. */
  const marked: Pair = {
    image: { height: 5, width: 8, channels: 1, data: Uint8Array.from({ length: 40 }, (_, i) => (i === 17 ? 255 : 0)) },
    mask: Uint8Array.from({ length: 40 }, (_, i) => (i === 17 ? 1 : 0)),
  }

  it("says for every stream whether the mark has changed sides", () => {
    const exact = { ...NOTE_AWARE, degrees: 0 }
    let mirrored = 0
    for (const stream of streams(200)) {
      const { mask } = augmentPair(marked, [ROW_BLUR, PHOTOMETRIC, exact], stream)
      expect(mask.indexOf(1)).toBe(mirrorsNote([ROW_BLUR, PHOTOMETRIC, exact], stream) ? 22 : 17)
      mirrored += mask[22]!
    }
    expect(mirrored).toBeGreaterThan(70)
    expect(mirrored).toBeLessThan(130)
  })

  it("keeps what is above above: no quarter turns and no upside-down flips", () => {
    const top = (pair: Pair) => pair.mask.reduce((sum, value, i) => sum + (value ? Math.floor(i / 8) : 0), 0)
    const upper: Pair = { ...marked, mask: Uint8Array.from({ length: 40 }, (_, i) => (i === 3 ? 1 : 0)) }
    for (const stream of streams(200)) {
      expect(top(augmentPair(upper, [{ ...NOTE_AWARE, degrees: 0 }], stream))).toBe(0)
    }
  })

  it("is never so without a note-aware augmentation", () => {
    expect(areNoteAware(PUBLISHED)).toBe(false)
    expect(areNoteAware([...PUBLISHED, NOTE_AWARE])).toBe(true)
    expect(streams(50).some((stream) => mirrorsNote(PUBLISHED, stream))).toBe(false)
  })

  it("depends on seed, epoch and sample", () => {
    const told = (seed: number, epoch: number) =>
      Array.from({ length: 40 }, (_, i) => mirrorsNote([NOTE_AWARE], augmentationStream(seed, epoch, `case${i}`)))
    expect(told(1, 2)).toEqual(told(1, 2))
    expect(told(1, 2)).not.toEqual(told(2, 2))
    expect(told(1, 2)).not.toEqual(told(1, 3))
  })
})

describe("photometric", () => {
  const grey: Pair = { image: { height: 1, width: 1, channels: 1, data: Uint8Array.of(100) }, mask: Uint8Array.of(1) }

  it("distorts within the published limits and leaves the mask alone", () => {
    const values: number[] = []
    for (const stream of streams(1000)) {
      const { image, mask } = augmentPair(grey, [PHOTOMETRIC], stream)
      expect(mask).toBe(grey.mask)
      values.push(image.data[0]!)
    }
    expect(Math.min(...values)).toBeGreaterThanOrEqual(Math.floor((100 - 32) * 0.5))
    expect(Math.max(...values)).toBeLessThanOrEqual(132 * 1.5)
    expect(values.filter((value) => value === 100).length / 1000).toBeGreaterThan(0.2)
  })

  it("takes its limits from the model's text", () => {
    const still: Augmentation = { ...PHOTOMETRIC, contrast: 0, saturation: 0, hue: 0, brightness: 3, p: 1 }
    const values = streams(200).map((stream) => imageOf(grey, still, stream).data[0]!)
    expect([...new Set(values)].sort((a, b) => a - b)).toEqual([97, 98, 99, 100, 101, 102])
  })

  it("leaves a grey picture grey when it is stored in three channels", () => {
    const data = Uint8Array.from({ length: 12 }, (_, i) => 40 * (1 + Math.floor(i / 3)))
    const pair: Pair = { image: { height: 2, width: 2, channels: 3, data }, mask: new Uint8Array(4) }
    const one: Pair = {
      image: { height: 2, width: 2, channels: 1, data: Uint8Array.of(40, 80, 120, 160) },
      mask: new Uint8Array(4),
    }
    for (const stream of streams(50)) {
      const colour = imageOf(pair, PHOTOMETRIC, stream).data
      expect([...colour]).toEqual([...imageOf(one, PHOTOMETRIC, stream).data].flatMap((value) => [value, value, value]))
    }
  })
})

describe("blur and row_blur", () => {
  const pair = pairOf(40, 9, 3)

  it("blurs half of the pictures, and of those in row_blur half of the rows", () => {
    const changedRows = (augmentation: Augmentation) =>
      streams(400).map((stream) => {
        const { data } = imageOf(pair, augmentation, stream)
        const row = (y: number) => data.subarray(y * 27, (y + 1) * 27)
        return Array.from({ length: 40 }, (_, y) => y).filter((y) =>
          row(y).some((value, i) => value !== pair.image.data[y * 27 + i]),
        ).length
      })
    const whole = changedRows(BLUR)
    expect(new Set(whole)).toEqual(new Set([0, 40]))
    const some = changedRows(ROW_BLUR).filter((rows) => rows > 0)
    for (const applied of [whole.filter((rows) => rows > 0).length, some.length]) {
      expect(applied).toBeGreaterThan(160)
      expect(applied).toBeLessThan(240)
    }
    expect(some.reduce((a, b) => a + b) / some.length).toBeGreaterThan(18)
    expect(some.reduce((a, b) => a + b) / some.length).toBeLessThan(22)
  })

  it("leaves a flat picture as it is, or cuts one level off where it was published so", () => {
    const flat: Pair = {
      image: { height: 8, width: 8, channels: 3, data: new Uint8Array(192).fill(200) },
      mask: new Uint8Array(64),
    }
    const values = (augmentation: Augmentation) =>
      new Set(streams(50).flatMap((stream) => [...imageOf(flat, augmentation, stream).data]))
    expect([...values(BLUR)]).toEqual([200])
    // Two passes, each of which cuts off fractions: 200 can come out as 199.999... and so as 199, twice.
    expect(Math.min(...values(ROW_BLUR))).toBeGreaterThanOrEqual(198)
    expect(Math.max(...values(ROW_BLUR))).toBe(200)
  })
})
