/**
 * Room on the disk: how much there is, how much a run needs, and the error that says both.
 *
 * Takes a path and sizes; gives free bytes, or an error with numbers. A disk that fills up in the middle of a training of
 * days is the user's to mend, and the first question then is how much is missing. So it is asked before a run starts
 * (`requireRoom`), and told whenever a write fails for it (`DiskFull`).
 */
import { dirname, resolve } from "node:path"
import { sizeText } from "../byte-sizes.js"
import { codeOf, messageOf } from "../data/data-error.js"
import { UserError } from "../user-error.js"
import type { FileOperations } from "./file-operations.js"

/** A write failed because the disk, or the user's share of it, is full. */
export class DiskFull extends UserError {
  override readonly name = "DiskFull"
  constructor(
    readonly path: string,
    /** bytes that were to be written; undefined when that was not known before */
    readonly needed: number | undefined,
    /** bytes left after the failed write was taken back */
    readonly free: number,
    cause: unknown,
  ) {
    const needs = needed === undefined ? "" : `it needs ${sizeText(needed)}, and `
    super(
      `${path} cannot be written: ${messageOf(cause)}\n` +
        `  ${needs}${sizeText(free)} are free on its disk.\n` +
        "  What was there before is untouched. Make room, and go on.",
      { cause },
    )
  }
}

/** Whether the disk or a quota is full. */
export function isDiskFull(thrown: unknown): boolean {
  const code = codeOf(thrown)
  return code === "ENOSPC" || code === "EDQUOT"
}

/** The error for a write to `path` that failed for lack of room. @param needed bytes, where they are known */
export async function diskFull(
  path: string,
  needed: number | undefined,
  cause: unknown,
  files: FileOperations,
): Promise<DiskFull> {
  return new DiskFull(path, needed, await freeBytes(path, files), cause)
}

/** Bytes that this user may still write to the disk that `path` is on, or will be on when it is made. */
export async function freeBytes(path: string, files: FileOperations): Promise<number> {
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await files.statfs(at)
      return bavail * bsize
    } catch (thrown) {
      const code = codeOf(thrown)
      // What is not there yet will be on the disk of the folder above.
      if ((code !== "ENOENT" && code !== "ENOTDIR") || dirname(at) === at) throw thrown
    }
  }
}

/** What checkpoints of a run take on the disk. Bytes and counts. */
export interface CheckpointRoom {
  /** of one checkpoint */
  readonly size: number
  /** of the latest ones, `last` included */
  readonly keep: number
  /** of those that are there already, of all names */
  readonly present: number
}

/** Beside the checkpoints: log, events, scores and report of a usual run. */
const OTHER_FILES = 16e6

/**
 * Refuses a run whose checkpoints do not fit on the disk.
 *
 * At the worst moment there are `keep` latest ones, `best`, and one that is being written beside them.
 *
 * @throws UserError with the numbers, and what to change
 */
export async function requireRoom(
  run: string,
  { size, keep, present }: CheckpointRoom,
  files: FileOperations,
): Promise<void> {
  const most = keep + 2
  const needed = most * size - present + OTHER_FILES
  const free = await freeBytes(run, files)
  if (needed <= free) return
  throw new UserError(
    `the run in ${run} does not fit on its disk: ${sizeText(free)} are free, and it needs ${sizeText(needed)}\n` +
      `  a checkpoint is ${sizeText(size)}, and there are up to ${most} of them (${keep} latest, the best, and one being written)\n` +
      `  make room${keep > 1 ? ", keep fewer with --keep 1," : ""} or name a folder on another disk with --run`,
  )
}
