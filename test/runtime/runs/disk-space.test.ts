/**
 * Room on the disk: refused before a run starts, and told with numbers when a write fails for it.
 */
import { join } from "node:path"
import { expect, test } from "vitest"
import { writeAtomically } from "../../../src/runtime/runs/atomic-file.js"
import { DiskFull, freeBytes, requireRoom } from "../../../src/runtime/runs/disk-space.js"
import { type FileOperations, NODE_FILES } from "../../../src/runtime/runs/file-operations.js"
import { LogFile } from "../../../src/runtime/runs/log-file.js"
import { UserError } from "../../../src/runtime/user-error.js"
import { temporaryFolder } from "../data/temporary.js"
import { failingFiles } from "./failing-files.js"

const withFree = (bytes: number, files: FileOperations = NODE_FILES): FileOperations => ({
  ...files,
  statfs: () => Promise.resolve({ bavail: bytes / 1000, bsize: 1000 }),
})

test("room is that of the disk a folder will be on", async () => {
  const folder = await temporaryFolder()
  const free = await freeBytes(folder, NODE_FILES)
  expect(free).toBeGreaterThan(0)
  const below = await freeBytes(join(folder, "not", "there", "yet"), NODE_FILES)
  expect(Math.abs(below - free)).toBeLessThan(free / 2)
})

test("a run that does not fit is refused with the numbers, and what to change", async () => {
  const room = { size: 500e6, keep: 2, present: 0 }
  await requireRoom("runs/a", room, withFree(2.1e9))
  const refused = requireRoom("runs/a", room, withFree(1.5e9))
  await expect(refused).rejects.toBeInstanceOf(UserError)
  await expect(refused).rejects.toThrow(
    /runs\/a does not fit on its disk: 1\.5GB are free, and it needs 2\.02GB\n.*a checkpoint is 500MB, and there are up to 4 of them \(2 latest, the best, and one being written\)\n.*--keep 1/,
  )
  // What a run that goes on has already is not needed again.
  await requireRoom("runs/a", { ...room, present: 1.5e9 }, withFree(0.6e9))
  await expect(requireRoom("runs/a", { ...room, keep: 1 }, withFree(1e9))).rejects.toThrow(/make room or name a folder/)
})

test("a full disk names the file, what it needs and what is free", async () => {
  const folder = await temporaryFolder()
  const files = withFree(12e6, failingFiles("write", "ENOSPC"))
  const failed = writeAtomically(join(folder, "state.json"), "x".repeat(3_000), files)
  await expect(failed).rejects.toBeInstanceOf(DiskFull)
  await expect(failed).rejects.toThrow(/state\.json cannot be written: ENOSPC.*\n.*it needs 3KB, and 12MB are free/)
  const quota = new LogFile(join(folder, "log.jsonl"), withFree(0, failingFiles("write", "EDQUOT")))
  await expect(quota.append({ kind: "warning", step: 1, text: "x" })).rejects.toThrow(
    /log\.jsonl cannot be written: EDQUOT/,
  )
})
