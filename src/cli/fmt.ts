/**
 * `mdl fmt`: the one formatting of MDL files.
 *
 * Takes files, or `-` for standard input; rewrites them in place. A file is replaced in one step, so that neither a crash
 * nor a full disk leaves half of one; a file that cannot be read as MDL is left alone and its errors are shown.
 */

import { randomBytes } from "node:crypto"
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { text as readAll } from "node:stream/consumers"
import { Command, InvalidArgumentError } from "commander"
import pc from "picocolors"
import { renderTerminal } from "../compiler/diagnostics/render.js"
import { formattedRange } from "../compiler/editing/formatting.js"
import { applied } from "../compiler/editing/rename.js"
import { SourceLines } from "../compiler/diagnostics/source-lines.js"
import { format, NotFormattableError } from "../compiler/format/format.js"
import { UserError } from "../runtime/user-error.js"

interface FmtOptions {
  readonly check?: true
  readonly stdinFilepath?: string
  readonly range?: LineRange
}

/** Lines, the first and the last that are meant, from 1. */
interface LineRange {
  readonly from: number
  readonly to: number
}

/** What became of one file. */
type Outcome = "unchanged" | "changed" | "refused"

const STDIN = "-"

/** The command `fmt`. */
export function fmtCommand(): Command {
  return new Command("fmt")
    .description("format files in the one style there is")
    .argument("<file...>", "files to format; - reads standard input and writes standard output")
    .option("--check", "change nothing; list files that are not formatted, and fail if there are any")
    .option("--range <from:to>", "only the definitions that these lines touch; of one file", lineRange)
    .option("--stdin-filepath <path>", "what standard input is called in messages")
    .action(async (files: string[], options: FmtOptions) => {
      if (options.range && files.length > 1)
        throw new UserError("--range is about the lines of one file; name only that")
      let failed = false
      for (const file of files) {
        const outcome = file === STDIN ? await formatStdin(options) : await formatFile(file, options)
        if (outcome === "changed" && file !== STDIN) process.stdout.write(`${file}\n`)
        if (outcome === "refused" || (outcome === "changed" && options.check)) failed = true
      }
      if (failed) process.exitCode = 1
    })
}

async function formatStdin(options: FmtOptions): Promise<Outcome> {
  const source = await readAll(process.stdin)
  const formatted = await formatOrExplain(source, options.stdinFilepath ?? "<stdin>", options.range)
  if (formatted === undefined) return "refused"
  if (!options.check) process.stdout.write(formatted)
  return formatted === source ? "unchanged" : "changed"
}

async function formatFile(file: string, options: FmtOptions): Promise<Outcome> {
  const source = await readSource(file)
  const formatted = await formatOrExplain(source, file, options.range)
  if (formatted === undefined) return "refused"
  if (formatted === source) return "unchanged"
  if (!options.check) await replace(file, formatted)
  return "changed"
}

/** The formatted text; nothing when it has errors, which are then on standard error. */
async function formatOrExplain(source: string, path: string, range?: LineRange): Promise<string | undefined> {
  try {
    return range === undefined ? await format(source, path) : await formatLines(source, path, range)
  } catch (error) {
    if (!(error instanceof NotFormattableError)) throw error
    // Not a terminal is `undefined` here, whatever the type says.
    const colour = pc.isColorSupported && Boolean(process.stderr.isTTY)
    process.stderr.write(`${renderTerminal(error.diagnostics, new Map([[path, source]]), { colour })}\n`)
    return undefined
  }
}

/** The text with the definitions formatted that some of the lines belong to. */
async function formatLines(text: string, path: string, { from, to }: LineRange): Promise<string> {
  const lines = new SourceLines(text)
  if (from > lines.count) throw new UserError(`--range: ${path} has ${lines.count} lines, there is no line ${from}`)
  const edits = await formattedRange({ path, text }, lines.start(from), lines.start(to) + lines.content(to).length)
  return applied(text, edits)
}

function lineRange(written: string): LineRange {
  const [, from, to = from] = /^(\d+)(?::(\d+))?$/.exec(written) ?? []
  const range = { from: Number(from), to: Number(to) }
  if (range.from >= 1 && range.to >= range.from) return range
  throw new InvalidArgumentError("Write two line numbers, as in 10:20.")
}

async function readSource(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8")
  } catch (error) {
    throw new UserError(`${file} cannot be read: ${reason(error)}`)
  }
}

/** Put a text in the place of a file in one step, keeping its permissions. */
async function replace(file: string, content: string): Promise<void> {
  // A link stays a link: what it points to is replaced.
  const target = await realpath(file)
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`)
  try {
    await writeFile(temporary, content, { flag: "wx" })
    await chmod(temporary, (await stat(target)).mode)
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw new UserError(`${file} cannot be written: ${reason(error)}`)
  }
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  const known: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file",
    EISDIR: "it is a directory",
    EACCES: "permission denied",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
  }
  return known[code ?? ""] ?? (error instanceof Error ? error.message : String(error))
}
