/**
 * Facts about models, ablations, training and settings (MDL4xxx), and the words for them.
 *
 * Which model is meant is 40xx, ablations 41xx, settings 42xx, losses and training 43xx.
 */

import type { Span } from "../../../grammar/ast.js"
import { located, type Located } from "./facts-shapes.js"
import { also, at, type FactTable, listed, meant, quoted } from "./fact-table.js"

export type TrainingFact =
  | {
      readonly kind: "no-such-model"
      readonly span: Span
      readonly name: string
      readonly known: readonly string[]
      readonly suggestion: string | undefined
    }
  | {
      readonly kind: "different-bases"
      readonly span: Span
      readonly name: string
      /** the models that the parts of the selector are of */
      readonly names: readonly [string, string]
    }
  | { readonly kind: "no-model-in-file"; readonly span: Span; readonly ablations: readonly string[] }
  | { readonly kind: "several-models"; readonly span: Span; readonly names: readonly string[] }
  | {
      readonly kind: "unknown-base"
      readonly span: Span
      readonly name: string
      readonly suggestion: string | undefined
    }
  | { readonly kind: "ablation-cycle"; readonly span: Span; readonly path: readonly string[] }
  | {
      readonly kind: "unknown-section-name"
      readonly span: Span
      readonly name: string
      readonly model: string
      readonly known: readonly string[]
      readonly suggestion: string | undefined
      /** it is an input that the model cannot do without */
      readonly isInput?: boolean
    }
  | {
      readonly kind: "unknown-model-parameter"
      readonly span: Span
      readonly name: string
      readonly model: string
      readonly known: readonly string[]
      readonly suggestion: string | undefined
    }
  | {
      readonly kind: "removed-name-used"
      readonly span: Span
      readonly name: string
      readonly section: string
      readonly removed: Span
    }
  | {
      readonly kind: "vary-not-chosen"
      readonly span: Span
      readonly name: string
      readonly count: number
      readonly ablation: string
      /** one of the values, in the user's text */
      readonly example: string
    }
  | {
      readonly kind: "no-such-choice"
      readonly span: Span
      /** `path=value` as it was asked for */
      readonly name: string
      readonly ablation: string
      readonly known: readonly string[]
      readonly suggestion: string | undefined
    }
  | {
      readonly kind: "unknown-setting"
      readonly span: Span
      readonly name: string
      readonly known: readonly string[]
      readonly suggestion: string | undefined
      readonly advice: string | undefined
    }
  | {
      readonly kind: "bad-setting"
      readonly span: Span
      readonly name: string
      readonly message: string
      readonly hint?: string | undefined
    }
  | { readonly kind: "loss-not-scalar"; readonly span: Span; readonly name: string; readonly type: string }
  | { readonly kind: "duplicate-section"; readonly span: Span; readonly name: string; readonly first: Span }
  | { readonly kind: "nothing-to-train"; readonly span: Span; readonly model: string }
  | { readonly kind: "input-without-batch"; readonly span: Span; readonly name: string; readonly size: number }
  | (Located & { readonly kind: "loss-of-scores"; readonly operation: string; readonly made: Span | undefined })
  | (Located & {
      readonly kind: "squashed-twice"
      readonly operation: string
      readonly first: string
      readonly made: Span
    })
  | { readonly kind: "no-outputs"; readonly span: Span; readonly model: string }

export const TRAINING_FACTS = {
  "no-such-model": {
    code: "MDL4001",
    severity: "error",
    describe: ({ span, name, known, suggestion }) => ({
      title: "Unknown model",
      labels: [at(span, `no model or ablation here is called ${quoted(name)}`)],
      notes: known.length > 0 ? [`there is ${listed(known.map(quoted), "and")}`] : [],
      hint: meant(suggestion),
    }),
  },
  "different-bases": {
    code: "MDL4004",
    severity: "error",
    describe: ({ span, name, names: [first, second] }) => ({
      title: "Ablations of different models",
      labels: [at(span, `${quoted(name)} changes ${quoted(second)}, what stands before it changes ${quoted(first)}`)],
      hint: "join ablations of one model with `+`",
    }),
  },
  "no-model-in-file": {
    code: "MDL4002",
    severity: "error",
    describe: ({ span, ablations }) =>
      ablations.length === 0
        ? {
            title: "There is no model in this file",
            labels: [at(span, "only blocks and functions are defined here")],
            hint: "add `model Name { ... }`, or name another file",
          }
        : {
            title: "There is no model in this file",
            labels: [at(span, `it has ablations of models of other files: ${listed(ablations.map(quoted), "and")}`)],
            hint: `say which: file.mdl#${ablations[0]}`,
          },
  },
  "several-models": {
    code: "MDL4003",
    severity: "error",
    describe: ({ span, names }) => ({
      title: "Which model?",
      labels: [at(span, `this file has several models: ${listed(names.map(quoted), "and")}`)],
      hint: `say which: file.mdl#${names[0]}`,
    }),
  },
  "unknown-base": {
    code: "MDL4101",
    severity: "error",
    describe: ({ span, name, suggestion }) => ({
      title: "Unknown base of an ablation",
      labels: [at(span, `no model or ablation is called ${quoted(name)}`)],
      hint: meant(suggestion),
    }),
  },
  "ablation-cycle": {
    code: "MDL4102",
    severity: "error",
    describe: ({ span, path }) => ({
      title: "Ablations are based on each other in a circle",
      labels: [at(span, "this base leads back here")],
      notes: [path.join(" of ")],
    }),
  },
  "unknown-section-name": {
    code: "MDL4103",
    severity: "error",
    describe: ({ span, name, model, known, suggestion, isInput }) => ({
      title: "Unknown section",
      labels: [
        at(
          span,
          isInput
            ? `${quoted(name)} is an input of ${quoted(model)}`
            : `${quoted(model)} has no section ${quoted(name)}`,
        ),
      ],
      notes: [known.length > 0 ? `it has ${listed(known.map(quoted), "and")}` : "it has no sections"],
      hint: isInput
        ? `write \`optional input ${name}\` in the model, then \`without ${name}\` leaves it out`
        : meant(suggestion),
    }),
  },
  "unknown-model-parameter": {
    code: "MDL4104",
    severity: "error",
    describe: ({ span, name, model, known, suggestion }) => ({
      title: "Nothing to set by that name",
      labels: [at(span, `${quoted(model)} has no parameter ${quoted(name)}`)],
      notes: [`it has ${listed(known.map(quoted), "and")}`],
      hint: meant(suggestion),
    }),
  },
  "removed-name-used": {
    code: "MDL4105",
    severity: "error",
    describe: ({ span, name, section, removed }) => ({
      title: "Use of something that was removed",
      labels: [
        at(span, `${quoted(name)} is made in section ${quoted(section)}`),
        also(removed, `which is left out here`),
      ],
      hint: "leave out the section that uses it too, or make the use depend on a parameter with `if`",
    }),
  },
  "vary-not-chosen": {
    code: "MDL4106",
    severity: "error",
    describe: ({ span, name, count, ablation, example }) => ({
      title: "One model is needed, this is several",
      labels: [at(span, `${quoted(name)} takes ${count} values here`)],
      hint: `choose one: ${quoted(`#${ablation}[${name}=${example}]`)}; \`mdl ablate\` trains each of them`,
    }),
  },
  "no-such-choice": {
    code: "MDL4107",
    severity: "error",
    describe: ({ span, name, ablation, known, suggestion }) => ({
      title: "Unknown choice",
      labels: [at(span, `${quoted(ablation)} does not stand for a model with ${quoted(name)}`)],
      notes: [
        known.length > 0
          ? `it can be ${listed(known.map(quoted), "or")}`
          : `${quoted(ablation)} varies nothing that is left to choose`,
      ],
      hint: meant(suggestion),
    }),
  },
  "unknown-setting": {
    code: "MDL4201",
    severity: "error",
    describe: ({ span, name, known, suggestion, advice }) => ({
      title: "Unknown setting",
      labels: [at(span, `training has no setting ${quoted(name)}`)],
      notes: [`it has ${listed(known.map(quoted), "and")}`],
      hint: advice ?? meant(suggestion),
    }),
  },
  "bad-setting": {
    code: "MDL4202",
    severity: "error",
    describe: ({ span, name, message, hint }) => ({
      title: "Setting cannot have this value",
      labels: [at(span, `${quoted(name)} ${message}`)],
      hint,
    }),
  },
  "loss-not-scalar": {
    code: "MDL4301",
    severity: "error",
    describe: ({ span, name, type }) => ({
      title: "A loss must be one number",
      labels: [at(span, `${quoted(name)} is ${type}`)],
      hint: "reduce it: `mean(...)` or `sum(...)`",
    }),
  },
  "duplicate-section": {
    code: "MDL4302",
    severity: "error",
    describe: ({ span, name, first }) => ({
      title: "Two parts of a model have one name",
      labels: [at(span, `there is already one called ${quoted(name)}`), also(first, "here")],
      hint: "ablations speak of sections and optional inputs by name, and sections name their parameters: give each its own, as in `encoder vision { ... }`",
    }),
  },
  "nothing-to-train": {
    code: "MDL4303",
    severity: "error",
    describe: ({ span, model }) => ({
      title: "Nothing to train",
      labels: [at(span, `no loss of ${quoted(model)} depends on a trainable parameter`)],
      hint: "add a `loss`, or take `frozen` off a section",
    }),
  },
  "input-without-batch": {
    code: "MDL4305",
    severity: "error",
    describe: ({ span, name, size }) => ({
      title: "The batch has a number",
      labels: [at(span, `the first axis of ${quoted(name)} is the batch, this is ${size}`)],
      notes: ["The same model is trained, scored and used with batches of different sizes."],
      hint: "write `N`; how many cases go into a step is `batch = ...` in `train`",
    }),
  },
  "loss-of-scores": {
    code: "MDL4306",
    severity: "warning",
    describe: (fact) => ({
      title: "A loss of probabilities is given something else",
      labels: located(
        fact,
        `this is the result of ${quoted(fact.operation)}, which can lie below 0 and above 1`,
        fact.made ? [also(fact.made, "made here")] : [],
      ),
      hint: "put `sigmoid(...)` around what it is given",
    }),
  },
  "squashed-twice": {
    code: "MDL4307",
    severity: "warning",
    describe: (fact) => ({
      title: "Probabilities are made into probabilities again",
      labels: located(fact, `${quoted(fact.operation)} of what ${quoted(fact.first)} gave`, [
        also(fact.made, `${quoted(fact.first)} is taken here`),
      ]),
      notes: ["What comes out is nearly the same everywhere, and gradients are small."],
      hint: `leave out ${quoted(fact.first)}`,
    }),
  },
  "no-outputs": {
    code: "MDL4304",
    severity: "error",
    describe: ({ span, model }) => ({
      title: "Nothing comes out",
      labels: [at(span, `${quoted(model)} has no output`)],
      hint: "name what the model predicts: `output probability = ...`",
    }),
  },
} satisfies FactTable<TrainingFact>
