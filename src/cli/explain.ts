/**
 * `mdl explain MDL3001`: what an error code means, with an example and what to do.
 *
 * Thin: the words are those of docs/errors.md, read by runtime/explanations.ts.
 */

import { Command } from "commander"
import pc from "picocolors"
import { explainCode, type Explanation } from "../runtime/explanations.js"
import { print, printJson } from "./output.js"

/** The `explain` command. */
export function explainCommand(): Command {
  return new Command("explain")
    .description("what an error code means: an example, what is printed for it, and what to do")
    .argument("<code>", "the code in brackets, such as MDL3001")
    .option("--json", "print as JSON")
    .action((code: string, options: { json?: boolean }) => {
      const explanation = explainCode(code)
      if (options.json) printJson(explanation)
      else print(formatExplanation(explanation))
    })
}

/** The explanation as a person reads it. */
export function formatExplanation({ code, title, parts }: Explanation): string {
  const indented = (text: string): string => text.replaceAll(/^(?=.)/gm, "    ")
  const shown = parts.map(({ kind, text }) => {
    if (kind === "text") return text
    return kind === "mdl" ? pc.dim(indented(text)) : indented(text)
  })
  return [pc.bold(`${code}: ${title}`), ...shown].join("\n\n")
}
