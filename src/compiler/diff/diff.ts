/**
 * What an edit did: the semantic difference of two models.
 *
 * Takes two elaborated models; gives plain data, by section: what was renamed, added, removed, rewired, resized, refrozen,
 * re-weighted or set differently, parameters and cost before and after, and which tensors of a checkpoint of the one fit
 * the other; and the patch that turns the first into the second, which all of it is told from. Because everything is
 * identified by name (of section, `let`, block), formatting, comments and the order of independent lines make no
 * difference, and an inserted line does not make everything after it look new.
 */

import type { ElaboratedModel } from "../elaborate/model.js"
import { formatSetting } from "../elaborate/values.js"
import type { Initializer } from "../ir/graph.js"
import { summarise, type ModelSummary } from "../summary.js"
import { checkpointFit, type CheckpointFit, renamer } from "./checkpoint-fit.js"
import { lossChanges, type LossChange } from "./loss-weights.js"
import { alignNumbers } from "./numbers.js"
import { operationChanges, type OperationChange, readable } from "./operation-changes.js"
import { type InputEntry, type ModelOutline, outlineWithPlaces } from "./outline.js"
import { type Edit, editsBetween, type Rename, samePlain } from "./patch.js"
import { findRenames } from "./renames.js"
import { estimateStep, type StepTime } from "./step-time.js"

export interface SectionChange {
  readonly section: string
  readonly change: "added" | "removed" | "frozen" | "unfrozen" | "other role"
}

/** What is the same under another name. Everything else in a difference goes by the new one. */
export interface NameChange {
  readonly what: "section" | "statement" | "parameter" | "loss" | "input" | "output"
  readonly before: string
  readonly after: string
}

export interface ParameterChange {
  readonly name: string
  readonly section: string
  readonly change: "added" | "removed" | "resized" | "other role" | "first value"
  readonly before?: string
  readonly after?: string
}

export interface ValueChange {
  readonly name: string
  readonly before: string | undefined
  readonly after: string | undefined
}

export interface ModelDiff {
  readonly before: ModelSummary
  readonly after: ModelSummary
  readonly renames: readonly NameChange[]
  readonly sections: readonly SectionChange[]
  readonly parameters: readonly ParameterChange[]
  readonly operations: readonly OperationChange[]
  readonly inputs: readonly ValueChange[]
  readonly outputs: readonly ValueChange[]
  readonly losses: readonly LossChange[]
  readonly training: readonly ValueChange[]
  readonly sizes: readonly ValueChange[]
  /** of a training step on two threads of the machine in docs/results.md, estimated from MACs and activations */
  readonly stepTime: { readonly before: StepTime | null; readonly after: StepTime | null }
  /** tensors of a checkpoint of `before` in a model `after` */
  readonly checkpoint: CheckpointFit
  /** false when no section, parameter, statement or input is in both */
  readonly haveCommonPart: boolean
  /** applied to what `before` means, gives what `after` means */
  readonly patch: readonly Edit[]
  readonly isEmpty: boolean
}

/** The difference that turns `a` into `b`. */
export function diffModels(a: ElaboratedModel, b: ElaboratedModel): ModelDiff {
  const before = summarise(a)
  const after = summarise(b)
  const [{ outline: old, own: oldOwn }, { outline: fresh, own }] = [outlineWithPlaces(a), outlineWithPlaces(b)]
  const { renames, after: called } = findRenames(old, fresh)
  const { renumbering, after: named } = alignNumbers(called, fresh)
  const newName = renamer(renames)
  const numbers = new Map(renumbering?.names)
  const written = [
    { ...named, own: new Set([...oldOwn].map(newName).map((name) => numbers.get(name) ?? name)) },
    { ...fresh, own },
  ] as const
  const patch = [...renames, ...(renumbering ? [renumbering] : []), ...editsBetween(named, fresh)]
  return {
    before,
    after,
    renames: renames.map((rename) => nameChange(rename, fresh)),
    sections: sectionChanges(named, fresh),
    parameters: parameterChanges(named, fresh, firstValues(a, renames), firstValues(b, [])),
    operations: operationChanges(...written),
    inputs: tableChanges(named.inputs, fresh.inputs, inputText),
    outputs: tableChanges(named.outputs, fresh.outputs, ({ type, from }) => `${type} from ${readable(from)}`),
    losses: lossChanges(...written),
    training: tableChanges(named.training, fresh.training, ({ value }) => formatSetting(value)),
    sizes: tableChanges(named.sizes, fresh.sizes, ({ value }) => `${value}`),
    stepTime: { before: estimateStep(a, before) ?? null, after: estimateStep(b, after) ?? null },
    checkpoint: checkpointFit(a.graph.parameters, b.graph.parameters, renames),
    haveCommonPart: haveCommonPart(named, fresh),
    patch,
    isEmpty: patch.length === 0,
  }
}

function sectionChanges(a: ModelOutline, b: ModelOutline): SectionChange[] {
  const gone = [...a.sections.keys()]
    .filter((section) => !b.sections.has(section))
    .map((section): SectionChange => ({ section, change: "removed" }))
  const others = [...b.sections].flatMap(([section, { role, frozen }]): SectionChange[] => {
    const was = a.sections.get(section)
    if (!was) return [{ section, change: "added" }]
    const changes: SectionChange[] = []
    if (was.frozen !== frozen) changes.push({ section, change: frozen ? "frozen" : "unfrozen" })
    if (was.role !== role) changes.push({ section, change: "other role" })
    return changes
  })
  return [...gone, ...others]
}

/** First values as texts, by the names that parameters have after `renames`. */
function firstValues({ graph }: ElaboratedModel, renames: readonly Rename[]): ReadonlyMap<string, string> {
  const newName = renamer(renames)
  return new Map(graph.parameters.map((p) => [newName(p.name), initializerText(p.initializer)] as const))
}

function parameterChanges(
  a: ModelOutline,
  b: ModelOutline,
  oldValues: ReadonlyMap<string, string>,
  freshValues: ReadonlyMap<string, string>,
): ParameterChange[] {
  const sizes = (type: string): string => type.slice(type.indexOf("[") + 1, -1).replaceAll(", ", "x")
  const gone = [...a.parameters]
    .filter(([name]) => !b.parameters.has(name))
    .map(([name, { section, type }]): ParameterChange => ({ name, section, change: "removed", before: sizes(type) }))
  const others = [...b.parameters].flatMap(([name, { section, type, role, initializer }]): ParameterChange[] => {
    const was = a.parameters.get(name)
    if (!was) return [{ name, section, change: "added", after: sizes(type) }]
    const tell = (change: ParameterChange["change"], before: string, after: string): ParameterChange[] => [
      { name, section, change, before, after },
    ]
    if (was.type !== type) return tell("resized", sizes(was.type), sizes(type))
    if (was.role !== role) return tell("other role", was.role, role)
    if (samePlain(was.initializer, initializer)) return []
    return tell("first value", oldValues.get(name)!, freshValues.get(name)!)
  })
  return [...gone, ...others]
}

/** As it would be written, to four digits. */
function initializerText(initializer: Initializer): string {
  const number = (value: number): string => `${Number(value.toPrecision(4))}`
  switch (initializer.kind) {
    case "constant":
      return `filled(${number(initializer.value)})`
    case "uniform":
      return `uniform(${number(initializer.low)}, ${number(initializer.high)})`
    case "normal":
      return `normal(${number(initializer.deviation)}, mean = ${number(initializer.mean)})`
    case "values":
      return `${initializer.values.length} given values`
    case "loaded": {
      const named = [initializer.file, ...(initializer.tensor === undefined ? [] : [initializer.tensor])]
      // The beginning of the checksum tells two contents of one file apart.
      return `load(${named.map((text) => JSON.stringify(text)).join(", ")}) ${initializer.sha256.slice(0, 8)}`
    }
  }
}

function nameChange({ table, from, to }: Rename, fresh: ModelOutline): NameChange {
  const names = { before: from, after: to }
  if (table !== "paths") return { what: table === "inputs" ? "input" : "output", ...names }
  if (fresh.sections.has(to)) return { what: "section", ...names }
  if (fresh.losses.has(to)) return { what: "loss", ...names }
  return { what: fresh.parameters.has(to) ? "parameter" : "statement", ...names }
}

function haveCommonPart(a: ModelOutline, b: ModelOutline): boolean {
  const tables = ["sections", "parameters", "operations", "inputs"] as const
  return tables.some((table) => [...a[table].keys()].some((name) => b[table].has(name)))
}

function inputText({ role, type, tokenizer }: InputEntry): string {
  const using = tokenizer === null ? "" : ` using ${formatSetting(tokenizer)}`
  return `${role === "target" ? "target " : ""}${type}${using}`
}

/** Entries of one table that differ, each as a text. */
function tableChanges<E>(
  before: ReadonlyMap<string, E>,
  after: ReadonlyMap<string, E>,
  textOf: (entry: E) => string,
): ValueChange[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name): ValueChange[] => {
    const [old, fresh] = [before.get(name), after.get(name)]
    const [was, is] = [old && textOf(old), fresh && textOf(fresh)]
    if (was !== is) return [{ name, before: was, after: is }]
    return []
  })
}
