/**
 * What a data set holds, as hashes: one for each case, and one of all.
 *
 * Takes a data set; gives SHA-256 over the names, notes and files of each case. Why so: members of a sweep are compared case
 * by case, so all must have seen the same pictures. A run's own fingerprint (names and notes) lets a broken picture be
 * replaced; a comparison must not. With a hash for each case, a changed set is refused with the names of what changed.
 */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { pipeline } from "node:stream/promises"
import { codeOf, DataError, messageOf } from "../data/data-error.js"
import { type Dataset, listed, type Sample } from "../data/sample.js"
import { UserError } from "../user-error.js"

export interface CaseHashes {
  /** over all cases, in hexadecimal */
  readonly all: string
  /** by `split/id`, the first 16 digits of each */
  readonly cases: Readonly<Record<string, string>>
  /** of the files before they were hashed, see `fileStamp` */
  readonly stamp: string
}

const caseName = ({ split, id }: Sample): string => `${split}/${id}`

/** Hashes every file of a data set. @throws DataError for one that cannot be read */
export async function hashCases(dataset: Dataset): Promise<CaseHashes> {
  const stamp = await fileStamp(dataset)
  const files = new Map<string, string>()
  const fileHash = async (path: string | undefined): Promise<string | null> => {
    if (path === undefined) return null
    const known = files.get(path)
    if (known !== undefined) return known
    const hash = await hashFile(path)
    files.set(path, hash)
    return hash
  }
  const all = createHash("sha256")
  const cases: Record<string, string> = {}
  for (const sample of dataset.samples) {
    const { split, id, note, alternatives = [], imagePath, maskPath } = sample
    const parts = [split, id, note, alternatives, await fileHash(imagePath), await fileHash(maskPath)]
    const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex")
    all.update(digest)
    cases[caseName(sample)] = digest.slice(0, 16)
  }
  return { all: all.digest("hex"), cases, stamp }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256")
  try {
    await pipeline(createReadStream(path), hash)
  } catch (thrown) {
    if (codeOf(thrown) === undefined) throw thrown
    throw new DataError({
      what: `${path} cannot be read: ${messageOf(thrown)}`,
      fix: "put the file back, or remove its case from the data set",
    })
  }
  return hash.digest("hex")
}

/**
 * Refuses a data set that is not the one a sweep began with.
 *
 * @throws UserError that names the first cases that are new, gone or different
 */
export function requireSameCases(root: string, before: CaseHashes, now: CaseHashes): void {
  if (before.all === now.all) return
  const names = (from: CaseHashes, to: CaseHashes): string[] =>
    Object.keys(from.cases).filter((name) => !(name in to.cases))
  const changed = Object.keys(now.cases).filter(
    (name) => name in before.cases && before.cases[name] !== now.cases[name],
  )
  const said = (
    [
      ["changed", changed],
      ["new", names(now, before)],
      ["gone", names(before, now)],
    ] as const
  ).flatMap(([word, cases]) => (cases.length > 0 ? [`  ${word}: ${listed(cases, 4)}`] : []))
  throw new UserError(
    [
      `${root} is not the data set this sweep began with: SHA-256 ${now.all.slice(0, 12)}, it was ${before.all.slice(0, 12)}`,
      ...(said.length > 0 ? said : ["  the cases are in another order"]),
      "  models are compared case by case, so all must see the same: put the files back, or begin in a new --run folder",
    ].join("\n"),
  )
}

/**
 * Refuses a data set that has changed since it was hashed; quick when nobody has written into it.
 *
 * @throws UserError as `requireSameCases` does
 */
export async function requireUnchanged(dataset: Dataset, root: string, before: CaseHashes): Promise<void> {
  if ((await fileStamp(dataset)) !== before.stamp) requireSameCases(root, before, await hashCases(dataset))
}

/**
 * Names and notes, and sizes and times of all files, as one text: as long as it stays the same, nobody has written into the
 * data set, and it need not be hashed again.
 */
async function fileStamp({ samples }: Dataset): Promise<string> {
  const hash = createHash("sha256")
  for (const { split, id, note, alternatives = [], imagePath, maskPath } of samples) {
    hash.update(JSON.stringify([split, id, note, alternatives]))
    for (const path of [imagePath, maskPath]) {
      if (path === undefined) continue
      const found = await stat(path).catch((thrown: unknown) => {
        if (codeOf(thrown) === "ENOENT") return undefined
        throw thrown
      })
      hash.update(JSON.stringify([path, found?.size ?? null, found?.mtimeMs ?? null]))
    }
  }
  return hash.digest("hex")
}
