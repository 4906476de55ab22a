/**
 * Variants: which model is meant by `#name`, and what its ablations change.
 *
 * Takes a module and a selector (`RecLMIS`, `no_cvr`, `quick+no_text`, or nothing for the only model); gives the model
 * and the merged changes, nearest the model first. Unknown sections and parameters are found here, before anything is
 * built, because a misspelt ablation that changes nothing is the worst kind.
 */

import type { AblationItem, Change, Expression, ModelItem, SectionMember, Span } from "../../../grammar/ast.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import { describe, type Fact } from "../diagnostics/facts.js"
import { didYouMean } from "../diagnostics/suggest.js"
import type { Module } from "../resolve/modules.js"

export interface Variant {
  readonly model: ModelItem
  readonly module: Module
  /** what the user called it: the model's name, or the ablations joined by `+` */
  readonly name: string
  /** sections left out, with the place that says so */
  readonly without: ReadonlyMap<string, Span>
  readonly freeze: ReadonlyMap<string, Span>
  readonly unfreeze: ReadonlyMap<string, Span>
  /** parameters of the model, or sizes of dims, with the expression and the module it is written in */
  readonly set: ReadonlyMap<string, { readonly value: Expression; readonly span: Span; readonly module: Module }>
  /** settings of `train` */
  readonly train: ReadonlyMap<string, { readonly value: Expression; readonly span: Span; readonly module: Module }>
  readonly vary: readonly Extract<Change, { kind: "vary" }>[]
}

/**
 * The variants that a `vary` stands for: each value of each varied parameter in turn, the others as in the base. Without
 * a `vary` that is the variant itself.
 */
export function variedChoices(variant: Variant): {
  readonly output: readonly Variant[]
  readonly diagnostics: readonly Diagnostic[]
} {
  if (variant.vary.length === 0) return { output: [variant], diagnostics: [] }
  const diagnostics: Diagnostic[] = []
  const output = variant.vary.flatMap(({ path, values, span }) => {
    if (values.kind !== "list" || values.items.length === 0 || values.items.some((item) => item.spread)) {
      const message = "takes a list of values written out, as in `vary layers in [1, 2, 4]`"
      diagnostics.push(describe({ kind: "bad-setting", span: values.span, name: "vary", message }))
      return []
    }
    return values.items.map((item): Variant => {
      const change = { value: item.value, span, module: variant.module }
      const [first, second] = path
      const isTraining = first!.text === "train" && second !== undefined
      return isTraining
        ? { ...variant, train: new Map(variant.train).set(second.text, change) }
        : { ...variant, set: new Map(variant.set).set(first!.text, change) }
    })
  })
  return { output, diagnostics }
}

/** One model was asked for where a `vary` stands for several. */
export function refuseVaried(variant: Variant): readonly Diagnostic[] {
  return variant.vary.map(({ path, values, span }) =>
    describe({
      kind: "vary-not-chosen",
      span,
      name: path.map((p) => p.text).join("."),
      count: values.kind === "list" ? values.items.length : 0,
    }),
  )
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

  const chosen = selector === undefined || selector === "" ? onlyModel() : chain(selector.split("+"))
  if (!chosen) return { output: undefined, diagnostics }
  const output = merge(chosen.model, chosen.ablations, selector || chosen.model.name.text)
  return { output: diagnostics.length > 0 ? undefined : output, diagnostics }

  function onlyModel(): { model: ModelItem; ablations: AblationItem[] } | undefined {
    const models = [...module.definitions.values()].filter((d) => d.kind === "model")
    if (models.length === 0) return report({ kind: "no-model-in-file", span: start })
    if (models.length > 1) {
      return report({ kind: "several-models", span: models[1]!.name.span, names: models.map((m) => m.name.text) })
    }
    return { model: models[0]!, ablations: [] }
  }

  /** `a+b`: the ablation a, then b on top of it; each is followed down to the model. */
  function chain(names: readonly string[]): { model: ModelItem; ablations: AblationItem[] } | undefined {
    let model: ModelItem | undefined
    const ablations: AblationItem[] = []
    for (const name of names) {
      const found = module.scope.get(name)?.definition
      if (!found || (found.kind !== "model" && found.kind !== "ablation")) {
        const known = selectableNames(module)
        return report({ kind: "no-such-model", span: start, name, known, suggestion: didYouMean(name, known) })
      }
      const line = found.kind === "model" ? { model: found, ablations: [] } : follow(found)
      if (!line) return undefined
      model ??= line.model
      for (const ablation of line.ablations) if (!ablations.includes(ablation)) ablations.push(ablation)
    }
    return model && { model, ablations }
  }

  function follow(ablation: AblationItem): { model: ModelItem; ablations: AblationItem[] } | undefined {
    const path: AblationItem[] = [ablation]
    for (;;) {
      const { base } = path[path.length - 1]!
      const found = module.scope.get(base.text)?.definition
      if (found?.kind === "model") return { model: found, ablations: path.reverse() }
      if (found?.kind !== "ablation") {
        const suggestion = didYouMean(base.text, selectableNames(module))
        return report({ kind: "unknown-base", span: base.span, name: base.text, suggestion })
      }
      if (path.includes(found)) {
        return report({ kind: "ablation-cycle", span: base.span, path: [...path, found].map((a) => a.name.text) })
      }
      path.push(found)
    }
  }

  function merge(model: ModelItem, ablations: readonly AblationItem[], name: string): Variant {
    const maps = {
      without: new Map<string, Span>(),
      freeze: new Map<string, Span>(),
      unfreeze: new Map<string, Span>(),
    }
    const set: Map<string, { value: Expression; span: Span; module: Module }> = new Map()
    const train: typeof set = new Map()
    const vary: Extract<Change, { kind: "vary" }>[] = []
    for (const change of ablations.flatMap((a) => a.changes)) {
      if (change.kind === "set") {
        const [first, second] = change.path
        const target = first!.text === "train" && second ? train : set
        if (target === set) checkParameter(model, change.path[0]!.text, change.path[0]!.span)
        target.set((second ?? first)!.text, { value: change.value, span: change.span, module })
      } else if (change.kind === "vary") {
        const [first, second] = change.path
        if (first!.text !== "train" || !second) checkParameter(model, first!.text, first!.span)
        vary.push(change)
      } else {
        for (const section of change.sections) {
          checkSection(model, section.text, section.span)
          maps[change.kind].set(section.text, section.span)
          if (change.kind === "freeze") maps.unfreeze.delete(section.text)
          if (change.kind === "unfreeze") maps.freeze.delete(section.text)
        }
      }
    }
    return { model, module, name, ...maps, set, train, vary }
  }

  function checkSection(model: ModelItem, name: string, span: Span): void {
    const known = model.members.filter((m) => m.kind === "section").map(sectionName)
    if (known.includes(name)) return
    const suggestion = didYouMean(name, known)
    report({ kind: "unknown-section-name", span, name, model: model.name.text, known, suggestion })
  }

  function checkParameter(model: ModelItem, name: string, span: Span): void {
    const known = [...model.parameters.map((p) => p.name.text), ...sizedSymbols(model)]
    if (known.includes(name)) return
    const suggestion = didYouMean(name, known)
    report({ kind: "unknown-model-parameter", span, name, model: model.name.text, known, suggestion })
  }
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
