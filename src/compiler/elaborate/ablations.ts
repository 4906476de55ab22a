/**
 * Variants: which model is meant by `#name`, and what its ablations change.
 *
 * Takes a module and a selector (`RecLMIS`, `no_cvr`, `quick+no_text`, `masks[mask_image=0.3]`, or nothing for the only
 * model; see selectors.ts); gives the model and the merged changes, nearest the model first. Unknown sections and parameters are found here, before anything is
 * built, because a misspelt ablation that changes nothing is the worst kind.
 */

import type { AblationItem, Expression, Identifier, ModelItem, SectionMember, Span } from "../../../grammar/ast.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe, type Fact } from "../diagnostics/facts.js"
import { didYouMean } from "../diagnostics/suggest.js"
import type { Module } from "../resolve/modules.js"
import { type Chosen, parseSelector, sameValue, type SelectorPart } from "./selectors.js"

/** A value that an ablation gives, with the module it is written in, whose names it can use. */
export interface ChangedValue {
  readonly value: Expression
  readonly span: Span
  readonly module: Module
}

/** A parameter or setting that takes several values in turn. */
export interface VariedValue {
  readonly path: readonly Identifier[]
  readonly values: Expression
  readonly span: Span
  readonly module: Module
  /** the ablation that says so */
  readonly item: AblationItem
}

export interface Variant {
  readonly model: ModelItem
  /** the module that defines the model */
  readonly module: Module
  /** what the user called it: the model's name, or the ablations joined by `+` */
  readonly name: string
  /** the ablations that were applied, nearest the model first */
  readonly ablations: readonly string[]
  /** sections and optional inputs left out, with the place that says so */
  readonly without: ReadonlyMap<string, Span>
  readonly freeze: ReadonlyMap<string, Span>
  readonly unfreeze: ReadonlyMap<string, Span>
  /** parameters of the model, or sizes of dims */
  readonly set: ReadonlyMap<string, ChangedValue>
  /** settings of `train` */
  readonly train: ReadonlyMap<string, ChangedValue>
  readonly vary: readonly VariedValue[]
}

/** The most variants that one selector may stand for. */
export const MOST_CHOICES = 1000

/** One of the models that a `vary` stands for, with what was chosen: `dim = 16`. */
export interface Choice {
  readonly variant: Variant
  readonly chosen: readonly string[]
}

/** A path and what it is given, in the text of the ablation. */
const changeText = (path: string, value: Expression, { text }: Module): Chosen => ({
  path,
  value: text.slice(value.span.start, value.span.end),
})

/** The values that a `vary` lists, as a selector writes them; none where it lists none. */
export function variedValues({ path, values, module }: VariedValue): readonly Chosen[] {
  return values.kind === "list" ? values.items.map(({ value }) => changeText(pathText(path), value, module)) : []
}

/**
 * The variants that a `vary` stands for: with several of them, every combination of their values, the last one running
 * fastest. Without a `vary` that is the variant itself.
 */
export function variedChoices(variant: Variant): {
  readonly output: readonly Choice[]
  readonly diagnostics: readonly Diagnostic[]
} {
  const diagnostics: Diagnostic[] = []
  const refused = (span: Span, message: string): void =>
    void diagnostics.push(describe({ kind: "bad-setting", span, name: "vary", message }))
  let choices: readonly Choice[] = [{ variant, chosen: [] }]
  for (const { path, values, span, module } of variant.vary) {
    if (values.kind !== "list" || values.items.length === 0 || values.items.some((item) => item.spread)) {
      refused(values.span, "takes a list of values written out, as in `vary layers in [1, 2, 4]`")
      continue
    }
    const count = choices.length * values.items.length
    if (count > MOST_CHOICES) {
      refused(span, `all combinations would be ${count} models, the limit is ${MOST_CHOICES}`)
      return { output: [], diagnostics }
    }
    const [first, second] = path
    const isTraining = first!.text === "train" && second !== undefined
    const name = path.map((part) => part.text).join(".")
    choices = choices.flatMap((choice) =>
      values.items.map(({ value }): Choice => {
        const change: ChangedValue = { value, span, module }
        const { train, set } = choice.variant
        const chosen = [...choice.chosen, `${name} = ${changeText(name, value, module).value}`]
        const changed = isTraining
          ? { train: new Map(train).set(second.text, change) }
          : { set: new Map(set).set(first!.text, change) }
        return { variant: { ...choice.variant, ...changed, name: `${variant.name} (${chosen.join(", ")})` }, chosen }
      }),
    )
  }
  return { output: diagnostics.length > 0 ? [] : choices, diagnostics }
}

/** One model was asked for where a `vary` stands for several. */
export function refuseVaried(variant: Variant): readonly Diagnostic[] {
  return variant.vary.map((varied) => {
    const values = variedValues(varied)
    const { path, span, item } = varied
    return describe({
      kind: "vary-not-chosen",
      span,
      name: pathText(path),
      count: values.length,
      ablation: item.name.text,
      example: values[0]?.value ?? "...",
    })
  })
}

/** The name of a section: its own, or that of its role. */
export const sectionName = (section: SectionMember): string => (section.name ?? section.role).text

/** Every name that `#name` may be, models first. */
export function selectableNames(module: Module): string[] {
  const items = [...module.definitions.values()]
  return [
    ...items.filter((d) => d.kind === "model").map((d) => d.name.text),
    ...items.filter((d) => d.kind === "ablation").map((d) => d.name.text),
  ]
}

/** Finds the variant, or says why there is none. */
export function selectVariant(
  module: Module,
  selector: string | undefined,
): { readonly output: Variant | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const report = (fact: Fact): undefined => void diagnostics.push(describe(fact))
  const start: Span = { file: module.path, start: 0, end: 0 }

  const chosen = selector === undefined || selector === "" ? onlyModel() : chain(parseSelector(selector))
  if (!chosen) return { output: undefined, diagnostics }
  const output = merge(chosen, selector || (chosen.ablations.at(-1)?.item ?? chosen.model).name.text)
  return { output: diagnostics.length > 0 ? undefined : output, diagnostics }

  function onlyModel(): Line | undefined {
    const models = [...module.definitions.values()].filter((d) => d.kind === "model")
    if (models.length === 0) {
      // A file of variants: with one, there is no doubt about which is meant.
      const ablations = [...module.definitions.values()].filter((d) => d.kind === "ablation")
      const [only] = ablations
      if (only && ablations.length === 1) return chain([{ name: only.name.text, chosen: undefined }])
      return report({ kind: "no-model-in-file", span: start, ablations: ablations.map((d) => d.name.text) })
    }
    if (models.length > 1) {
      return report({ kind: "several-models", span: models[1]!.name.span, names: models.map((m) => m.name.text) })
    }
    return { model: models[0]!, module, ablations: [], choices: [] }
  }

  /** `a+b`: the ablation a, then b on top of it; each is followed down to the model. */
  function chain(parts: readonly SelectorPart[]): Line | undefined {
    let line: Line | undefined
    for (const { name, chosen } of parts) {
      const found = module.scope.get(name)
      const next = !found
        ? undefined
        : found.definition.kind === "model"
          ? { model: found.definition, module: found.module, ablations: [], choices: [] }
          : found.definition.kind === "ablation"
            ? follow({ item: found.definition, module: found.module })
            : undefined
      if (!next) {
        if (found?.definition.kind === "ablation") return undefined
        const known = nameable(module)
        return report({ kind: "no-such-model", span: start, name, known, suggestion: didYouMean(name, known) })
      }
      if (line && next.model !== line.model) {
        const names = [line.model.name.text, next.model.name.text] as const
        return report({ kind: "different-bases", span: start, name, names })
      }
      const before: readonly Ablation[] = line?.ablations ?? []
      const added = next.ablations.filter(({ item }) => !before.some((ablation) => ablation.item === item))
      const choices = [...(line?.choices ?? []), ...(chosen ? [{ name, of: next.ablations, chosen }] : [])]
      line = { model: next.model, module: next.module, ablations: [...before, ...added], choices }
    }
    return line
  }

  /** From an ablation down to its model; each base is a name of the module that the ablation is written in. */
  function follow(ablation: Ablation): Line | undefined {
    const path: Ablation[] = [ablation]
    for (;;) {
      const { item, module: home } = path[path.length - 1]!
      const { base } = item
      const found = home.scope.get(base.text)
      if (found?.definition.kind === "model") {
        return { model: found.definition, module: found.module, ablations: path.reverse(), choices: [] }
      }
      if (found?.definition.kind !== "ablation") {
        const suggestion = didYouMean(base.text, nameable(home))
        return report({ kind: "unknown-base", span: base.span, name: base.text, suggestion })
      }
      const next = found.definition
      if (path.some((step) => step.item === next)) {
        const names = [...path.map((step) => step.item), next].map((a) => a.name.text)
        return report({ kind: "ablation-cycle", span: base.span, path: names })
      }
      path.push({ item: next, module: found.module })
    }
  }

  function merge({ model, module: home, ablations, choices }: Line, name: string): Variant {
    const maps = {
      without: new Map<string, Span>(),
      freeze: new Map<string, Span>(),
      unfreeze: new Map<string, Span>(),
    }
    const set = new Map<string, ChangedValue>()
    const train = new Map<string, ChangedValue>()
    const vary = new Map<string, VariedValue>()
    const changes = ablations.flatMap(({ item, module: written }) =>
      item.changes.map((change) => ({ change, written, item })),
    )
    for (const { change, written, item } of changes) {
      if (change.kind === "set") {
        const [first, second] = change.path
        const target = first!.text === "train" && second ? train : set
        if (target === set) checkParameter(model, change.path)
        target.set((second ?? first)!.text, { value: change.value, span: change.span, module: written })
        // The later one counts, also against a `vary` of the base.
        vary.delete(pathText(change.path))
      } else if (change.kind === "vary") {
        const [first, second] = change.path
        if (first!.text !== "train" || !second) checkParameter(model, change.path)
        const { path, values, span } = change
        vary.set(pathText(path), { path, values, span, module: written, item })
      } else {
        for (const section of change.sections) {
          checkSection(model, section, change.kind)
          maps[change.kind].set(section.text, section.span)
          if (change.kind === "freeze") maps.unfreeze.delete(section.text)
          if (change.kind === "unfreeze") maps.freeze.delete(section.text)
        }
      }
    }
    for (const choice of choices) {
      const varied = [...vary.values()].filter(({ item }) => choice.of.some((ablation) => ablation.item === item))
      for (const chosen of choice.chosen) choose(chosen, choice.name, varied, { set, train })
      for (const { path } of varied) vary.delete(pathText(path))
    }
    const applied = ablations.map(({ item }) => item.name.text)
    return { model, module: home, name, ablations: applied, ...maps, set, train, vary: [...vary.values()] }
  }

  /** Gives the chosen value to what an ablation varies, or says what could be chosen. */
  function choose(
    chosen: Chosen,
    ablation: string,
    varied: readonly VariedValue[],
    into: Record<"set" | "train", Map<string, ChangedValue>>,
  ): void {
    for (const { path, values, span, module: written } of varied) {
      if (pathText(path) !== chosen.path || values.kind !== "list") continue
      const found = values.items.find(({ value }) => sameValue(changeText("", value, written).value, chosen.value))
      if (!found) continue
      const [first, second] = path
      const target = first!.text === "train" && second ? into.train : into.set
      target.set((second ?? first)!.text, { value: found.value, span, module: written })
      return
    }
    const known = varied.flatMap(variedValues).map(({ path, value }) => `${path}=${value}`)
    const name = `${chosen.path}=${chosen.value}`
    report({
      kind: "no-such-choice",
      span: varied.find(({ path }) => pathText(path) === chosen.path)?.span ?? start,
      name,
      ablation,
      known,
      suggestion: didYouMean(name, known),
    })
  }

  function checkSection(
    model: ModelItem,
    { text: name, span }: Identifier,
    change: "without" | "freeze" | "unfreeze",
  ): void {
    const inputs = model.members.filter((m) => m.kind === "input")
    const sections = model.members.filter((m) => m.kind === "section").map(sectionName)
    const optional = change === "without" ? inputs.filter((m) => m.optional).map((m) => m.name.text) : []
    const known = [...sections, ...optional]
    if (known.includes(name)) return
    const suggestion = didYouMean(name, known)
    const isInput = inputs.some((input) => input.name.text === name)
    report({ kind: "unknown-section-name", span, name, model: model.name.text, known, suggestion, isInput })
  }

  function checkParameter(model: ModelItem, path: readonly Identifier[]): void {
    const { text: name, span } = path[0]!
    const known = [...model.parameters.map((p) => p.name.text), ...sizedSymbols(model)]
    if (known.includes(name)) {
      const second = path[1]
      if (second)
        report({
          kind: "unknown-model-parameter",
          span: second.span,
          name: pathText(path),
          model: model.name.text,
          known,
          suggestion: name,
        })
      return
    }
    const suggestion = didYouMean(name, known)
    report({ kind: "unknown-model-parameter", span, name, model: model.name.text, known, suggestion })
  }
}

/** An ablation with the module it is written in. */
interface Ablation {
  readonly item: AblationItem
  readonly module: Module
}

/** A model and the ablations on top of it, nearest first. */
interface Line {
  readonly model: ModelItem
  readonly module: Module
  readonly ablations: readonly Ablation[]
  /** what is chosen of what each named ablation, with the ablations it is built on, varies */
  readonly choices: readonly {
    readonly name: string
    readonly of: readonly Ablation[]
    readonly chosen: readonly Chosen[]
  }[]
}

const pathText = (path: readonly Identifier[]): string => path.map((part) => part.text).join(".")

/** Models and ablations that can be named in a module, imported ones included. */
function nameable(module: Module): string[] {
  const imported = [...module.scope].filter(([, { definition: d }]) => d.kind === "model" || d.kind === "ablation")
  return [...new Set([...selectableNames(module), ...imported.map(([name]) => name)])]
}

/** Symbols that get a default size where an input declares them: `H = 224`. */
export function sizedSymbols(model: ModelItem): string[] {
  return model.members.flatMap((member) => {
    if (member.kind !== "input" || member.type.kind !== "tensor-type") return []
    return member.type.dims.flatMap((dim) =>
      dim.kind === "dim" && dim.default && dim.value.kind === "name" ? [dim.value.name.text] : [],
    )
  })
}
