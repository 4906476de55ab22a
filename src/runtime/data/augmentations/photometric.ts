/**
 * Photometric distortion: brightness, contrast, saturation and hue of 8-bit pixels.
 *
 * Takes pixels and a random stream; gives new pixels. As mmsegmentation's `PhotoMetricDistortion`, which RecLMIS uses:
 * brightness, then perhaps contrast, saturation, hue, and contrast if it did not come before; each with probability `p`.
 *
 * Why so exact: every one of the changes ends in 8 bits there. Brightness, contrast and saturation cut off the fraction;
 * colours go through OpenCV's 8-bit HSV (hue in steps of 2 degrees), whose way back cuts off too (in its vector code, which
 * does all but the last pixels of a row). So repeated changes darken and dull a picture by a level or two, and a model that
 * is trained on it has seen that. Saturation and hue leave a grey picture as it is.
 */
import type { Pixels } from "../images.js"
import type { RandomStream } from "../random.js"

export interface Photometric {
  readonly name: "photometric"
  /** the most that is added to every value of 0 to 255 */
  readonly brightness: number
  /** values are multiplied by 1 - contrast to 1 + contrast */
  readonly contrast: number
  /** the saturation is multiplied by 1 - saturation to 1 + saturation */
  readonly saturation: number
  /** the hue is turned by a whole number of -hue to hue - 1 steps of 2 degrees */
  readonly hue: number
  /** probability of each of the four */
  readonly p: number
}

/** What is done to one picture; a change that is undefined is left out. */
export interface Distortion {
  readonly brightness: number | undefined
  readonly contrast: number | undefined
  readonly contrastFirst: boolean
  readonly saturation: number | undefined
  readonly hue: number | undefined
}

/** Applies `photometric` with the draws of `stream`. All draws are made, in one order, so that they depend on nothing else. */
export function photometric(image: Pixels, settings: Photometric, stream: RandomStream): Pixels {
  const draw = (value: () => number): number | undefined => {
    const applied = stream.chance(settings.p)
    const drawn = value()
    return applied ? drawn : undefined
  }
  const { brightness, contrast, saturation, hue } = settings
  return distort(image, {
    brightness: draw(() => stream.uniform(-brightness, brightness)),
    contrast: draw(() => stream.uniform(1 - contrast, 1 + contrast)),
    saturation: draw(() => stream.uniform(1 - saturation, 1 + saturation)),
    hue: draw(() => (hue === 0 ? 0 : stream.integer(2 * hue) - hue)),
    contrastFirst: stream.chance(0.5),
  })
}

/** Changes pixels by given amounts. */
export function distort(image: Pixels, { brightness, contrast, contrastFirst, saturation, hue }: Distortion): Pixels {
  const { channels } = image
  const data = Uint8Array.from(image.data)
  const look = (table: Uint8Array | undefined): void => {
    if (table) for (let i = 0; i < data.length; i++) data[i] = table[data[i] as number] as number
  }
  const contrastTable = contrast === undefined ? undefined : scaled(contrast, 0)
  look(brightness === undefined ? undefined : scaled(1, brightness))
  if (contrastFirst) look(contrastTable)
  if (channels === 3 && saturation !== undefined) recolour(data, SAME, scaled(saturation, 0))
  if (channels === 3 && hue !== undefined) recolour(data, turned(hue), SAME)
  if (!contrastFirst) look(contrastTable)
  return { ...image, data }
}

/** `value * factor + summand` in float32, clipped and cut off, for every 8-bit value. */
function scaled(factor: number, summand: number): Uint8Array {
  const f = Math.fround
  return Uint8Array.from({ length: 256 }, (_, value) =>
    Math.min(255, Math.max(0, f(f(value * f(factor)) + f(summand)))),
  )
}

/** Hues of OpenCV's 8-bit HSV: steps of 2 degrees. */
const HUES = 180

const SAME = Uint8Array.from({ length: 256 }, (_, value) => value)

/** Each hue turned by some steps. */
function turned(steps: number): Uint8Array {
  return Uint8Array.from({ length: HUES }, (_, hue) => (((hue + steps) % HUES) + HUES) % HUES)
}

// OpenCV divides by multiplication with these, of 12 fractional bits.
const BITS = 12
const HALF = 1 << (BITS - 1)
const SATURATION_OF = Int32Array.from({ length: 256 }, (_, i) => (i === 0 ? 0 : Math.round((255 << BITS) / i)))
const HUE_OF = Int32Array.from({ length: 256 }, (_, i) => (i === 0 ? 0 : Math.round((HUES << BITS) / (6 * i))))

/** Which sixth of the colour circle a hue lies in, and how far; float32, as OpenCV has them. */
const POSITION = Float32Array.from({ length: HUES }, (_, hue) => hue * Math.fround(6 / HUES))
const SECTOR = Uint8Array.from(POSITION)
const WITHIN = POSITION.map((position, hue) => position - (SECTOR[hue] as number))
/** Which of red, green and blue has the greatest, the middle and the least level, by sixth of the circle. */
const MOST = Uint8Array.of(0, 1, 1, 2, 2, 0)
const BETWEEN = Uint8Array.of(1, 0, 2, 1, 0, 2)
const LEAST = Uint8Array.of(2, 2, 0, 0, 1, 1)
const UNIT = Float32Array.from({ length: 256 }, (_, value) => value * Math.fround(1 / 255))

/** Exchanges hue and saturation of RGB pixels by tables, in place: to OpenCV's 8-bit HSV and back. */
function recolour(data: Uint8Array, hues: Uint8Array, saturations: Uint8Array): void {
  const f = Math.fround
  for (let i = 0; i < data.length; i += 3) {
    const r = data[i] as number
    const g = data[i + 1] as number
    const b = data[i + 2] as number
    const value = r > g ? (r > b ? r : b) : g > b ? g : b
    const range = value - (r < g ? (r < b ? r : b) : g < b ? g : b)
    let hue = value === r ? g - b : value === g ? b - r + 2 * range : r - g + 4 * range
    hue = (hue * (HUE_OF[range] as number) + HALF) >> BITS
    hue = hues[hue < 0 ? hue + HUES : hue] as number
    const s = UNIT[saturations[(range * (SATURATION_OF[value] as number) + HALF) >> BITS] as number] as number
    const v = UNIT[value] as number
    const within = WITHIN[hue] as number
    const sector = SECTOR[hue] as number
    // The level between the two others rises in sectors 0, 2 and 4 and falls in the others.
    const between = sector % 2 === 0 ? f(1 - within) : within
    // A typed array of bytes cuts off the fraction. 1 - s * x is one rounding, as the fused instruction of OpenCV's vectors.
    data[i + (MOST[sector] as number)] = f(v * 255)
    data[i + (BETWEEN[sector] as number)] = f(f(v * f(1 - s * between)) * 255)
    data[i + (LEAST[sector] as number)] = f(f(v * f(1 - s)) * 255)
  }
}
