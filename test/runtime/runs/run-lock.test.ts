/**
 * One trainer per run folder.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { expect, test, vi } from "vitest"
import { RunFolderError } from "../../../src/runtime/runs/run-folder.js"
import { lockRun, releaseBatchLock } from "../../../src/runtime/runs/run-lock.js"
import { temporaryFolder } from "../data/temporary.js"

test("a second lock is refused until the first is released", async () => {
  const folder = await temporaryFolder()
  const lock = await lockRun(folder)
  const second = lockRun(folder)
  await expect(second).rejects.toBeInstanceOf(RunFolderError)
  await expect(second).rejects.toThrow(`is being trained by process ${process.pid} on ${hostname()}`)
  await lock.release()
  expect(existsSync(join(folder, "run.lock"))).toBe(false)
  await (await lockRun(folder)).release()
})

test("a lock whose process is gone is taken over, and one that was never written whole", async () => {
  const folder = await temporaryFolder()
  const { pid } = spawnSync(process.execPath, ["--eval", ""])
  for (const left of [JSON.stringify({ pid, host: hostname() }), '{"pid": 12', "", "null-and-void"]) {
    await writeFile(join(folder, "run.lock"), left)
    await (await lockRun(folder)).release()
  }
})

test("a lock of another machine stands, and the file to remove is named", async () => {
  const folder = await temporaryFolder()
  const path = join(folder, "run.lock")
  await writeFile(path, JSON.stringify({ pid: 1, host: "another-machine" }))
  await expect(lockRun(folder)).rejects.toThrow(new RegExp(`process 1 on another-machine[^]*remove ${path}`))
  expect(existsSync(path)).toBe(true)
})

test("the lock of a batch task is its own when it is started again, wherever it was", async () => {
  const folder = await temporaryFolder()
  const left = JSON.stringify({ pid: 1, host: "a-node-that-is-gone", batchTask: "cluster:12_3" })
  await writeFile(join(folder, "run.lock"), left)
  await expect(lockRun(folder)).rejects.toThrow("process 1 on a-node-that-is-gone")
  vi.stubEnv("MDL_BATCH_TASK", "cluster:12_4")
  await expect(lockRun(folder)).rejects.toThrow("process 1 on a-node-that-is-gone")
  vi.stubEnv("MDL_BATCH_TASK", "cluster:12_3")
  const lock = await lockRun(folder)
  expect(lock.takenOverFrom).toBe(1)
  vi.unstubAllEnvs()
  // It says whose it is, so that it can be taken away when the batch system says that the task is over.
  await releaseBatchLock(folder, new Set(["cluster:12_4"]))
  await expect(lockRun(folder)).rejects.toBeInstanceOf(RunFolderError)
  await releaseBatchLock(folder, new Set(["cluster:12_4", "cluster:12_3"]))
  await (await lockRun(folder)).release()
})

test("no lock, and one of no batch task, are left as they are", async () => {
  const folder = await temporaryFolder()
  await releaseBatchLock(folder, new Set(["cluster:12_3"]))
  const lock = await lockRun(folder)
  await releaseBatchLock(folder, new Set(["cluster:12_3"]))
  await expect(lockRun(folder)).rejects.toBeInstanceOf(RunFolderError)
  await lock.release()
})
