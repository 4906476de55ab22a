/**
 * What was probably forgotten when shapes do not fit.
 *
 * Takes what an operation refused, and its operands; gives a sentence for the three slips that are told by the shapes alone:
 * channels at the end of an image, axes that a reduction took away, and an image where a vector is needed.
 */

import type { Operand } from "../diagnostics/facts-shapes.js"
import { asConstant, evaluate, format, subtract, symbolsOf, type Dim, type Sizes } from "../ir/dims.js"
import type { TensorType } from "../ir/graph.js"
import type { ShapeProblem } from "../ops/definition.js"
import { sameSize } from "../ops/shapes.js"

type Difference = Extract<ShapeProblem, { kind: "dims-differ" }>

/** For two tensors with different sizes; nothing where the shapes do not say what was meant. */
export function differenceHint(
  problem: Difference,
  inputs: readonly TensorType[],
  operands: readonly Operand[],
  sizes: Sizes,
): string | undefined {
  return (
    layoutHint(problem, inputs, sizes) ??
    oddHint(problem, inputs, sizes) ??
    channelsHint(problem, inputs, operands) ??
    alignmentHint(inputs, operands, sizes)
  )
}

/** Images that differ in their channels, after a `concat` or by mistake. */
function channelsHint(
  { left, right }: Difference,
  inputs: readonly TensorType[],
  operands: readonly Operand[],
): string | undefined {
  const areImages = [left, right].every(({ input, axis }) => axis === 1 && inputs[input]!.shape.length === 4)
  if (!areImages) return undefined
  const channels = format(inputs[right.input]!.shape[1]!)
  return `\`conv2d(${operands[left.input]!.name}, ${channels})\` brings the one to the channels of the other`
}

/** `H - 1` against `H`: a size that was halved with a rest, and doubled again. */
function oddHint({ left, right }: Difference, inputs: readonly TensorType[], sizes: Sizes): string | undefined {
  const [a, b] = [inputs[left.input]!.shape[left.axis]!, inputs[right.input]!.shape[right.axis]!]
  const lost = asConstant(subtract(a, b))
  if (lost === undefined || symbolsOf(a).length === 0) return undefined
  const whole = lost < 0 ? b : a
  return `halving ${format(whole)} = ${evaluate(whole, sizes) ?? "?"} leaves a rest: choose a size that every halving divides`
}

/** Three colours, or the one channel of a mask, at the end of one image and not of the other: NHWC. */
function layoutHint({ left, right }: Difference, inputs: readonly TensorType[], sizes: Sizes): string | undefined {
  const [a, b] = [inputs[left.input]!.shape, inputs[right.input]!.shape]
  if (a.length !== 4 || b.length !== 4) return undefined
  const isChannels = (dim: Dim): boolean => [1, 3].includes(evaluate(dim, sizes) ?? 0)
  if (isChannels(a[3]!) === isChannels(b[3]!)) return undefined
  return "images are [N, C, H, W]; `transpose(x, [0, 3, 1, 2])` brings channels from the end to axis 1"
}

/** One shape is how the other begins: what was reduced could have kept its axes. */
function alignmentHint(inputs: readonly TensorType[], operands: readonly Operand[], sizes: Sizes): string | undefined {
  if (inputs.length !== 2) return undefined
  const short = inputs[0]!.shape.length < inputs[1]!.shape.length ? 0 : 1
  const [few, many] = [inputs[short]!.shape, inputs[1 - short]!.shape]
  const begins = few.every((dim, axis) => many[axis] !== undefined && sameSize(dim, many[axis], sizes))
  if (few.length < 2 || few.length === many.length || !begins) return undefined
  const shape = [...few.map(format), ...many.slice(few.length).map(() => "1")].join(", ")
  const reshaped = `reshape(${operands[short]!.name}, [${shape}])`
  return `axes meet from the last: keep them where they are reduced, \`keep = true\`, or write \`${reshaped}\``
}

/** For what an operation refuses other than sizes that differ. */
export function refusalHint(
  problem: Exclude<ShapeProblem, { kind: "dims-differ" }>,
  inputs: readonly TensorType[],
  operands: readonly Operand[],
): string | undefined {
  if (problem.kind === "rank") return rankHint(problem, inputs) ?? problem.hint
  if (problem.hint !== undefined) return problem.hint
  if (problem.kind !== "dtype" || problem.expected.length !== 1) return undefined
  return `write \`cast(${operands[problem.input]!.name}, "${problem.expected[0]}")\`, or declare it so`
}

/** A vector, or a mask without its channel, where the other operand is an image. */
function rankHint(
  { input }: Extract<ShapeProblem, { kind: "rank" }>,
  inputs: readonly TensorType[],
): string | undefined {
  const others = inputs.filter((_, index) => index !== input)
  const found = inputs[input]!.shape.length
  const isFlattened = (rank: number): boolean => rank === 1 || rank === 2
  if (!others.some(({ shape }) => shape.length === 4)) return undefined
  if (found === 3) return "a mask has its one channel written out: `f32[N, 1, H, W]`"
  if (!isFlattened(found)) return undefined
  return "an image meets a vector: `mean(x, axes = [2, 3])` pools it, `reshape(x, [N, C * H * W])` flattens it"
}
