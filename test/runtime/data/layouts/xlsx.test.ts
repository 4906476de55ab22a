import fc from "fast-check"
import { readFile } from "node:fs/promises"
import { deflateRawSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { DataError } from "../../../../src/runtime/data/data-error.js"
import { readWorkbook, WORKBOOK_LIMITS } from "../../../../src/runtime/data/layouts/xlsx.js"
import { crc32, storedZip, unzip } from "../../../../src/runtime/data/layouts/zip.js"
import { dataErrorOf, temporaryFolder } from "../temporary.js"
import { fixture, sheetXml, workbook, workbookOf, writeInto } from "./files.js"

const LIMITS = { entries: 100, unpacked: 1e6 }

/** Reads bytes as a workbook; the file has the name that messages are compared with. */
async function read(bytes: Uint8Array | string, limits = WORKBOOK_LIMITS) {
  return readWorkbook(await writeInto(await temporaryFolder(), "notes.xlsx", bytes), limits)
}

/** The message that reading such a file ends with, without its folder. */
async function refusal(bytes: Uint8Array | string, limits = WORKBOOK_LIMITS): Promise<string> {
  return (await dataErrorOf(read(bytes, limits))).message.replace(/\S*notes\.xlsx/g, "notes.xlsx")
}

describe("readWorkbook", () => {
  it("reads what openpyxl writes: shared strings, an empty row, a number; the first sheet only", async () => {
    const rows = await readWorkbook(fixture("openpyxl.xlsx"))
    expect(rows.map(({ number, cells }) => [number, ...cells])).toEqual([
      [1, "Image", "Description"],
      [2, "a.png", "upper left lung"],
      [3, "mask_B.png", "lower right, “patchy” — <5 mm & growing"],
      [4, "", ""],
      [5, "c.png", "beide Lungenflügel"],
      [6, "165", "a name that is a number"],
    ])
  })

  it("reads what XlsxWriter writes: numbers, rich text", async () => {
    const rows = await readWorkbook(fixture("xlsxwriter.xlsx"))
    expect(rows.map(({ cells }) => cells)).toEqual([
      ["Size", "DESCRIPTION", "image"],
      ["3.5", "upper left lung", "a.png"],
      ["4", "lower right lung", "b.png"],
    ])
  })

  it("gives the texts of any cells back, trimmed", async () => {
    const text = fc.string({ unit: "grapheme" }).filter((one) => !/[\p{Cc}\ufffe\uffff]|_x[0-9a-f]{4}_/iu.test(one))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(text, text), { maxLength: 5 }), async (rows) => {
        const cells = [["Image", "Description"], ...rows]
        const bytes = workbook(...cells)
        const found = await read(bytes)
        const expected = cells.map((row) => row.map((one) => one.trim()))
        while (expected.at(-1)?.every((one) => one === "")) expected.pop()
        expect(found.map((row) => row.cells)).toEqual(expected)
      }),
      { numRuns: 30 },
    )
  })

  it.each([
    ["nothing", "", "notes.xlsx is not an .xlsx workbook: it is empty"],
    [
      "a text",
      "version https://git-lfs.github.com/spec/v1",
      "notes.xlsx is not an .xlsx workbook\n  fix: fetch the file again (a Git LFS",
    ],
    [
      "an .xls file",
      Buffer.from("d0cf11e0a1b11ae100", "hex"),
      "notes.xlsx is an old .xls workbook, or one with a password",
    ],
    [
      "a ZIP archive of something else",
      storedZip(new Map([["a.txt", Buffer.from("x")]])),
      "notes.xlsx is a ZIP archive but cannot be read as .xlsx",
    ],
    ["the letters of a ZIP archive", "PK..", "notes.xlsx is not a whole ZIP archive: it has no index at its end"],
  ])("refuses %s", async (_what, bytes, message) => {
    expect(await refusal(bytes)).toContain(message)
  })

  it("refuses a file that is cut off, wherever that is", async () => {
    const bytes = await readFile(fixture("openpyxl.xlsx"))
    for (let length = 2; length < bytes.length; length += 97) {
      expect(await refusal(bytes.subarray(0, length)), `cut to ${length}`).toMatch(/^notes\.xlsx /)
    }
  })

  it("reads or refuses, and never fails otherwise, when bytes are changed", async () => {
    const whole = await readFile(fixture("xlsxwriter.xlsx"))
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(whole)
        for (const [at, value] of changes) bytes[at] = value
        const outcome: unknown = await read(bytes).catch((thrown: unknown) => thrown)
        expect(outcome instanceof DataError || Array.isArray(outcome)).toBe(true)
      }),
      { numRuns: 150 },
    )
  })

  it("refuses a sheet whose few cells span too much, before it is read", async () => {
    const message = (await dataErrorOf(readWorkbook(fixture("far-cell.xlsx")))).message
    expect(message).toContain("spans 1048576 rows and 16384 columns, more than a list of notes can have")
    expect(message).toContain("a stray cell far from the others counts")
  })

  it.each([
    ['<row r="9999999"/>', "spans 9999999 rows and 1 columns"],
    ["<row r = '2000000'/>", "spans 2000000 rows"],
    ['<row r="1e12"/>', 'the cell address "1e12", which is none'],
    ['<row r="&#49;000000000"/>', 'the cell address "&#49;000000000", which is none'],
    ['<row s="1"r="123456789"/>', 'the cell address "123456789", which is none'],
    ['<row r="1"><c r="ABCD1"/></row>', 'the cell address "ABCD1", which is none'],
  ])("refuses %s", async (rows, message) => {
    expect(await refusal(workbookOf(`<worksheet><sheetData>${rows}</sheetData></worksheet>`))).toContain(message)
  })

  it("refuses files and contents above the limits", async () => {
    const bytes = workbook(["Image", "Description"])
    expect(await refusal(bytes, { ...WORKBOOK_LIMITS, bytes: 100 })).toContain(
      `notes.xlsx has ${bytes.length} bytes, more than any index of a data set (100)`,
    )
    expect(await refusal(bytes, { ...WORKBOOK_LIMITS, unpacked: 100 })).toContain("would unpack to more than 100 bytes")
    const unnumbered = workbookOf(`<worksheet><sheetData>${"<row/>".repeat(11)}</sheetData></worksheet>`)
    expect(await refusal(unnumbered, { ...WORKBOOK_LIMITS, rows: 10 })).toContain("spans 11 rows and 1 columns")
  })
})

describe("unzip", () => {
  const content = Buffer.from(sheetXml([["x".repeat(1000)]]))

  /** An archive with one deflated entry that declares `size` bytes. */
  function deflated(size: number, name = "a.xml"): Buffer {
    const packed = deflateRawSync(content)
    const bytes = Buffer.from(storedZip(new Map([[name, packed]])))
    const central = bytes.indexOf("PK\x01\x02", 0, "latin1")
    bytes.writeUInt16LE(8, central + 10)
    bytes.writeUInt32LE(crc32(content), central + 16)
    bytes.writeUInt32LE(size, central + 24)
    return bytes
  }
  const open = (bytes: Buffer, limits = LIMITS) => unzip(bytes, "a.zip", () => true, limits)

  it("unpacks what deflate packed, and what is stored", () => {
    expect(open(deflated(content.length)).get("a.xml")).toEqual(content)
    expect(open(Buffer.from(storedZip(new Map([["b/ü.xml", content]])))).get("b/ü.xml")).toEqual(content)
  })

  it.each([content.length - 1, content.length + 1, 0, 1])(
    "refuses an entry that declares %i bytes and has others",
    (size) => {
      expect(() => open(deflated(size))).toThrow("is damaged at a.xml: it does not unpack to what the index declares")
    },
  )

  it("looks at what is declared before it unpacks", () => {
    expect(() => open(deflated(0xffffffff))).toThrow("would unpack to more than 1000000 bytes")
  })

  it("refuses another checksum, a password, an unknown method, too many entries, an entry twice", () => {
    const at = (bytes: Buffer) => bytes.indexOf("PK\x01\x02", 0, "latin1")
    const changed = (change: (bytes: Buffer) => void) => {
      const bytes = deflated(content.length)
      change(bytes)
      return () => open(bytes)
    }
    expect(changed((bytes) => bytes.writeUInt32LE(1, at(bytes) + 16))).toThrow("its checksum differs")
    expect(changed((bytes) => bytes.writeUInt16LE(1, at(bytes) + 8))).toThrow("is protected by a password")
    expect(changed((bytes) => bytes.writeUInt16LE(99, at(bytes) + 10))).toThrow("does not unpack")
    expect(changed((bytes) => bytes.writeUInt32LE(7, at(bytes) + 42))).toThrow("is damaged at a.xml")
    expect(changed((bytes) => bytes.writeUInt32LE(1e6, at(bytes) + 20))).toThrow("is cut off in a.xml")
    expect(changed((bytes) => bytes.writeUInt16LE(2, bytes.length - 12))).toThrow("has a damaged index")
    expect(() => open(deflated(content.length), { ...LIMITS, entries: 0 })).toThrow("has 1 entries, more than 0")
    const twice = Buffer.from(
      storedZip(
        new Map([
          ["a.xml", content],
          ["b.xml", content],
        ]),
      ),
    )
    twice.write("a", twice.lastIndexOf("b.xml"))
    expect(() => open(twice)).toThrow("holds a.xml twice")
  })

  it("has the checksum that the standard gives as an example", () => {
    expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926)
  })
})
