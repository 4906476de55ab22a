/**
 * Files for the tests of the layouts: pictures and workbooks in folders.
 */
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import sharp from "sharp"
import { storedZip } from "../../../../src/runtime/data/layouts/zip.js"

/** Path of a committed workbook, see scripts/fixtures/lvit-workbooks.py. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../fixtures/data/${name}`, import.meta.url))
}

/** Writes a file and the folders it is in. */
export async function writeInto(root: string, path: string, content: string | Uint8Array): Promise<string> {
  const file = join(root, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
  return file
}

/** Writes small pictures, of the format that each path's ending says. */
export async function writePictures(root: string, ...paths: readonly string[]): Promise<void> {
  for (const [index, path] of paths.entries()) {
    const data = Uint8Array.from({ length: 64 }, (_, i) => (i < 32 ? 255 : index))
    const picture = sharp(data, { raw: { width: 8, height: 8, channels: 1 } })
    const format = /\.jpe?g$/i.test(path) ? "jpeg" : /\.tiff?$/i.test(path) ? "tiff" : "png"
    await writeInto(root, path, await picture.toFormat(format).toBuffer())
  }
}

const escaped = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;")

/** A sheet of text cells, its rows numbered from 1, as the XML of a workbook. */
export function sheetXml(rows: readonly (readonly string[])[]): string {
  const cell = (text: string, row: number, column: number): string =>
    `<c r="${String.fromCharCode(65 + column)}${row}" t="inlineStr"><is><t>${escaped(text)}</t></is></c>`
  const body = rows.map(
    (cells, i) => `<row r="${i + 1}">${cells.map((text, j) => cell(text, i + 1, j)).join("")}</row>`,
  )
  return `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>${body.join("")}</sheetData></worksheet>`
}

/** The least that is an .xlsx workbook, with the given XML as its one sheet. */
export function workbookOf(sheet: string): Uint8Array {
  const office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
  const main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
  const parts: Record<string, string> = {
    "[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
    "xl/workbook.xml": `<workbook xmlns="${main}" xmlns:r="${office}"><sheets><sheet name="A" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    "xl/_rels/workbook.xml.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="${office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
    "xl/worksheets/sheet1.xml": sheet,
  }
  return storedZip(new Map(Object.entries(parts).map(([name, text]) => [name, Buffer.from(text)])))
}

/** A workbook of rows. */
export function workbook(...rows: readonly (readonly string[])[]): Uint8Array {
  return workbookOf(sheetXml(rows))
}
