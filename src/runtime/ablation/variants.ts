/**
 * The variants of a sweep: which models are compared, all of them checked.
 *
 * Takes the base, what was asked for, and the budget; gives each variant with its cost and the identity of its programs.
 *
 * Why so: an ablation that does not compile must be told before hours are spent on the others, so all are compiled and
 * their programs built first, and everything that is wrong is told at once. Two variants with the same programs and
 * settings (the value of a `vary` that the base has too) are one run.
 */
import { createHash } from "node:crypto"
import { basename } from "node:path"
import type { Diagnostic } from "../../compiler/diagnostics/diagnostic.js"
import { variedValues, selectableNames, selectVariant, type Variant } from "../../compiler/elaborate/ablations.js"
import { type Chosen, parseSelector, selectorPart } from "../../compiler/elaborate/selectors.js"
import { neededNodes } from "../../compiler/ir/graph.js"
import { readSignatures } from "../../compiler/targets/tensorflow/signatures.js"
import { summarise } from "../../compiler/summary.js"
import type { Module } from "../../compiler/resolve/modules.js"
import type { TrainerDescription } from "../../compiler/trainer.js"
import { compileReference, ModelError, parseReference } from "../model-file.js"
import { programHash } from "../runs/run-folder.js"
import { planInputs } from "../training/feeds.js"
import { type BuiltProgram, buildProgram, type NewRunOptions } from "../training/prepare.js"
import { memoryNeeded, stateBytes } from "../training/resources.js"
import { UserError } from "../user-error.js"
import type { PlannedVariant } from "./plan.js"

export interface VariantRequest extends Pick<NewRunOptions, "batch" | "size" | "precision"> {
  /** the base: `file.mdl` or `file.mdl#selector` */
  readonly model: string
  /** selectors of ablations, relative to the base; undefined: every ablation of the model in the file */
  readonly only?: readonly string[] | undefined
  /** further models to compare with the base */
  readonly others?: readonly string[] | undefined
  /** every combination of the values of a `vary`, instead of one factor at a time */
  readonly product?: boolean | undefined
}

export interface PlannedVariants {
  readonly variants: readonly PlannedVariant[]
  /** what the base trains with, where nothing else was asked for */
  readonly base: BuiltProgram
}

interface Candidate extends Pick<PlannedVariant, "label" | "kind" | "reference"> {
  readonly variant: Variant | undefined
}

/**
 * Finds and checks all variants.
 *
 * @throws ModelError with everything that is wrong with any of them, UserError for a base that stands for several models
 */
export function planVariants(request: VariantRequest): PlannedVariants {
  const { path, selector } = parseReference(request.model)
  const { size, precision } = request
  const base = buildProgram({ model: request.model, batch: request.batch, size, precision })
  const { modules, variant } = base.result
  if (!modules || !variant) throw new Error("a model without modules was built")
  const own = { label: variant.name, kind: "base" as const, reference: request.model, variant }
  const named = (added: string): string =>
    (selector === undefined && variant.ablations.length === 0 ? "" : `${variant.name}+`) + added
  const ablations = ablationsOf(modules.root, variant, request).map(({ text, kind }): Candidate => ({
    label: text,
    kind,
    reference: `${path}#${named(text)}`,
    variant: selectVariant(modules.root, named(text)).output,
  }))
  const others = (request.others ?? []).map((reference): Candidate => ({
    label: otherLabel(reference),
    kind: "other",
    reference,
    variant: undefined,
  }))
  const candidates: readonly Candidate[] = [own, ...ablations, ...others]
  requireDistinct(candidates)
  const programs = buildAll(candidates, base, request)
  const folders = new Set<string>()
  const seen = new Map<string, string>()
  const variants = candidates.map((candidate, index): PlannedVariant => {
    const program = programs[index]!
    const { label, kind, reference } = candidate
    const { parameters, macs } = summarise(program.model)
    const { batch } = program.building
    const identity = builtIdentity(program)
    const sameAs = seen.get(identity) ?? null
    if (sameAs === null) seen.set(identity, label)
    return {
      label,
      kind,
      reference,
      folder: freeFolder(label, folders),
      changes: candidate.variant ? changesOf(variant, candidate.variant) : [],
      batch,
      readsNotes: readsNotes(program),
      parameters: { trainable: parameters.trainable, frozen: parameters.frozen },
      macs: macs.inference,
      identity,
      memory: memoryOf(program),
      sameAs,
    }
  })
  return { variants, base }
}

/** SHA-256 over what decides a run besides seed, data and limits. `program`: SHA-256 of its SavedModel. */
export function identityOf(program: string, { training, accumulate, batch }: TrainerDescription): string {
  return createHash("sha256")
    .update(JSON.stringify([program, training, accumulate, batch.train]))
    .digest("hex")
}

/** As `identityOf`, of a program that was just built. */
export const builtIdentity = ({ trainer }: BuiltProgram): string =>
  identityOf(programHash(trainer.savedModel), trainer.description)

/** Whether the scored output depends on the note: an ablation can leave a note as an input that nothing reads. */
function readsNotes({ model: { graph }, trainer }: BuiltProgram): boolean {
  const { note, scored } = planInputs(trainer.description)
  const output = graph.outputs.find(({ name }) => name === scored)
  const ids = graph.inputs.find(({ name }) => name === `${note?.name}_ids`)
  if (!output || !ids) return false
  const needed = neededNodes(graph, [output.value])
  return graph.nodes.some((node) => needed.has(node.id) && node.inputs.includes(ids.value))
}

const memoryOf = ({ trainer: { description, savedModel, activations } }: BuiltProgram): number =>
  memoryNeeded(description, stateBytes(readSignatures(savedModel)), activations)

/** What is added to the base: each ablation by its name, each value of a `vary` by its choice. */
function ablationsOf(
  root: Module,
  base: Variant,
  { only, product = false }: VariantRequest,
): readonly { readonly text: string; readonly kind: "ablation" | "value" }[] {
  const names = selectableNames(root).filter((name) => {
    const item = root.definitions.get(name)
    if (item?.kind !== "ablation" || base.ablations.includes(name)) return false
    const { output } = selectVariant(root, name)
    // One that cannot be followed to its model is told when it is compiled.
    return output === undefined || output.model === base.model
  })
  return (only ?? names).flatMap((text) => {
    const found = selectVariant(root, text).output
    const varied = found?.vary ?? []
    if (varied.length === 0 || varied.some((one) => variedValues(one).length === 0)) {
      const isValue = parseSelector(text).some(({ chosen }) => chosen !== undefined)
      return [{ text, kind: isValue ? ("value" as const) : ("ablation" as const) }]
    }
    const lists = varied.map((one) => variedValues(one).map((value) => ({ ...value, by: one.item.name.text })))
    const choices = product
      ? lists.reduce<(typeof lists)[number][]>(
          (all, list) => all.flatMap((chosen) => list.map((one) => [...chosen, one])),
          [[]],
        )
      : lists.flatMap((list) => list.map((one) => [one]))
    return choices.map((chosen) => ({ text: withChoices(root, text, chosen), kind: "value" as const }))
  })
}

/** The selector with each choice behind the name of the ablation that varies it, or that is built on the one that does. */
function withChoices(root: Module, selector: string, chosen: readonly (Chosen & { readonly by: string })[]): string {
  const parts = parseSelector(selector)
  const variedBy = parts.map(({ name }) => selectVariant(root, name).output?.ablations ?? [])
  return parts
    .map(({ name }, index) => {
      const own = chosen.filter(({ by }) => variedBy.findIndex((ablations) => ablations.includes(by)) === index)
      return selectorPart(name, [...(parts[index]!.chosen ?? []), ...own])
    })
    .join("+")
}

/** `lvit-clip#quick`: the file's name tells models of different files apart. */
function otherLabel(reference: string): string {
  const { path, selector } = parseReference(reference)
  const name = basename(path).replace(/\.mdl$/, "")
  return selector === undefined ? name : `${name}#${selector}`
}

function requireDistinct(candidates: readonly Candidate[]): void {
  const labels = candidates.map(({ label }) => label)
  const twice = labels.find((label, index) => labels.indexOf(label) !== index)
  if (twice !== undefined) throw new UserError(`${twice} is named twice: every variant is trained once`)
}

/** Builds every variant, and tells all that is wrong at once. */
function buildAll(
  candidates: readonly Candidate[],
  base: BuiltProgram,
  { batch, size, precision }: VariantRequest,
): readonly BuiltProgram[] {
  const diagnostics: Diagnostic[] = []
  const sources = new Map<string, string>()
  const problems: string[] = []
  const programs = candidates.map(({ kind, label, reference }) => {
    if (kind === "base") return base
    // Another model has a batch of its own, made for another comparison; an ablation that sets one means it.
    const shared = kind === "other" ? (batch ?? base.building.batch) : batch
    try {
      return buildProgram({ model: reference, batch: shared, size, precision })
    } catch (thrown) {
      if (thrown instanceof ModelError) {
        for (const [path, text] of thrown.sources) sources.set(path, text)
        for (const diagnostic of wrongWith(reference, thrown)) {
          diagnostics.push({ ...diagnostic, notes: [...diagnostic.notes, `found in the variant \`${label}\``] })
        }
      } else if (thrown instanceof UserError) problems.push(`${label}: ${thrown.message}`)
      else throw thrown
      return undefined
    }
  })
  if (diagnostics.length > 0) throw new ModelError(diagnostics, sources)
  if (problems.length > 0) throw new UserError(problems.join("\n"))
  return programs.map((program) => program!)
}

/** A `vary` that lists no values is told as such, not as one that nothing was chosen of. */
function wrongWith(reference: string, error: ModelError): readonly Diagnostic[] {
  const { diagnostics } = compileReference(parseReference(reference), undefined, { everyValue: true })
  return diagnostics.some(({ severity }) => severity === "error") ? diagnostics : error.diagnostics
}

/** What a variant says beyond the base, as the text says it. */
function changesOf(base: Variant, variant: Variant): readonly string[] {
  const sections = (["without", "freeze", "unfreeze"] as const).flatMap((change) => {
    const names = [...variant[change].keys()].filter((name) => !base[change].has(name))
    return names.length > 0 ? [`${change} ${names.join(", ")}`] : []
  })
  const values = (["set", "train"] as const).flatMap((kind) =>
    [...variant[kind]].flatMap(([name, { value, module }]) => {
      if (base[kind].get(name)?.value === value) return []
      const text = module.text.slice(value.span.start, value.span.end).replace(/\s+/g, " ")
      return [`set ${kind === "train" ? "train." : ""}${name} = ${text}`]
    }),
  )
  return [...sections, ...values]
}

/** A name for a folder that every file system takes. */
function freeFolder(label: string, taken: Set<string>): string {
  const plain = label.replace(/[^A-Za-z0-9_.=+-]+/g, "_").replace(/^[._]+|_+$/g, "") || "variant"
  let folder = plain
  for (let count = 2; taken.has(folder.toLowerCase()); count++) folder = `${plain}-${count}`
  taken.add(folder.toLowerCase())
  return folder
}
