/**
 * Parameters made of stored tensors, as `weights` in a model's text says.
 *
 * Takes a source whose alternatives are decided and the tensors it needs; gives the parameter's values. That the shapes work
 * out has been checked by the headers (`sourceShape`).
 */

import { stridesOf } from "../../compiler/ops/ndarray.js"
import type { WeightSource } from "../../compiler/published-weights.js"
import type { HostTensor } from "../session.js"

type Data = HostTensor["data"]

/** The values of `source`. A stored tensor that is taken as it is, or in whole rows, is not copied. */
export function assemble(source: WeightSource, stored: ReadonlyMap<string, HostTensor>): HostTensor {
  switch (source.kind) {
    case "stored":
      return stored.get(source.name)!
    case "first":
      throw new Error("the alternatives of a source are decided before it is read")
    case "rows": {
      const { dtype, shape, data } = assemble(source.of, stored)
      const row = data.length / shape[0]!
      const part = data.subarray(source.from * row, source.to * row)
      return { dtype, shape: [source.to - source.from, ...shape.slice(1)], data: part }
    }
    case "reshape":
      return { ...assemble(source.of, stored), shape: source.shape }
    case "transpose":
      return transposed(assemble(source.of, stored), source.axes)
    case "concat":
      return joined(
        source.parts.map((part) => assemble(part, stored)),
        source.axis,
      )
  }
}

function transposed({ dtype, shape, data }: HostTensor, axes: readonly number[]): HostTensor {
  const strides = stridesOf(shape)
  const result = axes.map((axis) => shape[axis]!)
  const steps = axes.map((axis) => strides[axis]!)
  const values = emptyLike(data, data.length)
  const index = result.map(() => 0)
  let from = 0
  for (let to = 0; to < values.length; to++) {
    values[to] = data[from]!
    for (let axis = result.length - 1; axis >= 0; axis--) {
      from += steps[axis]!
      if (++index[axis]! < result[axis]!) break
      from -= steps[axis]! * result[axis]!
      index[axis] = 0
    }
  }
  return { dtype, shape: result, data: values }
}

function joined(parts: readonly HostTensor[], axis: number): HostTensor {
  const [first] = parts as readonly [HostTensor]
  const sizes = parts.map(({ shape }) => shape[axis]!)
  const shape = first.shape.map((size, at) => (at === axis ? sizes.reduce((sum, part) => sum + part, 0) : size))
  const runs = first.shape.slice(0, axis).reduce((product, size) => product * size, 1)
  const data = emptyLike(
    first.data,
    shape.reduce((product, size) => product * size, 1),
  )
  let to = 0
  for (let run = 0; run < runs; run++) {
    for (const part of parts) {
      const length = part.data.length / runs
      data.set(part.data.subarray(run * length, (run + 1) * length), to)
      to += length
    }
  }
  return { dtype: first.dtype, shape, data }
}

function emptyLike(data: Data, length: number): Data {
  if (data instanceof Float32Array) return new Float32Array(length)
  return data instanceof Int32Array ? new Int32Array(length) : new Uint8Array(length)
}
