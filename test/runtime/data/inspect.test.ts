import { existsSync } from "node:fs"
import { copyFile, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Command } from "commander"
import { describe, expect, it, vi } from "vitest"
import { dataCommand } from "../../../src/cli/data.js"
import { formatReport } from "../../../src/cli/inspect-text.js"
import { inspectDataset } from "../../../src/runtime/data/inspect.js"
import { pngOf } from "../../../src/runtime/data/pictures.js"
import { dataErrorOf, greyPng, REAL_QATA, temporaryFolder, writeTinySet } from "./temporary.js"

const size = { height: 8, width: 8 }
const FIXTURES = fileURLToPath(new URL("../../fixtures/images", import.meta.url))

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
    const same = await greyPng(size, (y) => 77 + y)
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
    expect(text).toMatch(/same bytes +0 groups within a split, 1 across splits/)
    expect(text).toContain("warning: 1 subject in more than one split: sub-s1")
    expect(report.warnings.map(({ kind }) => kind)).toEqual(["same-bytes", "leakage", "constant-image"])
  })

  it("tells the same picture from the same file", async () => {
    const root = await temporaryFolder()
    const picture = (y: number, x: number) => 31 * y + x
    const data = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => picture(Math.floor(i / 24), Math.floor(i / 3) % 8))
    await writeTinySet(root, [
      { split: "train", name: "a.png", note: "left", image: await greyPng(size, picture) },
      { split: "train", name: "b.png", note: "left", image: await pngOf({ ...size, channels: 3, data }) },
      { split: "test", name: "c.png", note: "left", image: await greyPng(size, (y, x) => picture(y, x) + 1) },
    ])
    const report = await inspectDataset(root)
    expect(report.channels).toEqual({ grey: 2, colour: 1 })
    expect(report.duplicates).toMatchObject({ within: 0, across: 0 })
    expect(report.samePixels).toEqual({
      within: 1,
      across: 0,
      examples: [{ samples: ["train/a", "train/b"], splits: ["train"] }],
    })
    expect(report.warnings).toHaveLength(1)
    expect(report.warnings[0]).toMatchObject({ kind: "same-pixels", count: 1, names: ["train/a = train/b"] })
    expect(formatReport(report)).toContain("usable, with 1 warning to judge")
  })

  it("finds constant images, masks that are full or have many values", async () => {
    const root = await temporaryFolder()
    const shaded = await greyPng(size, (y, x) => 20 * y + x)
    await writeTinySet(root, [
      { split: "train", name: "flat.png", note: "one" },
      { split: "train", name: "full.png", note: "one", image: shaded, mask: await greyPng(size, 255) },
      { split: "valid", name: "many.png", note: "one", image: shaded, mask: await greyPng(size, (y) => 9 * y) },
    ])
    const { warnings, usable } = await inspectDataset(root)
    const names = Object.fromEntries(warnings.map((warning) => [warning.kind, warning.names]))
    expect(names).toEqual({
      "same-bytes": ["train/full = valid/many"],
      "constant-image": ["train/flat"],
      "mask-values": ["valid/many"],
      "full-mask": ["train/full"],
    })
    expect(usable).toBe(true)
  })

  it("counts on which side of the picture the named side is", async () => {
    const root = await temporaryFolder()
    const half = (side: "left" | "right") => greyPng(size, (_, x) => (x < 4 === (side === "left") ? 255 : 0))
    await writeTinySet(root, [
      { split: "train", name: "a.png", note: "upper left lung", mask: await half("left") },
      { split: "train", name: "b.png", note: "Right lung", mask: await half("right") },
      { split: "train", name: "c.png", note: "left lung", mask: await half("right") },
      { split: "train", name: "d.png", note: "left and right lung", mask: await half("right") },
      { split: "train", name: "e.png", note: "left lung", mask: await greyPng(size, 0) },
      { split: "train", name: "f.png", note: "the upright patient's lung", mask: await half("left") },
    ])
    expect((await inspectDataset(root)).sides).toEqual({ oneSide: 3, viewersSide: 2 })
  })

  it("knows slices of one volume: no duplicates of each other, but leakage between splits", async () => {
    const root = await temporaryFolder()
    for (const name of ["ct.nii.gz", "labels.nii.gz"]) await copyFile(join(FIXTURES, name), join(root, name))
    const row = (z: number, split: string) =>
      JSON.stringify({ image: `ct.nii.gz#z=${z}`, mask: `labels.nii.gz#z=${z}&label=1`, note: "liver", split })
    await writeFile(join(root, "manifest.jsonl"), [row(0, "train"), row(1, "train"), row(2, "test")].join("\n"))
    const progress: string[] = []
    const report = await inspectDataset(root, { onProgress: (done, total) => progress.push(`${done}/${total}`) })
    expect(progress).toEqual(["1/3", "2/3", "3/3"])
    expect(report).toMatchObject({
      usable: true,
      layout: "manifest",
      sizes: { "5x6": 3 },
      duplicates: { within: 0, across: 0 },
    })
    expect(report.leakingFiles).toEqual({ count: 1, names: [join(root, "ct.nii.gz")] })
    expect(report.warnings.map(({ kind }) => kind)).toEqual(["leakage"])
    await writeFile(join(root, "manifest.jsonl"), row(9, "train"))
    expect((await inspectDataset(root)).badFiles[0]).toContain("it has no z=9: it holds 4 slices")
  })

  it("lists every name that does not match, and not only the first", async () => {
    const root = await temporaryFolder()
    const cases = Array.from({ length: 25 }, (_, i) => ({ split: "train", name: `c${100 + i}.png`, note: "left" }))
    await writeTinySet(
      root,
      cases.map((one, i) => (i < 24 ? { ...one, mask: undefined } : one)),
    )
    const text = formatReport(await inspectDataset(root))
    expect(text).toMatch(/error: image without a mask.*\(24\)\n/)
    expect(text.match(/ {2}train\/images\/c1\d\d\.png/g)).toHaveLength(20)
    expect(text).toContain("and 4 more")
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
    expect(report.sides).toEqual({ oneSide: 222, viewersSide: 218 })
    expect([report.duplicates.within, report.duplicates.across, report.leakingSubjects.count]).toEqual([0, 0, 0])
  })
})
