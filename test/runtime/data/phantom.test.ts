import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openDataset } from "../../../src/runtime/data/dataset.js"
import { readMaskPixels, readPixels } from "../../../src/runtime/data/images.js"
import { drawPhantom, noteOf } from "../../../src/runtime/data/phantom-chest.js"
import { synthesise } from "../../../src/runtime/data/phantom.js"
import { RandomStream } from "../../../src/runtime/data/random.js"
import { dataErrorOf, temporaryFolder } from "./temporary.js"

const small = { counts: { train: 4, valid: 2, test: 1 }, size: 64, seed: 7 }

async function hashOf(root: string): Promise<string> {
  const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const names = files.map((entry) => join(entry.parentPath, entry.name)).sort()
  const hash = createHash("sha256")
  for (const name of names) hash.update(name.slice(root.length)).update(await readFile(name))
  return hash.digest("hex")
}

const cases = (count: number, size = 64) =>
  Array.from({ length: count }, (_, i) => drawPhantom(new RandomStream(`case/${i}`), size))

describe("drawPhantom", () => {
  it("has lesions in 3 to 5 zones, names at least one and leaves at least one out", () => {
    const counts = new Set<number>()
    for (const { lesions, named, note } of cases(200, 32)) {
      counts.add(lesions.length)
      expect(named.length).toBeGreaterThanOrEqual(1)
      expect(named.length).toBeLessThan(lesions.length)
      expect(named.every((zone) => lesions.includes(zone))).toBe(true)
      expect(note).toBe(noteOf(named))
    }
    expect([...counts].sort()).toEqual([3, 4, 5])
  })

  it("names a lesion with probability one half, in every zone", () => {
    const seen = new Array<number>(6).fill(0)
    const named = new Array<number>(6).fill(0)
    for (const one of cases(1500, 32)) {
      for (const zone of one.lesions) {
        seen[zone] = (seen[zone] as number) + 1
        if (one.named.includes(zone)) named[zone] = (named[zone] as number) + 1
      }
    }
    // About 1,000 lesions a zone: three standard deviations of the share are 0.048.
    named.forEach((count, zone) => expect(Math.abs(count / (seen[zone] as number) - 0.5)).toBeLessThan(0.06))
  })

  it("draws the named and the other lesions alike: the picture does not depend on the note", () => {
    const named: number[] = []
    const other: number[] = []
    for (const one of cases(60)) {
      // Lesions are told apart by zone: the brightness of the picture at the mean row and column of QaTa-like zones.
      const inside = one.mask.reduce((sum, value) => sum + value, 0)
      expect(inside).toBeGreaterThan(0)
      for (const zone of one.lesions) {
        const x = Math.round(64 * (zone < 3 ? 0.3 : 0.72))
        const y = Math.round(64 * [0.27, 0.46, 0.65][zone % 3]!)
        ;(one.named.includes(zone) ? named : other).push(one.image[y * 64 + x] as number)
      }
    }
    const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length
    expect(Math.abs(mean(named) - mean(other))).toBeLessThan(15)
  })

  it("puts the mask on the side and at the height that the note names, as QaTa does", () => {
    for (const { mask, named } of cases(80)) {
      if (named.length !== 1) continue
      let x = 0
      let y = 0
      let count = 0
      mask.forEach((value, i) => {
        if (value) [x, y, count] = [x + (i % 64), y + Math.floor(i / 64), count + 1]
      })
      const zone = named[0] as number
      expect(x / count < 32).toBe(zone < 3)
      expect(Math.abs(y / count / 64 - [0.27, 0.46, 0.65][zone % 3]!)).toBeLessThan(0.1)
      expect(count).toBeGreaterThan(30)
    }
  })

  it("leaves a gap between the lesions of two zones", () => {
    for (let i = 0; i < 40; i++) {
      const { mask, named } = drawPhantom(new RandomStream(`gap/${i}`), 96)
      if (!named.includes(0) || !named.includes(1)) continue
      const rows = Array.from({ length: 96 }, (_, y) => mask.subarray(y * 96, y * 96 + 48).some((value) => value === 1))
      const runs = rows.filter((filled, y) => filled && !rows[y - 1]).length
      expect(runs).toBe(named.filter((zone) => zone < 3).length)
    }
  })
})

describe("noteOf", () => {
  it("uses the wording of QaTa's captions", () => {
    expect(noteOf([0, 5])).toBe(
      "bilateral pulmonary infection, two infected areas, upper left lung and lower right lung.",
    )
    expect(noteOf([4, 5])).toBe("unilateral pulmonary infection, two infected areas, middle lower right lung.")
    expect(noteOf([2])).toBe("unilateral pulmonary infection, one infected area, lower left lung.")
  })
})

describe("synthesise", () => {
  it("writes the same bytes for the same options", async () => {
    const folder = await temporaryFolder()
    await synthesise({ root: join(folder, "a"), ...small })
    await synthesise({ root: join(folder, "b"), ...small })
    await synthesise({ root: join(folder, "c"), ...small, seed: 8 })
    expect(await hashOf(join(folder, "a"))).toBe(await hashOf(join(folder, "b")))
    expect(await hashOf(join(folder, "a"))).not.toBe(await hashOf(join(folder, "c")))
    expect((await readdir(folder)).sort()).toEqual(["a", "b", "c"])
  })

  it("is read by the QaTa reader, and agrees with what was drawn", async () => {
    const root = join(await temporaryFolder(), "set")
    await synthesise({ root, ...small })
    const { layout, samples, problems } = await openDataset(root)
    expect(layout).toBe("qata")
    expect(problems).toEqual([])
    expect(samples.map((sample) => sample.split)).toEqual([
      "train",
      "train",
      "train",
      "train",
      "valid",
      "valid",
      "test",
    ])
    const drawn = drawPhantom(new RandomStream("phantom/1/7/64/train/0"), 64)
    const first = samples[0]!
    expect(first.note).toBe(drawn.note)
    expect(Buffer.from(drawn.image).equals((await readPixels(first.imagePath)).data)).toBe(true)
    expect(Buffer.from(drawn.mask).equals((await readMaskPixels(first.maskPath as string)).data)).toBe(true)
    const annotation = JSON.parse(await readFile(join(root, "annotation.json"), "utf8")) as Record<string, object[]>
    expect(Object.keys(annotation["train"]?.[0] ?? {})).toEqual([
      "image_path",
      "caption",
      "pulmonary_infection",
      "infected_area",
      "pseudo_label",
    ])
  })

  it("adds cases without changing the earlier ones, and replaces an earlier phantom set", async () => {
    const root = join(await temporaryFolder(), "set")
    await synthesise({ root, ...small })
    const before = await readFile(join(root, "train/images/phantom_train_00004.png"))
    await synthesise({ root, ...small, counts: { train: 6, valid: 2, test: 1 } })
    expect(await readFile(join(root, "train/images/phantom_train_00004.png"))).toEqual(before)
    expect(await readdir(join(root, "train/masks"))).toHaveLength(6)
  })

  it("refuses a folder that holds anything else", async () => {
    const root = await temporaryFolder()
    await writeFile(join(root, "thesis.docx"), "years of work")
    const error = await dataErrorOf(synthesise({ root, ...small }))
    expect(error.what).toContain("it holds thesis.docx")
    await synthesise({ root: join(root, "set"), ...small })
    await writeFile(join(root, "set", "results.csv"), "x")
    expect((await dataErrorOf(synthesise({ root: join(root, "set"), ...small }))).what).toContain(
      "it holds results.csv",
    )
    await mkdir(join(root, "other"))
    await writeFile(join(root, "other", "phantom.json"), "{}")
    expect((await dataErrorOf(synthesise({ root: join(root, "other"), ...small }))).fix).toContain(
      "new or empty folder",
    )
    expect(await readFile(join(root, "thesis.docx"), "utf8")).toBe("years of work")
  })

  it.each([
    [{ size: 8 }, "a size of 8 pixels"],
    [{ seed: -1 }, "the seed -1"],
    [{ counts: { train: 0, valid: 0, test: 0 } }, "no case in any split"],
    [{ counts: { train: 1.5, valid: 0, test: 0 } }, "1.5 train cases"],
  ])("refuses options out of range: %j", async (change, message) => {
    const root = join(await temporaryFolder(), "set")
    expect((await dataErrorOf(synthesise({ root, ...small, ...change }))).what).toContain(message)
  })
})
