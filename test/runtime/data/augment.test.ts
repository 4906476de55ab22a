import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AUGMENTATIONS, augmentPair, type Pair, rotate } from "../../../src/runtime/data/augment.js"
import { RandomStream } from "../../../src/runtime/data/random.js"

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

describe("augmentPair", () => {
  it("is decided by its stream, keeps the sizes and leaves the original alone", () => {
    fc.assert(
      fc.property(sides, sides, fc.constantFrom(1 as const, 3 as const), fc.nat(), (height, width, channels, key) => {
        const pair = pairOf(height, width, channels)
        const before = [...pair.image.data]
        const once = augmentPair(pair, AUGMENTATIONS, new RandomStream(`${key}`))
        const again = augmentPair(pair, AUGMENTATIONS, new RandomStream(`${key}`))
        expect(once).toEqual(again)
        expect(once.image.data).toHaveLength(before.length)
        expect(once.mask).toHaveLength(height * width)
        expect([...pair.image.data]).toEqual(before)
      }),
    )
  })

  it("moves the mask with the image", () => {
    fc.assert(
      fc.property(sides, sides, fc.nat(), (height, width, key) => {
        const { image, mask } = augmentPair(pairOf(height, width), ["flip_rotate"], new RandomStream(`${key}`))
        image.data.forEach((value, i) => expect(value >= 200).toBe(mask[i] === 1))
      }),
    )
  })

  it("changes the draws of one augmentation by no other", () => {
    const alone = augmentPair(pairOf(6, 6), ["photometric"], new RandomStream("k"))
    const after = augmentPair(pairOf(6, 6), ["flip_rotate", "photometric"], new RandomStream("k"))
    expect([...after.image.data].sort()).toEqual([...alone.image.data].sort())
  })

  it("turns and flips half the time, rotates a quarter of it, and does nothing in the rest", () => {
    const pair = pairOf(9, 9)
    const total = pair.mask.reduce((a, b) => a + b)
    let unchanged = 0
    let sameArea = 0
    const trials = 2000
    for (let i = 0; i < trials; i++) {
      const { mask } = augmentPair(pair, ["flip_rotate"], new RandomStream(`trial${i}`))
      if (mask.every((value, k) => value === pair.mask[k])) unchanged++
      if (mask.reduce((a, b) => a + b) === total) sameArea++
    }
    // A turn always comes with a flip, so only "neither" (1/4) and small angles leave the mask as it is.
    expect(unchanged / trials).toBeGreaterThan(0.22)
    expect(unchanged / trials).toBeLessThan(0.33)
    expect(sameArea / trials).toBeGreaterThan(0.72)
  })

  it("reaches the eight symmetries that a turn and a flip reach", () => {
    const pair = pairOf(5, 5)
    const seen = new Set<string>()
    for (let i = 0; i < 400; i++) {
      const { mask } = augmentPair(pair, ["flip_rotate"], new RandomStream(`s${i}`))
      if (mask.reduce((a, b) => a + b) === pair.mask.reduce((a, b) => a + b)) seen.add(mask.join(""))
    }
    expect(seen.size).toBeGreaterThanOrEqual(5) // 4 turns x 2 flips are the 4 reflections; the original; small angles
  })

  it("distorts within the published limits and leaves the mask alone", () => {
    const grey: Pair = { image: { height: 1, width: 1, channels: 1, data: Uint8Array.of(100) }, mask: Uint8Array.of(1) }
    const values: number[] = []
    for (let i = 0; i < 1000; i++) {
      const { image, mask } = augmentPair(grey, ["photometric"], new RandomStream(`p${i}`))
      expect(mask).toBe(grey.mask)
      values.push(image.data[0] as number)
    }
    expect(Math.min(...values)).toBeGreaterThanOrEqual((100 - 32) * 0.5)
    expect(Math.max(...values)).toBeLessThanOrEqual(132 * 1.5)
    expect(values.filter((value) => value === 100).length / 1000).toBeGreaterThan(0.2)
  })

  it("leaves a grey picture grey when it is stored in three channels", () => {
    const data = Uint8Array.from({ length: 12 }, (_, i) => 40 * (1 + Math.floor(i / 3)))
    const pair: Pair = { image: { height: 2, width: 2, channels: 3, data }, mask: new Uint8Array(4) }
    const one: Pair = {
      image: { height: 2, width: 2, channels: 1, data: Uint8Array.of(40, 80, 120, 160) },
      mask: new Uint8Array(4),
    }
    for (let i = 0; i < 50; i++) {
      const colour = augmentPair(pair, ["photometric"], new RandomStream(`g${i}`)).image.data
      const grey = augmentPair(one, ["photometric"], new RandomStream(`g${i}`)).image.data
      expect([...colour]).toEqual([...grey].flatMap((value) => [value, value, value]))
    }
  })
})

describe("rotate", () => {
  it("does nothing for 0 degrees and is undone, near the middle, by the opposite angle", () => {
    const pair = pairOf(7, 8, 3)
    expect(rotate(pair, 0)).toEqual(pair)
    const quarter = rotate(pairOf(5, 5), 90)
    expect(rotate(quarter, -90)).toEqual(pairOf(5, 5))
  })

  it("fills what comes from outside with 0", () => {
    const full: Pair = {
      image: { height: 9, width: 9, channels: 1, data: new Uint8Array(81).fill(9) },
      mask: new Uint8Array(81).fill(1),
    }
    const { image, mask } = rotate(full, 20)
    expect([image.data[0], mask[0]]).toEqual([0, 0])
    expect([image.data[40], mask[40]]).toEqual([9, 1])
  })
})
