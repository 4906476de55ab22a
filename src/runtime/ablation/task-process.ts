/**
 * What every engine needs to know of the process that runs a task.
 *
 * Takes the log of a task; gives what it said last. The tool's own entry is the same for all engines.
 */
import { join } from "node:path"
import { PACKAGE_ROOT } from "../model-file.js"
import { readOptional } from "../runs/optional-file.js"

/** The tool's own entry: what Node runs for `mdl`. */
export const TOOL = join(PACKAGE_ROOT, "bin", "mdl.mjs")

const LINES = 12

/** The error at the end of a log, or its last lines; empty for a log that nobody has begun. */
export async function lastError(log: string): Promise<string> {
  const lines = ((await readOptional(log)) ?? "").trimEnd().split("\n")
  const at = lines.findLastIndex((line) => /^(?:internal )?error(?:\[|:)/.test(line))
  return lines.slice(at < 0 ? -LINES : at, at < 0 ? undefined : at + LINES).join("\n")
}

/** The last line of a log; undefined when there is none. */
export async function lastLine(log: string): Promise<string | undefined> {
  return ((await readOptional(log)) ?? "").trimEnd().split("\n").at(-1) || undefined
}
