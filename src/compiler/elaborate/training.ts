/**
 * The `train` section of a variant, as plain data.
 *
 * Takes the settings as written and what the ablation changes; gives their values, and says what is wrong with them at the
 * user's line. It is read after everything else in the model, because some settings speak of sections.
 */

import type { Expression, Span } from "../../../grammar/ast.js"
import { didYouMean } from "../diagnostics/suggest.js"
import { evaluate } from "../ir/dims.js"
import type { Parameter } from "../ir/graph.js"
import { sectionName, type Variant } from "./ablations.js"
import { plainValue } from "./builtins.js"
import type { Elaboration } from "./context.js"
import { Environment, type Scope } from "./environment.js"
import { evaluateExpression } from "./expressions.js"
import type { TrainingSettings } from "./model.js"
import { TRAINING_NAMES } from "./training-names.js"
import { isSettingName, settingProblems, TRAINING_SETTINGS } from "./training-settings.js"
import { isRecord, type PlainRecord, type PlainValue, type StaticValue } from "./values.js"

/** What people call the learning rate who look for it among the settings. */
const RATE_NAMES: ReadonlySet<string> = new Set(["lr", "learning_rate", "rate"])

export interface WrittenSetting {
  readonly name: string
  readonly span: Span
  readonly value: Expression
}

/** Reads the settings. @param parameters of the graph as far as it is built, which is all of it */
export function trainingSettings(
  written: readonly WrittenSetting[],
  variant: Variant,
  scope: Scope,
  context: Elaboration,
  parameters: readonly Parameter[],
): TrainingSettings {
  const withTrainingNames = (outer: Scope): Scope => {
    const environment = new Environment(outer.environment)
    for (const [name, value] of TRAINING_NAMES) environment.define(name, value, variant.model.span)
    return { ...outer, environment }
  }
  const own = withTrainingNames(scope)
  const kept = written.filter((s) => !variant.train.has(s.name)).map((setting) => ({ ...setting, inner: own }))
  const changed = [...variant.train].map(([name, { value, span, module }]) => ({
    ...{ name, span, value },
    inner: withTrainingNames(context.writtenIn(module, scope)),
  }))
  const result: Record<string, PlainValue> = {}
  for (const { name, span, value, inner } of [...kept, ...changed]) {
    if (!isSettingName(name)) {
      const advice = RATE_NAMES.has(name) ? "an optimiser is given its rate: `optimizer = adam(lr = ...)`" : undefined
      const suggestion = advice === undefined ? didYouMean(name, TRAINING_SETTINGS) : undefined
      context.report({ kind: "unknown-setting", span, name, known: TRAINING_SETTINGS, suggestion, advice })
      continue
    }
    const found = evaluateExpression(value, inner, context)
    const plain = plainValue(found, { sizeOf: (dim) => evaluate(dim, context.sizes) })
    const problems = plain === undefined ? [{ message: notPlain(found) }] : settingProblems(name, plain)
    for (const { message, item } of problems) {
      context.report({ kind: "bad-setting", span: itemSpan(value, item), name, message })
    }
    if (problems.length === 0) {
      if (name === "learning_rates" && isRecord(plain)) checkSections(plain, value, variant, context, parameters)
      result[name] = plain!
    }
  }
  return result
}

/** Why a value is no setting; a name that needs its brackets is shown with them. */
function notPlain(found: StaticValue): string {
  if (found.kind !== "builtin") return "must be plain data"
  const { name, parameters } = found.builtin
  const needed = parameters.filter((parameter) => parameter.default === undefined)
  return `needs brackets: \`${name}(${needed.map((parameter) => `${parameter.name} = ...`).join(", ")})\``
}

/** A learning rate of a section that cannot use it is a mistake: nothing is ignored in silence. */
function checkSections(
  rates: PlainRecord,
  written: Expression,
  variant: Variant,
  context: Elaboration,
  parameters: readonly Parameter[],
): void {
  const known = variant.model.members.flatMap((member) => (member.kind === "section" ? [sectionName(member)] : []))
  for (const name of Object.keys(rates.fields)) {
    const span = fieldSpan(written, name)
    const refuse = (message: string, hint?: string): void =>
      context.report({
        kind: "bad-setting",
        span,
        name: "learning_rates",
        message: `names \`${name}\`, ${message}`,
        hint,
      })
    const own = parameters.filter((p) => p.section === name && p.role === "param")
    if (!known.includes(name)) {
      const suggestion = didYouMean(name, known)
      context.report({ kind: "unknown-section-name", span, name, model: variant.model.name.text, known, suggestion })
    } else if (variant.without.has(name)) {
      refuse("which is left out here", "give the ablation a `set train.learning_rates = { ... }` without it")
    } else if (own.length === 0) refuse("which has no parameters to train", "leave it out of the record")
    else if (own.every((p) => p.frozen)) refuse("which is frozen", "unfreeze it, or leave it out of the record")
  }
}

/** The place of an item of a list; that of the whole value when the list is not written out here, or nothing is asked for. */
function itemSpan(written: Expression, item: number | undefined): Span {
  if (item === undefined || written.kind !== "list") return written.span
  const before = written.items.slice(0, item + 1)
  // After a `...spread`, the place in the text is not that in the list.
  return before.some(({ spread }) => spread) ? written.span : (before[item]?.value.span ?? written.span)
}

/** The place of a field's name; that of the whole value when it is not written out here. */
function fieldSpan(written: Expression, name: string): Span {
  if (written.kind !== "record") return written.span
  const field = written.fields.find((f) => f.kind === "field" && f.name.text === name)
  return field?.kind === "field" ? field.name.span : written.span
}
