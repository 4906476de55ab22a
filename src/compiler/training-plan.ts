/**
 * From the settings of `train { }` to what a training program does with gradients.
 *
 * Takes a model whose settings were checked (elaborate/training-settings.ts); gives typed data. Pure; the defaults are
 * PyTorch's.
 */

import type { ElaboratedModel, TrainingSettings } from "./elaborate/model.js"
import { isRecord, isSetting, type PlainValue, type SettingValue } from "./elaborate/values.js"
import type { ClipSpec } from "./targets/tensorflow/clipping.js"
import type { OptimizerSpec } from "./targets/tensorflow/optimizer.js"
import type { RateSpec, RateUnit, Schedule } from "./targets/tensorflow/schedule.js"
import type { UpdateSpec } from "./targets/tensorflow/update.js"

/** What trains a model that names no optimiser. */
const DEFAULT_OPTIMIZER: SettingValue = {
  name: "adam",
  arguments: { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0, decay: "all" },
}

/** Batches whose gradients are averaged for one step. */
export function batchesPerStep(training: TrainingSettings): number {
  return (training["accumulate"] as number | undefined) ?? 1
}

/** How the parameters of a model are updated. @param accumulates whether to have `gradients` and `apply` as well */
export function updateSpec(
  { training, graph }: Pick<ElaboratedModel, "training" | "graph">,
  accumulates: boolean,
): UpdateSpec {
  const optimizer = setting(training, "optimizer") ?? DEFAULT_OPTIMIZER
  const clip = setting(training, "clip")
  const average = setting(training, "average")
  const factors = training["learning_rates"]
  const trainable = graph.parameters.filter((p) => p.role === "param" && !p.frozen)
  const onlyWeights = optimizer.arguments["decay"] === "weights"
  return {
    optimizer: optimizerOf(optimizer),
    rate: rateSpec(training),
    ...(clip ? { clip: { kind: clip.name as ClipSpec["kind"], limit: number(clip, "limit") } } : {}),
    ...(average ? { average: { decay: number(average, "decay") } } : {}),
    accumulates,
    rates: new Map(
      isRecord(factors)
        ? trainable.flatMap(({ name, section }) =>
            Object.hasOwn(factors.fields, section) ? [[name, factors.fields[section] as number] as const] : [],
          )
        : [],
    ),
    undecayed: new Set(onlyWeights ? trainable.flatMap((p) => (p.shape.length < 2 ? [p.name] : [])) : []),
  }
}

/** The learning rate over time. */
export function rateSpec(training: TrainingSettings): RateSpec {
  const schedule = setting(training, "schedule")
  const per = (schedule?.arguments["per"] as RateUnit | undefined) ?? "epoch"
  const warmup = training["warmup"]
  const linear = isSetting(warmup)
    ? { length: number(warmup, "length"), per: warmup.arguments["per"] as RateUnit }
    : { length: warmup as number, per }
  return {
    rate: number(setting(training, "optimizer") ?? DEFAULT_OPTIMIZER, "lr"),
    schedule: scheduleOf(schedule),
    per,
    ...(warmup === undefined ? {} : { warmup: linear }),
  }
}

function scheduleOf(setting: SettingValue | undefined): Schedule {
  if (setting === undefined) return { kind: "constant" }
  const given = (name: string): number => number(setting, name)
  switch (setting.name) {
    case "constant_rate":
      return { kind: "constant" }
    case "step":
      return { kind: "step", every: given("every"), gamma: given("gamma") }
    case "exponential":
      return { kind: "exponential", gamma: given("gamma"), floor: given("floor") }
    case "cosine":
      return { kind: "cosine", length: given("length"), min: given("min") }
    case "cosine_restarts":
      return { kind: "cosine_restarts", period: given("period"), min: given("min"), factor: given("factor") }
    case "polynomial":
      return { kind: "polynomial", length: given("length"), power: given("power"), min: given("min") }
    case "plateau": {
      const better = plateauMetric(setting) === "loss" ? "smaller" : "greater"
      return { kind: "plateau", better, patience: given("patience"), factor: given("factor"), min: given("min") }
    }
    default:
      throw new Error(`there is no schedule ${setting.name}`)
  }
}

/** What a plateau schedule waits for; undefined for all others. */
export function plateauMetric(schedule: PlainValue | undefined): "dice" | "iou" | "loss" | undefined {
  if (!isSetting(schedule) || schedule.name !== "plateau") return undefined
  return (schedule.arguments["metric"] as SettingValue).name as "dice" | "iou" | "loss"
}

function optimizerOf(setting: SettingValue): OptimizerSpec {
  const given = (name: string): number => number(setting, name)
  const weightDecay = given("weight_decay")
  if (setting.name === "sgd") {
    const nesterov = setting.arguments["nesterov"] === true
    return { kind: "sgd", momentum: given("momentum"), dampening: given("dampening"), nesterov, weightDecay }
  }
  if (setting.name !== "adam" && setting.name !== "adamw") throw new Error(`there is no optimiser ${setting.name}`)
  const [beta1, beta2, epsilon] = [given("beta1"), given("beta2"), given("epsilon")]
  return { kind: setting.name, beta1, beta2, epsilon, weightDecay }
}

function setting(training: TrainingSettings, name: string): SettingValue | undefined {
  const value = training[name]
  if (value === undefined || isSetting(value)) return value
  throw new Error(`the setting ${name} was not checked`)
}

function number({ name, arguments: given }: SettingValue, argument: string): number {
  const value = given[argument]
  if (typeof value === "number") return value
  throw new Error(`${name} has no number as its ${argument}`)
}
