import { existsSync } from "node:fs"
import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Command } from "commander"
import { describe, expect, it, vi } from "vitest"
import { dataCommand } from "../../../src/cli/data.js"
import { formatReport, inspectDataset } from "../../../src/runtime/data/inspect.js"
import { dataErrorOf, greyPng, REAL_QATA, temporaryFolder, writeTinySet } from "./temporary.js"

const size = { height: 8, width: 8 }

/** Runs `mdl data ...` and gives what it wrote to stdout. */
async function run(...words: string[]): Promise<string> {
  let written = ""
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written += String(text)
    return true
  })
  try {
    await new Command("mdl").addCommand(dataCommand()).parseAsync(["data", ...words], { from: "user" })
  } finally {
    spy.mockRestore()
  }
  return written
}

describe("inspectDataset", () => {
  it("counts, measures, and finds duplicates and leakage", async () => {
    const root = await temporaryFolder()
    const same = await greyPng(size, 77)
    await writeTinySet(root, [
      { split: "train", name: "sub-s1_a.png", note: "one two three", image: same },
      { split: "train", name: "sub-s2_a.png", note: "one", mask: await greyPng(size, 0) },
      { split: "valid", name: "sub-s3_a.png", note: "one two" },
      { split: "test", name: "sub-s1_b.png", note: "one two three four", image: same },
    ])
    const report = await inspectDataset(root)
    expect(report.usable).toBe(true)
    expect(report.splits.train).toEqual({ samples: 2, emptyMasks: 1, foreground: 0.25, distinctNotes: 2, subjects: 2 })
    expect(report.sizes).toEqual({ "8x8": 4 })
    expect(report.noteWords).toEqual({ least: 1, median: 3, most: 4 })
    expect(report.duplicates).toMatchObject({ within: 0, across: 1 })
    expect(report.duplicates.examples).toEqual([
      { samples: ["test/sub-s1_b", "train/sub-s1_a"], splits: ["train", "test"] },
    ])
    expect(report.leakingSubjects).toEqual({ count: 1, names: ["sub-s1"] })
    const text = formatReport(report)
    expect(text).toContain("0 groups within a split, 1 across splits")
    expect(text).toContain("subjects in more than one split: 1: sub-s1")
  })

  it("reports every broken file and every size that does not fit", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [
      {
        split: "train",
        name: "a.png",
        note: "left",
        image: (await greyPng(size, (y, x) => y * 31 + x)).subarray(0, 60),
      },
      { split: "train", name: "b.png", note: "left", mask: await greyPng({ height: 4, width: 8 }, 255) },
      { split: "train", name: "c.png", note: "left", mask: undefined },
    ])
    const report = await inspectDataset(root)
    expect(report.usable).toBe(false)
    expect(report.badFiles).toHaveLength(2)
    expect(report.badFiles[0]).toContain("a.png cannot be read as an image")
    expect(report.badFiles[1]).toContain("mask_b.png is 4x8 but its image is 8x8")
    expect(formatReport(report)).toContain("error: image without a mask")
  })
})

describe("mdl data", () => {
  it("makes a phantom set and describes it; with --json stdout is JSON alone", async () => {
    const root = join(await temporaryFolder(), "set")
    const flags = ["--train", "3", "--valid", "1", "--test", "1", "--size", "32", "--seed", "2"]
    const made = JSON.parse(await run("synth", root, ...flags, "--json")) as object
    expect(made).toEqual({ root, counts: { train: 3, valid: 1, test: 1 }, size: 32, seed: 2, version: 1 })
    expect(await readdir(join(root, "train/images"))).toHaveLength(3)
    const report = JSON.parse(await run("inspect", root, "--json")) as { layout: string; usable: boolean }
    expect(report).toMatchObject({ layout: "qata", usable: true, sizes: { "32x32": 5 } })
    expect(await run("inspect", root)).toContain("layout qata")
  })

  it("prints the report and then fails for a data set that cannot be used", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [
      { split: "train", name: "a.png", note: "left" },
      { split: "train", name: "b.png", note: "left", mask: undefined },
    ])
    const error = await dataErrorOf(run("inspect", root))
    expect(error.exitCode).toBe(1)
    expect(error.what).toContain("cannot be used as it is: image without a mask")
    await writeFile(join(root, "train/masks/mask_b.png"), await greyPng(size, 0))
    await run("inspect", root)
  })
})

describe.skipIf(!existsSync(REAL_QATA))("inspectDataset on QaTa-COV19 (skipped where the data is not present)", () => {
  it("finds no empty mask, no duplicate and no subject in two splits", { timeout: 120_000 }, async () => {
    const report = await inspectDataset(REAL_QATA)
    expect(report.usable).toBe(true)
    expect(report.sizes).toEqual({ "224x224": 1100 })
    expect(report.splits.test).toMatchObject({ samples: 250, emptyMasks: 0, subjects: 162 })
    expect([report.duplicates.within, report.duplicates.across, report.leakingSubjects.count]).toEqual([0, 0, 0])
  })
})
