import { rm } from "node:fs/promises"
import { join } from "node:path"
import { Command } from "commander"
import { describe, expect, it, vi } from "vitest"
import { dataCommand } from "../../../../src/cli/data.js"
import { openDataset, openRunDataset, surveyDataset } from "../../../../src/runtime/data/dataset.js"
import { wordingsIn } from "../../../../src/runtime/data/layouts/prompts.js"
import { dataErrorOf, temporaryFolder, writeTinySet } from "../temporary.js"
import { writeInto, writePictures } from "./files.js"

interface Row {
  readonly img_name: string
  readonly mask_name: string
  readonly prompts: Readonly<Record<string, string | readonly string[]>>
}

const PROMPTS = {
  p0: "",
  p1: "polyp",
  p6: "one small pink polyp, located in top of the image",
  p7: ["polyp which is a projecting growth", "polyp which is a small lump"],
}

const row = (image: string, mask = image, prompts: Row["prompts"] = PROMPTS): Row => ({
  img_name: image,
  mask_name: mask,
  prompts,
})

/** Writes annotations, and the files that they name unless `files` names others. */
async function writeSet(
  splits: Readonly<Record<string, readonly unknown[]>>,
  files?: readonly string[],
): Promise<string> {
  const root = await temporaryFolder()
  for (const [name, rows] of Object.entries(splits)) await writeInto(root, `anns/${name}.json`, JSON.stringify(rows))
  const rows = Object.values(splits).flat() as Row[]
  const named = rows.flatMap((one) => [`images/${one.img_name}`, `masks/${one.mask_name}`])
  await writePictures(root, ...new Set(files ?? named))
  return root
}

describe("the prompts layout", () => {
  it("reads records, with p6 as the note when no prompt is named", async () => {
    const root = await writeSet({
      train: [row("a.jpg")],
      val: [row("b.png", "b_Segmentation.png")],
      test: [row("c.png")],
    })
    const dataset = await openDataset(root)
    expect(dataset).toMatchObject({ layout: "prompts", prompt: "p6", problems: [] })
    expect(dataset.samples).toEqual([
      {
        id: "a",
        split: "train",
        imagePath: join(root, "images/a.jpg"),
        maskPath: join(root, "masks/a.jpg"),
        note: PROMPTS.p6,
        // The edges of a JPEG are blurred: its masks are cut in the middle.
        maskRule: "half",
      },
      {
        id: "b",
        split: "valid",
        imagePath: join(root, "images/b.png"),
        maskPath: join(root, "masks/b_Segmentation.png"),
        note: PROMPTS.p6,
      },
      expect.objectContaining({ id: "c", split: "test" }),
    ])
  })

  it("reads the prompt that is named; the empty one too", async () => {
    const root = await writeSet({ train: [row("a.png")] })
    expect(await openDataset(root, { prompt: "p1" })).toMatchObject({ prompt: "p1", samples: [{ note: "polyp" }] })
    expect((await openDataset(root, { prompt: "p0" })).samples[0]).toMatchObject({ note: "" })
    expect(await openDataset(root, { preferredPrompt: "p1" })).toMatchObject({ prompt: "p1" })
    expect((await dataErrorOf(openDataset(root, { prompt: "p3" }))).message).toContain(
      'has no prompt "p3"\n  fix: choose one with --prompt: p0, p1, p6, p7, random (any but p0)',
    )
  })

  it("draws the note of a list once, the same in every run, and gives training the whole list", async () => {
    const images = Array.from({ length: 40 }, (_, i) => `${i}.png`)
    const root = await writeSet({ train: images.map((name) => row(name)) })
    const { samples } = await openDataset(root, { prompt: "p7" })
    for (const { note, alternatives } of samples) {
      expect(alternatives).toEqual(PROMPTS.p7)
      expect(PROMPTS.p7).toContain(note)
    }
    expect(new Set(samples.map(({ note }) => note)).size).toBe(2)
    expect((await openDataset(root, { prompt: "p7" })).samples).toEqual(samples)
  })

  it("has no alternatives where a list holds one text", async () => {
    const root = await writeSet({ train: [row("a.png", "a.png", { p7: ["polyp", "polyp"] })] })
    expect((await openDataset(root, { prompt: "p7" })).samples).toEqual([
      expect.not.objectContaining({ alternatives: expect.anything() as unknown }),
    ])
  })

  it("makes every prompt but p0 equally likely with random", () => {
    const texts = wordingsIn(
      row("a.png", "a.png", { p0: "", p1: "x", p2: ["y", "z"], p3: ["u", "v", "w"], p4: "" }),
      "random",
    )
    const counts = Object.fromEntries([..."xyzuvw"].map((text) => [text, texts.filter((one) => one === text).length]))
    expect(counts).toEqual({ x: 6, y: 3, z: 3, u: 2, v: 2, w: 2 })
    expect(texts).toHaveLength(18)
  })

  it("names cases that share an image by what their masks add", async () => {
    const root = await writeSet({
      test: [1, 2].map((structure) => row("patient0001_2CH_ED.png", `mask_${structure}/patient0001_2CH_ED_gt.png`)),
      train: [
        row("patient64870_lateral.jpg", "patient64870_lateral_edema.png"),
        row("patient64870_lateral.jpg", "patient64870_lateral_support_devices.png"),
        row("patient64999_lateral.jpg", "patient64999_lateral_edema.png"),
      ],
    })
    const { samples, problems } = await openDataset(root)
    expect(samples.map(({ id, subject }) => [id, subject])).toEqual([
      ["patient64870_lateral.edema", "patient64870"],
      ["patient64870_lateral.support_devices", "patient64870"],
      ["patient64999_lateral", "patient64999"],
      ["patient0001_2CH_ED.mask_1.gt", "patient0001"],
      ["patient0001_2CH_ED.mask_2.gt", "patient0001"],
    ])
    expect(samples[3]?.maskPath).toBe(join(root, "masks/mask_1/patient0001_2CH_ED_gt.png"))
    expect(problems.map(({ kind }) => kind)).toEqual(["missing-split"])
  })

  it("collects what does not fit together", async () => {
    const rows = [
      row("a.png"),
      row("a.png"),
      row("b.png"),
      row("b.png", "b.png", { p6: "another" }),
      row("gone.png"),
      row("unmasked.png"),
      row("C.png", "c.jpg"),
      row("silent.png", "silent.png", { p1: "polyp" }),
    ]
    const files = ["a.png", "b.png", "unmasked.png", "c.png", "extra.png", "silent.png"].map((name) => `images/${name}`)
    const root = await writeSet({ train: rows }, [
      ...files,
      ...["a.png", "b.png", "c.png", "silent.png"].map((name) => `masks/${name}`),
    ])
    const { samples, problems } = await surveyDataset(root)
    expect(samples.map(({ id }) => id)).toEqual(["a", "b", "c"])
    expect(new Map(problems.map(({ kind, severity, names }) => [`${severity}: ${kind}`, names]))).toEqual(
      new Map([
        ["note: missing-split", ["test", "valid"]],
        ["note: repeated-row", ["anns/train.json[1] (a.png, a.png)"]],
        ["error: duplicate-caption", ["anns/train.json[3] (b.png, b.png)"]],
        ["note: unused-annotation", ["gone.png (anns/train.json[4])"]],
        ["error: missing-mask", ["unmasked.png (wants masks/unmasked.png, anns/train.json[5])"]],
        ["note: names-matched-without-case", ["C.png in anns/train.json[6] and c.png"]],
        ["note: names-matched-without-ending", ["c.jpg in anns/train.json[6] and c.png"]],
        ["note: image-without-row", ["images/extra.png"]],
        ["error: missing-caption", ["anns/train.json[7] (silent.png)"]],
      ]),
    )
  })

  it("reads a split that is empty, as the study's small sets have it", async () => {
    const root = await writeSet({ train: [row("a.png")], val: [] })
    expect((await openDataset(root)).samples).toHaveLength(1)
  })

  it.each([
    ['{"a": 1}', "anns/train.json: the top level is not a list"],
    ["[{]", "anns/train.json:1:3: not valid JSON"],
    ["[3]", "anns/train.json[0] is not an object"],
    ['[{"mask_name": "a.png", "prompts": {}}]', 'anns/train.json[0] has no file name in "img_name"'],
    ['[{"img_name": "a.png", "mask_name": " ", "prompts": {}}]', 'anns/train.json[0] has no file name in "mask_name"'],
    ['[{"img_name": "a.png", "mask_name": "a.png"}]', 'anns/train.json[0] has no object "prompts"'],
    [
      '[{"img_name": "a.png", "mask_name": "a.png", "prompts": {"p1": ["a", 3]}}]',
      'anns/train.json[0]: the prompt "p1" is neither a text nor a list of texts',
    ],
  ])("names the position of what is wrong in %s", async (text, message) => {
    const root = await temporaryFolder()
    await writeInto(root, "anns/train.json", text)
    expect((await dataErrorOf(surveyDataset(root))).what).toBe(`${root}/${message}`)
  })

  it("knows no other layout's prompts, unless a run only remembers one", async () => {
    const root = await temporaryFolder()
    await writeTinySet(root, [{ split: "train", name: "a.png", note: "left" }])
    const error = await dataErrorOf(openDataset(root, { prompt: "p1" }))
    expect(error.what).toContain("has the qata layout, where a case has one note: there is no prompt p1 to choose")
    expect(error.fix).toBe("leave --prompt out (it is for the layout prompts)")
    const prompts = await writeSet({ train: [row("a.png")] })
    const run = { root: prompts, prompt: "p1" }
    expect(await openRunDataset(run)).toMatchObject({ root: prompts, prompt: "p1" })
    expect(await openRunDataset(run, { prompt: "p6" })).toMatchObject({ prompt: "p6" })
    const other = await openRunDataset(run, { data: root })
    expect([other.layout, other.prompt]).toEqual(["qata", undefined])
  })

  it("is inspected with the prompt that is named", async () => {
    const root = await writeSet({ train: [row("a.png")] })
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true)
    try {
      const command = new Command("mdl").addCommand(dataCommand())
      await command.parseAsync(["data", "inspect", root, "--prompt", "p1", "--json"], { from: "user" })
      const report = JSON.parse(write.mock.calls.map(([text]) => String(text)).join("")) as Record<string, unknown>
      expect(report).toMatchObject({ layout: "prompts", prompt: "p1", noteWords: { least: 1, most: 1 } })
    } finally {
      write.mockRestore()
    }
  })

  it("is not seen where anns/ holds no split", async () => {
    const root = await writeSet({ train: [row("a.png")] })
    await rm(join(root, "anns/train.json"))
    await writeInto(root, "anns/readme.txt", "x")
    expect((await dataErrorOf(surveyDataset(root))).what).toContain("is not a data set in a known layout")
  })
})
