/**
 * Augmentations of the published training recipes, on 8-bit pixels.
 *
 * Takes: pixels, a binary mask and a random stream of their own. Gives: new pixels and mask of the same size.
 *
 * Why so: each is a pure function of its stream, which the loader keys by (seed, epoch, sample, name): the same sample is
 * augmented alike by whichever worker meets it, and adding one augmentation does not change the draws of another.
 *
 * - `flip_rotate` (LViT, RecLMIS): with p = 0.5 a turn by 0 to 3 quarters and then a flip; else with p = 0.5 a rotation by
 *   a whole number of degrees in [-20, 20), nearest neighbour, zero outside. The note is *not* adapted, as published:
 *   "left" and "right" become wrong after a flip. Do not use it where the note says the side and the side matters.
 * - `photometric` (mmsegmentation's distortion, as in RecLMIS): brightness +-32, contrast 0.5 to 1.5, saturation 0.5 to
 *   1.5, hue +-18 (OpenCV's half degrees), each with p = 0.5; contrast before or after the two of colour. Saturation and
 *   hue leave a grey picture as it is. Only the result is rounded, where OpenCV rounds after each step.
 */
import type { Pixels } from "./images.js"
import type { RandomStream } from "./random.js"

export const AUGMENTATIONS = ["flip_rotate", "photometric"] as const
export type Augmentation = (typeof AUGMENTATIONS)[number]

/** An image and its mask ([H * W], 0 or 1), of one size. */
export interface Pair {
  readonly image: Pixels
  readonly mask: Uint8Array
}

const APPLY: Readonly<Record<Augmentation, (pair: Pair, stream: RandomStream) => Pair>> = {
  flip_rotate: flipRotate,
  photometric: (pair, stream) => ({ image: photometric(pair.image, stream), mask: pair.mask }),
}

/** Applies augmentations in the given order; each draws from a stream of its own under `stream`. */
export function augmentPair(pair: Pair, names: readonly Augmentation[], stream: RandomStream): Pair {
  let current = pair
  for (const name of names) current = APPLY[name](current, stream.fork(name))
  return current
}

function flipRotate(pair: Pair, stream: RandomStream): Pair {
  const { height, width } = pair.image
  if (stream.chance(0.5)) {
    // A quarter turn swaps the sides, so an oblong picture is only turned by halves.
    const quarters = height === width ? stream.integer(4) : 2 * stream.integer(2)
    const upsideDown = stream.chance(0.5)
    return gather(pair, (y, x) => {
      let row = upsideDown ? height - 1 - y : y
      let column = upsideDown ? x : width - 1 - x
      for (let k = 0; k < quarters; k += height === width ? 1 : 2) {
        if (height === width) [row, column] = [column, width - 1 - row]
        else [row, column] = [height - 1 - row, width - 1 - column]
      }
      return row * width + column
    })
  }
  if (!stream.chance(0.5)) return pair
  return rotate(pair, stream.integer(40) - 20)
}

/** Rotation about the centre by whole degrees, nearest neighbour; what comes from outside is 0. */
export function rotate(pair: Pair, degrees: number): Pair {
  const { height, width } = pair.image
  const angle = (degrees * Math.PI) / 180
  const cos = Math.cos(angle)
  const sin = Math.sin(angle)
  const middleY = (height - 1) / 2
  const middleX = (width - 1) / 2
  return gather(pair, (y, x) => {
    const row = Math.round(cos * (y - middleY) - sin * (x - middleX) + middleY)
    const column = Math.round(sin * (y - middleY) + cos * (x - middleX) + middleX)
    return row < 0 || column < 0 || row >= height || column >= width ? -1 : row * width + column
  })
}

/** A new pair whose pixel (y, x) is the old one's at the index that `source` gives, or 0 for -1. */
function gather(pair: Pair, source: (y: number, x: number) => number): Pair {
  const { height, width, channels, data } = pair.image
  const image = new Uint8Array(data.length)
  const mask = new Uint8Array(pair.mask.length)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = source(y, x)
      if (from < 0) continue
      const to = y * width + x
      mask[to] = pair.mask[from] as number
      for (let c = 0; c < channels; c++) image[to * channels + c] = data[from * channels + c] as number
    }
  }
  return { image: { height, width, channels, data: image }, mask }
}

function photometric(image: Pixels, stream: RandomStream): Pixels {
  // All draws are made first, in one order, so that they do not depend on the picture.
  const draw = (low: number, high: number, neutral: number) => {
    const applied = stream.chance(0.5)
    const value = stream.uniform(low, high)
    return applied ? value : neutral
  }
  const brightness = draw(-32, 32, 0)
  const contrast = draw(0.5, 1.5, 1)
  const saturation = draw(0.5, 1.5, 1)
  const hue = draw(-18, 18, 0) * 2
  const contrastFirst = stream.chance(0.5)
  const { data, channels } = image
  const result = new Uint8Array(data.length)
  const clip = (value: number) => Math.min(255, Math.max(0, value))
  if (channels === 1) {
    const table = Uint8Array.from({ length: 256 }, (_, value) => Math.round(clip(clip(value + brightness) * contrast)))
    for (let i = 0; i < data.length; i++) result[i] = table[data[i] as number] as number
    return { ...image, data: result }
  }
  for (let i = 0; i < data.length; i += 3) {
    const before = contrastFirst ? contrast : 1
    const after = contrastFirst ? 1 : contrast
    const level = (c: number) => clip(clip((data[i + c] as number) + brightness) * before)
    const [r, g, b] = recolour(level(0), level(1), level(2), saturation, hue)
    result[i] = Math.round(clip(r * after))
    result[i + 1] = Math.round(clip(g * after))
    result[i + 2] = Math.round(clip(b * after))
  }
  return { ...image, data: result }
}

/** Scales the saturation and turns the hue (degrees) of a colour of values 0 to 255, in the HSV model. */
function recolour(r: number, g: number, b: number, saturation: number, hue: number): [number, number, number] {
  const value = Math.max(r, g, b)
  const chroma = value - Math.min(r, g, b)
  if (chroma === 0 || (saturation === 1 && hue === 0)) return [r, g, b]
  let sector: number
  if (value === r) sector = (g - b) / chroma
  else if (value === g) sector = 2 + (b - r) / chroma
  else sector = 4 + (r - g) / chroma
  sector = (((sector + hue / 60) % 6) + 6) % 6
  const newChroma = value * Math.min(1, (chroma / value) * saturation)
  const of = (n: number) => {
    const k = (n + sector) % 6
    return value - newChroma * Math.max(0, Math.min(k, 4 - k, 1))
  }
  return [of(5), of(3), of(1)]
}
