/**
 * A conclusion on disk: ablation.json, ablation.md, ablation.html and the plots.
 *
 * Takes the folder of a sweep and its result; gives the files, each whole or not at all.
 */
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { writeAtomically } from "../runs/atomic-file.js"
import { ablationPage } from "./page.js"
import { type Plot, plotFile, plotsOf } from "./plots.js"
import type { AblationResult } from "./result.js"
import { budgetText, findings, remarks, TABLE_HEAD, tableRows, NUMERIC } from "./words.js"

/** Names of the files in a sweep's folder. */
export const CONCLUSION = { json: "ablation.json", markdown: "ablation.md", page: "ablation.html" } as const

/** Writes all files of a conclusion over earlier ones. @throws UserError when the folder cannot be written */
export async function writeConclusion(sweep: string, result: AblationResult): Promise<void> {
  const plots = plotsOf(result)
  if (plots.length > 0) await mkdir(join(sweep, "plots"), { recursive: true })
  for (const plot of plots) await writeAtomically(join(sweep, "plots", `${plot.name}.svg`), plotFile(plot))
  await writeAtomically(join(sweep, CONCLUSION.page), ablationPage(result, plots))
  await writeAtomically(join(sweep, CONCLUSION.markdown), ablationMarkdown(result, plots))
  await writeAtomically(join(sweep, CONCLUSION.json), `${JSON.stringify(result, undefined, 2)}\n`)
}

/** The conclusion as Markdown. */
export function ablationMarkdown(result: AblationResult, plots: readonly Plot[]): string {
  const blocks = [
    `# ${result.base}: ablation`,
    `${budgetText(result)}.`,
    markdownTable(result),
    remarks(result).join(". "),
    ...(result.comparisons.length > 0
      ? [
          "## What matters",
          findings(result)
            .map((text, index) => `${index + 1}. ${text}`)
            .join("\n"),
          result.method,
        ]
      : []),
    ...result.missing.flatMap(({ member, message }) =>
      message === null ? [] : [`**${member} failed:**`, `\`\`\`text\n${message}\n\`\`\``],
    ),
    ...plots.map(({ name, title }) => `![${title}](plots/${name}.svg)`),
  ]
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`
}

/** The table of variants as Markdown. */
export function markdownTable(result: AblationResult): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|")
  const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`
  const numeric = new Set<number>(NUMERIC)
  return [
    row(TABLE_HEAD),
    `|${TABLE_HEAD.map((_, column) => (numeric.has(column) ? "---:" : "---")).join("|")}|`,
    ...tableRows(result).map(row),
  ].join("\n")
}
