/**
 * Models: inputs, sections and losses of one variant, elaborated into a graph.
 *
 * Takes the loaded modules, a variant (model and what its ablations change) and sizes from outside; gives the graph and
 * what the runtime needs beside it. An ablation is applied here and nowhere else, on names: a removed section is not
 * run, a set parameter has another value, and everything else keeps its name and so its first value, its masks and its
 * place in the data order.
 */

import type {
  Expression,
  InputMember,
  ModelItem,
  ModelMember,
  Parameter,
  SectionMember,
  Span,
  Statement,
} from "../../../grammar/ast.js"
import type { Diagnostic } from "../diagnostics/diagnostic.js"
import * as dims from "../ir/dims.js"
import type { Graph, TensorType } from "../ir/graph.js"
import type { PublishedScheme } from "../published-weights.js"
import type { ModuleGraph } from "../resolve/modules.js"
import { blockValuedInModel } from "../resolve/parametric.js"
import { sectionName, type Variant } from "./ablations.js"
import type { CallMemory } from "./call-memory.js"
import { Abort, Elaboration, type LetRecord, type LoadedConstant } from "./context.js"
import { Environment, type Scope } from "./environment.js"
import { evaluateExpression } from "./expressions.js"
import { publishNames } from "./published-names.js"
import { publishedSchemes } from "./published-schemes.js"
import { runStatement } from "./statements.js"
import { isDataType, matchParameter, PLAIN_TYPES } from "./tensor-types.js"
import { trainingSettings, type WrittenSetting } from "./training.js"
import type { PlainValue, SectionContext, SettingValue, StaticValue } from "./values.js"

/** An input as the user declared it; `tokens` become two graph inputs, `NAME_ids` and `NAME_valid`. */
export interface ModelInput {
  readonly name: string
  readonly role: "input" | "target"
  readonly kind: "tensor" | "tokens"
  readonly type: TensorType
  readonly tokenizer: SettingValue | undefined
  readonly doc: string | undefined
}

export interface ModelSection {
  readonly name: string
  readonly role: string
  readonly frozen: boolean
  readonly doc: string | undefined
  readonly span: Span
}

/** The members of a model that are no statements. */
const MEMBERS: ReadonlySet<ModelMember["kind"]> = new Set(["input", "section", "train"])

/** What `train { }` says, as plain data. Settings not given are absent. */
export type TrainingSettings = Readonly<Record<string, PlainValue>>

export interface ElaboratedModel {
  /** the model's own name */
  readonly name: string
  /** the variant as it was asked for */
  readonly variant: string
  readonly doc: string | undefined
  readonly graph: Graph
  readonly inputs: readonly ModelInput[]
  readonly sections: readonly ModelSection[]
  readonly training: TrainingSettings
  readonly lets: readonly LetRecord[]
  /** tensors that a `let` takes out of a record, by the place of their names */
  readonly taken: readonly LetRecord[]
  /** tensors of data files that constants were made from */
  readonly constants: readonly LoadedConstant[]
  /** what published files call the parameters */
  readonly published: readonly PublishedScheme[]
}

export interface ElaborationOptions {
  /** sizes of symbols that replace the defaults in the text, e.g. from `--size` */
  readonly sizes?: ReadonlyMap<string, number>
  /** what elaborations of nearly the same text made */
  readonly memory?: CallMemory | undefined
}

/** Builds the graph of `variant`. The output is there only when nothing is wrong. */
export function elaborateModel(
  modules: ModuleGraph,
  variant: Variant,
  options: ElaborationOptions = {},
): { readonly output: ElaboratedModel | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const { model, module } = variant
  const sizes = new Map<string, number>()
  const context = new Elaboration(modules, sizes, options.memory)
  const section: SectionContext = { name: "", frozen: false }
  const scope: Scope = {
    environment: new Environment(context.moduleEnvironment(module)),
    module,
    section,
    path: "",
    owner: undefined,
    made: new Map(),
    naming: { path: "", single: true },
    blockNames: blockValuedInModel(model, module),
  }
  const attempt = (body: () => void): void => {
    try {
      body()
    } catch (error) {
      if (error instanceof dims.DimOverflow) {
        context.stopped = true
        context.report({ kind: "bad-number", ...context.locate(model.name.span), message: error.message })
      } else if (!(error instanceof Abort)) throw error
    }
  }

  for (const parameter of model.parameters) {
    // One that fails is known to be wrong: what uses it says nothing, and does not take it for a function of that name.
    let value: StaticValue = { kind: "error" }
    attempt(() => {
      value = modelParameter(parameter, model, variant, scope, context)
    })
    scope.environment.define(parameter.name.text, value, parameter.name.span)
  }
  const inputs: ModelInput[] = []
  const sections: ModelSection[] = []
  const seen = new Map<string, Span>()
  const settings: WrittenSetting[] = []
  let training: TrainingSettings = {}
  for (const member of model.members) {
    switch (member.kind) {
      case "input":
        attempt(() => {
          if (member.optional) seen.set(member.name.text, member.name.span)
          scope.environment.define(member.name.text, { kind: "error" }, member.name.span)
          const input = declareInput(member, variant, options, sizes, scope, context)
          if (input) inputs.push(input)
        })
        break
      case "section":
        runSection(member)
        break
      case "train":
        settings.push(...member.settings.map((s) => ({ name: s.name.text, span: s.name.span, value: s.value })))
        break
      default:
        attempt(() => runStatement(member, scope, context))
    }
  }
  const statements = model.members.filter((member): member is Statement => !MEMBERS.has(member.kind))
  publishNames(statements, scope, `the model \`${model.name.text}\``, context)
  const graph = context.finish()
  attempt(() => {
    training = trainingSettings(settings, variant, scope, context, graph.parameters)
  })
  if (graph.outputs.length === 0 && !context.stopped) {
    context.report({ kind: "no-outputs", span: model.name.span, model: model.name.text })
  }
  if (context.stopped || context.diagnostics.some((d) => d.severity === "error")) {
    return { output: undefined, diagnostics: context.diagnostics }
  }
  const output: ElaboratedModel = {
    name: model.name.text,
    variant: variant.name,
    doc: model.doc,
    graph,
    inputs,
    sections,
    training,
    lets: context.lets,
    taken: context.taken,
    constants: [...context.loaded.values()].map(({ constant }) => constant),
    published: publishedSchemes([...context.published.values()], graph.parameters),
  }
  return { output, diagnostics: context.diagnostics }

  function runSection(member: SectionMember): void {
    const name = sectionName(member)
    const first = seen.get(name)
    if (first) context.report({ kind: "duplicate-section", span: (member.name ?? member.role).span, name, first })
    seen.set(name, (member.name ?? member.role).span)
    const removedAt = variant.without.get(name)
    if (removedAt) {
      for (const made of namesMadeBy(member)) context.removed.set(made, { section: name, span: removedAt })
      return
    }
    const frozen = variant.freeze.has(name) || (member.frozen && !variant.unfreeze.has(name))
    sections.push({ name, role: member.role.text, frozen, doc: member.doc, span: member.span })
    const inner: Scope = { ...scope, section: { name, frozen }, path: name, naming: { path: name, single: true } }
    for (const statement of member.body) attempt(() => runStatement(statement, inner, context))
    publishNames(member.body, inner, `the section \`${name}\``, context)
  }
}

function namesMadeBy(section: SectionMember): string[] {
  return section.body.flatMap((statement) => {
    if (statement.kind === "let") {
      const { pattern } = statement
      return pattern.kind === "name-pattern" ? [pattern.name.text] : pattern.fields.map((f) => f.name.text)
    }
    return statement.kind === "output" || statement.kind === "loss" ? [statement.name.text] : []
  })
}

/** The value of a parameter of the model: from the ablation, else the default in the text. */
function modelParameter(
  parameter: Parameter,
  model: ModelItem,
  variant: Variant,
  scope: Scope,
  context: Elaboration,
): StaticValue {
  const callee = { name: model.name.text, declared: model.name.span }
  const changed = variant.set.get(parameter.name.text)
  const expression = changed?.value ?? parameter.default
  if (!expression) {
    context.fail({
      kind: "missing-argument",
      span: parameter.span,
      callee: model.name.text,
      missing: [parameter.name.text],
      declared: parameter.span,
    })
  }
  const where = changed ? context.writtenIn(changed.module, scope) : scope
  const value = evaluateExpression(expression, where, context)
  return matchParameter(parameter, value, expression.span, callee, scope, context)
}

/**
 * Declares an input and the names of its sizes. One that is left out holds `none`; its sizes stay, so that what else speaks
 * of them means the same.
 */
function declareInput(
  member: InputMember,
  variant: Variant,
  options: ElaborationOptions,
  sizes: Map<string, number>,
  scope: Scope,
  context: Elaboration,
): ModelInput | undefined {
  const { type, role } = member
  const name = member.name.text
  const expected = "a type such as `f32[N, 3, H = 224, W = 224]` or `tokens[N, T = 18]`"
  if (type.kind !== "tensor-type") {
    // A type that there is not has been reported when names were checked.
    if (!(type.name.text in PLAIN_TYPES)) return context.stop()
    const found = `\`${type.name.text}\``
    const fact = { kind: "wrong-kind", what: `the type of \`${name}\``, expected, found, hint: undefined } as const
    return context.fail({ ...fact, ...context.locate(type.span) })
  }
  const shape = type.dims.map((dim) => {
    if (dim.kind === "rest-dims") return context.wrongKind(dim.span, "a size of an input", "one dim", { kind: "none" })
    if (dim.value.kind === "name") return inputSymbol(dim.value.name.text, dim.span, dim.default)
    const value = evaluateExpression(dim.value, scope, context)
    if (value.kind !== "int") return context.wrongKind(dim.span, "a size of an input", "an integer", value)
    positive(dims.evaluate(value.dim, sizes), dim.span)
    return value.dim
  })
  const isTokens = type.element.text === "tokens"
  const element = type.element.text
  if (!isTokens && !isDataType(element)) return context.stop()
  const tensorType: TensorType = { dtype: isTokens ? "i32" : (element as TensorType["dtype"]), shape }
  const doc = member.doc
  if (member.optional && variant.without.has(name)) {
    scope.environment.define(name, { kind: "none" }, member.name.span)
    return undefined
  }
  if (!isTokens) {
    const value = context.builder.input(name, tensorType, role, doc)
    context.inputSpans.set(value, member.name.span)
    scope.environment.define(name, { kind: "tensor", value, type: tensorType }, member.name.span)
    return { name, role, kind: "tensor", type: tensorType, tokenizer: undefined, doc }
  }
  const tokenizer = tokenizerOf(member, scope, context)
  const validType: TensorType = { dtype: "f32", shape }
  const ids = context.builder.input(`${name}_ids`, tensorType, role, doc)
  const valid = context.builder.input(`${name}_valid`, validType, role, doc)
  for (const value of [ids, valid]) context.inputSpans.set(value, member.name.span)
  const vocabulary = tokenizer.arguments["vocabulary"]
  const fields = new Map<string, StaticValue>([
    ["ids", { kind: "tensor", value: ids, type: tensorType }],
    ["valid", { kind: "tensor", value: valid, type: validType }],
    ["vocabulary", { kind: "int", dim: dims.constant(vocabulary as number) }],
  ])
  scope.environment.define(name, { kind: "record", fields }, member.name.span)
  return { name, role, kind: "tokens", type: tensorType, tokenizer, doc }

  function positive(size: number | undefined, span: Span): void {
    if (size === undefined || (Number.isSafeInteger(size) && size > 0)) return
    const message = `a size of an input must be a whole number above 0, this is ${size}`
    context.fail({ kind: "bad-number", ...context.locate(span), message })
  }

  /** A name in the place of a size: a symbol, sized here when a default says so; `N`, the batch, has no size. */
  function inputSymbol(symbol: string, span: Span, fallback: Expression | undefined): dims.Dim {
    const known = scope.environment.lookup(symbol)
    if (known?.value.kind === "int") return known.value.dim
    const changed = variant.set.get(symbol)
    const expression = changed?.value ?? fallback
    const outside = options.sizes?.get(symbol)
    if (expression && outside === undefined) {
      const value = evaluateExpression(expression, changed ? context.writtenIn(changed.module, scope) : scope, context)
      if (value.kind !== "int") context.wrongKind(expression.span, `the size of \`${symbol}\``, "an integer", value)
      sizes.set(symbol, context.sizeOf(value.dim, expression.span, `the size of \`${symbol}\``))
    } else if (outside !== undefined) sizes.set(symbol, outside)
    positive(sizes.get(symbol), span)
    const dim = dims.symbol(symbol)
    scope.environment.define(symbol, { kind: "int", dim }, span)
    return dim
  }
}

function tokenizerOf(member: InputMember, scope: Scope, context: Elaboration): SettingValue {
  const what = `the tokenizer of \`${member.name.text}\``
  const expected = "given after `using`: `clip` or `words(512)`"
  if (!member.using) return context.wrongKind(member.span, what, expected, { kind: "none" })
  const value = evaluateExpression(member.using, scope, context)
  if (value.kind === "setting" && typeof value.setting.arguments["vocabulary"] === "number") return value.setting
  return context.wrongKind(member.using.span, what, expected, value)
}
