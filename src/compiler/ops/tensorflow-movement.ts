/**
 * TensorFlow nodes that move data without computing, as lowerings of image ops need them.
 *
 * Takes tensor names and concrete sizes; gives tensor names. Nothing is appended where nothing would move.
 */

import type { DataType } from "../ir/graph.js"
import type { TensorFlowContext } from "./definition.js"

/** The same elements in the same order under another shape. */
export function reshape(
  context: TensorFlowContext,
  tensor: string,
  shape: readonly number[],
  dtype: DataType = context.float,
): string {
  const attributes = { T: context.type(dtype), Tshape: context.type("i32") }
  return context.node("Reshape", [tensor, context.ints(shape)], attributes)
}

/** Axis `i` of the result is axis `permutation[i]` of the tensor. */
export function transpose(
  context: TensorFlowContext,
  tensor: string,
  permutation: readonly number[],
  dtype: DataType = context.float,
): string {
  const attributes = { T: context.type(dtype), Tperm: context.type("i32") }
  return context.node("Transpose", [tensor, context.ints(permutation)], attributes)
}

/** Axis `axis` and the last one change places, which is its own inverse; nothing is appended for the last axis. */
export function exchangeWithLast(
  context: TensorFlowContext,
  tensor: string,
  axis: number,
  rank: number,
  dtype: DataType = context.float,
): string {
  if (axis === rank - 1) return tensor
  return transpose(context, tensor, exchanged(axis, rank), dtype)
}

/** The permutation that exchanges `axis` with the last of `rank` axes. */
export function exchanged(axis: number, rank: number): readonly number[] {
  return Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i))
}

/** Zeros before and after each axis. */
export function pad(
  context: TensorFlowContext,
  tensor: string,
  pairs: readonly (readonly [before: number, after: number])[],
): string {
  if (pairs.every(([before, after]) => before === 0 && after === 0)) return tensor
  const attributes = { T: context.type(context.float), Tpaddings: context.type("i32") }
  return context.node("Pad", [tensor, context.constant("i32", [pairs.length, 2], pairs.flat())], attributes)
}

/** The block of shape `size` that starts at `begin`, of a tensor of shape `shape`. */
export function slice(
  context: TensorFlowContext,
  tensor: string,
  shape: readonly number[],
  begin: readonly number[],
  size: readonly number[],
): string {
  if (size.every((length, axis) => length === shape[axis])) return tensor
  const attributes = { T: context.type(context.float), Index: context.type("i32") }
  return context.node("Slice", [tensor, context.ints(begin), context.ints(size)], attributes)
}

/** The tensors joined along an axis. */
export function concatenated(context: TensorFlowContext, tensors: readonly string[], axis: number): string {
  if (tensors.length === 1) return tensors[0]!
  return context.node("ConcatV2", [...tensors, context.constant("i32", [], [axis])], {
    T: context.type(context.float),
    N: { i: tensors.length },
    Tidx: context.type("i32"),
  })
}

/** [N, C, L] to [N, 1, L, C]: a sequence as an image of one row, for kernels that know images only. */
export function rowImage(context: TensorFlowContext, tensor: string, shape: readonly number[]): string {
  const [batch, channels, length] = shape as [number, number, number]
  return reshape(context, transpose(context, tensor, [0, 2, 1]), [batch, 1, length, channels])
}

/** [N, 1, L, C] back to [N, C, L]; `shape` is the result's. */
export function rowFromImage(context: TensorFlowContext, image: string, shape: readonly number[]): string {
  const [batch, channels, length] = shape as [number, number, number]
  return transpose(context, reshape(context, image, [batch, length, channels]), [0, 2, 1])
}
