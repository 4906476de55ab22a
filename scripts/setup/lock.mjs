// One set-up at a time.
//
// Takes:  a path for the lock file.
// Gives:  exclusive ownership until released; a waiting set-up is told whom it waits for.
// Why so: `npm test` and `npm run lint` may start together, two checkouts share one cache, and a machine may go down
//         half way. The file is made exclusively and says who holds it; the holder touches it while it works. It is
//         stale when its process is gone (same host) or it was not touched for minutes (any host: shared homes).
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { dirname } from "node:path"

const TOUCH_EVERY = 10_000
const STALE_AFTER = 5 * 60_000
const TAKE_OVER_STALE_AFTER = 30_000
const held = new Map()

/** Whether a process with this id runs on this machine. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM" // there, but somebody else's
  }
}

/** Who holds the lock: `undefined` when it is free, and whether what is there counts. */
export function lockHolder(path, { now = Date.now(), host = hostname(), alive = isAlive } = {}) {
  let text
  let touched
  try {
    text = readFileSync(path, "utf8")
    touched = statSync(path).mtimeMs
  } catch (error) {
    if (error.code === "ENOENT") return undefined
    throw error
  }
  const untouched = now - touched
  let owner = {}
  try {
    owner = JSON.parse(text)
  } catch {
    // Made but not yet written, or cut off: its age alone decides.
  }
  const gone = owner.host === host && Number.isInteger(owner.pid) && !alive(owner.pid)
  return { pid: owner.pid, host: owner.host, token: text, stale: gone || untouched > STALE_AFTER }
}

function tryCreate(path, content) {
  try {
    writeFileSync(path, content, { flag: "wx" })
    return true
  } catch (error) {
    if (error.code === "EEXIST") return false
    throw error
  }
}

function touch(path) {
  try {
    utimesSync(path, new Date(), new Date())
  } catch (error) {
    if (error.code !== "ENOENT") throw error // taken away by hand: nothing left to keep fresh
  }
}

/**
 * Removes a stale lock. Two waiters may find it stale at the same moment; a second exclusive file makes sure that
 * only one of them looks again and removes it, so that the loser cannot remove the winner's fresh lock.
 */
function takeAway(path, options) {
  const takeOver = `${path}.take-over`
  if (!tryCreate(takeOver, "")) {
    try {
      if (Date.now() - statSync(takeOver).mtimeMs > TAKE_OVER_STALE_AFTER) rmSync(takeOver, { force: true })
    } catch (error) {
      if (error.code !== "ENOENT") throw error
    }
    return
  }
  try {
    if (lockHolder(path, options)?.stale === true) rmSync(path, { force: true })
  } finally {
    rmSync(takeOver, { force: true })
  }
}

/**
 * Waits for the lock and takes it.
 * @param {string} path
 * @param {{onWait?: (holder: {pid?: number, host?: string}) => void, onStale?: (holder: object) => void,
 *          pause?: () => Promise<void>, host?: string, alive?: (pid: number) => boolean}} [options]
 * @returns {Promise<() => void>} the function that releases it
 */
export async function acquireLock(path, options = {}) {
  const { onWait = () => {}, onStale = () => {}, host = hostname(), alive = isAlive } = options
  const pause = options.pause ?? (() => new Promise((resolve) => setTimeout(resolve, 500)))
  const content = JSON.stringify({ pid: process.pid, host, taken: new Date().toISOString(), nonce: Math.random() })
  mkdirSync(dirname(path), { recursive: true })
  let told = false
  while (!tryCreate(path, content)) {
    const holder = lockHolder(path, { host, alive })
    if (holder === undefined) continue
    if (holder.stale) {
      onStale(holder)
      takeAway(path, { host, alive })
    } else {
      // A lock that is just being made does not name its process yet.
      if (!told && holder.pid !== undefined) {
        onWait(holder)
        told = true
      }
    }
    await pause()
  }
  const timer = setInterval(() => touch(path), TOUCH_EVERY)
  timer.unref()
  const release = () => {
    clearInterval(timer)
    held.delete(path)
    // Ours only: had it been taken for stale, another's lock would lie here now.
    if (lockHolder(path, { host, alive })?.token === content) rmSync(path, { force: true })
  }
  held.set(path, release)
  return release
}

/** Releases whatever this process holds; for signal handlers. */
export function releaseAllLocks() {
  for (const release of [...held.values()]) release()
}
