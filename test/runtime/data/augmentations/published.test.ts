/**
 * The augmentations with given draws, against NumPy, SciPy and OpenCV (scripts/fixtures/augmentations.py).
 */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { blurRow, gaussianBlur } from "../../../../src/runtime/data/augmentations/blur.js"
import type { Pair } from "../../../../src/runtime/data/augmentations/pair.js"
import { distort, type Distortion } from "../../../../src/runtime/data/augmentations/photometric.js"
import { rotate, turnAndFlip } from "../../../../src/runtime/data/augmentations/turns.js"
import type { Pixels } from "../../../../src/runtime/data/images.js"

type Packed = string

interface Picture {
  readonly height: number
  readonly width: number
  readonly data: Packed
}

interface Fixture {
  readonly colour: Picture
  readonly grey: Picture
  readonly square: Picture
  readonly oblong: Picture
  readonly rowBlur: { readonly draws: Record<string, [number, number]>; readonly colour: Packed; readonly grey: Packed }
  readonly blur: readonly { readonly sigma: number; readonly colour: Packed; readonly grey: Packed }[]
  readonly photometric: readonly { readonly draws: Partial<Distortion>; readonly colour: Packed }[]
  readonly photometricGrey: readonly { readonly draws: Partial<Distortion>; readonly grey: Packed }[]
  readonly turns: readonly { readonly quarters: number; readonly axis: 0 | 1; readonly square: Packed }[]
  readonly halfTurns: readonly { readonly quarters: number; readonly axis: 0 | 1; readonly oblong: Packed }[]
  readonly rotations: readonly { readonly degrees: number; readonly square: Packed; readonly oblong: Packed }[]
}

const fixture = JSON.parse(
  readFileSync(new URL("../../../fixtures/augmentations.json", import.meta.url), "utf8"),
) as Fixture

const unpack = (packed: Packed): Uint8Array => new Uint8Array(Buffer.from(packed, "base64"))

function picture({ height, width, data }: Picture, channels: 1 | 3): Pixels {
  return { height, width, channels, data: unpack(data) }
}

/** The mask is the picture's lowest bit, so it moves rightly only if it moves with the picture. */
function pairOf(of: Picture): Pair {
  const image = picture(of, 1)
  return { image, mask: image.data.map((value) => value & 1) }
}

function expectPair(found: Pair, packed: Packed): void {
  const data = unpack(packed)
  expect([...found.image.data]).toEqual([...data])
  expect([...found.mask]).toEqual([...data.map((value) => value & 1)])
}

const colour = picture(fixture.colour, 3)
const grey = picture(fixture.grey, 1)
const undone: Distortion = {
  brightness: undefined,
  contrast: undefined,
  contrastFirst: false,
  saturation: undefined,
  hue: undefined,
}

describe("row_blur", () => {
  const blurredRows = (image: Pixels): Uint8Array => {
    const result = { ...image, data: Uint8Array.from(image.data) }
    for (const [row, [alongWidth, acrossColours]] of Object.entries(fixture.rowBlur.draws)) {
      blurRow(result, Number(row), alongWidth, acrossColours)
    }
    return result.data
  }

  it("is what SciPy makes of rows of a picture in colour", () => {
    expect([...blurredRows(colour)]).toEqual([...unpack(fixture.rowBlur.colour)])
  })

  it("is what SciPy makes of rows of a grey picture, to where three equal colours are cut off", () => {
    // The weights of three equal colours sum up to 1, or to a hair less: that is up to the last bit of `exp`.
    const expected = unpack(fixture.rowBlur.grey)
    const found = blurredRows(grey)
    expect(found.some((value, i) => value !== grey.data[i])).toBe(true)
    found.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1))
  })
})

describe("blur", () => {
  it.each(fixture.blur)("with sigma $sigma is SciPy's gaussian_filter", ({ sigma, ...expected }) => {
    expect([...gaussianBlur(colour, sigma).data]).toEqual([...unpack(expected.colour)])
    expect([...gaussianBlur(grey, sigma).data]).toEqual([...unpack(expected.grey)])
  })
})

describe("photometric", () => {
  it.each(fixture.photometric)("$draws is mmsegmentation's with OpenCV's colours", ({ draws, ...expected }) => {
    expect([...distort(colour, { ...undone, ...draws }).data]).toEqual([...unpack(expected.colour)])
  })

  it.each(fixture.photometricGrey)(
    "$draws of a grey picture is that of three equal colours",
    ({ draws, ...expected }) => {
      expect([...distort(grey, { ...undone, ...draws }).data]).toEqual([...unpack(expected.grey)])
    },
  )
})

describe("flip_rotate", () => {
  it.each(fixture.turns)("$quarters quarters, flip of axis $axis", ({ quarters, axis, square }) => {
    expectPair(turnAndFlip(pairOf(fixture.square), quarters, axis), square)
  })

  it.each(fixture.halfTurns)("$quarters quarters of an oblong, flip of axis $axis", ({ quarters, axis, oblong }) => {
    expectPair(turnAndFlip(pairOf(fixture.oblong), quarters, axis), oblong)
  })

  it.each(fixture.rotations)("$degrees degrees", ({ degrees, square, oblong }) => {
    expectPair(rotate(pairOf(fixture.square), degrees), square)
    expectPair(rotate(pairOf(fixture.oblong), degrees), oblong)
  })
})
