import fc from "fast-check"
import { existsSync } from "node:fs"
import { mkdir, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openDataset, samplesOf, surveyDataset } from "../../../src/runtime/data/dataset.js"
import { jsonMistake } from "../../../src/runtime/data/json-position.js"
import { subjectOf } from "../../../src/runtime/data/layouts/subjects.js"
import { dataErrorOf, REAL_QATA, temporaryFolder, writeTinySet } from "./temporary.js"

describe("openDataset", () => {
  it("reads a set in the QaTa layout, in a fixed order", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [
      { split: "test", name: "b.png", note: "lower left lung" },
      { split: "train", name: "sub-S02_ses-1.png", note: "upper right lung" },
      { split: "train", name: "a.png", note: "middle left lung" },
    ])
    const dataset = await openDataset(root)
    expect(dataset.layout).toBe("qata")
    expect(dataset.problems).toEqual([])
    expect(dataset.samples).toEqual([
      {
        id: "a",
        split: "train",
        imagePath: join(root, "train/images/a.png"),
        maskPath: join(root, "train/masks/mask_a.png"),
        note: "middle left lung",
      },
      expect.objectContaining({ id: "sub-S02_ses-1", subject: "sub-s02" }),
      expect.objectContaining({ id: "b", split: "test" }),
    ])
    expect(samplesOf(dataset, "train")).toHaveLength(2)
    expect(() => samplesOf(dataset, "valid")).toThrow(
      'no sample in the split "valid"\n  fix: choose a split that has some: train, test',
    )
  })

  it("says so when the folder does not exist, is a file or is empty", async () => {
    const root = await temporaryFolder()
    const missing = await dataErrorOf(openDataset(join(root, "nowhere")))
    expect(missing.what).toBe(`${join(root, "nowhere")} does not exist`)
    expect(missing.exitCode).toBe(1)
    expect((await dataErrorOf(openDataset(root))).what).toBe(`${root} is empty`)
    await writeFile(join(root, "file"), "x")
    expect((await dataErrorOf(openDataset(join(root, "file")))).what).toMatch(/is a file, not the folder/)
  })

  it("lists the known layouts when it knows none for the folder", async () => {
    const root = await temporaryFolder()
    await writeFile(join(root, "scan.nii"), "x")
    const error = await dataErrorOf(openDataset(root))
    expect(error.what).toContain("it holds scan.nii")
    expect(error.fix).toContain("qata: annotation.json with captions")
  })

  it("names the image that has no mask, and the fix", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [
      { split: "train", name: "a.png", note: "left" },
      { split: "train", name: "b.png", note: "left", mask: undefined },
    ])
    const error = await dataErrorOf(openDataset(root))
    expect(error.message).toContain("image without a mask")
    expect(error.what).toContain("train/images/b.png (wants train/masks/mask_b.png)")
    expect(error.fix).toContain("put the mask at SPLIT/masks/mask_NAME")
    const survey = await surveyDataset(root)
    expect(survey.samples.map((sample) => sample.id)).toEqual(["a"])
    expect(survey.problems).toMatchObject([{ severity: "error", kind: "missing-mask", count: 1 }])
  })

  it("reads a validation split that is called val, in the folder and in the annotation", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [{ split: "valid", name: "a.png" }])
    await rename(join(root, "valid"), join(root, "val"))
    const rows = [{ image_path: "mask_a.png", caption: "left" }]
    await writeFile(join(root, "annotation.json"), JSON.stringify({ val: rows }))
    const { samples } = await openDataset(root)
    expect(samples).toMatchObject([{ split: "valid", imagePath: join(root, "val/images/a.png"), note: "left" }])
    await writeFile(join(root, "annotation.json"), JSON.stringify({ val: rows, valid: rows }))
    expect((await dataErrorOf(openDataset(root))).what).toContain('two names for the split "valid": val and valid')
  })

  it("refuses images that only their endings tell apart", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [
      { split: "train", name: "a.png", note: "left" },
      { split: "train", name: "a.jpg", note: "left" },
      { split: "train", name: "b.png", note: "left" },
    ])
    const { samples, problems } = await surveyDataset(root)
    expect(samples.map(({ id }) => id)).toEqual(["b"])
    expect(problems.find(({ severity }) => severity === "error")).toMatchObject({
      kind: "ambiguous-name",
      names: ["train/images/a.jpg and a.png"],
    })
  })

  it("names the image that has no caption", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [{ split: "valid", name: "a.png" }])
    expect((await dataErrorOf(openDataset(root))).what).toContain("image without a caption")
  })

  it("refuses two captions for one case", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [{ split: "train", name: "a.png" }])
    const rows = ["left", "right"].map((caption) => ({ image_path: "mask_a.png", caption }))
    await writeFile(join(root, "annotation.json"), JSON.stringify({ train: rows }))
    expect((await dataErrorOf(openDataset(root))).what).toContain(
      "different captions for one case: train[1] (mask_a.png)",
    )
  })

  it.each([
    ['{"train": [}', /annotation\.json:1:12: not valid JSON/],
    ['{"train":\n [\n', /annotation\.json:3:1: not valid JSON/],
    ['{"train": [{"caption": "a\tb"}]}', /annotation\.json:1:26: not valid JSON/],
    ['{"train": [],}', /annotation\.json:1:14: not valid JSON/],
    ['{"train": [] "test": []}', /annotation\.json:1:14: not valid JSON/],
    ['{"train": nul}', /annotation\.json:1:11: not valid JSON/],
    ["", /annotation\.json:1:1: not valid JSON/],
    ["[]", /the top level is not an object/],
    ['{"train": {}}', /"train" is not a list/],
    ['{"train": [3]}', /train\[0\] is not an object/],
    ['{"test": [{"image_path": "mask_a.png"}]}', /test\[0\] \(mask_a\.png\) has no "caption"/],
    ['{"test": [{"image_path": "mask_a.png", "caption": " "}]}', /test\[0\] \(mask_a\.png\) has an empty "caption"/],
    ['{"test": [{"caption": "left"}]}', /test\[0\] has no "image_path"/],
  ])("names the position in a malformed annotation.json: %s", async (text, message) => {
    const root = await temporaryFolder()
    await mkdir(join(root, "train"))
    await writeFile(join(root, "annotation.json"), text)
    expect((await dataErrorOf(openDataset(root))).what).toMatch(message)
  })

  it("finds no mistake before the end of any JSON text that is cut off", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, cut) => {
        const kept = text.slice(0, cut % (text.length + 1))
        const lines = kept.split("\n")
        const { line, column } = jsonMistake(kept)
        expect(line).toBe(lines.length)
        // A cut number, word or escape is a mistake where it begins.
        const rest = kept.slice(column - 1)
        expect(rest).toMatch(/^(?:-?[\d.eE+-]*|t|tr|tru|f|fa|fal|fals|n|nu|nul|\\|\\u[0-9a-f]{0,3})$/)
      }),
    )
  })

  it("leaves out rows without an image and masks without an image, with a note", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [
      { split: "train", name: "a.png", note: "left" },
      { split: "train", name: "b.png", note: "right" },
    ])
    await rename(join(root, "train/images/b.png"), join(root, "train/images/b.txt"))
    const { samples, problems } = await openDataset(root)
    expect(samples).toHaveLength(1)
    expect(problems.map(({ kind, severity, count }) => [kind, severity, count]).sort()).toEqual([
      ["mask-without-image", "note", 1],
      ["not-an-image", "note", 1],
      ["unused-annotation", "note", 1],
    ])
  })

  it("takes one of two spellings of a name", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [
      { split: "train", name: "sub-S1_a.png", mask: undefined },
      { split: "train", name: "sub-s1_a.png", note: "left" },
    ])
    const { samples, problems } = await openDataset(root)
    expect(samples.map((sample) => sample.id)).toEqual(["sub-s1_a"])
    expect(problems).toMatchObject([{ kind: "names-differ-in-case", names: ["train/images/sub-S1_a.png"] }])
  })

  it.each([
    ["sub-S09308_ses-e17491_cr.png", "sub-s09308"],
    ["mask_sub-S09308_ses-1.png", "sub-s09308"],
    ["TCGA-21-5784-01Z-00-DX1.png", "tcga-21-5784"],
    ["patient0001_2CH_ED.png", "patient0001"],
    ["patient64870_study1_view3_lateral.jpg", "patient64870"],
    ["covid_1.png", undefined],
    ["patient.png", undefined],
    ["my-TCGA-21-5784.png", undefined],
    ["TCGA-215-784.png", undefined],
  ])("finds the subject in names whose naming is known: %s", (name, subject) => {
    expect(subjectOf(name)).toBe(subject)
  })
})

describe.skipIf(!existsSync(REAL_QATA))("openDataset on QaTa-COV19 (skipped where the data is not present)", () => {
  it("reads the subset that is on disk and notes the other rows", async () => {
    const { samples, problems } = await openDataset(REAL_QATA)
    const count = (split: string) => samples.filter((sample) => sample.split === split).length
    expect([count("train"), count("valid"), count("test")]).toEqual([700, 150, 250])
    expect(problems.map(({ kind, severity, count }) => [kind, severity, count])).toEqual([
      ["unused-annotation", "note", 9258 - 1100],
    ])
    expect(samples.every((sample) => existsSync(sample.maskPath as string))).toBe(true)
  })
})
