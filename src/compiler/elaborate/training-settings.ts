/**
 * What `train { }` may hold, and what each setting may be.
 *
 * Takes the plain value of a setting; gives what is wrong with it, in words that follow the setting's name. One record for
 * each setting and one for each function that makes a value, so that the documentation and the checks have one source.
 * Everything that a program could not carry out is refused here, where the user's line is known.
 */

import { METRICS } from "./training-names.js"
import { formatSetting, isRecord, isSetting, type PlainValue, type SettingValue } from "./values.js"

interface Rule {
  accepts(value: PlainValue): boolean
  /** what it accepts: "a number from 0 to 1" */
  readonly says: string
}

const numberRule = (says: string, accepts: (value: number) => boolean): Rule => ({
  says,
  accepts: (value) => typeof value === "number" && Number.isFinite(value) && accepts(value),
})
const choice = (...names: readonly (string | boolean)[]): Rule => ({
  says: names.map((name) => JSON.stringify(name)).join(" or "),
  accepts: (value) => (names as readonly PlainValue[]).includes(value),
})

const NOT_NEGATIVE = numberRule("a number of 0 or more", (value) => value >= 0)
const POSITIVE = numberRule("a number above 0", (value) => value > 0)
const SHARE = numberRule("a number from 0 to 1", (value) => value >= 0 && value <= 1)
const BELOW_ONE = numberRule("a number from 0, below 1", (value) => value >= 0 && value < 1)
const WITHIN_ONE = numberRule("a number above 0, at most 1", (value) => value > 0 && value <= 1)
const BETWEEN = numberRule("a number above 0, below 1", (value) => value > 0 && value < 1)
const COUNT = numberRule("a whole number above 0", (value) => Number.isSafeInteger(value) && value > 0)
const WHOLE = numberRule("a whole number of 0 or more", (value) => Number.isSafeInteger(value) && value >= 0)
const PER = choice("epoch", "step")
const YES_OR_NO = choice(true, false)
/** Of standard deviations: a filter of the largest is still much smaller than an image. */
const SIGMAS: Rule = {
  says: "two numbers above 0, at most 16, the smaller one first",
  accepts: (value) => {
    if (!Array.isArray(value) || value.length !== 2) return false
    const [least, greatest] = value as readonly PlainValue[]
    return typeof least === "number" && typeof greatest === "number" && 0 < least && least <= greatest && greatest <= 16
  },
}
const upTo = (most: number): Rule => numberRule(`a number from 0 to ${most}`, (value) => value >= 0 && value <= most)
const wholeUpTo = (most: number): Rule => ({
  says: `a whole number from 0 to ${most}`,
  accepts: (value) => WHOLE.accepts(value) && (value as number) <= most,
})
const METRIC: Rule = {
  says: METRICS.join(", "),
  accepts: (value) => isSetting(value) && (METRICS as readonly string[]).includes(value.name),
}

type Rules = Readonly<Record<string, Rule>>

const DECAY = { weight_decay: NOT_NEGATIVE, decay: choice("all", "weights") }
const ADAM: Rules = { lr: NOT_NEGATIVE, beta1: BELOW_ONE, beta2: BELOW_ONE, epsilon: NOT_NEGATIVE, ...DECAY }

/** The functions that make the value of a setting, with the rules of their arguments. */
const FUNCTIONS = {
  optimizer: {
    adam: ADAM,
    adamw: ADAM,
    sgd: {
      lr: NOT_NEGATIVE,
      momentum: BELOW_ONE,
      dampening: SHARE,
      nesterov: YES_OR_NO,
      ...DECAY,
    },
  },
  schedule: {
    constant_rate: { per: PER },
    step: { every: COUNT, gamma: POSITIVE, per: PER },
    exponential: { gamma: WITHIN_ONE, floor: SHARE, per: PER },
    cosine: { length: COUNT, min: NOT_NEGATIVE, per: PER },
    cosine_restarts: { period: COUNT, min: NOT_NEGATIVE, factor: COUNT, per: PER },
    polynomial: { length: COUNT, power: POSITIVE, min: NOT_NEGATIVE, per: PER },
    plateau: { metric: METRIC, patience: WHOLE, factor: BETWEEN, min: NOT_NEGATIVE },
  },
  warmup: { linear: { length: COUNT, per: PER } },
  clip: { norm: { limit: POSITIVE }, value: { limit: POSITIVE } },
  average: { ema: { decay: BELOW_ONE } },
  stop: { patience: { metric: METRIC, epochs: COUNT } },
  augment: {
    photometric: {
      brightness: upTo(255),
      contrast: SHARE,
      saturation: SHARE,
      hue: wholeUpTo(90),
      p: WITHIN_ONE,
    },
    flip_rotate: { p: WITHIN_ONE, degrees: wholeUpTo(180), note_aware: YES_OR_NO },
    blur: { sigma: SIGMAS, p: WITHIN_ONE },
    row_blur: { sigma: SIGMAS, p: WITHIN_ONE, rows: WITHIN_ONE },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Rules>>>>

/** What is wrong, in words that follow the setting's name. */
export interface SettingProblem {
  readonly message: string
  /** of a list: the item that it is about */
  readonly item?: number
}

interface Setting {
  /** for the language reference */
  readonly doc: string
  /** What is wrong with a value; undefined when nothing is. */
  problem(value: PlainValue): string | readonly SettingProblem[] | undefined
}

const number = (doc: string, rule: Rule): Setting => ({
  doc,
  problem: (value) => (rule.accepts(value) ? undefined : `must be ${rule.says}`),
})

/** A setting that is one of some functions, or as `plain` says. */
function made(doc: string, functions: Readonly<Record<string, Rules>>, plain?: Rule): Setting {
  const names = Object.keys(functions)
  const problem = (value: PlainValue): string | undefined => {
    if (plain?.accepts(value)) return undefined
    if (isSetting(value) && functions[value.name]) {
      return argumentProblem(value, functions[value.name]!) ?? combinationProblem(value)
    }
    const listed = names.length === 1 ? `${names[0]!}(...)` : `one of ${names.join(", ")}`
    return plain ? `must be ${plain.says}, or ${listed}` : `must be ${listed}`
  }
  return { doc, problem }
}

/** Every setting, in the order of the language reference. */
const SETTINGS = {
  optimizer: made("`adam(...)`, `adamw(...)` or `sgd(...)`; without it Adam at 1e-3.", FUNCTIONS.optimizer),
  schedule: made("How the learning rate changes; without it, it stays.", FUNCTIONS.schedule),
  warmup: made(
    "A rise of the learning rate at the start, before the schedule: `5` in what the schedule counts, or `linear(...)`.",
    FUNCTIONS.warmup,
    COUNT,
  ),
  learning_rates: {
    doc: "Factors of the learning rate by section, as in `{ vision: 0.1 }`; 1 for a section that is not named.",
    problem: (value) => {
      if (!isRecord(value)) return "must be a record of sections, as in `{ vision: 0.1 }`"
      const wrong = Object.entries(value.fields).find(([, factor]) => !POSITIVE.accepts(factor))
      if (wrong === undefined) return undefined
      const [name, factor] = wrong
      return `multiplies \`${name}\` by ${formatSetting(factor)}: give ${POSITIVE.says}, or freeze the section`
    },
  },
  clip: made("`norm(...)` or `value(...)`: gradients are made smaller where they are too large.", FUNCTIONS.clip),
  average: made(
    "`ema(...)`: an average of the weights, which scoring, prediction and export use in their place.",
    FUNCTIONS.average,
  ),
  batch: number("Cases in one step; 8 without it.", COUNT),
  accumulate: number("Batches whose gradients are averaged for one step of the optimiser; 1 without it.", COUNT),
  epochs: number("The most passes over the training split; 100 without it.", COUNT),
  stop: made(
    "`patience(metric, epochs)`: when to stop early. Its metric also says which checkpoint is the best.",
    FUNCTIONS.stop,
  ),
  augment: {
    doc: "A list of changes made to training images, in their order: `photometric()`, `flip_rotate()`, `blur()`, `row_blur()`.",
    problem: (value) => {
      const known: Readonly<Record<string, Rules>> = FUNCTIONS.augment
      const kinds = Object.keys(known)
        .map((name) => `${name}()`)
        .join(", ")
      if (!Array.isArray(value)) return `must be a list of ${kinds}`
      return (value as readonly PlainValue[]).flatMap((given, item): SettingProblem[] => {
        const rules = isSetting(given) ? known[given.name] : undefined
        if (!isSetting(given) || !rules) {
          return [{ message: `has ${formatSetting(given)} in its list: give some of ${kinds}`, item }]
        }
        const message = argumentProblem(given, rules) ?? combinationProblem(given)
        return message === undefined ? [] : [{ message, item }]
      })
    },
  },
  seed: number("Seed of first values, masks, dropout and data order; 1 without it.", {
    ...WHOLE,
    accepts: (value) => WHOLE.accepts(value) && (value as number) < 2 ** 31,
    says: "a whole number from 0, below 2147483648",
  }),
  channels: number('`"rgb"` or `"bgr"`: the order of an image\'s planes; RGB without it.', choice("rgb", "bgr")),
} as const satisfies Readonly<Record<string, Setting>>

export type SettingName = keyof typeof SETTINGS

/** The names of all settings. */
export const TRAINING_SETTINGS = Object.keys(SETTINGS) as readonly SettingName[]

/** What a setting is for, by name. */
export const SETTING_DOCS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(SETTINGS).map(([name, { doc }]) => [name, doc]),
)

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name)
}

/** All that is wrong with the value of a setting. */
export function settingProblems(name: SettingName, value: PlainValue): readonly SettingProblem[] {
  const problem = (SETTINGS[name] as Setting).problem(value)
  return typeof problem === "string" ? [{ message: problem }] : (problem ?? [])
}

function argumentProblem({ name, arguments: given }: SettingValue, rules: Rules): string | undefined {
  for (const [argument, rule] of Object.entries(rules)) {
    const value = given[argument]
    if (value === undefined || !rule.accepts(value)) {
      const shown = value === undefined ? "nothing" : formatSetting(value)
      return `has ${shown} as the \`${argument}\` of ${name}: give ${rule.says}`
    }
  }
  return undefined
}

/** Arguments that are fine by themselves but not together: one of them would do nothing, or mean nothing. */
function combinationProblem({ name, arguments: given }: SettingValue): string | undefined {
  if (given["decay"] === "weights" && given["weight_decay"] === 0) {
    return `says what decays, but the \`weight_decay\` of ${name} is 0: give one, or leave out \`decay\``
  }
  if (
    name === "photometric" &&
    ["brightness", "contrast", "saturation", "hue"].every((change) => given[change] === 0)
  ) {
    return "has a photometric that changes nothing: leave it out of the list"
  }
  if (name !== "sgd") return undefined
  if (given["nesterov"] === true && (given["momentum"] === 0 || given["dampening"] !== 0)) {
    return "has `nesterov`, which needs a `momentum` above 0 and a `dampening` of 0"
  }
  if (given["dampening"] !== 0 && given["momentum"] === 0) {
    return "has a `dampening` but no `momentum` for it to act on: give a `momentum`, or leave out `dampening`"
  }
  return undefined
}
