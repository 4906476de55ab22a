/**
 * Run folders: made whole, never over anything, and refused when they are not what they say.
 */
import { appendFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { requireFreeFolder, RunFolder, RunFolderError } from "../../../src/runtime/runs/run-folder.js"
import type { LogEntry } from "../../../src/runtime/runs/run-log.js"
import { temporaryFolder } from "../data/temporary.js"
import { failingFiles } from "./failing-files.js"
import { PROGRAM, RECORD } from "./records.js"

const warning = (step: number): LogEntry => ({ kind: "warning", step, text: `at ${step}` })

describe("a new run", () => {
  test("can be opened again as it was", async () => {
    const path = join(await temporaryFolder(), "runs", "a")
    await RunFolder.create(path, RECORD, PROGRAM)
    const opened = await RunFolder.open(path)
    expect(opened.record).toEqual(JSON.parse(JSON.stringify(RECORD)))
    expect(await readFile(join(opened.modelPath, "saved_model.pb"))).toEqual(PROGRAM)
    expect(await opened.readLog()).toEqual([])
    expect(await opened.readScores()).toBeUndefined()
  })

  test("may take an empty folder", async () => {
    const path = await temporaryFolder()
    await RunFolder.create(path, RECORD, PROGRAM)
    expect((await readdir(path)).sort()).toEqual(["checkpoints", "events", "log.jsonl", "model", "run.json"])
  })

  test("does not go where a run is; the message names --resume and another folder", async () => {
    const path = join(await temporaryFolder(), "a")
    await RunFolder.create(path, RECORD, PROGRAM)
    const before = await readFile(join(path, "run.json"))
    await expect(RunFolder.create(path, { ...RECORD, created: "later" }, PROGRAM)).rejects.toThrow(
      /already holds a run[^]*--resume .*a\n[^]*new folder/,
    )
    expect(await readFile(join(path, "run.json"))).toEqual(before)
  })

  test("does not go where other files are, and touches none", async () => {
    const path = await temporaryFolder()
    await writeFile(join(path, "thesis.tex"), "years of work")
    await expect(RunFolder.create(path, RECORD, PROGRAM)).rejects.toThrow(/not empty and holds no run: thesis\.tex/)
    expect(await readdir(path)).toEqual(["thesis.tex"])
  })

  test("does not go where a file is", async () => {
    const path = join(await temporaryFolder(), "file")
    await writeFile(path, "")
    await expect(requireFreeFolder(path)).rejects.toThrow(/is a file/)
  })

  test("leaves nothing behind when the disk is full", async () => {
    const parent = await temporaryFolder()
    const made = RunFolder.create(join(parent, "a"), RECORD, PROGRAM, failingFiles("write", "ENOSPC", "run.json"))
    await expect(made).rejects.toThrow(/ENOSPC/)
    expect(await readdir(parent)).toEqual([])
  })
})

describe("a folder is no run", () => {
  const refused = async (path: string, pattern: RegExp): Promise<void> => {
    const opened = RunFolder.open(path)
    await expect(opened).rejects.toBeInstanceOf(RunFolderError)
    await expect(opened).rejects.toThrow(pattern)
  }

  test("when it is empty, missing, or a file", async () => {
    const path = await temporaryFolder()
    await refused(path, /is not the folder of a run: it has no run\.json/)
    await refused(join(path, "none"), /is not the folder of a run/)
    await writeFile(join(path, "file"), "")
    await refused(join(path, "file"), /is not the folder of a run/)
  })

  test("when run.json is damaged, of another version, or lacks something", async () => {
    const path = await temporaryFolder()
    await RunFolder.create(path, RECORD, PROGRAM)
    const write = (value: unknown) => writeFile(join(path, "run.json"), JSON.stringify(value))
    await writeFile(join(path, "run.json"), '{"format": 1,')
    await refused(path, /run\.json is damaged: it is not valid JSON/)
    await write({})
    await refused(path, /does not describe a run/)
    await write({ ...RECORD, format: 9 })
    await refused(path, /another version of this tool \(format 9/)
    await write({ ...RECORD, data: undefined, options: undefined })
    await refused(path, /has no data, options/)
  })

  test("when its program is not the one it was made with", async () => {
    const path = await temporaryFolder()
    await RunFolder.create(path, RECORD, PROGRAM)
    await appendFile(join(path, "model", "saved_model.pb"), "x")
    await refused(path, /saved_model\.pb is damaged/)
  })
})

describe("the log", () => {
  test("keeps lines in order; a line that was being written when the process died is left out", async () => {
    const folder = await RunFolder.create(join(await temporaryFolder(), "a"), RECORD, PROGRAM)
    for (const step of [1, 2, 3]) await folder.log.append(warning(step))
    await appendFile(join(folder.path, "log.jsonl"), '{"kind":"steps","st')
    expect(await folder.readLog()).toEqual([1, 2, 3].map(warning))
    await folder.log.rewind((entry) => entry.step <= 2)
    expect(await readFile(join(folder.path, "log.jsonl"), "utf8")).toBe(
      [1, 2].map((step) => `${JSON.stringify(warning(step))}\n`).join(""),
    )
  })

  test("names a line that is not JSON", async () => {
    const folder = await RunFolder.create(join(await temporaryFolder(), "a"), RECORD, PROGRAM)
    await folder.log.append(warning(1))
    await appendFile(join(folder.path, "log.jsonl"), "oh\n")
    await expect(folder.readLog()).rejects.toThrow(/log\.jsonl:2: not valid JSON/)
  })
})

test("new limits replace the old ones on disk", async () => {
  const folder = await RunFolder.create(join(await temporaryFolder(), "a"), RECORD, PROGRAM)
  await folder.update({ options: { ...RECORD.options, epochs: 7 } })
  expect((await RunFolder.open(folder.path)).record.options.epochs).toBe(7)
})

test("damaged scores are told", async () => {
  const path = await temporaryFolder()
  await mkdir(join(path, "a"))
  const folder = await RunFolder.create(join(path, "a"), RECORD, PROGRAM)
  await writeFile(join(folder.path, "scores.json"), "{")
  await expect(folder.readScores()).rejects.toThrow(/scores\.json is damaged/)
})
