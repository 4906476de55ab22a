import { copyFile, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openDataset, samplesOf, surveyDataset } from "../../../../src/runtime/data/dataset.js"
import { dataErrorOf, temporaryFolder } from "../temporary.js"
import { fixture, workbook, writeInto, writePictures } from "./files.js"

const HEADER = ["Image", "Description"] as const

/** A set with the given descriptions; images and masks have the names of the rows unless `files` says else. */
async function writeSplit(
  root: string,
  folder: string,
  rows: readonly (readonly [string, string])[],
  files: { readonly images?: readonly string[]; readonly masks?: readonly string[]; readonly text?: string } = {},
): Promise<void> {
  const names = rows.map(([name]) => name)
  await writePictures(root, ...(files.images ?? names).map((name) => `${folder}/img/${name}`))
  await writePictures(root, ...(files.masks ?? names).map((name) => `${folder}/labelcol/${name}`))
  const prefix = folder.slice(0, folder.indexOf("_"))
  await writeInto(root, files.text ?? `${folder}/${prefix}_text.xlsx`, workbook(HEADER, ...rows))
}

const kinds = ({ problems }: Awaited<ReturnType<typeof surveyDataset>>) =>
  problems.map(({ severity, kind, count }) => [severity, kind, count])

describe("the lvit layout", () => {
  it("reads the three folders", async () => {
    const root = await temporaryFolder()
    await writeSplit(root, "Train_Folder", [
      ["TCGA-21-5784-01Z.png", "evenly distributed"],
      ["b.png", "left"],
    ])
    await writeSplit(root, "Val_Folder", [["c.png", "right"]])
    await writeSplit(root, "Test_Folder", [["d.png", "upper"]])
    const dataset = await openDataset(root)
    expect(dataset.layout).toBe("lvit")
    expect(dataset.problems).toEqual([])
    expect(dataset.samples).toEqual([
      {
        id: "TCGA-21-5784-01Z",
        split: "train",
        imagePath: join(root, "Train_Folder/img/TCGA-21-5784-01Z.png"),
        maskPath: join(root, "Train_Folder/labelcol/TCGA-21-5784-01Z.png"),
        note: "evenly distributed",
        subject: "tcga-21-5784",
      },
      expect.objectContaining({ id: "b", note: "left" }),
      expect.objectContaining({ id: "c", split: "valid" }),
      expect.objectContaining({ id: "d", split: "test" }),
    ])
  })

  it("tells rows that call an image by another ending, as MoNuSeg's test split has it", async () => {
    const root = await temporaryFolder()
    await writeSplit(
      root,
      "Test_Folder",
      [
        ["a.png", "left"],
        ["b.png", "right"],
      ],
      { images: ["a.tif", "b.tif"] },
    )
    const dataset = await openDataset(root)
    expect(dataset.samples.map(({ id, imagePath, maskPath }) => [id, imagePath, maskPath])).toEqual([
      ["a", join(root, "Test_Folder/img/a.tif"), join(root, "Test_Folder/labelcol/a.png")],
      ["b", join(root, "Test_Folder/img/b.tif"), join(root, "Test_Folder/labelcol/b.png")],
    ])
    expect(kinds(dataset)).toEqual([
      ["note", "missing-split", 2],
      ["note", "names-matched-without-ending", 2],
    ])
    expect(dataset.problems[1]?.names[0]).toBe("a.png in Test_Folder/Test_text.xlsx and a.tif")
  })

  it("reads rows and masks with the prefix mask_, as QaTa has them", async () => {
    const root = await temporaryFolder()
    await writeSplit(root, "Train_Folder", [["mask_covid_1.png", "left lung"]], { images: ["covid_1.png"] })
    const dataset = await openDataset(root)
    expect(dataset.samples).toMatchObject([{ id: "covid_1", note: "left lung" }])
    expect(dataset.samples[0]?.maskPath).toBe(join(root, "Train_Folder/labelcol/mask_covid_1.png"))
    expect(kinds(dataset)).toEqual([["note", "missing-split", 2]])
  })

  it("prefers a mask of the very name over one with the prefix", async () => {
    const root = await temporaryFolder()
    await writeSplit(root, "Train_Folder", [
      ["a.png", "one"],
      ["mask_a.png", "two"],
    ])
    const { samples } = await openDataset(root)
    expect(samples.map(({ id, note, maskPath }) => [id, note, maskPath?.split("/").at(-1)])).toEqual([
      ["a", "one", "a.png"],
      ["mask_a", "two", "mask_a.png"],
    ])
  })

  it("matches without letter case, and tells it", async () => {
    const root = await temporaryFolder()
    await writeSplit(root, "Train_Folder", [["A.png", "left"]], { images: ["a.png"], masks: ["A.PNG"] })
    const dataset = await openDataset(root)
    expect(dataset.samples).toHaveLength(1)
    expect(dataset.problems.find(({ kind }) => kind === "names-matched-without-case")).toMatchObject({
      count: 2,
      names: ["A.PNG in labelcol and a.png", "A.png in Train_Folder/Train_text.xlsx and a.png"],
    })
  })

  it("reads a validation folder under its other names, and folders in any case", async () => {
    const root = await temporaryFolder()
    await writeSplit(root, "train_folder", [["a.png", "left"]])
    await writeSplit(root, "Valid_Folder", [["b.png", "left"]])
    const dataset = await openDataset(root)
    expect(dataset.samples.map(({ split }) => split)).toEqual(["train", "valid"])
    await writeSplit(root, "Val_Folder", [["c.png", "left"]])
    expect((await dataErrorOf(surveyDataset(root))).what).toContain(
      'two names for the split "valid": Val_Folder and Valid_Folder',
    )
  })

  it("reads one workbook for two splits from beside the folders", async () => {
    const root = await temporaryFolder()
    const rows = [
      ["a.png", "left"],
      ["b.png", "right"],
      ["c.png", "unused"],
    ] as const
    await writeSplit(root, "Train_Folder", rows, { images: ["a.png"], masks: ["a.png"], text: "Train_Val_text.xlsx" })
    await writePictures(root, "Val_Folder/img/b.png", "Val_Folder/labelcol/b.png")
    const dataset = await openDataset(root)
    expect(dataset.samples.map(({ split, note }) => [split, note])).toEqual([
      ["train", "left"],
      ["valid", "right"],
    ])
    expect(dataset.problems.find(({ kind }) => kind === "unused-annotation")?.names).toEqual([
      "c.png in Train_Val_text.xlsx",
    ])
  })

  it("reads what spreadsheet programs write", async () => {
    const root = await temporaryFolder()
    const folder = "Train_Folder"
    await writeSplit(root, folder, [
      ["a.png", ""],
      ["b.png", ""],
      ["c.png", ""],
      ["165.png", ""],
    ])
    await copyFile(fixture("openpyxl.xlsx"), join(root, folder, "Train_text.xlsx"))
    const { samples } = await openDataset(root)
    expect(samples.map(({ id, note }) => [id, note])).toEqual([
      ["165", "a name that is a number"],
      ["a", "upper left lung"],
      ["b", "lower right, “patchy” — <5 mm & growing"],
      ["c", "beide Lungenflügel"],
    ])
  })

  it("collects everything that does not fit together, by kind and with counts", async () => {
    const root = await temporaryFolder()
    await writeSplit(
      root,
      "Train_Folder",
      [
        ["a.png", "left"],
        ["a.png", "left"],
        ["b.png", "left"],
        ["b.png", "right"],
        ["c.png", ""],
        ["", "left"],
        ["gone.png", "left"],
        ["unmasked.png", "left"],
      ],
      {
        images: ["a.png", "b.png", "c.png", "d.png", "unmasked.png", "twin.png", "twin.tif"],
        masks: ["a.png", "b.png", "c.png", "d.png", "extra.png", "twin.png"],
      },
    )
    await writeInto(root, "Train_Folder/img/Thumbs.db", "x")
    const dataset = await surveyDataset(root)
    expect(dataset.samples.map(({ id }) => id)).toEqual(["a", "b"])
    expect(new Set(kinds(dataset))).toEqual(
      new Set([
        ["note", "not-an-image", 1],
        ["note", "repeated-row", 1],
        ["error", "duplicate-caption", 1],
        ["error", "incomplete-row", 2],
        ["error", "ambiguous-name", 1],
        ["error", "missing-caption", 2],
        ["error", "missing-mask", 1],
        ["note", "mask-without-image", 2],
        ["note", "unused-annotation", 1],
        ["note", "missing-split", 2],
      ]),
    )
    const named = (kind: string) => dataset.problems.find((problem) => problem.kind === kind)?.names
    expect(named("incomplete-row")).toEqual([
      "Train_Folder/Train_text.xlsx:6 (c.png has no Description)",
      "Train_Folder/Train_text.xlsx:7 (no Image)",
    ])
    expect(named("duplicate-caption")).toEqual(["Train_Folder/Train_text.xlsx:5 (b.png)"])
    expect(named("missing-caption")).toEqual(["Train_Folder/img/c.png", "Train_Folder/img/d.png"])
    expect(named("ambiguous-name")).toEqual(["Train_Folder/img/twin.png and twin.tif"])
  })

  it("wants a workbook in each folder that has images", async () => {
    const root = await temporaryFolder()
    await writeSplit(root, "Val_Folder", [["a.png", "left"]])
    await rename(join(root, "Val_Folder/Val_text.xlsx"), join(root, "Val_Folder/notes.xlsx"))
    const error = await dataErrorOf(openDataset(root))
    expect(error.what).toContain(`no workbook with descriptions in ${root}: Val_Folder/Val_text.xlsx`)
    expect(error.fix).toContain("whose first sheet has the columns Image and Description")
  })

  it("names the column that is missing, and those that are there", async () => {
    const root = await temporaryFolder()
    await writeSplit(root, "Val_Folder", [["a.png", "left"]])
    await writeInto(root, "Val_Folder/Val_text.xlsx", workbook(["Image", "Text", ""], ["a.png", "left", ""]))
    expect((await dataErrorOf(openDataset(root))).what).toBe(
      `${join(root, "Val_Folder/Val_text.xlsx")} has no column "Description" in its first row, which has Image, Text`,
    )
    await writeInto(root, "Val_Folder/Val_text.xlsx", workbook())
    expect((await dataErrorOf(openDataset(root))).what).toContain(
      'no column "Image" in its first row, which has nothing',
    )
  })

  it("misses a split only when it is wanted", async () => {
    const root = await temporaryFolder()
    await writeSplit(root, "Train_Folder", [["a.png", "left"]])
    const dataset = await openDataset(root)
    expect(samplesOf(dataset, "train")).toHaveLength(1)
    expect(() => samplesOf(dataset, "valid")).toThrow('has no sample in the split "valid"')
    await rm(join(root, "Train_Folder/img"), { recursive: true })
    expect((await dataErrorOf(openDataset(root))).what).toContain("has the lvit layout but holds no image")
  })
})
