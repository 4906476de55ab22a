/**
 * Reshapes whose target needs no arithmetic when the model runs.
 *
 * Takes a draft with sizes left open; rewrites in place each target that was read from the inputs although ONNX can say it
 * in a constant: 0 where an axis stays where it is, -1 for the one size that is left.
 *
 * Why so: rules write targets as the language has them, and reshapes are merged by them first, which a 0 would not allow,
 * since it speaks of the tensor that happens to be read. What is left is mostly heads split off a batch of unknown length.
 */

import { asConstant, equal, type Dim } from "../../ir/dims.js"
import type { Draft } from "./draft.js"
import { tensorOf } from "./tensors.js"

/** Rewrites the targets; nodes that only made the old ones are left for others to drop. */
export function settleReshapes(draft: Draft): void {
  draft.nodes = draft.nodes.map((node) => {
    const [data, target] = node.inputs
    if (node.op !== "Reshape" || draft.tensors.has(target!)) return node
    const sizes = constantTarget(draft.typeOf(data!).shape, draft.knownOf(target!).elements)
    return sizes ? { ...node, inputs: [data!, draft.literal(tensorOf("i64", [sizes.length], sizes))] } : node
  })
}

/** `to` as a constant for a tensor of shape `from`; undefined when two of its sizes are neither known nor kept. */
function constantTarget(from: readonly Dim[], to: readonly Dim[] | undefined): readonly number[] | undefined {
  const sizes = to?.map((dim, axis) => asConstant(dim) ?? (from[axis] && equal(dim, from[axis]) ? 0 : -1))
  return sizes && sizes.filter((size) => size < 0).length <= 1 ? sizes : undefined
}
