/**
 * Can it be trained? Found when compiling, not when the first step runs.
 *
 * Takes an elaborated model; gives diagnostics when an op without a gradient lies between a loss and something
 * trainable, or when no loss depends on anything trainable. A model without losses is for use only, which is fine.
 */

import { NotDifferentiable } from "../autodiff/reverse.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe } from "../diagnostics/facts.js"
import type { Variant } from "../elaborate/ablations.js"
import { isStandard } from "../elaborate/context.js"
import type { ElaboratedModel } from "../elaborate/model.js"
import { trainProgram } from "../passes/programs.js"

/** Differentiates the losses and says what stands in the way. */
export function checkTraining(model: ElaboratedModel, { model: item }: Variant): readonly Diagnostic[] {
  const { losses } = model.graph
  if (losses.length === 0) return []
  try {
    if (trainProgram(model).gradients.length > 0) return []
    return [describe({ kind: "nothing-to-train", span: item.name.span, model: item.name.text })]
  } catch (error) {
    if (!(error instanceof NotDifferentiable)) throw error
    const { origin, op } = error.node
    const user = isStandard(origin.span) ? origin.chain.findLast((span) => !isStandard(span)) : origin.span
    return [
      describe({
        kind: "not-differentiable",
        span: user ?? origin.span,
        inner: user && user !== origin.span ? origin.span : undefined,
        calls: [],
        operation: op,
        reason: error.reason,
        loss: losses.map((l) => l.name).join(", "),
      }),
    ]
  }
}
