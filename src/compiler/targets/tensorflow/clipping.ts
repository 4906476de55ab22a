/**
 * Gradient clipping, as torch.nn.utils.clip_grad_norm_ and clip_grad_value_.
 *
 * Takes gradients; gives their norm, and gradients that are not too large. The norm is over all gradients together, and it
 * is what the gradients had before they were clipped: that is the number that says how training goes.
 */

import type { GraphDefBuilder } from "./graphdef.js"

export type ClipSpec =
  /** scales all gradients so that their common norm is at most `limit` */
  | { readonly kind: "norm"; readonly limit: number }
  /** cuts each element to [-limit, limit] */
  | { readonly kind: "value"; readonly limit: number }

const F32 = { T: { type: "DT_FLOAT" } } as const
/** torch's, against a division by 0 */
const EPSILON = 1e-6

/** The Euclidean norm over all gradients together: an f32 scalar. */
export function gradientNorm(builder: GraphDefBuilder, gradients: readonly string[], program: string): string {
  if (gradients.length === 0) return builder.constant("DT_FLOAT", [], [0])
  const scope = `${program}/gradient_norm`
  const halves = gradients.map((gradient) => builder.node("L2Loss", scope, [gradient], F32))
  const half = builder.node("AddN", scope, halves, { ...F32, N: { i: halves.length } })
  const square = builder.node("Mul", scope, [half, builder.constant("DT_FLOAT", [], [2])], F32)
  return builder.node("Sqrt", scope, [square], F32)
}

/** The clipped gradients, in their order. @param norm of all of them */
export function clipped(
  builder: GraphDefBuilder,
  clip: ClipSpec | undefined,
  gradients: readonly string[],
  norm: string,
  program: string,
): readonly string[] {
  if (!clip) return gradients
  const scope = `${program}/clip`
  const scalar = (value: number): string => builder.constant("DT_FLOAT", [], [value])
  const node = (op: string, ...inputs: string[]): string => builder.node(op, scope, inputs, F32)
  if (clip.kind === "norm") {
    const share = node("RealDiv", scalar(clip.limit), node("AddV2", norm, scalar(EPSILON)))
    const factor = node("Minimum", share, scalar(1))
    return gradients.map((gradient) => node("Mul", gradient, factor))
  }
  return gradients.map((gradient) =>
    node("Maximum", node("Minimum", gradient, scalar(clip.limit)), scalar(-clip.limit)),
  )
}
