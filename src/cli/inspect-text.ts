/**
 * The report of `mdl data inspect` as a person reads it: a table of the splits, what the images and notes are like,
 * then what needs a look (warnings), what was noticed while matching names (notes), and what has to be mended
 * (errors), last, where the eye is when the command ends.
 */

import pc from "picocolors"
import type { DuplicateReport } from "../runtime/data/inspect-duplicates.js"
import type { DatasetReport, DataWarning } from "../runtime/data/inspect.js"
import { listed, SPLITS } from "../runtime/data/sample.js"
import { table } from "./output.js"

/** How many names or lines are shown of one kind; --json has up to 1000. */
const SHOWN = 20

/** The report as text that ends with a line break. */
export function formatReport(report: DatasetReport): string {
  const prompt = report.prompt === undefined ? "" : `, prompt ${report.prompt}`
  const blocks = [
    `${pc.bold(report.root)}  (layout ${report.layout}${prompt})`,
    splitTable(report),
    facts(report),
    ...report.warnings.map((warning) => finding(pc.yellow("warning"), warning)),
    ...problems(report, "note"),
    ...problems(report, "error"),
    ...badFiles(report),
    ...(report.usable ? [verdict(report)] : []),
  ]
  return `${blocks.join("\n\n")}\n`
}

function splitTable({ splits }: DatasetReport): string {
  const rows = SPLITS.map((split) => {
    const { samples, emptyMasks, foreground, distinctNotes, subjects } = splits[split]
    const share = samples === 0 ? "-" : `${(100 * foreground).toFixed(1)}%`
    return [split, `${samples}`, `${emptyMasks}`, share, `${distinctNotes}`, `${subjects ?? "-"}`]
  })
  return table(["split", "samples", "empty masks", "foreground", "distinct notes", "subjects"], rows, [1, 2, 3, 4, 5])
}

function facts(report: DatasetReport): string {
  const { channels, noteWords, sides, duplicates, samePixels, leakingSubjects, leakingFiles } = report
  const sizes = Object.entries(report.sizes).map(([size, count]) => `${size} (${count})`)
  const rows = [
    ["image sizes", `${listed(sizes, 6)}, height x width`],
    ["channels", `${channels.grey} grey, ${channels.colour} colour`],
    ["words in a note", `${noteWords.least} to ${noteWords.most}, median ${noteWords.median}`],
    ["same bytes", groups(duplicates)],
    ["same pixels", `${groups(samePixels)} (files that differ)`],
  ]
  if (SPLITS.some((split) => report.splits[split].subjects !== undefined)) {
    rows.push(["subjects", `${leakingSubjects.count} in more than one split`])
  }
  if (leakingFiles.count > 0) rows.push(["volumes", `${leakingFiles.count} in more than one split`])
  if (sides.oneSide > 0) {
    const agree = `in ${sides.viewersSide} of them the mask is on that side of the picture, as the viewer sees it`
    rows.push(["left and right", `${sides.oneSide} notes name one side; ${agree}`])
  }
  const width = Math.max(...rows.map(([label]) => (label as string).length))
  return rows.map(([label, value]) => `${(label as string).padEnd(width)}  ${value}`).join("\n")
}

function groups({ within, across }: DuplicateReport): string {
  return `${within} groups within a split, ${across} across splits`
}

function problems(report: DatasetReport, severity: "note" | "error"): string[] {
  const colour = severity === "error" ? pc.red : pc.cyan
  return report.problems
    .filter((problem) => problem.severity === severity)
    .map((problem) => finding(colour(severity), problem))
}

function badFiles({ badFiles: names }: DatasetReport): string[] {
  if (names.length === 0) return []
  const what = `${names.length} bad file${names.length === 1 ? "" : "s"}`
  const fix = "fetch them again, or remove their cases (image, mask and row); a mask has the size of its image"
  return [finding(pc.red("error"), { what, fix, names, count: names.length }, 0)]
}

/** @param told how many names the sentence ends with; where there are more, they are listed below it instead */
function finding(label: string, { what, fix, names, count }: Omit<DataWarning, "kind">, told = 3): string {
  const lines: string[] = []
  if (names.length <= told) lines.push(`${label}: ${what}`)
  else {
    const at = what.indexOf(`: ${names[0]}`)
    lines.push(`${label}: ${at < 0 ? what : `${what.slice(0, at)} (${count})`}`)
    for (const name of names.slice(0, SHOWN)) lines.push(`  ${name}`)
    if (count > SHOWN) lines.push(`  and ${count - SHOWN} more (--json lists up to 1000)`)
  }
  lines.push(`  ${pc.dim("fix")}: ${fix}`)
  return lines.join("\n")
}

/** For a set that can be used; of one that cannot, the command's error is the last word. */
function verdict({ warnings }: DatasetReport): string {
  if (warnings.length === 0) return pc.green("usable")
  return `${pc.green("usable")}, with ${warnings.length} warning${warnings.length === 1 ? "" : "s"} to judge`
}
