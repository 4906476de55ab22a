import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { readNotes } from "../../../src/runtime/prediction/notes-file.js"

const folder = mkdtempSync(join(tmpdir(), "mdl-notes-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const write = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe("readNotes", () => {
  it("reads CSV with a byte order mark, quotes and line breaks, and says the lines", async () => {
    const file = write("a.csv", '\ufeffimage,note,mask\na.png,"upper, ""left""\nlung",masks/a.png\n\nb.png,right,\n')
    expect(await readNotes(file)).toEqual([
      { image: "a.png", note: 'upper, "left"\nlung', mask: join(folder, "masks/a.png"), line: 3 },
      { image: "b.png", note: "right", mask: undefined, line: 5 },
    ])
  })

  it("reads JSONL", async () => {
    const file = write("a.jsonl", '{"image": "a.png", "note": ""}\n\n{"image": "b.png", "note": "x", "id": 3}\n')
    expect(await readNotes(file)).toEqual([
      { image: "a.png", note: "", mask: undefined, line: 1 },
      { image: "b.png", note: "x", mask: undefined, line: 3 },
    ])
  })

  it("gives back any texts that were written by the rules of CSV (RFC 4180)", async () => {
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
    const cell = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\r"))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }), async (rows) => {
        const text = ["image,note", ...rows.map((row) => row.map(quoted).join(","))].join("\n")
        const found = await readNotes(write("p.csv", text))
        expect(found.map(({ image, note }) => [image, note])).toEqual(rows)
      }),
      { numRuns: 50 },
    )
  })

  it.each([
    ["a.txt", "", /not a file of notes: give a \.csv or \.jsonl/],
    ["empty.csv", "", /holds no notes/],
    ["head.csv", "image,text\na.png,x\n", /head\.csv:2: there is no note; its fields are image, text/],
    ["blank.csv", "image,note\n,x\n", /blank\.csv:2: there is no image/],
    ["short.csv", "image,note\na.png\n", /short\.csv:2: .*Invalid Record Length/],
    ["open.csv", 'image,note\na.png,"x\n', /open\.csv.*: .*Quote Not Closed/],
    ["bad.jsonl", '{"image": "a.png", "note": "x"}\n{', /bad\.jsonl:2: /],
    ["list.jsonl", "[1]\n", /list\.jsonl:1: expected an object/],
    ["number.jsonl", '{"image": "a.png", "note": 3}\n', /number\.jsonl:1: note is 3, not a text/],
  ])("refuses %s", async (name, text, message) => {
    const refusal = readNotes(write(name, text))
    await expect(refusal).rejects.toThrow(message)
    await expect(refusal).rejects.toMatchObject({ exitCode: 1 })
  })

  it("refuses a file that is not there", async () => {
    await expect(readNotes(join(folder, "none.csv"))).rejects.toThrow(/there is no file/)
  })
})
