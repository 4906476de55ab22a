/**
 * One trainer per run folder.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { RunFolderError } from "../../../src/runtime/runs/run-folder.js"
import { lockRun } from "../../../src/runtime/runs/run-lock.js"
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
