/** Trainer packages on the disk: the data as the loader gives them, and a folder that is whole or untouched. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { buildTrainer } from "../../../src/compiler/trainer.js"
import { openDataset, samplesOf } from "../../../src/runtime/data/dataset.js"
import { openLoader } from "../../../src/runtime/data/loader.js"
import { synthesise } from "../../../src/runtime/data/phantom.js"
import { writeDataFiles } from "../../../src/runtime/package/data-files.js"
import { writePackage } from "../../../src/runtime/package/write-package.js"
import type { TokenizerDescription } from "../../../src/runtime/tokenizers/tokenizer.js"
import {
  folderForPackages,
  importPackage,
  packageOf,
  tinyModel,
  type GeneratedTrainer,
} from "../../compiler/package/package-model.js"

const root = folderForPackages()
const phantoms = join(root, "phantoms")
const { description } = buildTrainer(tinyModel(), { batch: 4 })
let program: GeneratedTrainer

beforeAll(async () => {
  await synthesise({ root: phantoms, counts: { train: 6, valid: 3, test: 2 }, size: 32, seed: 5 })
  program = await importPackage(join(root, "program"), await packageOf(tinyModel()))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe("a data set in a package", () => {
  test("is read back exactly as the loader gives it to mdl train", async () => {
    const folder = join(root, "data")
    const { index, leftOut } = await writeDataFiles(folder, phantoms, description)
    expect(leftOut).toEqual([])
    expect(Object.entries(index.splits).map(([split, { count }]) => [split, count])).toEqual([
      ["train", 6],
      ["valid", 3],
      ["test", 2],
    ])
    expect(statSync(join(folder, "train.bin")).size).toBe(6 * index.bytes)

    const loader = await openLoader({
      samples: samplesOf(await openDataset(phantoms), "train"),
      batch: 6,
      size: { height: 16, width: 16 },
      tokenizer: index.tokenizers["note"] as TokenizerDescription,
      tokenLength: 24,
      seed: 0,
      shuffle: false,
      last: "keep",
      workers: 0,
      channels: "rgb",
    })
    const { value: expected } = await loader.epoch(0).next()
    await loader.close()
    const order = [4, 0, 5, 2]
    const batch = program.readBatch(program.openData(folder), "train", order)
    for (const [name, values] of [
      ["image", expected!.image],
      ["note_ids", expected!.note_ids],
      ["note_valid", expected!.note_valid],
      ["mask", expected!.mask],
    ] as const) {
      const length = values.length / 6
      const rows = order.flatMap((row) => [...values.subarray(row * length, (row + 1) * length)])
      expect([name, [...batch[name]!]]).toEqual([name, rows])
      expect(new Set(rows).size).toBeGreaterThan(1)
    }
  })

  test("holds one of several wordings of a note, which is told", async () => {
    const { samples } = await openDataset(phantoms)
    const rows = samples.map(({ imagePath, maskPath, note, split }) => ({
      image: imagePath,
      mask: maskPath,
      note: split === "train" ? [note, "other words"] : note,
      split,
    }))
    const manifest = join(root, "wordings.jsonl")
    writeFileSync(manifest, rows.map((row) => JSON.stringify(row)).join("\n"))
    const { leftOut } = await writeDataFiles(join(root, "wordings"), manifest, description)
    expect(leftOut).toEqual(["notes: 6 training cases have several wordings, and one of them is stored"])
  })

  test("is refused when it does not fill a batch", async () => {
    const large = buildTrainer(tinyModel(), { batch: 7 }).description
    await expect(writeDataFiles(join(root, "large"), phantoms, large)).rejects.toThrow(/6 training cases.*--batch 6/)
    expect(existsSync(join(root, "large"))).toBe(false)
  })

  test("that was cut off is noticed when it is read", async () => {
    const folder = join(root, "cut")
    await writeDataFiles(folder, phantoms, description)
    const file = join(folder, "valid.bin")
    writeFileSync(file, readFileSync(file).subarray(0, -10))
    expect(() => program.readBatch(program.openData(folder), "valid", [0, 2])).toThrow(/valid end within case 2/)
  })
})

describe("the folder of a package", () => {
  const files = new Map([["program.json", `{"kind": "mdl-trainer-package"}`]])

  test("that holds something else is refused and left alone", async () => {
    const folder = join(root, "taken")
    mkdirSync(folder)
    writeFileSync(join(folder, "thesis.tex"), "x")
    await expect(writePackage(folder, files)).rejects.toThrow(/not empty and is no trainer package/)
    writeFileSync(join(folder, "program.json"), "not JSON")
    await expect(writePackage(folder, files)).rejects.toThrow(/not empty and is no trainer package/)
    expect(readdirSync(folder).sort()).toEqual(["program.json", "thesis.tex"])
    await expect(writePackage(join(folder, "thesis.tex"), files)).rejects.toThrow(/is a file/)
  })

  test("that holds an earlier package is replaced as a whole", async () => {
    const folder = join(root, "again")
    await writePackage(folder, new Map([...files, ["model/old.pb", "old"]]))
    await writePackage(folder, new Map([...files, ["model/new.pb", "new"]]))
    expect(readdirSync(join(folder, "model"))).toEqual(["new.pb"])
    expect(readdirSync(root).filter((name) => name.startsWith(".again"))).toEqual([])
  })

  test("is as it was when writing fails", async () => {
    const folder = join(root, "kept")
    await writePackage(folder, new Map([...files, ["a", "1"]]))
    const failing = async (): Promise<void> => {
      throw new Error("the disk is gone")
    }
    await expect(writePackage(folder, new Map([...files, ["a", "2"]]), failing)).rejects.toThrow("the disk is gone")
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("1")
    expect(readdirSync(root).filter((name) => name.startsWith(".kept"))).toEqual([])
  })
})
