/**
 * A trainer package on the disk: the whole of it, or nothing.
 *
 * Takes a folder and functions that fill it; gives the folder. Everything is written beside the target and then renamed,
 * so that a program that stops half way leaves what was there. An earlier package is replaced; a folder that holds
 * something else is refused, because it would be lost.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { PACKAGE_KIND, PROGRAM_FILE, type ProgramFile } from "../../compiler/package/trainer-package.js"
import { codeOf, messageOf } from "../data/data-error.js"
import { UserError } from "../user-error.js"

/** @throws UserError when `folder` is a file, or holds something that is no trainer package */
export async function requirePackagePlace(folder: string): Promise<void> {
  let entries: string[]
  try {
    entries = await readdir(folder)
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return
    if (codeOf(thrown) === "ENOTDIR") throw new UserError(`${folder} is a file: name a folder with -o`)
    throw new UserError(`${folder} cannot be used: ${messageOf(thrown)}`, { cause: thrown })
  }
  if (entries.length === 0 || (await isPackage(folder))) return
  throw new UserError(`${folder} is not empty and is no trainer package: name another folder with -o`)
}

async function isPackage(folder: string): Promise<boolean> {
  let text: string
  try {
    text = await readFile(join(folder, PROGRAM_FILE), "utf8")
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return false
    throw thrown
  }
  try {
    return (JSON.parse(text) as Partial<ProgramFile> | null)?.kind === PACKAGE_KIND
  } catch {
    return false // somebody else's program.json
  }
}

/**
 * Writes the package.
 *
 * @param files by path relative to the folder
 * @param fill writes what is too big to be held, into the folder it is given
 * @throws UserError as `requirePackagePlace`, or when the disk says no; what was there is untouched then
 */
export async function writePackage(
  folder: string,
  files: ReadonlyMap<string, string | Uint8Array>,
  fill?: (folder: string) => Promise<void>,
): Promise<void> {
  const target = resolve(folder)
  await requirePackagePlace(target)
  const fresh = join(dirname(target), `.${basename(target)}.making-${process.pid}`)
  const old = join(dirname(target), `.${basename(target)}.old-${process.pid}`)
  try {
    await rm(fresh, { recursive: true, force: true })
    await mkdir(fresh, { recursive: true })
    for (const [path, content] of files) {
      await mkdir(dirname(join(fresh, path)), { recursive: true })
      await writeFile(join(fresh, path), content)
    }
    await fill?.(fresh)
    const replaced = await movedAway(target, old)
    try {
      await rename(fresh, target)
    } catch (thrown) {
      if (replaced) await rename(old, target)
      throw thrown
    }
    await rm(old, { recursive: true, force: true })
  } catch (thrown) {
    await rm(fresh, { recursive: true, force: true })
    if (thrown instanceof UserError || codeOf(thrown) === undefined) throw thrown
    throw new UserError(`${folder} cannot be written: ${messageOf(thrown)}`, { cause: thrown })
  }
}

/** Whether there was something to move. */
async function movedAway(target: string, old: string): Promise<boolean> {
  try {
    await rename(target, old)
    return true
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return false
    throw thrown
  }
}
