/**
 * From measured values to grey: what the windows of NIfTI and DICOM files have in common.
 *
 * Takes: numbers of any scale, and the two that are to be black and white. Gives: bytes.
 */

/** A source of numbers by index: a typed array's or a function's. */
export type ValueAt = (index: number) => number

/**
 * The least and the greatest finite value, [0, 0] where there is none.
 * @param ignored a value that stands for "nothing measured here" and is left out (DICOM's pixel padding value).
 */
export function rangeOf(at: ValueAt, count: number, ignored?: number): readonly [number, number] {
  let low = Infinity
  let high = -Infinity
  for (let i = 0; i < count; i++) {
    const value = at(i)
    if (!Number.isFinite(value) || value === ignored) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? [low, high] : [0, 0]
}

/**
 * Draws `low` and less as 0, `high` and more as 255, and what is between in proportion, rounded to the nearest
 * (halves up). What is no number is 0. Where low is high there is nothing to tell apart: values above it are white,
 * all others black.
 */
export function toBytes(values: ArrayLike<number>, [low, high]: readonly [number, number]): Uint8Array {
  const bytes = new Uint8Array(values.length)
  const range = high - low
  for (let i = 0; i < bytes.length; i++) {
    const above = (values[i] as number) - low
    if (!(above > 0)) continue
    bytes[i] = above >= range ? 255 : Math.floor((above / range) * 255 + 0.5)
  }
  return bytes
}
