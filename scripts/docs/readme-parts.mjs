/**
 * The outputs shown in README.md, made by the commands' own functions.
 *
 * Takes the program's modules and the text of the README; gives the parts `readme-summary` (of the first example in it),
 * `readme-error` (of the second, which is a wrong text), `readme-diff` (of RecLMIS and its ablation without text).
 */

import { stripVTControlCharacters } from "node:util"
import { examplesOf } from "./examples.mjs"

/** The parts by name. */
export function readmeParts(modules, page) {
  const { compile, renderTerminal, formatSummary, summarise, formatDiff, diffModels, readStandard, readZoo } = modules
  const compiled = (path, text, selector) => {
    const host = { read: (name) => (name === path ? text : name.startsWith("std/") ? readStandard(name) : undefined) }
    return compile(path, host, { selector })
  }
  const [first, wrong] = examplesOf(page)
  const model = compiled("lesion.mdl", first.text).output
  const mistaken = compiled("lesion.mdl", wrong.text)
  const [path, text] = ["models/reclmis.mdl", readZoo("reclmis.mdl")]
  const variant = (selector) => compiled(path, text, selector).output
  const shown = (output) => "```text\n" + stripVTControlCharacters(output).replaceAll(/ +$/gm, "").trimEnd() + "\n```"
  return {
    "readme-summary": shown(formatSummary(summarise(model), false)),
    "readme-error": shown(renderTerminal(mistaken.diagnostics, new Map(mistaken.sources), { colour: false })),
    "readme-diff": shown(formatDiff(diffModels(variant("RecLMIS"), variant("no_text")))),
  }
}
