/**
 * The outline of a mask as a vector path.
 *
 * Takes: values [H, W] and a level. Gives: an SVG path, in pixels of the array (pixel centres lie at .5), along which the
 * values cross the level.
 *
 * Why so: networks see small pictures and reports show them large; an outline drawn into the pixels would be a staircase,
 * and a thick one. Marching squares with linear interpolation along each cell's edges; a saddle is told apart by the mean
 * of its corners. Outside the array the values count as below the level, so outlines are closed.
 */

interface Point {
  readonly x: number
  readonly y: number
}

/**
 * The closed outlines of `values > level`.
 *
 * @param values [H * W], row-major
 * @returns the `d` of an SVG path; "" when nothing lies above the level
 * @throws RangeError when the number of values is not height * width
 */
export function contourPath(values: ArrayLike<number>, height: number, width: number, level: number): string {
  if (values.length !== height * width) throw new RangeError(`${values.length} values for ${height}x${width}`)
  const next = segments(values, height, width, level)
  const paths: string[] = []
  for (const start of next.keys()) {
    const loop: Point[] = []
    for (let key: string | undefined = start; key !== undefined;) {
      const step = next.get(key)
      if (!step) break
      loop.push(step.from)
      next.delete(key)
      key = step.to
    }
    if (loop.length > 2) paths.push(`M${loop.map((p) => `${coordinate(p.x)} ${coordinate(p.y)}`).join("L")}Z`)
  }
  return paths.join("")
}

const coordinate = (value: number): string => String(Math.round(value * 100) / 100)

/** The piece of outline that starts on a cell's edge; edges are named, so that pieces can be joined exactly. */
type Pieces = Map<string, { readonly from: Point; readonly to: string }>

function segments(values: ArrayLike<number>, height: number, width: number, level: number): Pieces {
  const at = (y: number, x: number): number =>
    y < 0 || x < 0 || y >= height || x >= width ? -Infinity : (values[y * width + x] as number)
  const pieces: Pieces = new Map()
  for (let y = -1; y < height; y++) {
    for (let x = -1; x < width; x++) {
      const corners = [at(y, x), at(y, x + 1), at(y + 1, x + 1), at(y + 1, x)] as const
      const above = corners.map((value) => value > level)
      const kind = above.reduce((bits, isAbove, i) => bits | (isAbove ? 1 << i : 0), 0)
      if (kind === 0 || kind === 15) continue
      // Edges 0 top, 1 right, 2 bottom, 3 left; an outline enters a cell where, going round it, above turns to below.
      const entries = [0, 1, 2, 3].filter((i) => above[i] && !above[(i + 1) % 4])
      const isSaddle = entries.length === 2
      const mean = corners.reduce((sum, value) => sum + (Number.isFinite(value) ? value : level - 1), 0) / 4
      for (const entry of entries) {
        const step = isSaddle && mean > level ? 1 : isSaddle ? 3 : exitAfter(above, entry)
        const exit = (entry + step) % 4
        pieces.set(edgeName(y, x, entry), { from: crossing(corners, level, y, x, entry), to: edgeName(y, x, exit) })
      }
    }
  }
  return pieces
}

/** How many edges on from `entry` the outline leaves a cell that it crosses once. */
function exitAfter(above: readonly boolean[], entry: number): number {
  for (let step = 1; step < 4; step++) {
    if (!above[(entry + step) % 4] && above[(entry + step + 1) % 4]) return step
  }
  throw new Error("a cell with corners above and below has a way out")
}

/** Edge `side` of the cell at (y, x), by one name for both cells that share it. */
function edgeName(y: number, x: number, side: number): string {
  if (side === 0) return `h${y},${x}`
  if (side === 2) return `h${y + 1},${x}`
  return side === 3 ? `v${y},${x}` : `v${y},${x + 1}`
}

function crossing(corners: readonly number[], level: number, y: number, x: number, side: number): Point {
  const [a, b] = [corners[side] as number, corners[(side + 1) % 4] as number]
  // Beyond the array there is no value to interpolate with: the border itself is the outline.
  const t = !Number.isFinite(a) || !Number.isFinite(b) || a === b ? 0.5 : (level - a) / (b - a)
  const [left, top] = [x + 0.5, y + 0.5]
  switch (side) {
    case 0:
      return { x: left + t, y: top }
    case 1:
      return { x: left + 1, y: top + t }
    case 2:
      return { x: left + 1 - t, y: top + 1 }
    default:
      return { x: left, y: top + 1 - t }
  }
}
