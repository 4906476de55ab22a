/**
 * One trainer per run.
 *
 * Takes a run folder; gives a lock, or an error that says who holds it. Two processes that train in one folder would
 * overwrite each other's checkpoints and mix their logs, and starting a second `--resume` by mistake is easy. The lock is a
 * file that names its process; one left behind by a process that is gone is taken over.
 */
import { open, rm } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { codeOf } from "../data/data-error.js"
import { readOptional } from "./optional-file.js"
import { RunFolderError } from "./run-folder.js"

const LOCK = "run.lock"

interface Holder {
  readonly pid: number
  readonly host: string
  /** of a batch system, the task that it belongs to: `CLUSTER:12_3`; it tells when that is over, on whatever machine it was */
  readonly batchTask?: string
}

export interface RunLock {
  /** the process that held the lock and is gone, if one did: it ended without releasing it */
  readonly takenOverFrom: number | undefined
  release(): Promise<void>
}

/** @throws RunFolderError when a process that is still there trains in the folder */
export async function lockRun(folder: string): Promise<RunLock> {
  const path = join(folder, LOCK)
  const batchTask = process.env["MDL_BATCH_TASK"]
  const mine: Holder = { pid: process.pid, host: hostname(), ...(batchTask === undefined ? {} : { batchTask }) }
  let takenOverFrom: number | undefined
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = await open(path, "wx")
      try {
        await handle.writeFile(JSON.stringify(mine))
      } finally {
        await handle.close()
      }
      return { takenOverFrom, release: () => rm(path, { force: true }) }
    } catch (thrown) {
      if (codeOf(thrown) !== "EEXIST") throw thrown
    }
    const holder = await readHolder(path)
    // The batch system runs a task once at a time: one that it started again finds its own lock, perhaps of another machine.
    const isOwn = batchTask !== undefined && holder?.batchTask === batchTask
    if (holder && !isOwn && !isGone(holder)) {
      throw new RunFolderError(
        `${folder} is being trained by process ${holder.pid} on ${holder.host}: wait for it, or stop it` +
          `\n  if that process is gone, remove ${path}`,
      )
    }
    takenOverFrom = holder?.pid
    await rm(path, { force: true })
  }
  throw new RunFolderError(`${folder} is being opened by another process at the same moment: try again`)
}

/**
 * Takes away the lock of a batch task that is over: its machine may be gone, and nobody else can know.
 *
 * @param over tasks that the batch system says have ended, see `Holder`
 */
export async function releaseBatchLock(folder: string, over: ReadonlySet<string>): Promise<void> {
  const path = join(folder, LOCK)
  const holder = await readHolder(path)
  if (holder?.batchTask !== undefined && over.has(holder.batchTask)) await rm(path, { force: true })
}

/** Who holds the lock; undefined for a file that was not written to its end, by a process that died over it. */
async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readOptional(path)
  if (text === undefined) return undefined
  try {
    const { pid, host, batchTask } = JSON.parse(text) as Partial<Holder>
    if (typeof pid !== "number" || typeof host !== "string") return undefined
    return { pid, host, ...(typeof batchTask === "string" ? { batchTask } : {}) }
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** Whether a process of this machine has ended. Of another machine's nothing is known, so it counts as there. */
function isGone({ pid, host }: Holder): boolean {
  if (host !== hostname()) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (thrown) {
    // EPERM: it is there, and another user's.
    return codeOf(thrown) === "ESRCH"
  }
}
