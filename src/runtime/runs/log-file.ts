/**
 * The log of a run on disk: log.jsonl, one line for each entry.
 *
 * Takes entries, one after another; gives them back. Lines are only ever appended, so a process that dies leaves at most
 * one line without an end, which is not read. `sync` brings the lines to the disk before a checkpoint that comes after
 * them: then the log of a machine that loses power has everything its checkpoints have.
 */
import { readFile } from "node:fs/promises"
import { codeOf, messageOf } from "../data/data-error.js"
import { UserError } from "../user-error.js"
import { writeAtomically } from "./atomic-file.js"
import { diskFull, isDiskFull } from "./disk-space.js"
import type { FileOperations } from "./file-operations.js"
import type { LogEntry } from "./run-log.js"

/** The log cannot be written, read, or understood. */
export class LogError extends UserError {
  override readonly name = "LogError"
}

export class LogFile {
  constructor(
    private readonly path: string,
    private readonly files: FileOperations,
  ) {}

  /** Appends a line. @throws DiskFull, LogError */
  async append(entry: LogEntry): Promise<void> {
    await appendTo(this.path, lineOf(entry), this.files)
  }

  /** Brings all lines to the disk. */
  async sync(): Promise<void> {
    await syncFile(this.path, this.files)
  }

  /** All whole lines. @throws LogError that names the line that is not JSON */
  async read(): Promise<readonly LogEntry[]> {
    let text: string
    try {
      text = await readFile(this.path, "utf8")
    } catch (thrown) {
      throw new LogError(`${this.path} cannot be read: ${messageOf(thrown)}`, { cause: thrown })
    }
    const lines = text.split("\n")
    return lines.slice(0, -1).map((line, index) => {
      try {
        return JSON.parse(line) as LogEntry
      } catch (thrown) {
        throw new LogError(`${this.path}:${index + 1}: not valid JSON`, { cause: thrown })
      }
    })
  }

  /** Keeps the lines that `keep` says, in one piece. */
  async rewind(keep: (entry: LogEntry) => boolean): Promise<void> {
    const kept = (await this.read()).filter(keep)
    await writeAtomically(this.path, kept.map(lineOf).join(""), this.files)
  }
}

function lineOf(entry: LogEntry): string {
  return `${JSON.stringify(entry)}\n`
}

/** Appends to a file, and makes it when it is not there. @throws DiskFull, LogError */
export async function appendTo(path: string, content: string | Uint8Array, files: FileOperations): Promise<void> {
  const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : content
  try {
    const handle = await files.open(path, "a")
    try {
      for (let at = 0; at < bytes.length;) {
        at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten
      }
    } finally {
      await handle.close()
    }
  } catch (thrown) {
    if (isDiskFull(thrown)) throw await diskFull(path, bytes.length, thrown, files)
    if (codeOf(thrown) === undefined) throw thrown
    throw new LogError(`${path} cannot be written: ${messageOf(thrown)}`, { cause: thrown })
  }
}

/** Brings what a file holds to the disk. */
export async function syncFile(path: string, files: FileOperations): Promise<void> {
  const handle = await files.open(path, "a")
  try {
    await handle.sync()
  } catch (thrown) {
    if (isDiskFull(thrown)) throw await diskFull(path, undefined, thrown, files)
    throw thrown
  } finally {
    await handle.close()
  }
}
