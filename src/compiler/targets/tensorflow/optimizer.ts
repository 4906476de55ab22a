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

import { Float64 } from "./float64.js"
import type { GraphDefBuilder } from "./graphdef.js"
import type { Variable, VariableTable } from "./variables.js"

export interface Adam {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
}

export type OptimizerSpec =
  /** torch.optim.Adam: weight decay is added to the gradient */
  | ({ readonly kind: "adam" } & Adam)
  /** torch.optim.AdamW: weights shrink by lr * decay before the step (Loshchilov and Hutter 2019) */
  | ({ readonly kind: "adamw" } & Adam)
  /** torch.optim.SGD: buffer = momentum * buffer + (1 - dampening) * gradient, parameter -= lr * buffer */
  | {
      readonly kind: "sgd"
      readonly momentum: number
      readonly dampening: number
      readonly nesterov: boolean
      readonly weightDecay: number
    }

export interface ParameterUpdate {
  readonly parameter: Variable
  /** tensor in storage layout */
  readonly gradient: string
  /** the parameter's value before the step, in storage layout */
  readonly value: () => string
  /** nodes that must have run first: whoever reads the old value */
  readonly after: readonly string[]
  /** multiplies the learning rate */
  readonly rate: number
  /** whether weight decay applies */
  readonly decays: boolean
}

/** Names of the variables that an optimiser keeps for parameter `name`. */
export function slotNames(optimizer: OptimizerSpec, name: string): readonly string[] {
  if (optimizer.kind !== "sgd") return [`adam_m/${name}`, `adam_v/${name}`]
  return optimizer.momentum === 0 ? [] : [`momentum/${name}`]
}

/** Declares the slot variables of a parameter, zero at first, stored as the parameter is. */
export function declareSlots(table: VariableTable, optimizer: OptimizerSpec, parameter: Variable): void {
  for (const name of slotNames(optimizer, parameter.name)) {
    table.declare(name, "DT_FLOAT", parameter.shape, { kind: "constant", value: 0 }, parameter.storage)
  }
}

/** Where the nodes of a step go, and what they share. */
export interface StepContext {
  readonly builder: GraphDefBuilder
  readonly table: VariableTable
  /** first part of the node names */
  readonly program: string
  /** f32 scalar */
  readonly learningRate: string
  /** int64 scalar, 1 for the first step */
  readonly step: string
}

const F32 = { T: { type: "DT_FLOAT" } } as const

/** Appends one optimiser step; gives the updating nodes, one for each update, in their order. */
export function applyOptimizer(
  context: StepContext,
  optimizer: OptimizerSpec,
  updates: readonly ParameterUpdate[],
): readonly string[] {
  const { builder, table, program } = context
  const scalar = (value: number): string => builder.constant("DT_FLOAT", [], [value])
  const rates = new Rates(context)
  return updates.map((update) => {
    const { parameter } = update
    const scope = `${program}/optimizer.${parameter.name}`
    const { gradient, after } = decayed(context, optimizer, update, rates, scope)
    const slots = slotNames(optimizer, parameter.name).map((name) => table.get(name).handle)
    const apply = (op: string, inputs: readonly string[], flags: Readonly<Record<string, boolean>> = {}): string =>
      builder.node(
        op,
        scope,
        [parameter.handle, ...slots, ...inputs],
        {
          ...F32,
          use_locking: { b: false },
          ...Object.fromEntries(Object.entries(flags).map(([flag, b]) => [flag, { b }])),
        },
        after,
      )
    if (optimizer.kind !== "sgd") {
      const { rate, epsilon } = rates.corrected(optimizer, update.rate)
      const betas = [scalar(optimizer.beta1), scalar(optimizer.beta2)]
      const inputs = [scalar(0), scalar(0), rate, ...betas, epsilon, gradient]
      return apply("ResourceApplyAdam", inputs, { use_nesterov: false })
    }
    const { momentum, dampening, nesterov } = optimizer
    const rate = rates.plain(update.rate)
    if (momentum === 0) return apply("ResourceApplyGradientDescent", [rate, gradient])
    const damped = dampening === 0 ? gradient : builder.node("Mul", scope, [gradient, rates.damping(dampening)], F32)
    return apply("ResourceApplyMomentum", [rate, damped, scalar(momentum)], { use_nesterov: nesterov })
  })
}

/** The gradient with weight decay in it, or, for AdamW, a parameter that has shrunk before the optimiser sees it. */
function decayed(
  { builder }: StepContext,
  optimizer: OptimizerSpec,
  { parameter, gradient, value, after, rate, decays }: ParameterUpdate,
  rates: Rates,
  scope: string,
): { readonly gradient: string; readonly after: readonly string[] } {
  const { kind, weightDecay } = optimizer
  if (!decays || weightDecay === 0) return { gradient, after }
  const factor = kind === "adamw" ? rates.decay(weightDecay, rate) : builder.constant("DT_FLOAT", [], [weightDecay])
  const decay = builder.node("Mul", scope, [value(), factor], F32)
  if (kind !== "adamw") return { gradient: builder.node("AddV2", scope, [gradient, decay], F32), after }
  const attributes = { dtype: { type: "DT_FLOAT" } } as const
  return {
    gradient,
    after: [builder.node("AssignSubVariableOp", scope, [parameter.handle, decay], attributes, after)],
  }
}

/** Scalars that parameters share, made once for each multiplier of the learning rate; all f32. */
class Rates {
  private readonly made = new Map<string, string>()
  private readonly f: Float64

  constructor(private readonly context: StepContext) {
    this.f = new Float64(context.builder, `${context.program}/optimizer`)
  }

  /** learning rate * multiplier */
  plain(multiplier: number): string {
    if (multiplier === 1) return this.context.learningRate
    return this.once(`rate ${multiplier}`, () => this.f.to(this.double(multiplier), "DT_FLOAT"))
  }

  /** learning rate * multiplier * decay */
  decay(decay: number, multiplier: number): string {
    const make = (): string => this.f.to(this.f.multiply(this.double(multiplier), decay), "DT_FLOAT")
    return this.once(`decay ${multiplier}`, make)
  }

  /** torch's SGD does not dampen the first gradient */
  damping(dampening: number): string {
    return this.once("damping", () =>
      this.f.to(this.f.choose(this.f.less(this.time(), 2), 1, 1 - dampening), "DT_FLOAT"),
    )
  }

  /** The rate and epsilon that make Adam's step come out as PyTorch's. */
  corrected(adam: Adam, multiplier: number): { readonly rate: string; readonly epsilon: string } {
    const { f } = this
    const correction = (name: string, beta: number): string =>
      this.once(name, () => f.subtract(1, f.power(Math.fround(beta), this.time())))
    const root = this.once("root", () => f.root(correction("second", adam.beta2)))
    const rate = (): string =>
      f.to(f.divide(f.multiply(this.double(multiplier), root), correction("first", adam.beta1)), "DT_FLOAT")
    return {
      rate: this.once(`corrected ${multiplier}`, rate),
      epsilon: this.once("epsilon", () => f.to(f.multiply(adam.epsilon, root), "DT_FLOAT")),
    }
  }

  /** learning rate * multiplier, f64 */
  private double(multiplier: number): string {
    const given = this.once("given", () => this.f.from(this.context.learningRate, "DT_FLOAT"))
    return multiplier === 1 ? given : this.once(`double ${multiplier}`, () => this.f.multiply(given, multiplier))
  }

  private time(): string {
    return this.once("time", () => this.f.from(this.context.step, "DT_INT64"))
  }

  private once(key: string, make: () => string): string {
    const known = this.made.get(key)
    if (known !== undefined) return known
    const made = make()
    this.made.set(key, made)
    return made
  }
}
