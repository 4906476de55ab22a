/**
 * From an elaborated model to a trainer: programs, TensorFlow graph, and the description the runtime reads.
 *
 * Takes a model and batch sizes; gives the bytes of a SavedModel and plain data about its inputs, outputs, losses and
 * parameters. Everything the runtime has to know about a model is in the description, so that a run can go on without
 * the compiler.
 */

import type { ElaboratedModel, TrainingSettings } from "./elaborate/model.js"
import type { PlainValue, SettingValue } from "./elaborate/values.js"
import { evaluate, type Dim } from "./ir/dims.js"
import type { DataType } from "./ir/graph.js"
import { evaluateProgram, predictProgram, trainProgram } from "./passes/programs.js"
import type { OptimizerSpec } from "./targets/tensorflow/optimizer.js"
import { compileSavedModel, type SavedModelReport } from "./targets/tensorflow/saved-model.js"

/** Version of `TrainerDescription`; a run of another version is refused. */
export const DESCRIPTION_FORMAT = 1

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
  readonly role: "param" | "state"
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
  readonly parameters: readonly TrainerParameter[]
  readonly training: TrainingSettings
}

export interface Trainer {
  readonly description: TrainerDescription
  readonly savedModel: Uint8Array
  readonly report: Omit<SavedModelReport, "bytes">
}

export interface TrainerOptions {
  readonly batch: number
  /** batch of `evaluate`; default as `batch` */
  readonly evaluateBatch?: number
  /** batch of `predict`; default 1 */
  readonly predictBatch?: number
}

/**
 * Builds the programs and the SavedModel.
 *
 * @throws NotDifferentiable when an op without a gradient lies between a loss and a trainable parameter
 */
export function buildTrainer(model: ElaboratedModel, options: TrainerOptions): Trainer {
  const { batch, evaluateBatch = batch, predictBatch = 1 } = options
  const { graph } = model
  const predict = { ...predictProgram(model), batch: predictBatch }
  const hasLosses = graph.losses.length > 0
  const compiled = compileSavedModel({
    parameters: graph.parameters,
    predict,
    ...(hasLosses
      ? {
          train: { ...trainProgram(model), batch, outputs: [] },
          evaluate: { ...evaluateProgram(model), batch: evaluateBatch },
        }
      : {}),
    optimizer: optimizerSpec(model.training["optimizer"]),
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
    parameters: graph.parameters.map(({ name, role, shape, section, frozen }) => ({
      name,
      role,
      shape,
      section,
      frozen,
    })),
    training: model.training,
  }
  return { description, savedModel: bytes, report }
}

/** Sizes after the first axis, which is the batch. */
function sizesOf(shape: readonly Dim[], model: ElaboratedModel): readonly number[] {
  return shape.slice(1).map((dim) => {
    const size = evaluate(dim, model.graph.sizes)
    if (size === undefined) throw new Error(`a size of an input or output depends on the batch`)
    return size
  })
}

/** The optimiser named in `train { }`; Adam with PyTorch's defaults when there is none. */
function optimizerSpec(setting: PlainValue | undefined): OptimizerSpec {
  const { name, arguments: given } = (setting ?? { name: "adam", arguments: {} }) as SettingValue
  const number = (key: string, fallback: number): number => (given[key] as number | undefined) ?? fallback
  if (name === "sgd") return { kind: "sgd", momentum: number("momentum", 0) }
  return {
    kind: "adam",
    beta1: number("beta1", 0.9),
    beta2: number("beta2", 0.999),
    epsilon: number("epsilon", 1e-8),
  }
}
