/**
 * Files that are either the old one or the new one, whatever happens in between.
 *
 * Takes: a path and a function that writes. Gives: the file, whole; or an error and the old file, untouched.
 *
 * Why so: a run is killed, a disk fills up, a machine loses power, and a training of days must still have its checkpoint.
 * The text goes to a file beside the target, is brought to the disk (fsync), and then renamed over the target, which the
 * system does in one piece; the folder is brought to the disk too, so that the new name survives a power cut. The
 * temporary file has one fixed name per target, so a killed run leaves at most one behind and the next write takes it over.
 */
import { basename, dirname, join } from "node:path"
import { codeOf, messageOf } from "../data/data-error.js"
import { UserError } from "../user-error.js"
import { diskFull, isDiskFull } from "./disk-space.js"
import { type FileOperations, NODE_FILES } from "./file-operations.js"

export { type FileOperations, NODE_FILES } from "./file-operations.js"

/** Takes bytes, in order. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>
}

/** One native write takes less than 2 GB. */
const MOST_AT_ONCE = 2 ** 28

/** Errors of a file system that are the user's to mend. */
const USER_CODES = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR"])

export interface AtomicOptions {
  /** what the content will take, for the message when the disk is full; known by itself when it is not a function */
  readonly bytes?: number
  /**
   * Where the file that was there goes, then the one that was there, and so on; the last one is lost. Without, it is
   * replaced. Each is a rename: a process that dies in between leaves all of them whole, one possibly under the next name.
   */
  readonly displaced?: readonly string[]
}

/**
 * Writes a file in one piece.
 *
 * @param content the bytes, or a function that writes them
 * @throws DiskFull, UserError when the folder may not be written; the file is then as it was
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array | ((sink: ByteSink) => Promise<void>),
  files: FileOperations = NODE_FILES,
  { bytes, displaced = [] }: AtomicOptions = {},
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.partial`)
  let begun = false
  try {
    const handle = await files.open(temporary, "w")
    begun = true
    try {
      const write = async (bytes: Uint8Array): Promise<void> => {
        for (let at = 0; at < bytes.length;) {
          at += (await handle.write(bytes, at, Math.min(MOST_AT_ONCE, bytes.length - at))).bytesWritten
        }
      }
      if (typeof content === "function") await content({ write })
      else await write(typeof content === "string" ? Buffer.from(content, "utf8") : content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await displace([path, ...displaced], files)
    await files.rename(temporary, path)
  } catch (thrown) {
    if (begun) await files.rm(temporary, { force: true })
    if (isDiskFull(thrown)) {
      const known = typeof content === "function" ? bytes : Buffer.byteLength(content)
      throw await diskFull(path, known, thrown, files)
    }
    if (!USER_CODES.has(codeOf(thrown) ?? "")) throw thrown
    throw new UserError(
      `${path} cannot be written: ${messageOf(thrown)}\n` +
        "  What was there before is untouched. Make room, or allow writing, and go on.",
      { cause: thrown },
    )
  }
  await syncFolder(dirname(path), files)
}

/** Moves each file to the name after it, the last but one first. */
async function displace(paths: readonly string[], files: FileOperations): Promise<void> {
  for (let index = paths.length - 2; index >= 0; index--) {
    try {
      await files.rename(paths[index]!, paths[index + 1]!)
    } catch (thrown) {
      if (codeOf(thrown) !== "ENOENT") throw thrown
    }
  }
}

/** Brings a folder's entries to the disk. */
async function syncFolder(folder: string, files: FileOperations): Promise<void> {
  // Windows opens no folders, and keeps its directories in a journal.
  if (process.platform === "win32") return
  const handle = await files.open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
