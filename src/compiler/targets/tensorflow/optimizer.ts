/**
 * Optimiser steps as TensorFlow nodes, with PyTorch's semantics.
 *
 * Takes parameters and their gradients (in storage layout); gives the nodes that update them. TensorFlow's fused Adam adds
 * epsilon before bias correction where PyTorch adds it after, and forms `1 - beta^t` in float32, which is off by 1e-5 at
 * the first step. Both are put right by handing the kernel beta powers of zero (so that it corrects nothing), and a
 * learning rate and an epsilon that were corrected here in float64:
 *
 *   lr * (m / c1) / (sqrt(v / c2) + eps)  =  (lr * sqrt(c2) / c1) * m / (sqrt(v) + eps * sqrt(c2)),   c = 1 - beta^t
 *
 * (Kingma and Ba 2015, section 2; torch.optim.Adam.) Moments are decayed by float32 betas, so the corrections use those.
 */

import type { ElementType, GraphDefBuilder } from "./graphdef.js"
import { cast, type Variable, type VariableTable } from "./variables.js"

export type OptimizerSpec =
  | { readonly kind: "adam"; readonly beta1: number; readonly beta2: number; readonly epsilon: number }
  /** torch.optim.SGD: buffer = momentum * buffer + gradient, parameter -= lr * buffer */
  | { readonly kind: "sgd"; readonly momentum: number }

export interface ParameterUpdate {
  readonly parameter: Variable
  /** tensor in storage layout */
  readonly gradient: string
  /** nodes that must have run first: whoever reads the old value */
  readonly after: readonly string[]
}

/** Names of the variables that an optimiser keeps for parameter `name`. */
export function slotNames(optimizer: OptimizerSpec, name: string): readonly string[] {
  if (optimizer.kind === "adam") return [`adam_m/${name}`, `adam_v/${name}`]
  return optimizer.momentum === 0 ? [] : [`momentum/${name}`]
}

/** Declares the slot variables of a parameter, zero at first, stored as the parameter is. */
export function declareSlots(table: VariableTable, optimizer: OptimizerSpec, parameter: Variable): void {
  for (const name of slotNames(optimizer, parameter.name)) {
    table.declare(name, "DT_FLOAT", parameter.shape, { kind: "constant", value: 0 }, parameter.storage)
  }
}

/**
 * Appends one optimiser step.
 *
 * @param learningRate f32 scalar
 * @param step int64 scalar, 1 for the first step
 * @returns the updating nodes
 */
export function applyOptimizer(
  builder: GraphDefBuilder,
  table: VariableTable,
  optimizer: OptimizerSpec,
  updates: readonly ParameterUpdate[],
  learningRate: string,
  step: string,
): readonly string[] {
  const slots = (parameter: Variable): string[] =>
    slotNames(optimizer, parameter.name).map((name) => table.get(name).handle)
  const apply = (
    op: string,
    update: ParameterUpdate,
    inputs: readonly string[],
    flags: Record<string, boolean>,
  ): string =>
    builder.node(
      op,
      `train/optimizer.${update.parameter.name}`,
      [update.parameter.handle, ...slots(update.parameter), ...inputs],
      {
        T: { type: "DT_FLOAT" },
        use_locking: { b: false },
        ...Object.fromEntries(Object.entries(flags).map(([flag, b]) => [flag, { b }])),
      },
      update.after,
    )
  if (updates.length === 0) return []
  if (optimizer.kind === "sgd") {
    const momentum = builder.constant("DT_FLOAT", [], [optimizer.momentum])
    return updates.map((update) =>
      optimizer.momentum === 0
        ? apply("ResourceApplyGradientDescent", update, [learningRate, update.gradient], {})
        : apply("ResourceApplyMomentum", update, [learningRate, update.gradient, momentum], { use_nesterov: false }),
    )
  }
  const { rate, epsilon } = correctedForBias(builder, optimizer, learningRate, step)
  const none = builder.constant("DT_FLOAT", [], [0])
  const beta1 = builder.constant("DT_FLOAT", [], [optimizer.beta1])
  const beta2 = builder.constant("DT_FLOAT", [], [optimizer.beta2])
  return updates.map((update) =>
    apply("ResourceApplyAdam", update, [none, none, rate, beta1, beta2, epsilon, update.gradient], {
      use_nesterov: false,
    }),
  )
}

/** The learning rate and epsilon that make Adam's step come out as PyTorch's; f32 scalars. */
function correctedForBias(
  builder: GraphDefBuilder,
  optimizer: OptimizerSpec & { kind: "adam" },
  learningRate: string,
  step: string,
): { readonly rate: string; readonly epsilon: string } {
  const scope = "train/optimizer"
  const double = "DT_DOUBLE" satisfies ElementType
  const constant = (value: number): string => builder.constant(double, [], [value])
  const node = (op: string, ...inputs: string[]): string => builder.node(op, scope, inputs, { T: { type: double } })
  const t = cast(builder, scope, step, "DT_INT64", double)
  const correction = (beta: number): string => node("Sub", constant(1), node("Pow", constant(Math.fround(beta)), t))
  const root = node("Sqrt", correction(optimizer.beta2))
  const given = cast(builder, scope, learningRate, "DT_FLOAT", double)
  const rate = node("RealDiv", node("Mul", given, root), correction(optimizer.beta1))
  return {
    rate: cast(builder, scope, rate, double, "DT_FLOAT"),
    epsilon: cast(builder, scope, node("Mul", constant(optimizer.epsilon), root), double, "DT_FLOAT"),
  }
}

/** The Euclidean norm over all gradients together: an f32 scalar. */
export function gradientNorm(builder: GraphDefBuilder, updates: readonly ParameterUpdate[]): string {
  if (updates.length === 0) return builder.constant("DT_FLOAT", [], [0])
  const scope = "train/gradient_norm"
  const f32 = { T: { type: "DT_FLOAT" } } as const
  const halves = updates.map((update) => builder.node("L2Loss", scope, [update.gradient], f32))
  const half = builder.node("AddN", scope, halves, { ...f32, N: { i: halves.length } })
  const square = builder.node("Mul", scope, [half, builder.constant("DT_FLOAT", [], [2])], f32)
  return builder.node("Sqrt", scope, [square], f32)
}
