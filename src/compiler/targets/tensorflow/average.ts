/**
 * The exponential moving average of the weights, as torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn.
 *
 * Takes the parameters that a step has updated; gives the nodes that move their averages. The first step's weights are the
 * first average. Normalisation statistics are averages already and are used as they are. `evaluate` and `predict` use the
 * averages in place of the weights.
 */

import { Float64 } from "./float64.js"
import type { StepContext } from "./optimizer.js"
import type { Variable, VariableTable } from "./variables.js"

export interface AverageSpec {
  /** share of the old average; 0 to below 1 */
  readonly decay: number
}

/** Name of the variable that holds the average of parameter `name`. */
export function averageName(name: string): string {
  return `average/${name}`
}

/** Declares the average of a parameter; it starts as the parameter does. */
export function declareAverage(table: VariableTable, parameter: Variable): void {
  const { name, shape, initializer, storage } = parameter
  table.declare(averageName(name), "DT_FLOAT", shape, initializer, storage, parameter.keyedBy)
}

/** Appends the update of the averages. @param updated the parameter and the node that gave it its new value */
export function updateAverages(
  { builder, table, program, step }: StepContext,
  { decay }: AverageSpec,
  updated: readonly { readonly parameter: Variable; readonly done: string }[],
): readonly string[] {
  const f = new Float64(builder, `${program}/average`)
  const isFirst = f.less(f.from(step, "DT_INT64"), 2)
  const share = f.to(f.choose(isFirst, 1, 1 - decay), "DT_FLOAT")
  const f32 = { T: { type: "DT_FLOAT" } } as const
  return updated.map(({ parameter, done }) => {
    const scope = `${program}/average.${parameter.name}`
    const average = table.get(averageName(parameter.name))
    const read = { dtype: { type: "DT_FLOAT" } } as const
    const now = builder.node("ReadVariableOp", scope, [parameter.handle], read, [done])
    const old = builder.node("ReadVariableOp", scope, [average.handle], read)
    const way = builder.node("Mul", scope, [builder.node("Sub", scope, [now, old], f32), share], f32)
    return builder.node("AssignAddVariableOp", scope, [average.handle, way], read)
  })
}
