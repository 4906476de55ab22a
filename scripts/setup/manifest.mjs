// The record of what a finished cache entry holds.
//
// Takes:  an entry's folder.
// Gives:  manifest.json (facts about the build; size, time and sha256 of every file), and two checks against it.
// Why so: hashing 850 MB on every `npm test` takes too long, so the everyday check compares size and time only and
//         `--verify` hashes. A time that differs alone (a restored backup) is settled by hashing, not by a rebuild.
import { createHash } from "node:crypto"
import { createReadStream, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** Raised when the meaning of manifest.json changes; an entry of another format counts as absent. */
export const MANIFEST_FORMAT = 1
const NAME = "manifest.json"

/** The sha256 of a file, in hex, read in a stream. */
export async function sha256(file) {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest("hex")
}

function filesBelow(folder, prefix = "") {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((item) => {
    const path = prefix === "" ? item.name : `${prefix}/${item.name}`
    if (item.isDirectory()) return filesBelow(folder, path)
    return path === NAME ? [] : [path]
  })
}

function write(folder, manifest) {
  const temporary = join(folder, `${NAME}.new`)
  writeFileSync(temporary, `${JSON.stringify(manifest, null, 2)}\n`)
  renameSync(temporary, join(folder, NAME))
}

/** Hashes everything in `folder` and writes its manifest. `facts` says what was built, from what, with what. */
export async function sealEntry(folder, facts) {
  const files = {}
  for (const path of filesBelow(folder).sort()) {
    const { size, mtimeMs } = statSync(join(folder, path))
    files[path] = { size, mtimeMs, sha256: await sha256(join(folder, path)) }
  }
  const manifest = { format: MANIFEST_FORMAT, ...facts, files }
  write(folder, manifest)
  return manifest
}

/** The manifest of an entry; undefined when there is none that this version understands. */
export function readManifest(folder) {
  let text
  try {
    text = readFileSync(join(folder, NAME), "utf8")
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined
    throw error
  }
  try {
    const manifest = JSON.parse(text)
    return manifest?.format === MANIFEST_FORMAT && typeof manifest.files === "object" ? manifest : undefined
  } catch {
    return undefined // cut off while it was written: the entry was never finished
  }
}

/**
 * Compares an entry with its manifest, quickly or by hashing every file.
 * @returns {Promise<{state: "ok" | "absent" | "damaged", problems: string[], manifest?: object}>}
 */
export async function checkEntry(folder, { full = false } = {}) {
  const manifest = readManifest(folder)
  if (manifest === undefined) return { state: "absent", problems: [] }
  const problems = []
  let timesDiffer = false
  for (const [path, expected] of Object.entries(manifest.files)) {
    const file = join(folder, path)
    const found = statSync(file, { throwIfNoEntry: false })
    if (found === undefined || !found.isFile()) {
      problems.push(`${path} is missing`)
    } else if (found.size !== expected.size) {
      problems.push(`${path} has ${found.size} bytes instead of ${expected.size}`)
    } else if (full || found.mtimeMs !== expected.mtimeMs) {
      if ((await sha256(file)) !== expected.sha256) problems.push(`${path} has other content than when it was built`)
      else if (found.mtimeMs !== expected.mtimeMs) {
        expected.mtimeMs = found.mtimeMs
        timesDiffer = true
      }
    }
  }
  if (problems.length > 0) return { state: "damaged", problems, manifest }
  if (timesDiffer) write(folder, manifest)
  return { state: "ok", problems, manifest }
}
