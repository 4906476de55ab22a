/**
 * Models of another revision: `HEAD~1:models/x.mdl#name`.
 *
 * Takes a reference as `git show` does (`REVISION:PATH`, the path from the root of the repository); gives the path in the
 * repository and a host that reads the text, its imports and its data files as they were then. `std/` is that of the tool,
 * as for files. Nothing is checked out: git gives the contents of its objects.
 */

import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { posix, resolve } from "node:path"
import { didYouMean } from "../compiler/diagnostics/suggest.js"
import type { SourceHost } from "../compiler/resolve/modules.js"
import { fileHost, heldTensor } from "./model-file.js"
import { UserError } from "./user-error.js"

export interface RevisionReference {
  readonly revision: string
  /** from the root of the repository, or from the current folder when it begins with `./` or `../` */
  readonly path: string
}

/**
 * Splits `REVISION:PATH`; undefined for what names no revision: a file that is there, a path with a drive's letter.
 * A colon within braces (`HEAD^{/fix: this}`) belongs to the revision.
 */
export function parseRevision(text: string): RevisionReference | undefined {
  const found = /^((?:[^:{]|\{[^}]*\})*):(.+)$/.exec(text)
  if (!found || existsSync(text) || /^[A-Za-z]:[\\/]/.test(text)) return undefined
  return { revision: found[1]!, path: found[2]! }
}

export interface RevisionFile {
  /** from the root of the repository */
  readonly path: string
  readonly host: SourceHost
}

/**
 * Finds a model in a revision.
 *
 * @param folder in the repository
 * @throws UserError without git, outside a repository, for an unknown revision, for a path that is not in it
 */
export function openRevision({ revision, path: asked }: RevisionReference, folder = "."): RevisionFile {
  if (revision === "" || revision.startsWith("-")) {
    throw new UserError(`${JSON.stringify(`${revision}:${asked}`)} names no revision: write it as HEAD~1:models/x.mdl`)
  }
  const where = git(folder, ["rev-parse", "--show-toplevel", "--show-prefix"])
  if (typeof where === "string") {
    throw new UserError(`${revision}:${asked} cannot be read: ${resolve(folder)} is in no git repository (${where})`)
  }
  const [home, here] = where.toString("utf8").split("\n") as [string, string]
  const tree = git(home, ["rev-parse", "--verify", "--quiet", `${revision}^{tree}`])
  if (typeof tree === "string") throw new UserError(unknownRevision(revision, home))
  const blobs = blobsOf(home, tree.toString("utf8").trimEnd())
  const inRepository = (path: string): string => posix.join(here, path)
  const path = /^\.\.?\//.test(asked) ? inRepository(asked) : posix.normalize(asked)
  if (!blobs.has(path)) throw new UserError(missing(revision, path, inRepository(path), blobs))
  return { path, host: revisionHost(home, blobs, posix.dirname(path)) }
}

function unknownRevision(revision: string, home: string): string {
  const names = git(home, ["for-each-ref", "--format=%(refname:short)"])
  const known = typeof names === "string" ? [] : names.toString("utf8").split("\n").filter(Boolean)
  const near = didYouMean(revision, [...known, "HEAD"])
  return `there is no revision ${revision} in this repository${near === undefined ? "" : `; did you mean ${near}?`}`
}

function missing(revision: string, path: string, fromHere: string, blobs: ReadonlyMap<string, string>): string {
  if ([...blobs.keys()].some((name) => name.startsWith(`${path.replace(/\/$/, "")}/`))) {
    return `${path} is a folder in ${revision}; name a .mdl file in it`
  }
  const models = [...blobs.keys()].filter((name) => name.endsWith(".mdl"))
  const sameName = models.filter((name) => posix.basename(name) === posix.basename(path))
  const near = blobs.has(fromHere)
    ? fromHere
    : (didYouMean(path, models) ?? (sameName.length === 1 ? sameName[0] : undefined))
  const hint = near === undefined ? "" : `; did you mean ${revision}:${near}?`
  return `there is no file ${path} in ${revision}${hint} (paths begin at the root of the repository)`
}

/** The files of a tree: object by path. */
function blobsOf(home: string, tree: string): ReadonlyMap<string, string> {
  const listed = git(home, ["ls-tree", "-r", "-z", "--full-tree", tree])
  if (typeof listed === "string") throw new Error(`git cannot list ${tree}: ${listed}`)
  const entries = listed.toString("utf8").split("\0").filter(Boolean)
  return new Map(
    entries.flatMap((entry) => {
      const [, kind, object, path] = /^\S+ (\S+) (\S+)\t(.*)$/s.exec(entry)!
      return kind === "blob" ? [[path!, object!] as const] : []
    }),
  )
}

/** As `fileHost`: all but `std/` lies in the folder of the first file or below. */
function revisionHost(home: string, blobs: ReadonlyMap<string, string>, folder: string): SourceHost {
  const contents = (path: string): Buffer | undefined => {
    const name = posix.normalize(path)
    const object = blobs.get(name)
    if (object === undefined || (folder !== "." && !name.startsWith(`${folder}/`))) return undefined
    const bytes = git(home, ["cat-file", "blob", object])
    if (typeof bytes === "string") throw new UserError(`git cannot read ${path} (object ${object}): ${bytes}`)
    return bytes
  }
  const standard = fileHost(home)
  return {
    read: (path) => (path.startsWith("std/") ? standard.read(path) : contents(path)?.toString("utf8")),
    tensor(path, name) {
      const bytes = contents(path)
      if (bytes === undefined) return undefined
      const read = (offset: number, length: number): Uint8Array =>
        new Uint8Array(bytes.subarray(offset, offset + length))
      return heldTensor({ size: bytes.length, read }, path, name)
    },
  }
}

const MOST_BYTES = 2 ** 31

/** What git writes, or its words where it says no. @throws UserError when there is no git */
function git(folder: string, words: readonly string[]): Buffer | string {
  try {
    return execFileSync("git", ["-C", folder, ...words], {
      maxBuffer: MOST_BYTES,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C" },
    })
  } catch (error) {
    const { code, status, stderr } = error as { code?: string; status?: number | null; stderr?: Buffer }
    if (code === "ENOENT") throw new UserError("git is not installed, so revisions cannot be read", { cause: error })
    if (typeof status !== "number") throw error
    return stderr?.toString("utf8").trim().split("\n")[0] ?? ""
  }
}
