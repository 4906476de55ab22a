/**
 * What every engine needs to know of the process that runs a task.
 *
 * Takes the log of a task; gives what it said last. The tool's own entry is the same for all engines.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { codeOf } from "../data/data-error.js"
import { PACKAGE_ROOT } from "../model-file.js"

/** The tool's own entry: what Node runs for `mdl`. */
export const TOOL = join(PACKAGE_ROOT, "bin", "mdl.mjs")

const LINES = 12

/** The error at the end of a log, or its last lines; empty for a log that nobody has begun. */
export async function lastError(log: string): Promise<string> {
  const lines = (await textOf(log)).trimEnd().split("\n")
  const at = lines.findLastIndex((line) => /^(?:internal )?error(?:\[|:)/.test(line))
  return lines.slice(at < 0 ? -LINES : at, at < 0 ? undefined : at + LINES).join("\n")
}

/** The last line of a log; undefined when there is none. */
export async function lastLine(log: string): Promise<string | undefined> {
  return (await textOf(log)).trimEnd().split("\n").at(-1) || undefined
}

async function textOf(log: string): Promise<string> {
  try {
    return await readFile(log, "utf8")
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return ""
    throw thrown
  }
}
