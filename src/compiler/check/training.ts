/**
 * Can it be trained? Found when compiling, not when the first step runs.
 *
 * Takes an elaborated model; gives diagnostics when an input has no batch, when an op without a gradient lies between a loss
 * and something trainable, or when no loss depends on anything trainable. A model without losses is for use only, which is fine.
 */

import type { ModelItem } from "../../../grammar/ast.js"
import { NotDifferentiable } from "../autodiff/reverse.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe } from "../diagnostics/facts.js"
import type { Variant } from "../elaborate/ablations.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import { evaluate } from "../ir/dims.js"
import { trainProgram } from "../passes/programs.js"
import { checkProbabilities } from "./probabilities.js"
import { userPlace } from "./user-place.js"

/** Inputs whose first axis has a size: a step could be of one batch size only. */
function batchProblems(model: ElaboratedModel, item: ModelItem): readonly Diagnostic[] {
  const { sizes } = model.graph
  return model.inputs.flatMap(({ name, type }) => {
    const [first] = type.shape
    const size = first && evaluate(first, sizes)
    const member = item.members.find((m) => m.kind === "input" && m.name.text === name)
    if (size === undefined || member?.kind !== "input") return []
    const span = (member.type.kind === "tensor-type" ? member.type.dims[0]?.span : undefined) ?? member.type.span
    return [describe({ kind: "input-without-batch", span, name, size })]
  })
}

/** Differentiates the losses and says what stands in the way. */
export function checkTraining(model: ElaboratedModel, { model: item }: Variant): readonly Diagnostic[] {
  const { losses } = model.graph
  if (losses.length === 0) return []
  const unbatched = batchProblems(model, item)
  if (unbatched.length > 0) return unbatched
  const warnings = checkProbabilities(model)
  try {
    if (trainProgram(model).gradients.length > 0) return warnings
    return [...warnings, describe({ kind: "nothing-to-train", span: item.name.span, model: item.name.text })]
  } catch (error) {
    if (!(error instanceof NotDifferentiable)) throw error
    const { origin, op } = error.node
    return [
      ...warnings,
      describe({
        kind: "not-differentiable",
        ...userPlace(origin),
        operation: op,
        reason: error.reason,
        loss: losses.map((l) => l.name).join(", "),
      }),
    ]
  }
}
