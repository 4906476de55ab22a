/**
 * From an elaborated model to a trainer: programs, TensorFlow graph, and the description the runtime reads.
 *
 * Takes a model and batch sizes; gives the bytes of a SavedModel and plain data about its inputs, outputs, losses and
 * parameters. Everything the runtime has to know about a model is in the description, so that a run can go on without
 * the compiler.
 */

import type { ElaboratedModel, TrainingSettings } from "./elaborate/model.js"
import type { SettingValue } from "./elaborate/values.js"
import { evaluate, type Dim } from "./ir/dims.js"
import type { DataType, ParameterRole } from "./ir/graph.js"
import type { Precision } from "./passes/precision.js"
import { hoistFrozen } from "./passes/hoist.js"
import { optimise } from "./passes/pipelines.js"
import { peakBytes, withBatch } from "./passes/memory-estimate.js"
import { evaluateProgram, type ModelProgram, namedValues, predictProgram, trainProgram } from "./passes/programs.js"
import { compileSavedModel, type SavedModelReport } from "./targets/tensorflow/saved-model.js"
import { batchesPerStep, updateSpec } from "./training-plan.js"

/** Version of `TrainerDescription`; a run of another version is refused. */
export const DESCRIPTION_FORMAT = 2

export interface TrainerInput {
  readonly name: string
  readonly role: "input" | "target"
  readonly kind: "tensor" | "tokens"
  readonly dtype: DataType
  /** sizes after the batch */
  readonly shape: readonly number[]
  readonly tokenizer: SettingValue | undefined
}

export interface TrainerOutput {
  readonly name: string
  /** sizes after the batch */
  readonly shape: readonly number[]
  readonly doc: string | undefined
}

export interface TrainerParameter {
  readonly name: string
  readonly role: ParameterRole
  readonly shape: readonly number[]
  readonly section: string
  readonly frozen: boolean
}

export interface TrainerDescription {
  readonly format: typeof DESCRIPTION_FORMAT
  readonly model: string
  readonly variant: string
  /** sizes of the symbols, e.g. H and W */
  readonly sizes: Readonly<Record<string, number>>
  readonly batch: { readonly train: number; readonly evaluate: number; readonly predict: number }
  readonly inputs: readonly TrainerInput[]
  readonly outputs: readonly TrainerOutput[]
  readonly losses: readonly string[]
  /** batches whose gradients are averaged for one step of the optimiser */
  readonly accumulate: number
  readonly parameters: readonly TrainerParameter[]
  readonly training: TrainingSettings
}

export interface Trainer {
  readonly description: TrainerDescription
  readonly savedModel: Uint8Array
  readonly report: Omit<SavedModelReport, "bytes">
  /** bytes of a training step's values at its worst moment, as estimated; 0 without losses */
  readonly activations: number
}

export interface TrainerOptions {
  readonly batch: number
  /** batch of `evaluate`; default as `batch` */
  readonly evaluateBatch?: number
  /** batch of `predict`; default 1 */
  readonly predictBatch?: number
  /** batches for one step of the optimiser; default as the model says */
  readonly accumulate?: number
  /** whether to have the signatures `gradients` and `apply`; by default when batches are accumulated */
  readonly gradients?: boolean
  /**
   * whether frozen parts that read notes only become a signature `encode`, whose results `train_step` is then fed; see
   * `passes/hoist.ts`
   */
  readonly hoist?: boolean
  /** of the training step's arithmetic; weights are f32 in either */
  readonly precision?: Precision
  /** bytes that a training step's activations may take, as estimated; what does not fit is computed a second time */
  readonly memory?: number
  /** whether `train_step` also tells how long each of its nodes took */
  readonly timed?: boolean
}

/**
 * Builds the programs and the SavedModel.
 *
 * @throws NotDifferentiable when an op without a gradient lies between a loss and a trainable parameter
 * @throws MemoryLimitError when the training step does not fit in `options.memory`
 */
export function buildTrainer(model: ElaboratedModel, options: TrainerOptions): Trainer {
  const { batch, evaluateBatch = batch, predictBatch = 1, precision = "f32", memory } = options
  const accumulate = options.accumulate ?? batchesPerStep(model.training)
  const { graph } = model
  const predict = { ...optimise("prediction", predictProgram(model)).program, batch: predictBatch }
  const hasLosses = graph.losses.length > 0
  const update = updateSpec(model, options.gradients ?? accumulate > 1)
  const step = hasLosses ? trainingStep(model, options.hoist ?? false) : undefined
  const compiled = compileSavedModel({
    parameters: graph.parameters,
    timed: options.timed ?? false,
    predict,
    ...(step
      ? {
          train: { ...step.train, batch, outputs: [], precision, update, ...(memory === undefined ? {} : { memory }) },
          ...(step.encode && { encode: { ...step.encode, batch } }),
          evaluate: { ...optimise("evaluation", evaluateProgram(model)).program, batch: evaluateBatch },
        }
      : {}),
  })
  const { bytes, ...report } = compiled
  const description: TrainerDescription = {
    format: DESCRIPTION_FORMAT,
    model: model.name,
    variant: model.variant,
    sizes: Object.fromEntries(graph.sizes),
    batch: { train: batch, evaluate: evaluateBatch, predict: predictBatch },
    inputs: model.inputs.map((input) => ({
      name: input.name,
      role: input.role,
      kind: input.kind,
      dtype: input.type.dtype,
      shape: sizesOf(input.type.shape, model),
      tokenizer: input.tokenizer,
    })),
    outputs: graph.outputs.map(({ name, value, doc }) => ({
      name,
      shape: sizesOf(graph.values[value]!.type.shape, model),
      doc,
    })),
    losses: graph.losses.map((l) => l.name),
    accumulate,
    parameters: graph.parameters.map(({ name, role, shape, section, frozen }) => ({
      name,
      role,
      shape,
      section,
      frozen,
    })),
    training: model.training,
  }
  return { description, savedModel: bytes, report, activations: step ? activationsOf(step.train, options) : 0 }
}

/** What the step keeps at once; a memory limit holds, or building has failed before. */
function activationsOf(step: ModelProgram, { batch, memory = Infinity }: TrainerOptions): number {
  const { graph } = step
  return Math.min(memory, peakBytes({ graph, results: namedValues(step) }, withBatch(graph, batch)))
}

/** One training step, and what of it is done once for each note when that is asked for. */
function trainingStep(model: ElaboratedModel, hoist: boolean): ReturnType<typeof hoistFrozen> {
  const { program } = optimise("training", trainProgram(model))
  if (!hoist) return { encode: undefined, train: program }
  const notes = model.inputs.filter(({ kind }) => kind === "tokens")
  return hoistFrozen(program, new Set(notes.flatMap(({ name }) => [`${name}_ids`, `${name}_valid`])))
}

/** Sizes after the first axis, which is the batch. */
function sizesOf(shape: readonly Dim[], model: ElaboratedModel): readonly number[] {
  return shape.slice(1).map((dim) => {
    const size = evaluate(dim, model.graph.sizes)
    if (size === undefined) throw new Error(`a size of an input or output depends on the batch`)
    return size
  })
}
