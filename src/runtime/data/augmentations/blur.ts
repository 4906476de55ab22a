/**
 * Gaussian blur of 8-bit images: as it was published, and as it was meant.
 *
 * Takes pixels and a random stream; gives new pixels of the same size.
 *
 * Why two: RecLMIS uses a routine for medical volumes (`BioMedicalGaussianBlur`: mmsegmentation's copy of the one in
 * batchgenerators), which wants channels first and is handed height x width x 3. It so takes every *row* of the picture for
 * a channel, blurs half of the rows, each for itself, along its width and across its colours, and leaves stripes.
 * - `row_blur` is that, to the rounding: `scipy.ndimage.gaussian_filter` on 8-bit values cuts off the fraction after the
 *   width and again after the colours, so that it also darkens a little.
 * - `blur` is a Gaussian blur: the whole picture along height and width, all colours alike, rounded once.
 */
import type { Pixels } from "../images.js"
import type { RandomStream } from "../random.js"

/** The least and the greatest standard deviation, in pixels. */
export type SigmaRange = readonly [least: number, greatest: number]

export interface Blur {
  readonly name: "blur"
  readonly sigma: SigmaRange
  readonly p: number
}

export interface RowBlur {
  readonly name: "row_blur"
  readonly sigma: SigmaRange
  /** probability that a picture is blurred at all */
  readonly p: number
  /** of such a picture, the probability of each row */
  readonly rows: number
}

/** Half of a symmetric filter: [0] is the middle, [k] what both neighbours at distance k weigh. */
type HalfFilter = Float64Array

/** scipy's `truncate`: a Gaussian filter ends after so many standard deviations. */
const TRUNCATE = 4

/** Applies `blur` with the draws of `stream`. */
export function blur(image: Pixels, { p, sigma }: Blur, stream: RandomStream): Pixels {
  return stream.chance(p) ? gaussianBlur(image, stream.uniform(...sigma)) : image
}

/** `gaussian_filter` along height and width, of float values and rounded at the end. */
export function gaussianBlur(image: Pixels, sigma: number): Pixels {
  const { height, width, channels, data } = image
  const filter = gaussian(sigma)
  const row = width * channels
  const across = new Float32Array(data.length)
  for (let y = 0; y < height; y++) filterLines(data, across, filter, y * row, channels, channels, width)
  const blurred = new Float32Array(data.length)
  filterLines(across, blurred, filter, 0, row, row, height)
  const rounded = new Uint8Array(data.length)
  for (let i = 0; i < rounded.length; i++) rounded[i] = Math.round(blurred[i] as number)
  return { ...image, data: rounded }
}

/** Applies `row_blur` with the draws of `stream`: for each row whether, and a deviation along the width and one across the colours. */
export function rowBlur(image: Pixels, { p, rows, sigma }: RowBlur, stream: RandomStream): Pixels {
  if (!stream.chance(p)) return image
  const result: Pixels = { ...image, data: Uint8Array.from(image.data) }
  for (let y = 0; y < image.height; y++) {
    if (stream.chance(rows)) blurRow(result, y, stream.uniform(...sigma), stream.uniform(...sigma))
  }
  return result
}

/**
 * Blurs row `y` in place, as `row[...] = gaussian_filter(row, [alongWidth, acrossColours])` does with a row of shape
 * [W, 3]; a grey picture is one of three equal colours.
 */
export function blurRow({ width, channels, data }: Pixels, y: number, alongWidth: number, acrossColours: number): void {
  const start = y * width * channels
  const row = new Uint8Array(width * channels)
  // A typed array of bytes cuts off fractions, as scipy's output does.
  filterLines(data.subarray(start, start + row.length), row, gaussian(alongWidth), 0, channels, channels, width)
  const planes = new Uint8Array(3 * width)
  for (let c = 0; c < 3; c++) {
    for (let x = 0; x < width; x++) planes[c * width + x] = row[x * channels + (c % channels)] as number
  }
  const mixed = new Uint8Array(3 * width)
  filterLines(planes, mixed, gaussian(acrossColours), 0, width, width, 3)
  for (let c = 0; c < channels; c++) {
    for (let x = 0; x < width; x++) data[start + x * channels + c] = mixed[c * width + x] as number
  }
}

/**
 * Filters `lines` lines that lie side by side, each of `length` values `stride` apart, from `start` on. The border is
 * mirrored with its own value repeated (scipy's "reflect"): c b a | a b c | c b a.
 */
function filterLines(
  from: Uint8Array | Float32Array,
  to: Uint8Array | Float32Array,
  filter: HalfFilter,
  start: number,
  lines: number,
  stride: number,
  length: number,
): void {
  const radius = filter.length - 1
  // Where the neighbours at each distance begin, before and after.
  const near = new Int32Array(2 * radius)
  for (let i = 0; i < length; i++) {
    const at = start + i * stride
    const inside = i >= radius && i + radius < length
    for (let k = 1; k <= radius; k++) {
      near[2 * k - 2] = start + (inside ? i - k : reflected(i - k, length)) * stride
      near[2 * k - 1] = start + (inside ? i + k : reflected(i + k, length)) * stride
    }
    for (let line = 0; line < lines; line++) {
      let sum = (from[at + line] as number) * (filter[0] as number)
      // From the outside to the middle: the order of scipy's sums, on which cut-off fractions depend.
      for (let k = radius; k > 0; k--) {
        const both =
          (from[(near[2 * k - 2] as number) + line] as number) + (from[(near[2 * k - 1] as number) + line] as number)
        sum += both * (filter[k] as number)
      }
      to[at + line] = sum
    }
  }
}

function reflected(index: number, length: number): number {
  const period = 2 * length
  const within = ((index % period) + period) % period
  return within < length ? within : period - 1 - within
}

/** The weights of scipy's `gaussian_filter1d`. */
function gaussian(sigma: number): HalfFilter {
  const radius = Math.floor(TRUNCATE * sigma + 0.5)
  const half = Float64Array.from({ length: radius + 1 }, (_, k) => Math.exp((-0.5 / (sigma * sigma)) * (k * k)))
  const total = sumAsNumPy([...half.slice(1).reverse(), ...half])
  return half.map((weight) => weight / total)
}

/** A sum in the order of `np.sum` for up to 128 values: eight running sums, then what is left over. */
function sumAsNumPy(values: readonly number[]): number {
  const whole = values.length - (values.length % 8)
  const sums = [0, 0, 0, 0, 0, 0, 0, 0]
  for (let i = 0; i < whole; i++) sums[i % 8] = sums[i % 8]! + values[i]!
  const [a, b, c, d, e, f, g, h] = sums as [number, number, number, number, number, number, number, number]
  return values.slice(whole).reduce((sum, value) => sum + value, a + b + (c + d) + (e + f + (g + h)))
}
