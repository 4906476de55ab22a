import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { listCases } from "../../../src/runtime/prediction/case-list.js"

const root = mkdtempSync(join(tmpdir(), "mdl-cases-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let count = 0
/** A folder with these files; only their names matter. */
function folderWith(...names: string[]): string {
  const folder = join(root, `${count++}`)
  for (const name of names) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), "")
  }
  return folder
}
function notes(text: string): string {
  const file = join(root, `${count++}.csv`)
  writeFileSync(file, `image,note\n${text}`)
  return file
}

describe("the cases of a folder", () => {
  it("are its images and those below, by name, each with the note", async () => {
    const folder = folderWith("b.png", "a.JPG", "deep/c.nii.gz", "notes.txt", ".hidden.png")
    const cases = await listCases({ kind: "folder", folder, note: "left" }, true)
    expect(cases).toEqual([
      { id: "a", image: join(folder, "a.JPG"), note: "left" },
      { id: "b", image: join(folder, "b.png"), note: "left" },
      { id: "deep/c", image: join(folder, "deep", "c.nii.gz"), note: "left" },
    ])
  })

  it("keep their endings where two would be called the same", async () => {
    const folder = folderWith("a.png", "a.jpg", "b.png")
    const cases = await listCases({ kind: "folder", folder }, false)
    expect(cases.map(({ id }) => id)).toEqual(["a.jpg", "a.png", "b"])
    expect(cases.map(({ note }) => note)).toEqual(["", "", ""])
  })

  it("take their notes by path, by file name, without the ending, and slice by slice", async () => {
    const folder = folderWith("a.png", "x/b.png", "v.nii.gz")
    const file = notes("./a,one\nb.png,two\na.png,three\nv.nii.gz#z=3,four\nv.nii.gz#z=4,five\n")
    expect(await listCases({ kind: "folder", folder, notes: file }, true)).toEqual([
      { id: "a", image: join(folder, "a.png"), note: "one" },
      { id: "x/b", image: join(folder, "x", "b.png"), note: "two" },
      { id: "a-2", image: join(folder, "a.png"), note: "three" },
      { id: "v#z=3", image: join(folder, "v.nii.gz#z=3"), note: "four" },
      { id: "v#z=4-2", image: join(folder, "v.nii.gz#z=4"), note: "five" },
    ])
  })

  it("need a note each, and each note an image", async () => {
    const folder = folderWith("a.png", "b.png", "x/a.png")
    const listing = (text?: string) =>
      listCases({ kind: "folder", folder, ...(text === undefined ? {} : { notes: notes(text) }) }, true)
    await expect(listing()).rejects.toThrow(/this model reads notes/)
    await expect(listing("b,x\nc.png,y\n")).rejects.toThrow(/names images that are not there: c\.png \(line 3\)/)
    await expect(listing("b,x\n")).rejects.toThrow(/has no note for a, x\/a: add a row/)
    await expect(listing("a.png,x\n")).rejects.toThrow(/:2: a\.png may be .*write the path/)
  })

  it("are refused when there is none", async () => {
    await expect(listCases({ kind: "folder", folder: folderWith("a.txt") }, false)).rejects.toThrow(/holds no image/)
    await expect(listCases({ kind: "folder", folder: join(root, "none") }, false)).rejects.toThrow(/not a folder/)
  })
})

describe("images by name", () => {
  it("go by their file names wherever they lie, and are given once", async () => {
    const folder = folderWith("a.png", "b.png")
    const paths = [join(folder, "b.png"), join(folder, "a.png")]
    const cases = await listCases({ kind: "images", paths, note: "" }, true)
    expect(cases.map(({ id }) => id)).toEqual(["b", "a"])
    await expect(listCases({ kind: "images", paths: [...paths, paths[0]!], note: "" }, true)).rejects.toThrow(
      /two images are called b\.png/,
    )
  })
})
