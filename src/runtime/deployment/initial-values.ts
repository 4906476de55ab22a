/**
 * The first values of a model's parameters, without a native backend.
 *
 * Takes: parameters with their initializers, and a seed. Gives: the values that `init(seed)` of the training program would
 * give: drawn from the stateless generator keyed by (seed, `init:NAME`, step 0), scaled in float32, one rounding for each
 * of the two operations, as TensorFlow does.
 *
 * Why so: an untrained model can be exported on a machine that has no TensorFlow, and must be the same model there.
 */

import { type Initializer, loadedValues, type Parameter } from "../../compiler/ir/graph.js"
import { sizeOf } from "../../compiler/ops/ndarray.js"
import { statelessRandom } from "../../compiler/targets/reference/random.js"

/**
 * Values by parameter name, row-major, in the layout of the language.
 *
 * @param seed an int32, not negative
 * @throws RangeError when explicit values do not fit their parameter
 */
export function initialValues(
  parameters: readonly Pick<Parameter, "name" | "shape" | "dtype" | "initializer">[],
  seed: number,
): Map<string, Float32Array | Int32Array> {
  const random = statelessRandom(seed, 0)
  return new Map(
    parameters.map(({ name, shape, dtype, initializer }) => {
      const count = sizeOf(shape)
      const values = firstValues(initializer, count, (kind) => random[kind](`init:${name}`, count))
      if (values.length !== count) throw new RangeError(`${name} has ${values.length} initial values for ${count}`)
      return [name, dtype === "f32" ? Float32Array.from(values) : Int32Array.from(values)]
    }),
  )
}

function firstValues(
  initializer: Initializer,
  count: number,
  draw: (kind: "uniform" | "normal") => Float64Array,
): ArrayLike<number> {
  switch (initializer.kind) {
    case "constant":
      return new Float64Array(count).fill(initializer.value)
    case "values":
      return initializer.values
    case "loaded":
      return loadedValues(initializer)
    case "uniform":
      return scaled(draw("uniform"), initializer.high - initializer.low, initializer.low)
    case "normal":
      return scaled(draw("normal"), initializer.deviation, initializer.mean)
  }
}

/** `value * factor + offset` in float32, in place. */
function scaled(values: Float64Array, factor: number, offset: number): Float64Array {
  const [factor32, offset32] = [Math.fround(factor), Math.fround(offset)]
  for (let i = 0; i < values.length; i++) values[i] = Math.fround(Math.fround(values[i]! * factor32) + offset32)
  return values
}
