/**
 * From text to graph: the front half of the compiler in one call.
 *
 * Takes the path of a file, a selector (`#name`) and a source of texts; gives the elaborated model, and all diagnostics
 * of all stages. Pure: nothing is read or written but through the host.
 */

import { type Diagnostic, hasErrors } from "./diagnostics/diagnostic.js"
import { checkTraining } from "./check/training.js"
import { refuseVaried, selectVariant, variedChoices, type Variant } from "./elaborate/ablations.js"
import { elaborateModel, type ElaboratedModel, type ElaborationOptions } from "./elaborate/model.js"
import type { CompilerMemory } from "./memory.js"
import { checkNames } from "./resolve/check-names.js"
import { checkRecursion } from "./resolve/check-recursion.js"
import { loadModules, type ModuleGraph, type SourceHost } from "./resolve/modules.js"

export interface CompileOptions extends Pick<ElaborationOptions, "sizes"> {
  /** what stands behind `#`: a model, an ablation, or several joined by `+`; the only model when absent */
  readonly selector?: string | undefined
  /** check every value of a `vary` instead of refusing a model that has several; there is then no output */
  readonly everyValue?: boolean
  /** what an editor keeps from the compilations before */
  readonly memory?: CompilerMemory
  /** false: do not ask whether the model can be trained, which takes as long as building it; there is an output without */
  readonly training?: boolean
}

export interface CompileResult {
  /** there when nothing is wrong */
  readonly output: ElaboratedModel | undefined
  readonly diagnostics: readonly Diagnostic[]
  /** the texts that were read, for rendering diagnostics and hashing the source */
  readonly sources: ReadonlyMap<string, string>
  readonly modules: ModuleGraph | undefined
  readonly variant: Variant | undefined
}

/** Parses, resolves, selects and elaborates. */
export function compile(path: string, host: SourceHost, options: CompileOptions = {}): CompileResult {
  const { memory } = options
  return compileLoaded(loadModules(path, host, memory?.parse, memory?.modules), options)
}

/** The same for texts that are parsed already. */
export function compileLoaded(loaded: ReturnType<typeof loadModules>, options: CompileOptions = {}): CompileResult {
  const { memory } = options
  const modules = loaded.output
  const sources = new Map([...(modules?.modules.values() ?? [])].map((m) => [m.path, m.text] as const))
  const diagnostics: Diagnostic[] = [...loaded.diagnostics]
  const result = (output: ElaboratedModel | undefined, variant?: Variant): CompileResult => ({
    output: hasErrors(diagnostics) ? undefined : output,
    diagnostics,
    sources,
    modules,
    variant,
  })
  if (!modules) return result(undefined)
  const unread = loaded.diagnostics.filter(({ severity }) => severity === "error")
  const broken = new Set(unread.flatMap((d) => d.labels.map((label) => label.span.file)))
  for (const module of modules.modules.values()) {
    // Where a line could not be read, the names it defines are not known.
    if (broken.has(module.path)) continue
    diagnostics.push(...(memory ? memory.names(module, modules) : checkNames(module, modules)))
  }
  const circles = memory ? memory.circles(modules) : checkRecursion(modules)
  diagnostics.push(...circles)
  // A text that does not parse has holes, and elaborating around holes tells the user nothing new; a definition that
  // uses itself has no end.
  if (circles.length > 0 || unread.length > 0) return result(undefined)
  const selected = selectVariant(modules.root, options.selector)
  diagnostics.push(...selected.diagnostics)
  const variant = selected.output
  if (!variant) return result(undefined)
  const choices = variedChoices(variant)
  diagnostics.push(...choices.diagnostics)
  const told = new Set<string>()
  const elaboration: ElaborationOptions = { ...options, memory: memory?.calls }
  for (const { variant: choice, chosen } of choices.output) {
    const elaborated = elaborateModel(modules, choice, elaboration)
    const found = [...elaborated.diagnostics]
    if (elaborated.output && options.training !== false) found.push(...checkTraining(elaborated.output, choice))
    if (chosen.length === 0) {
      diagnostics.push(...found)
      return result(elaborated.output, variant)
    }
    // What is wrong with every value is told once; the note says which value brought it up.
    for (const diagnostic of found) {
      const key = JSON.stringify([diagnostic.code, diagnostic.labels.map(({ span }) => span)])
      if (told.has(key)) continue
      told.add(key)
      diagnostics.push({ ...diagnostic, notes: [...diagnostic.notes, `found at ${chosen.join(", ")}`] })
    }
  }
  if (!options.everyValue && !hasErrors(diagnostics)) diagnostics.push(...refuseVaried(variant))
  return result(undefined, variant)
}
