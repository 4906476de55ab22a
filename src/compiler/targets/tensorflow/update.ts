/**
 * From gradients to new parameters: everything between the end of the backward pass and the end of a step.
 *
 * Takes how to train and the gradients of a step; gives the nodes that update parameters, moments, averages and the step,
 * and what the step tells about itself. In order: learning rate, norm, clipping, weight decay, optimiser, averages. The
 * same nodes are behind `train_step`, with the gradients of its batch, and behind `apply`, with the mean of several.
 */

import { addToSums, declareSums, GRADIENT_COUNT, meanGradients, randomStep, sumSignatures } from "./accumulation.js"
import { averageName, type AverageSpec, declareAverage, updateAverages } from "./average.js"
import { clipped, type ClipSpec, gradientNorm } from "./clipping.js"
import type { GraphDefBuilder } from "./graphdef.js"
import { applyOptimizer, declareSlots, type OptimizerSpec, type ParameterUpdate } from "./optimizer.js"
import {
  declareSchedule,
  learningRate,
  type RateSpec,
  scoreSignature,
  STEPS_PER_EPOCH,
  takesScores,
} from "./schedule.js"
import type { Signature } from "./signatures.js"
import { cast, output, SEED, STEP, type Variable, type VariableTable } from "./variables.js"

/** How a step changes parameters. */
export interface UpdateSpec {
  readonly optimizer: OptimizerSpec
  readonly rate: RateSpec
  readonly clip?: ClipSpec
  readonly average?: AverageSpec
  /** whether to have the signatures `gradients` and `apply` as well */
  readonly accumulates?: boolean
  /** what multiplies the learning rate, by parameter; 1 for those that are not named */
  readonly rates?: ReadonlyMap<string, number>
  /** parameters without weight decay */
  readonly undecayed?: ReadonlySet<string>
}

/** The gradient of one parameter. */
export interface Gradient {
  readonly parameter: Variable
  /** tensor in storage layout */
  readonly gradient: string
  /** the node that read the parameter in this call; undefined when none did */
  readonly read: string | undefined
}

/** What a step gives besides its losses. */
export interface StepResult {
  /** what has to have run before the step is done */
  readonly done: readonly string[]
  readonly outputs: Readonly<Record<"step" | "learning_rate" | "gradient_norm", readonly [string, ResultType]>>
}

export type ResultType = "DT_FLOAT" | "DT_INT32"

/** Writes the updating half of the training programs of one model. */
export class UpdateWriter {
  /** parameters that have a gradient */
  private readonly trained: readonly Variable[]

  constructor(
    private readonly builder: GraphDefBuilder,
    private readonly table: VariableTable,
    private readonly spec: UpdateSpec,
    parameters: readonly string[],
  ) {
    this.trained = parameters.map((name) => table.get(name))
  }

  /** Declares moments, averages, sums and what the schedule needs; to be called once, before anything is written. */
  declare(): void {
    const { table, spec, trained } = this
    for (const parameter of trained) declareSlots(table, spec.optimizer, parameter)
    if (spec.average) for (const parameter of trained) declareAverage(table, parameter)
    declareSchedule(table, spec.rate)
    if (spec.accumulates) declareSums(table, trained)
  }

  /** Integer variables that the caller of `init` sets, by input. */
  givenVariables(): ReadonlyMap<string, Variable> {
    return new Map([["steps_per_epoch", this.table.get(STEPS_PER_EPOCH)]])
  }

  /** The variable that inference reads for a parameter. */
  forInference(name: string): Variable {
    const average = averageName(name)
    return this.table.get(this.table.has(average) ? average : name)
  }

  /** The number of the step that is being done: 1 for the first; int64. */
  nextStep(program: string): string {
    const one = this.builder.constant("DT_INT64", [], [1])
    const inputs = [this.table.read(this.table.get(STEP), program), one]
    return this.builder.named("AddV2", `${program}/step`, inputs, { T: { type: "DT_INT64" } })
  }

  /** The step number that random ops of a batch see; int64. */
  randomStep(step: string, program: string): string {
    return this.spec.accumulates ? randomStep(this.builder, step, this.waiting(program), program) : step
  }

  /** Appends an update by `gradients`. @param step as `nextStep` gave it */
  step(gradients: readonly Gradient[], step: string, program: string): StepResult {
    const { builder, table, spec } = this
    const given = gradients.map(({ gradient }) => gradient)
    const norm = gradientNorm(builder, given, program)
    const limited = clipped(builder, spec.clip, given, norm, program)
    const context = {
      builder,
      table,
      program,
      step,
      learningRate: learningRate(builder, table, spec.rate, step, program),
    }
    const updates = gradients.map(({ parameter, read }, index): ParameterUpdate => ({
      parameter,
      gradient: limited[index]!,
      value: () => read ?? table.read(parameter, program),
      after: read === undefined ? [] : [read],
      rate: spec.rates?.get(parameter.name) ?? 1,
      decays: !spec.undecayed?.has(parameter.name),
    }))
    const applied = applyOptimizer(context, spec.optimizer, updates)
    const averaged = spec.average
      ? updateAverages(
          context,
          spec.average,
          gradients.map(({ parameter }, index) => ({ parameter, done: applied[index]! })),
        )
      : []
    return {
      done: [...applied, ...averaged, table.assign(table.get(STEP), step, program)],
      outputs: {
        step: [cast(builder, program, step, "DT_INT64", "DT_INT32"), "DT_INT32"],
        learning_rate: [context.learningRate, "DT_FLOAT"],
        gradient_norm: [norm, "DT_FLOAT"],
      },
    }
  }

  /** Appends the adding of a batch's gradients to the sums, for the signature `gradients`. */
  accumulate(gradients: readonly Gradient[]): {
    readonly done: readonly string[]
    readonly outputs: Readonly<Record<"accumulated", readonly [string, ResultType]>>
  } {
    const program = "gradients"
    const { done, count } = addToSums(this.builder, this.table, gradients, this.waiting(program), program)
    return {
      done,
      outputs: { accumulated: [cast(this.builder, program, count, "DT_INT64", "DT_INT32"), "DT_INT32"] },
    }
  }

  /**
   * The batches that wait, as `train_step` and `gradients` see it (int64): read once, because a second read could come after
   * the count has been raised.
   */
  private waiting(program: string): string {
    return (this.count ??= this.table.read(this.table.get(GRADIENT_COUNT), program))
  }
  private count: string | undefined

  /** The signatures that need no batch. */
  signatures(): ReadonlyMap<string, Signature> {
    const { builder, table, spec } = this
    return new Map([
      ...(takesScores(spec.rate) ? ([["score", scoreSignature(builder, table, spec.rate)]] as const) : []),
      ...(spec.accumulates ? [["apply", this.apply()] as const, ...sumSignatures(builder, table)] : []),
    ])
  }

  private apply(): Signature {
    const { builder, table, trained } = this
    const program = "apply"
    const mean = meanGradients(builder, table, trained, program)
    const gradients = trained.map((parameter) => ({
      parameter,
      gradient: mean.gradients.get(parameter.name)!,
      read: undefined,
    }))
    const { done, outputs } = this.step(gradients, this.nextStep(program), program)
    const all = [...done, ...mean.clear()]
    const count = cast(builder, program, mean.count, "DT_INT64", "DT_INT32")
    return {
      inputs: {},
      outputs: scalarOutputs(builder, program, { ...outputs, accumulated: [count, "DT_INT32"] }, all),
    }
  }
}

/** Scalars as outputs of a signature, available only after `controls` have run. */
export function scalarOutputs(
  builder: GraphDefBuilder,
  program: string,
  scalars: Readonly<Record<string, readonly [string, ResultType]>>,
  controls: readonly string[],
): Signature["outputs"] {
  return Object.fromEntries(
    Object.entries(scalars).map(([name, [tensor, type]]) => [
      name,
      output(builder, program, name, tensor, type, [], controls),
    ]),
  )
}

/** Names that a parameter cannot have, because the trainer keeps variables under them. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([STEP, SEED, GRADIENT_COUNT])
