/**
 * Checkpoints: whole, or refused by name with what can stand in.
 */
import { mkdir, readFile, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import {
  checkpointBytes,
  type CheckpointName,
  CheckpointError,
  checkpointPath,
  existingCheckpoints,
  forgetLater,
  newestCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from "../../../src/runtime/runs/checkpoint.js"
import { NODE_FILES } from "../../../src/runtime/runs/file-operations.js"
import { writeSafetensors } from "../../../src/runtime/runs/safetensors.js"
import { temporaryFolder } from "../data/temporary.js"
import { failingFiles } from "./failing-files.js"
import { STATE, VARIABLES } from "./records.js"

async function folderWith(...names: ("best" | "last")[]): Promise<string> {
  const folder = await temporaryFolder()
  await mkdir(join(folder, "checkpoints"))
  for (const name of names) await writeCheckpoint(folder, name, VARIABLES, STATE)
  return folder
}

const fileSize = async (folder: string, name: CheckpointName): Promise<number> =>
  (await stat(checkpointPath(folder, name))).size

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
  expect(message).toMatch(
    /best\.safetensors is cut off[^]*no other checkpoint can stand in: .*last\.safetensors is cut off/,
  )
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

describe("the latest checkpoints", () => {
  const stepsOf = async (folder: string): Promise<Record<string, number>> => {
    const names = await existingCheckpoints(folder)
    const read = async (name: CheckpointName) => [name, (await readCheckpoint(folder, name)).state.step] as const
    return Object.fromEntries(await Promise.all(names.map(read)))
  }
  const written = async (steps: readonly number[], keep?: number): Promise<string> => {
    const folder = await folderWith("best")
    for (const step of steps) await writeCheckpoint(folder, "last", VARIABLES, { ...STATE, step }, NODE_FILES, keep)
    return folder
  }

  test.each<[number | undefined, Record<string, number>]>([
    [undefined, { last: 5, previous: 4 }],
    [1, { last: 5 }],
    [3, { last: 5, previous: 4, "previous-2": 3 }],
    [4, { last: 5, previous: 4, "previous-2": 3, "previous-3": 2 }],
  ])("keep %s of five, and the best", async (keep, expected) => {
    const folder = await written([1, 2, 3, 4, 5], keep)
    expect(await stepsOf(folder)).toEqual({ best: STATE.step, ...expected })
    const sizes = await Promise.all((await existingCheckpoints(folder)).map((name) => fileSize(folder, name)))
    expect(await checkpointBytes(folder)).toBe(sizes.reduce((sum, size) => sum + size, 0))
  })

  test("fewer are kept from the next one on when fewer are asked for", async () => {
    const folder = await written([1, 2, 3, 4], 4)
    await writeCheckpoint(folder, "last", VARIABLES, { ...STATE, step: 5 }, NODE_FILES, 2)
    expect(await stepsOf(folder)).toEqual({ best: STATE.step, last: 5, previous: 4 })
  })

  test("a process that dies between two renames leaves the one before, which is found", async () => {
    const folder = await written([1, 2])
    const files = failingFiles("rename", "EIO", "last.safetensors")
    await expect(writeCheckpoint(folder, "last", VARIABLES, { ...STATE, step: 3 }, files)).rejects.toThrow("EIO")
    expect(await newestCheckpoint(folder)).toBe("previous")
    expect((await readCheckpoint(folder, "previous")).state.step).toBe(2)
  })

  test("a damaged one is refused, and the newest that is whole is offered", async () => {
    const folder = await written([20, 21, 22], 3)
    await truncate(checkpointPath(folder, "last"), 100)
    expect(await refusal(folder, "last")).toMatch(
      /last\.safetensors is cut off[^]*previous\.safetensors is whole \(step 21\): use it with --checkpoint previous/,
    )
    await truncate(checkpointPath(folder, "previous"), 100)
    expect(await refusal(folder, "last")).toMatch(/--checkpoint previous-2/)
  })

  test("going on from an older one makes it the last, and removes those after it", async () => {
    const folder = await written([1, 2, 3, 4], 4)
    await truncate(checkpointPath(folder, "last"), 100)
    await forgetLater(folder, await readCheckpoint(folder, "previous-2"), NODE_FILES)
    expect(await stepsOf(folder)).toEqual({ best: STATE.step, last: 2, "previous-3": 1 })
  })

  test("going on from the best removes what came after it, and keeps what came before", async () => {
    const folder = await written([STATE.step - 1, STATE.step + 1])
    await forgetLater(folder, await readCheckpoint(folder, "best"), NODE_FILES)
    expect(await stepsOf(folder)).toEqual({ best: STATE.step, previous: STATE.step - 1 })
  })

  test("going on from the newest touches nothing", async () => {
    const folder = await written([1, 2])
    await forgetLater(folder, await readCheckpoint(folder, "last"), NODE_FILES)
    expect(await stepsOf(folder)).toEqual({ best: STATE.step, last: 2, previous: 1 })
  })
})

test("existing checkpoints are those on disk, whole or not", async () => {
  const folder = await folderWith("last")
  expect(await existingCheckpoints(folder)).toEqual(["last"])
  await writeFile(checkpointPath(folder, "best"), "x")
  expect(await existingCheckpoints(folder)).toEqual(["best", "last"])
})
