/**
 * Colours of heat maps, and values between the cells of a grid.
 *
 * Takes and gives plain numbers. Free of Node, because a heat map on the page of `mdl serve` is the one that `mdl predict`
 * writes.
 */

/** Five stops of the "inferno" colour map (matplotlib, CC0): even steps of lightness, readable without colour vision. */
const HEAT: readonly (readonly [number, number, number])[] = [
  [20, 11, 52],
  [101, 21, 110],
  [187, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
]

/** The colour of a value in [0, 1]: red, green and blue, 0 to 255. */
export function heatColour(value: number): [number, number, number] {
  const position = Math.min(Math.max(value, 0), 1) * (HEAT.length - 1)
  const index = Math.min(Math.floor(position), HEAT.length - 2)
  const low = HEAT[index]!
  const high = HEAT[index + 1]!
  const t = position - index
  return [low[0] + (high[0] - low[0]) * t, low[1] + (high[1] - low[1]) * t, low[2] + (high[2] - low[2]) * t]
}

/** How much a heat map covers of what is under it: values near 0 let the picture through. */
export function heatOpacity(value: number): number {
  return 0.15 + 0.5 * value
}

interface Extent {
  readonly height: number
  readonly width: number
}

/**
 * A map over a grid as a function of pixels: bilinear between the cells' centres, clamped at the border, the least value 0
 * and the greatest 1 (all 0 where they are the same).
 *
 * @param values [height * width] of `grid`
 * @throws RangeError for a value that is not finite
 */
export function heatField(values: ArrayLike<number>, grid: Extent, size: Extent): (y: number, x: number) => number {
  let [low, high] = [Infinity, -Infinity]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (!Number.isFinite(value)) throw new RangeError(`the heat map's value ${i} is ${value}`)
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  const range = high > low ? high - low : 1
  return (y, x) =>
    (bilinear(values, grid, ((y + 0.5) * grid.height) / size.height, ((x + 0.5) * grid.width) / size.width) - low) /
    range
}

/** Value at (y, x) in units of cells, whose centres lie at .5; clamped at the border. */
function bilinear(values: ArrayLike<number>, grid: Extent, y: number, x: number): number {
  const cy = Math.min(Math.max(y - 0.5, 0), grid.height - 1)
  const cx = Math.min(Math.max(x - 0.5, 0), grid.width - 1)
  const y0 = Math.floor(cy)
  const x0 = Math.floor(cx)
  const y1 = Math.min(y0 + 1, grid.height - 1)
  const x1 = Math.min(x0 + 1, grid.width - 1)
  const at = (row: number, column: number): number => values[row * grid.width + column]!
  const top = at(y0, x0) * (x0 + 1 - cx) + at(y0, x1) * (cx - x0)
  const bottom = at(y1, x0) * (x0 + 1 - cx) + at(y1, x1) * (cx - x0)
  return top * (y0 + 1 - cy) + bottom * (cy - y0)
}
