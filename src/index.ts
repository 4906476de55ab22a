/**
 * MDL as a library: `import { compile, diff } from "mdl"`.
 *
 * Takes models by reference (`file.mdl#name`) or as texts; gives models, diagnostics, differences and summaries as plain
 * values. Nothing here loads TensorFlow or ONNX Runtime: training, scoring and export are `mdl/training`.
 *
 * @packageDocumentation
 */

import { compile as compileModule, type CompileResult } from "./compiler/compile.js"
import { diffModels, type ModelDiff } from "./compiler/diff/diff.js"
import type { ElaboratedModel } from "./compiler/elaborate/model.js"
import { type ModelSummary, summarise } from "./compiler/summary.js"
import { compileReference, fileHost, ModelError, parseReference, requireModel } from "./runtime/model-file.js"

export type { CompileResult } from "./compiler/compile.js"
export type { Diagnostic, Label, Severity } from "./compiler/diagnostics/diagnostic.js"
export { hasErrors } from "./compiler/diagnostics/diagnostic.js"
export { renderGithub, renderJson, renderTerminal, type JsonDiagnostic } from "./compiler/diagnostics/render.js"
export type { ModelDiff } from "./compiler/diff/diff.js"
export type { ElaboratedModel } from "./compiler/elaborate/model.js"
export { format, NotFormattableError } from "./compiler/format/format.js"
export type { ModelSummary } from "./compiler/summary.js"
export { explainCode, type Explanation } from "./runtime/explanations.js"
export { ModelError } from "./runtime/model-file.js"
export { UserError } from "./runtime/user-error.js"

/** Sizes of symbols, such as `{ H: 112, W: 112 }`, in place of those that the inputs declare. */
export interface Sizes {
  readonly sizes?: Readonly<Record<string, number>>
}

/**
 * Compiles a model from a file. What is wrong with the text is in `diagnostics`; `output` is there when nothing is.
 *
 * @param reference `file.mdl`, `file.mdl#Model`, `file.mdl#ablation` or `file.mdl#a+b`
 * @throws UserError when there is no such file
 */
export function compile(reference: string, options: Sizes = {}): CompileResult {
  return compileReference(parseReference(reference), sizeMap(options))
}

export interface TextOptions extends Sizes {
  /** the model or ablation; the only model of the text when absent */
  readonly selector?: string
  /** texts that it may import, by path from the root: `{ "blocks.mdl": "..." }`; `std/` is always there */
  readonly files?: Readonly<Record<string, string>>
}

/** Compiles a model from a text, as an editor or a notebook has it. Files are read from `std/` only. */
export function compileText(text: string, { selector, files = {}, ...options }: TextOptions = {}): CompileResult {
  const path = "input.mdl"
  const texts = new Map(Object.entries({ ...files, [path]: text }))
  const standard = fileHost(".")
  const read = (wanted: string): string | undefined =>
    texts.get(wanted) ?? (wanted.startsWith("std/") ? standard.read(wanted) : undefined)
  const sizes = sizeMap(options)
  return compileModule(path, { read }, { selector, ...(sizes && { sizes }) })
}

/** A model that is compiled, or a reference to one. */
export type Model = ElaboratedModel | string

/**
 * The difference that turns model `a` into model `b`: sections, wiring, parameters, cost, and what of a checkpoint of `a`
 * fits `b`.
 *
 * @throws ModelError with the diagnostics when a text is wrong, UserError when there is no such file
 */
export function diff(a: Model, b: Model): ModelDiff {
  return diffModels(modelOf(a), modelOf(b))
}

/**
 * What a model has by section: shapes, parameters, multiply-accumulates at batch 1, bytes of activations.
 *
 * @throws as {@link diff}
 */
export function summary(model: Model): ModelSummary {
  return summarise(modelOf(model))
}

function modelOf(model: Model): ElaboratedModel {
  return typeof model === "string" ? requireModel(parseReference(model)).model : model
}

/** The model of a compilation. @throws ModelError with the diagnostics when the text is wrong */
export function requireOutput({ output, diagnostics, sources }: CompileResult): ElaboratedModel {
  if (!output) throw new ModelError(diagnostics, sources)
  return output
}

function sizeMap({ sizes }: Sizes): ReadonlyMap<string, number> | undefined {
  return sizes && new Map(Object.entries(sizes))
}
