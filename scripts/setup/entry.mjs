// A finished, whole entry in the cache, whatever happened before.
//
// Takes:  the cache folder, the entry's key, and the function that builds one into an empty folder.
// Gives:  the entry's folder, checked; whether it was built now and why.
// Why so: the build takes minutes and 1.5 GB and can be cut off anywhere. It happens in a sibling folder that becomes
//         the entry by one rename, so that an entry either is whole or is not there; a lock keeps two set-ups apart.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { acquireLock, lockHolder } from "./lock.mjs"
import { checkEntry, sealEntry } from "./manifest.mjs"
import { whileUnfinished } from "./unfinished.mjs"

/** Where an entry of the cache lies. */
export function entryFolder(cache, key) {
  return join(cache, "native", key)
}

function leftovers(cache, key) {
  const folder = join(cache, "native")
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${key}.partial-`) || name.startsWith(`${key}.old-`))
    .map((name) => join(folder, name))
}

function removeLeftovers(cache, key, say) {
  const paths = leftovers(cache, key)
  if (paths.length > 0) say("removing what a set-up left that was cut off half way")
  for (const path of paths) rmSync(path, { recursive: true, force: true })
}

function reason({ state, problems }, force) {
  if (force) return "it was asked for"
  if (state === "damaged") return `the one in the cache is damaged (${problems.join("; ")})`
  return "there is none in the cache yet"
}

/**
 * Makes sure that the entry is there and whole.
 * @param {object} request
 * @param {string} request.cache
 * @param {string} request.key
 * @param {(stage: string) => Promise<object>} request.build fills the empty folder `stage`, gives facts for the manifest
 * @param {boolean} [request.force] build even when the entry is whole
 * @param {boolean} [request.full] hash every file instead of comparing sizes and times
 * @param {(text: string) => void} [request.say]
 * @param {object} [request.lockOptions]
 * @returns {Promise<{folder: string, built: boolean, manifest: object}>}
 */
export async function ensureEntry(request) {
  const { cache, key, build, force = false, full = false, say = () => {}, lockOptions = {} } = request
  const folder = entryFolder(cache, key)
  const before = await checkEntry(folder, { full })
  const lock = join(cache, "locks", `${key}.lock`)
  const whole = before.state === "ok" && !force
  if (whole && (leftovers(cache, key).length === 0 || lockHolder(lock, lockOptions)?.stale === false)) {
    return { folder, built: false, manifest: before.manifest }
  }

  mkdirSync(join(cache, "native"), { recursive: true })
  const release = await acquireLock(lock, {
    onWait: ({ pid, host }) =>
      say(`another set-up (process ${pid} on ${host}) is building the native backend; waiting`),
    onStale: ({ pid }) => say(`removing the lock of a set-up that is gone (process ${pid ?? "unknown"})`),
    ...lockOptions,
  })
  try {
    removeLeftovers(cache, key, say)
    // Whoever held the lock may have done the work meanwhile.
    const now = await checkEntry(folder, { full })
    if (now.state === "ok" && !(force && now.manifest.built === before.manifest?.built)) {
      return { folder, built: false, manifest: now.manifest }
    }
    say(`building the native backend: ${reason(now, force)}`)
    const stage = `${folder}.partial-${process.pid}`
    mkdirSync(stage, { recursive: true })
    try {
      return await whileUnfinished(stage, async () => {
        const facts = await build(stage)
        const manifest = await sealEntry(stage, { ...facts, key, built: new Date().toISOString() })
        const old = `${folder}.old-${process.pid}`
        if (existsSync(folder)) renameSync(folder, old)
        renameSync(stage, folder)
        rmSync(old, { recursive: true, force: true })
        return { folder, built: true, manifest }
      })
    } catch (error) {
      rmSync(stage, { recursive: true, force: true })
      throw error
    }
  } finally {
    release()
  }
}
