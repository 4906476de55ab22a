/**
 * A file is the old one or the new one, whatever fails in between.
 */
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { writeAtomically } from "../../../src/runtime/runs/atomic-file.js"
import { UserError } from "../../../src/runtime/user-error.js"
import { temporaryFolder } from "../data/temporary.js"
import { failingFiles } from "./failing-files.js"

const OLD = "the old text"
const NEW = "a new text that is longer than the old"

describe.each(["open", "write", "sync", "rename"] as const)("when %s fails", (call) => {
  test.each(["ENOSPC", "EIO"])("with %s, the old file stays and nothing is left beside it", async (code) => {
    const folder = await temporaryFolder()
    const path = join(folder, "state.json")
    await writeFile(path, OLD)
    const failed = writeAtomically(path, NEW, failingFiles(call, code))
    await expect(failed).rejects.toThrow(code)
    expect(await readFile(path, "utf8")).toBe(OLD)
    expect(await readdir(folder)).toEqual(["state.json"])
  })
})

test("a full disk is told as the user's to mend, another failure as it is", async () => {
  const path = join(await temporaryFolder(), "state.json")
  const full = writeAtomically(path, NEW, failingFiles("write", "ENOSPC"))
  await expect(full).rejects.toBeInstanceOf(UserError)
  await expect(full).rejects.toThrow(/untouched/)
  await expect(writeAtomically(path, NEW, failingFiles("write", "EIO"))).rejects.not.toBeInstanceOf(UserError)
})

test("a folder that is not there is not made", async () => {
  const path = join(await temporaryFolder(), "none", "state.json")
  await expect(writeAtomically(path, NEW)).rejects.toThrow(/ENOENT/)
})

test("what a killed process left beside the file is taken over", async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, ".state.json.partial"), "half of someth")
  await writeAtomically(join(folder, "state.json"), NEW)
  expect(await readdir(folder)).toEqual(["state.json"])
  expect(await readFile(join(folder, "state.json"), "utf8")).toBe(NEW)
})

test("a writer that throws leaves the old file", async () => {
  const folder = await temporaryFolder()
  const path = join(folder, "state.json")
  await writeFile(path, OLD)
  const failed = writeAtomically(path, async (sink) => {
    await sink.write(Buffer.from("half"))
    throw new Error("changed its mind")
  })
  await expect(failed).rejects.toThrow("changed its mind")
  expect(await readFile(path, "utf8")).toBe(OLD)
  expect(await readdir(folder)).toEqual(["state.json"])
})
