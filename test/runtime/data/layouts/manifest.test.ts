import fc from "fast-check"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openDataset, surveyDataset } from "../../../../src/runtime/data/dataset.js"
import { parseManifest } from "../../../../src/runtime/data/layouts/manifest.js"
import { dataErrorOf, temporaryFolder } from "../temporary.js"
import { writeInto, writePictures } from "./files.js"

const FILES = ["a.png", "a_mask.png", "deep/er/b.png", "deep/b_mask.jpg"] as const

/** A folder with {@link FILES} and a manifest. */
async function withManifest(text: string, name = "manifest.csv"): Promise<string> {
  const root = await temporaryFolder()
  await writePictures(root, ...FILES)
  await writeInto(root, name, text)
  return root
}

const CSV = `image,mask,note,split
a.png,a_mask.png,"left lung, upper",train
deep/er/b.png,deep/b_mask.jpg,right,val
`

describe("the manifest layout", () => {
  it("reads manifest.csv, with paths relative to it", async () => {
    const root = await withManifest(CSV)
    const dataset = await openDataset(root)
    expect(dataset).toMatchObject({ root, layout: "manifest", problems: [] })
    expect(dataset.samples).toEqual([
      {
        id: "a",
        split: "train",
        imagePath: join(root, "a.png"),
        maskPath: join(root, "a_mask.png"),
        note: "left lung, upper",
      },
      {
        id: "b",
        split: "valid",
        imagePath: join(root, "deep/er/b.png"),
        maskPath: join(root, "deep/b_mask.jpg"),
        note: "right",
        maskRule: "half",
      },
    ])
  })

  it("reads a manifest of any name that is named itself", async () => {
    const root = await withManifest(CSV, "fold-1.csv")
    const file = join(root, "fold-1.csv")
    expect(await openDataset(file)).toMatchObject({
      root: file,
      layout: "manifest",
      samples: [{ id: "a" }, { id: "b" }],
    })
    expect((await dataErrorOf(surveyDataset(root))).what).toContain("is not a data set in a known layout")
    expect((await dataErrorOf(surveyDataset(join(root, "a.png")))).what).toContain(
      "is a file, not the folder of a data set",
    )
  })

  it("reads JSON lines, where a note can be a list of wordings", async () => {
    const rows = [
      { image: "a.png", mask: "a_mask.png", note: ["left", "on the left"], split: "Train", subject: "P1", extra: [1] },
      {
        image: "deep/er/b.png",
        mask: "deep/b_mask.jpg",
        note: "right",
        split: "validation",
        id: "second",
        subject: null,
      },
    ]
    const root = await withManifest(rows.map((row) => JSON.stringify(row)).join("\n\r\n"), "manifest.jsonl")
    const { samples } = await openDataset(root)
    expect(samples).toMatchObject([
      { id: "a", alternatives: ["left", "on the left"], subject: "p1", split: "train" },
      { id: "second", note: "right", split: "valid" },
    ])
    expect(["left", "on the left"]).toContain(samples[0]?.note)
  })

  it("takes columns in any order and case, others too, and the subject from the column or the name", async () => {
    const root = await temporaryFolder()
    await writePictures(root, "TCGA-21-5784-01Z.png", "b.png", "m.png")
    await writeInto(
      root,
      "manifest.csv",
      "\ufeffScanner,SPLIT, Note ,image,Subject,mask\r\nX,train,left,TCGA-21-5784-01Z.png,,m.png\r\nY,test,right,b.png,Anna,m.png\r\n",
    )
    expect((await openDataset(root)).samples.map(({ id, subject, note }) => [id, subject, note])).toEqual([
      ["TCGA-21-5784-01Z", "tcga-21-5784", "left"],
      ["b", "anna", "right"],
    ])
  })

  it("takes slices of volumes as images", async () => {
    const root = await temporaryFolder()
    await writeInto(root, "v.nii.gz", "not looked at here")
    await writeInto(
      root,
      "manifest.csv",
      ["image,mask,note,split", ...[3, 4].map((z) => `v.nii.gz#z=${z},v.nii.gz#z=${z}&label=2,liver,train`)].join("\n"),
    )
    const { samples } = await openDataset(root)
    expect(samples.map(({ id, imagePath }) => [id, imagePath])).toEqual([
      ["v#z=3", join(root, "v.nii.gz#z=3")],
      ["v#z=4", join(root, "v.nii.gz#z=4")],
    ])
  })

  it("names cases of equal file names by their masks or whole paths", async () => {
    const root = await temporaryFolder()
    await writePictures(root, "x/a.png", "y/a.png", "x/a_lesion.png", "x/a_organ.png", "m.png")
    const rows = ["x/a.png,x/a_lesion.png", "x/a.png,x/a_organ.png", "x/a.png,m.png", "y/a.png,m.png"]
    await writeInto(
      root,
      "manifest.csv",
      ["image,mask,note,split", ...rows.map((row) => `${row},left,train`)].join("\n"),
    )
    expect((await openDataset(root)).samples.map(({ id }) => id)).toEqual([
      "a.x.lesion",
      "a.x.organ",
      "x/a.png+m.png",
      "y/a.png+m.png",
    ])
  })

  it("collects what rows lack and files that are not there, with their lines", async () => {
    const root = await withManifest(`image,mask,note,split,id
a.png,a_mask.png,left,train,one

,a_mask.png,left,train,
a.png,,left,train,
a.png,a_mask.png,"",train,
a.png,a_mask.png,left,,
a.png,a_mask.png,left,dev,
a.txt,a_mask.png,left,train,
gone.png,a_mask.png,"two
lines",train,
a.png,deep,left,train,
A.png,a_mask.png,left,train,
a.png,a_mask.png,left,train,one
a.png,a_mask.png,other,train,one
deep/er/b.png,a_mask.png,right,train,one
deep/er/b.png,gone_mask.png,right,train,
a.png,${"x".repeat(300)}.png,left,test,
`)
    const { samples, problems } = await surveyDataset(root)
    expect(samples.map(({ id }) => id)).toEqual(["one"])
    expect(new Map(problems.map(({ kind, severity, names }) => [`${severity}: ${kind}`, names]))).toEqual(
      new Map([
        [
          "error: incomplete-row",
          [
            "manifest.csv:12 (deep is no image, by its ending)",
            "manifest.csv:4 (no image)",
            "manifest.csv:5 (a.png has no mask)",
            "manifest.csv:6 (a.png has no note)",
            "manifest.csv:7 (a.png has no split)",
            'manifest.csv:8 (a.png has the split "dev", which is none of train, valid, test)',
            "manifest.csv:9 (a.txt is no image, by its ending)",
          ],
        ],
        ["note: repeated-row", ["manifest.csv:14 (a.png)"]],
        ["error: duplicate-caption", ["manifest.csv:15 (a.png)"]],
        ["error: missing-image", ["A.png (manifest.csv:13)", "gone.png (manifest.csv:10)"]],
        ["error: missing-mask", ["gone_mask.png (manifest.csv:17)", `${"x".repeat(300)}.png (manifest.csv:18)`]],
        ["error: ambiguous-name", ["one (manifest.csv:16)"]],
      ]),
    )
  })

  it("takes a folder of the name of an image for no file", async () => {
    const root = await withManifest(CSV.replace("a_mask.png", "folder.png"))
    await mkdir(join(root, "folder.png"))
    expect((await dataErrorOf(openDataset(root))).what).toBe("masks that are not there: folder.png (manifest.csv:2)")
  })

  it("wants to know which of two manifests is meant", async () => {
    const root = await withManifest(CSV)
    await writeInto(root, "manifest.jsonl", "")
    const error = await dataErrorOf(openDataset(root))
    expect(error.message).toBe(
      `${root} has two manifests\n  fix: name the one to read: ${root}/manifest.csv or ${root}/manifest.jsonl`,
    )
  })

  it.each([
    ["image,mask,split\na.png,a.png,train", ':1: the first line lacks "note"; it has image, mask, split'],
    ["image,mask,note\na.png,a.png,left", ':1: the first line lacks "split"; it has image, mask, note'],
    ["", ':1: the first line lacks "image", "mask", "note", "split"; it has nothing'],
    ["image,mask,note,split,Image\n", ':1: the column "image" is there twice'],
    ["image,mask,note,split\na.png,m.png,left, upper,train\n", ":2: 5 cells, but the first line names 4 columns"],
    ["image,mask,note,split\n\n\na.png\n", ":4: 1 cells, but the first line names 4 columns"],
    [
      'image,mask,note,split\na,b,"x\ny",train\na,b,"x\n,train\n\n',
      ":4: not valid CSV: a quote in this row is not closed",
    ],
    ['image,mask,note,split\na,b,x "y" z,train\n', ":2: not valid CSV: a quote stands in the middle of a cell"],
    ['image,mask,note,split\r\na,b,"x" z,train\r\n', ":2: not valid CSV: a quote stands in the middle of a cell"],
  ])("names the line of what is wrong in %j", (text, message) => {
    expect(() => parseManifest(text, "m.csv")).toThrow(`m.csv${message}`)
  })

  it.each([
    ['{"image": "a.png"}\n{"image": }', ":2:11: not valid JSON"],
    ['\n\n["a.png"]', ":3: not an object"],
    ['{"image": 3}', ':1: "image" is not a text'],
    ['{"note": ["a", 3]}', ':1: "note" is not a text or a list of texts'],
    ['{"split": ["train"]}', ':1: "split" is not a text'],
  ])("names the line of what is wrong in %j", (text, message) => {
    expect(() => parseManifest(text, "m.jsonl")).toThrow(`m.jsonl${message}`)
  })

  describe("any table", () => {
    const COLUMNS = ["image", "mask", "note", "split"] as const
    const LINE_ENDS = ["\n", "\r\n", "\r"] as const
    // Letters of every script, and the characters that CSV is about.
    const cell = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc
        .array(fc.constantFrom('"', ",", "\n", "\r\n", "\r", " ", ";", "\t", "é", "左", "a"), { maxLength: 6 })
        .map((parts) => parts.join("")),
    )
    const rows = fc.array(fc.tuple(cell, cell, cell, cell), { maxLength: 6 })

    /** A writer after RFC 4180; `all` quotes cells that need no quotes too. */
    const written = (text: string, all: boolean): string =>
      all || /[",\r\n]/.test(text) || text === "" ? `"${text.replaceAll('"', '""')}"` : text
    const breaks = (text: string): number => text.split(/\r\n?|\n/).length - 1

    it("is read back from CSV, with the lines that its rows begin at", () => {
      fc.assert(
        fc.property(rows, fc.constantFrom(...LINE_ENDS), fc.boolean(), fc.boolean(), (table, end, all, mark) => {
          const lines = [COLUMNS, ...table].map((cells) => cells.map((one) => written(one, all)).join(",") + end)
          const found = parseManifest((mark ? "\ufeff" : "") + lines.join(""), "m.csv")
          const before = lines.map((_, index) => 1 + lines.slice(0, index).reduce((sum, line) => sum + breaks(line), 0))
          expect(found).toEqual(
            table.map((cells, index) => ({
              line: before[index + 1],
              cells: Object.fromEntries(
                // A line break of any kind in a cell is read as one kind; space around a cell is none of it.
                cells.map((one, i) => [COLUMNS[i], one.replace(/\r\n?/g, "\n").trim()]),
              ),
            })),
          )
        }),
        { numRuns: 300 },
      )
    })

    it("is read back from JSON lines", () => {
      fc.assert(
        fc.property(rows, fc.constantFrom("\n", "\r\n"), (table, end) => {
          const text = table.map((cells) =>
            JSON.stringify(Object.fromEntries(cells.map((one, i) => [COLUMNS[i], one]))),
          )
          expect(parseManifest(text.map((line) => line + end).join(""), "m.jsonl")).toEqual(
            table.map((cells, index) => ({
              line: index + 1,
              cells: Object.fromEntries(cells.map((one, i) => [COLUMNS[i], one.trim()])),
            })),
          )
        }),
      )
    })

    it("is read or refused with a line, whatever the text", () => {
      fc.assert(
        fc.property(fc.string({ unit: "binary" }), fc.constantFrom("m.csv", "m.jsonl"), (text, file) => {
          const whole = file === "m.csv" ? `image,mask,note,split\n${text}` : text
          try {
            expect(parseManifest(whole, file)).toBeInstanceOf(Array)
          } catch (thrown) {
            expect((thrown as Error).message).toMatch(/^m\.(csv|jsonl):\d+/)
          }
        }),
        { numRuns: 300 },
      )
    })
  })
})
