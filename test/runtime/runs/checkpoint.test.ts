/**
 * Checkpoints: whole, or refused by name with what can stand in.
 */
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import {
  type CheckpointName,
  CheckpointError,
  checkpointPath,
  existingCheckpoints,
  readCheckpoint,
  writeCheckpoint,
} from "../../../src/runtime/runs/checkpoint.js"
import { writeSafetensors } from "../../../src/runtime/runs/safetensors.js"
import { temporaryFolder } from "../data/temporary.js"
import { failingFiles } from "./failing-files.js"
import { STATE, VARIABLES } from "./records.js"

async function folderWith(...names: CheckpointName[]): Promise<string> {
  const folder = await temporaryFolder()
  await mkdir(join(folder, "checkpoints"))
  for (const name of names) await writeCheckpoint(folder, name, VARIABLES, STATE)
  return folder
}

async function refusal(folder: string, name: CheckpointName): Promise<string> {
  const failed = readCheckpoint(folder, name)
  await expect(failed).rejects.toBeInstanceOf(CheckpointError)
  return failed.then(
    () => "",
    (error: unknown) => (error as Error).message,
  )
}

test("state, variables and checksum come back", async () => {
  const folder = await folderWith("last")
  const { state, variables, sha256 } = await readCheckpoint(folder, "last")
  expect(state).toEqual(STATE)
  expect([...variables.keys()].sort()).toEqual(["step", "weight"])
  expect(variables.get("weight")).toEqual(VARIABLES.get("weight"))
  expect(sha256).toMatch(/^[0-9a-f]{64}$/)
})

test("a cut-off checkpoint is refused by name, and the whole one offered", async () => {
  const folder = await folderWith("last", "best")
  const path = checkpointPath(folder, "last")
  await truncate(path, (await readFile(path)).length - 5)
  const message = await refusal(folder, "last")
  expect(message).toContain(path)
  expect(message).toMatch(/cut off: its tensors need 28 bytes and 23 are there/)
  expect(message).toMatch(/best\.safetensors is whole \(step 12\): use it with --checkpoint best/)
})

test("when neither is whole, both are told", async () => {
  const folder = await folderWith("last", "best")
  for (const name of ["last", "best"] as const) await writeFile(checkpointPath(folder, name), "x")
  const message = await refusal(folder, "best")
  expect(message).toMatch(/best\.safetensors is cut off[^]*cannot stand in: .*last\.safetensors is cut off/)
})

test("a missing checkpoint is named", async () => {
  expect(await refusal(await folderWith("last"), "best")).toMatch(
    /best\.safetensors does not exist\n.*--checkpoint last/,
  )
})

test("a tensor file that is no checkpoint, and one that does not say where it had got to", async () => {
  const folder = await folderWith()
  const path = checkpointPath(folder, "last")
  await writeSafetensors(path, VARIABLES, new Map())
  expect(await refusal(folder, "last")).toMatch(/is no checkpoint of a run/)
  for (const state of ["{", "null", "{}", '{"step":-1}', JSON.stringify({ ...STATE, position: {} })]) {
    await writeSafetensors(path, VARIABLES, new Map([["format", "mdl-checkpoint/1"], ["state", state]])) // prettier-ignore
    expect(await refusal(folder, "last"), state).toMatch(/does not say where training had got to/)
  }
})

test.each(["write", "rename"] as const)("a failing %s leaves the checkpoint that was there", async (call) => {
  const folder = await folderWith("last")
  const before = await readFile(checkpointPath(folder, "last"))
  const next = { ...STATE, step: 13 }
  const failed = writeCheckpoint(folder, "last", VARIABLES, next, failingFiles(call, "ENOSPC"))
  await expect(failed).rejects.toThrow(/untouched/)
  expect(await readFile(checkpointPath(folder, "last"))).toEqual(before)
  expect((await readCheckpoint(folder, "last")).state.step).toBe(12)
})

test("existing checkpoints are those on disk, whole or not", async () => {
  const folder = await folderWith("last")
  expect(await existingCheckpoints(folder)).toEqual(["last"])
  await writeFile(checkpointPath(folder, "best"), "x")
  expect(await existingCheckpoints(folder)).toEqual(["best", "last"])
})
