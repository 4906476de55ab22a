/**
 * `mdl check`: all that is wrong with a text, at once. Without a selector every model and ablation of a file is checked,
 * because an ablation that does not compile is as wrong as a model that does not.
 */

import { Command, Option } from "commander"
import pc from "picocolors"
import type { CompileResult } from "../compiler/compile.js"
import { hasErrors, type Diagnostic } from "../compiler/diagnostics/diagnostic.js"
import { FACTS } from "../compiler/diagnostics/facts.js"
import { renderGithub, renderJson, renderTerminal } from "../compiler/diagnostics/render.js"
import { selectableNames } from "../compiler/elaborate/ablations.js"
import { compileReference, parseReference } from "../runtime/model-file.js"
import { print, printJson } from "./output.js"

const NO_MODEL = FACTS["no-model-in-file"].code

export function checkCommand(): Command {
  return new Command("check")
    .description("find everything that is wrong with models and their ablations")
    .argument("<model...>", "file.mdl, file.mdl#Model or file.mdl#ablation")
    .option("--json", "print the diagnostics as JSON")
    .addOption(new Option("--format <format>", "how to print them").choices(["terminal", "github"]).default("terminal"))
    .action((references: string[], options: { json?: boolean; format: string }) => {
      const diagnostics: Diagnostic[] = []
      const sources = new Map<string, string>()
      const seen = new Set<string>()
      let checked = 0
      for (const text of references) {
        for (const result of resultsOf(text)) {
          checked++
          for (const [path, source] of result.sources) sources.set(path, source)
          for (const diagnostic of result.diagnostics) {
            // The base and its ablations share lines; each mistake is told once.
            const key = JSON.stringify(diagnostic)
            if (!seen.has(key)) diagnostics.push(diagnostic)
            seen.add(key)
          }
        }
      }
      if (options.json) printJson(renderJson(diagnostics, sources))
      else if (options.format === "github") print(renderGithub(diagnostics, sources))
      else if (diagnostics.length > 0) {
        process.stderr.write(`${renderTerminal(diagnostics, sources, { colour: pc.isColorSupported })}\n`)
        process.stderr.write(`${pc.dim(`an example and what to do: mdl explain ${diagnostics[0]!.code}`)}\n`)
      }
      if (hasErrors(diagnostics)) process.exitCode = 1
      else if (!options.json)
        process.stderr.write(
          `${pc.green("ok")}: checked ${checked === 1 ? "one model or library file" : `${checked} models and ablations`}\n`,
        )
    })
}

/** The results of everything that `text` names: one model, or all models and ablations of a file. */
function resultsOf(text: string): readonly CompileResult[] {
  const reference = parseReference(text)
  const everyValue = { everyValue: true }
  const first = compileReference(reference, undefined, everyValue)
  if (reference.selector !== undefined || !first.modules) return [first]
  const names = selectableNames(first.modules.root)
  // A file of blocks and functions has no model to build; what can be said of it without one has been said.
  const isLibrary = names.length === 0 && first.modules.root.definitions.size > 0
  if (isLibrary) return [{ ...first, diagnostics: first.diagnostics.filter((d) => d.code !== NO_MODEL) }]
  if (names.length === 0) return [first]
  return names.map((selector) =>
    // The only model of the file has been compiled already, to learn the names.
    selector === first.variant?.name ? first : compileReference({ ...reference, selector }, undefined, everyValue),
  )
}
