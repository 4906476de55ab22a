/**
 * Quarter turns, flips and small rotations of an image together with its mask.
 *
 * Takes a pair and a random stream; gives a new pair. As in LViT and RecLMIS: with probability `p` a turn by 0 to 3 quarters
 * (`np.rot90`) and then a flip of one axis (`np.flip`); else with probability `p` a rotation by a whole number of degrees in
 * [-degrees, degrees) (`scipy.ndimage.rotate`, order 0, not reshaped), 0 outside.
 *
 * Why so, where the two differ from the published code or from each other:
 * - The published code leaves the note as it is, so "left" and "right" become wrong after a flip. With `noteAware`, the only
 *   large move is the mirror image that exchanges left and right, and the note is exchanged with it (see `mirrors`). Quarter
 *   turns and upside-down flips are left out there: no exchange of words describes the first, and a note whose "upper" and
 *   "lower" were exchanged would speak of organs that do not stand on their heads. Small rotations leave a note true.
 * - An oblong picture cannot be turned by a quarter in its own size, so it is turned by halves.
 */
import type { RandomStream } from "../random.js"
import { gather, type Pair } from "./pair.js"

export interface FlipRotate {
  readonly name: "flip_rotate"
  /** probability of turn and flip; of those that are left, that of a rotation */
  readonly p: number
  /** the largest rotation; whole */
  readonly degrees: number
  readonly noteAware: boolean
}

/** Applies `flip_rotate` with the draws of `stream`. */
export function flipRotate(pair: Pair, settings: FlipRotate, stream: RandomStream): Pair {
  const { p, degrees, noteAware } = settings
  if (stream.chance(p)) {
    if (noteAware) return turnAndFlip(pair, 0, 1)
    // A quarter turn exchanges the sides of the picture.
    const quarters = pair.image.height === pair.image.width ? stream.integer(4) : 2 * stream.integer(2)
    return turnAndFlip(pair, quarters, stream.chance(0.5) ? 0 : 1)
  }
  if (!stream.chance(p) || degrees === 0) return pair
  return rotate(pair, stream.integer(2 * degrees) - degrees)
}

/** Whether `flipRotate` with a stream of this key exchanges left and right in a way that the note has to follow. */
export function mirrors({ p, noteAware }: FlipRotate, stream: RandomStream): boolean {
  return noteAware && stream.chance(p)
}

/**
 * `np.flip(np.rot90(pair, quarters), axis)`.
 *
 * @param quarters counter-clockwise; even for a picture that is not square
 */
export function turnAndFlip(pair: Pair, quarters: number, axis: 0 | 1): Pair {
  const { height, width } = pair.image
  const last = height * width - 1
  // Where a pixel of the flipped picture lies in the turned one is the flip itself; the turn is undone after it.
  const turned = [
    (y: number, x: number) => y * width + x,
    (y: number, x: number) => x * width + (width - 1 - y),
    (y: number, x: number) => last - (y * width + x),
    (y: number, x: number) => (height - 1 - x) * width + y,
  ][quarters]
  if (turned === undefined || (quarters % 2 === 1 && height !== width)) {
    throw new RangeError(`${height}x${width} pixels cannot be turned by ${quarters} quarters`)
  }
  return gather(pair, axis === 0 ? (y, x) => turned(height - 1 - y, x) : (y, x) => turned(y, width - 1 - x))
}

/**
 * Rotation about the centre, as `scipy.ndimage.rotate(pair, degrees, order=0, reshape=False)`: nearest neighbour; what comes
 * from outside of the centres of the outermost pixels is 0.
 */
export function rotate(pair: Pair, degrees: number): Pair {
  const { height, width } = pair.image
  const angle = (degrees * Math.PI) / 180
  // Sines of whole quarters are whole: without that, the border of the picture would be just outside.
  const exact = degrees % 90 === 0 ? Math.round : (value: number) => value
  const cos = exact(Math.cos(angle))
  const sin = exact(Math.sin(angle))
  const middleY = (height - 1) / 2
  const middleX = (width - 1) / 2
  const offsetY = middleY - (cos * middleY + sin * middleX)
  const offsetX = middleX - (-sin * middleY + cos * middleX)
  return gather(pair, (y, x) => {
    const row = offsetY + cos * y + sin * x
    const column = offsetX - sin * y + cos * x
    if (row < 0 || column < 0 || row > height - 1 || column > width - 1) return -1
    return Math.floor(row + 0.5) * width + Math.floor(column + 0.5)
  })
}
