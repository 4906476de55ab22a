/**
 * The names that a `train` section knows: optimisers, schedules, metrics and the like.
 *
 * They are records, so that documentation and completion can list them. What their arguments may be stands in
 * `training-settings.ts`, what they mean for a program in `../training-plan.ts`.
 */

import { float, integer, optional, required, setting } from "./builtins.js"
import type { StaticValue } from "./values.js"

const text = (value: string): StaticValue => ({ kind: "string", value })

const RATE = required("lr", "learning rate")
const DECAYS = optional("decay", text("all"), '`"all"` parameters, or `"weights"` only: those with two axes or more')
const PER = optional("per", text("epoch"), '`"epoch"` or `"step"`: what is counted, and how often the rate changes')

const HALF_THE_TIME = float(0.5)
const SIGMA = optional("sigma", { kind: "list", items: [float(0.5), float(1)] })

const adamParameters = (weightDecay: number) => [
  RATE,
  optional("beta1", float(0.9)),
  optional("beta2", float(0.999)),
  optional("epsilon", float(1e-8)),
  optional("weight_decay", float(weightDecay)),
  DECAYS,
]

const FUNCTIONS = [
  setting("adam", "Adam (Kingma and Ba 2015), as torch.optim.Adam.", adamParameters(0)),
  setting(
    "adamw",
    "Adam with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW.",
    adamParameters(0.01),
  ),
  setting("sgd", "Gradient descent with momentum, as torch.optim.SGD.", [
    RATE,
    optional("momentum", float(0)),
    optional("dampening", float(0)),
    optional("nesterov", { kind: "bool", value: false }),
    optional("weight_decay", float(0)),
    DECAYS,
  ]),
  setting("constant_rate", "The optimiser's learning rate throughout.", [PER]),
  setting("step", "Multiplied by `gamma` each time that `every` epochs have passed.", [
    required("every"),
    optional("gamma", float(0.1)),
    PER,
  ]),
  setting("exponential", "Multiplied by `gamma` each epoch, never below `floor` times the first rate.", [
    required("gamma"),
    optional("floor", float(0)),
    PER,
  ]),
  setting("cosine", "Falls to `min` along a cosine in `length` epochs, and stays there.", [
    required("length"),
    optional("min", float(0)),
    PER,
  ]),
  setting(
    "cosine_restarts",
    "Cosine annealing with warm restarts every `period` epochs down to `min`; each cycle is `factor` times as long as the one before.",
    [required("period"), optional("min", float(0)), optional("factor", integer(1)), PER],
  ),
  setting("polynomial", "Falls to `min` in `length` epochs, as (1 - t/length)^power, and stays there.", [
    required("length"),
    optional("power", float(1)),
    optional("min", float(0)),
    PER,
  ]),
  setting(
    "plateau",
    "Multiplied by `factor`, down to `min`, when the `metric` of the validation split was not better for more than `patience` scorings.",
    [required("metric"), optional("patience", integer(10)), optional("factor", float(0.1)), optional("min", float(0))],
  ),
  setting("linear", "A warm-up: from a share of 1/`length` to the whole rate, in equal steps.", [
    required("length"),
    PER,
  ]),
  setting("norm", "Scales all gradients so that their common norm is at most `limit`, as clip_grad_norm_ in PyTorch.", [
    required("limit"),
  ]),
  setting("value", "Cuts each element of a gradient to [-`limit`, `limit`], as clip_grad_value_ in PyTorch.", [
    required("limit"),
  ]),
  setting("ema", "Exponential moving average: each step keeps `decay` of the old average.", [
    optional("decay", float(0.999)),
  ]),
  setting("patience", "Stop after `epochs` epochs without a better `metric` on the validation split.", [
    required("metric"),
    required("epochs"),
  ]),
  setting(
    "photometric",
    "Each with probability `p`: `brightness` at most so many of 255 levels, `contrast` and `saturation` a factor within so much of 1, `hue` at most so many steps of 2 degrees. As mmsegmentation's PhotoMetricDistortion.",
    [
      optional("brightness", integer(32)),
      optional("contrast", float(0.5)),
      optional("saturation", float(0.5)),
      optional("hue", integer(18)),
      optional("p", HALF_THE_TIME),
    ],
  ),
  setting(
    "flip_rotate",
    "With probability `p` quarter turns and a flip; else with probability `p` a rotation by at most `degrees`. With `note_aware`, the only flip is the one that exchanges left and right, and it exchanges them in the note too.",
    [
      optional("p", HALF_THE_TIME),
      optional("degrees", integer(20)),
      optional("note_aware", { kind: "bool", value: false }),
    ],
  ),
  setting("blur", "Gaussian blur with a standard deviation within `sigma`, in pixels, with probability `p`.", [
    SIGMA,
    optional("p", HALF_THE_TIME),
  ]),
  setting(
    "row_blur",
    "RecLMIS's blur as published: with probability `p` some of the rows of an image (the share `rows`) are blurred, each for itself, along the width and across the colours.",
    [SIGMA, optional("p", HALF_THE_TIME), optional("rows", HALF_THE_TIME)],
  ),
]

/** What a model can be scored by. */
export const METRICS = ["dice", "iou", "loss"] as const

/** Names that only a `train` section knows. */
export const TRAINING_NAMES: ReadonlyMap<string, StaticValue> = new Map<string, StaticValue>([
  ...FUNCTIONS.map((builtin): [string, StaticValue] => [builtin.name, { kind: "builtin", builtin }]),
  ...METRICS.map((name): [string, StaticValue] => [name, { kind: "setting", setting: { name, arguments: {} } }]),
])
