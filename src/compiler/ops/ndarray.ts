/**
 * Dense row-major arrays in float64, the number format of the reference implementations.
 *
 * Takes and gives plain data: sizes and a Float64Array (integers and booleans are stored as numbers). Kept deliberately
 * small and slow: this is the definition that the fast targets are proved against, so every line should be obvious.
 */

export interface NdArray {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

/** The number of elements of `shape`. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!
  return strides
}

/** An array of zeros. */
export function zeros(shape: readonly number[]): NdArray {
  return { shape, data: new Float64Array(sizeOf(shape)) }
}

/** An array from values in row-major order; throws when their number does not fit `shape`. */
export function fromValues(shape: readonly number[], values: ArrayLike<number>): NdArray {
  if (values.length !== sizeOf(shape)) throw new RangeError(`${values.length} values for shape [${shape.join(", ")}]`)
  return { shape, data: Float64Array.from(values) }
}

/** Builds an array by calling `at` with each multi-index, in row-major order. The index array is reused. */
export function build(shape: readonly number[], at: (index: readonly number[]) => number): NdArray {
  const result = zeros(shape)
  const index = new Array<number>(shape.length).fill(0)
  for (let offset = 0; offset < result.data.length; offset++) {
    result.data[offset] = at(index)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
  return result
}

/** The element at a multi-index; an index shorter or broader than the array is broadcast as NumPy does. */
export function at(array: NdArray, index: readonly number[]): number {
  const skip = index.length - array.shape.length
  let offset = 0
  for (let axis = 0; axis < array.shape.length; axis++) {
    const size = array.shape[axis]!
    offset = offset * size + (size === 1 ? 0 : index[axis + skip]!)
  }
  return array.data[offset]!
}

/** The shape to which NumPy broadcasting brings `a` and `b`; throws when there is none. */
export function broadcastShapes(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - (rank - a.length)] ?? 1
    const right = b[axis - (rank - b.length)] ?? 1
    if (left !== right && left !== 1 && right !== 1) {
      throw new RangeError(`[${a.join(", ")}] and [${b.join(", ")}] do not broadcast`)
    }
    return left === 1 ? right : left
  })
}

/**
 * Applies `line` to every line of `x` along `axis`.
 *
 * @param length of the lines that come out; that of the axis if not given
 */
export function alongAxis(
  x: NdArray,
  axis: number,
  line: (values: readonly number[]) => readonly number[],
  length = x.shape[axis]!,
): NdArray {
  const shape = x.shape.map((size, position) => (position === axis ? length : size))
  const result = zeros(shape)
  const step = stridesOf(x.shape)[axis]!
  const extent = x.shape[axis]!
  const outer = sizeOf(x.shape.slice(0, axis))
  for (let block = 0; block < outer; block++) {
    for (let inner = 0; inner < step; inner++) {
      const values = Array.from({ length: extent }, (_, i) => x.data[(block * extent + i) * step + inner]!)
      line(values).forEach((value, i) => (result.data[(block * length + i) * step + inner] = value))
    }
  }
  return result
}
