/** Compiling texts in tests: a model written in the test, over the real standard library. */

import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { compile, type CompileOptions, type CompileResult } from "../../src/compiler/compile.js"
import { renderTerminal } from "../../src/compiler/diagnostics/render.js"
import type { ElaboratedModel } from "../../src/compiler/elaborate/model.js"
import { fileHost } from "../../src/runtime/model-file.js"

/** Compiles `text` as the file `model.mdl`; `files` are its neighbours. */
export function compileText(
  text: string,
  options: CompileOptions = {},
  files: Readonly<Record<string, string>> = {},
): CompileResult {
  const disk = fileHost(".")
  const all: Readonly<Record<string, string>> = { "model.mdl": text, ...files }
  return compile(
    "model.mdl",
    { read: (path) => all[path] ?? (path.startsWith("std/") ? disk.read(path) : undefined) },
    options,
  )
}

/** What the user would see in a terminal without colours. */
export function messages(result: CompileResult): string {
  return renderTerminal(result.diagnostics, new Map(result.sources), { colour: false })
}

/** The model, or a failure that shows the diagnostics. */
export function elaborated(result: CompileResult): ElaboratedModel {
  if (!result.output) throw new Error(`does not compile:\n${messages(result)}`)
  return result.output
}

/** A model of the zoo, by file name. */
export function zoo(name: string, options: CompileOptions = {}): ElaboratedModel {
  const path = `models/${name}.mdl`
  readFileSync(resolve(path), "utf8")
  return elaborated(compile(path, fileHost("models"), options))
}

/** Compiles `text` as a file of the folder of data files that NumPy and safetensors wrote. */
export function compileWithData(text: string, options: CompileOptions = {}): CompileResult {
  const disk = fileHost(DATA_FOLDER)
  const path = `${DATA_FOLDER}/model.mdl`
  return compile(path, { ...disk, read: (wanted) => (wanted === path ? text : disk.read(wanted)) }, options)
}

const DATA_FOLDER = "test/fixtures/constants"
