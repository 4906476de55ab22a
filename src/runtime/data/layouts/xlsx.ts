/**
 * The first sheet of an .xlsx workbook as rows of text.
 *
 * Takes: a file. Gives: its rows, with their numbers; cells as text, empty ones as "".
 *
 * Why so: `read-excel-file` parses, but it fills every gap that a cell address leaves and unpacks what the archive
 * declares, so a hostile file of a few hundred bytes could take all memory. So the archive is unpacked here with limits
 * (zip.ts), the addresses in it are looked at, and the parser gets an archive that was checked. Its "universal" entry takes
 * bytes and reads the archive by its index; the Node one scans a stream for anything that looks like an entry.
 */
import { readSheet } from "read-excel-file/universal"
import { DataError, messageOf } from "../data-error.js"
import { MOST_INDEX_BYTES, readIndexBytes } from "./text-files.js"
import { storedZip, unzip } from "./zip.js"

/** What a workbook may have at most. */
export interface WorkbookLimits {
  readonly bytes: number
  /** Of all XML in it, unpacked. */
  readonly unpacked: number
  readonly rows: number
  /** Cells of the rectangle that the sheet spans. */
  readonly cells: number
}

export const WORKBOOK_LIMITS: WorkbookLimits = {
  bytes: MOST_INDEX_BYTES,
  unpacked: 2 ** 27,
  rows: 1e6,
  cells: 1e7,
}

export interface SheetRow {
  /** As the spreadsheet shows it, from 1. */
  readonly number: number
  readonly cells: readonly string[]
}

/** First bytes of the older container of Office files: .xls, and every workbook that is protected by a password. */
const COMPOUND_FILE = "d0cf11e0a1b11ae1"

/**
 * Reads the first sheet of a workbook.
 * @throws DataError when the file cannot be read, is no .xlsx, is cut off or damaged, or is larger than the limits.
 */
export async function readWorkbook(file: string, limits: WorkbookLimits = WORKBOOK_LIMITS): Promise<SheetRow[]> {
  const bytes = await readIndexBytes(file, limits.bytes)
  const saveAnew = "open it in a spreadsheet program and save it as .xlsx, without a password"
  if (bytes.toString("hex", 0, 8) === COMPOUND_FILE) {
    throw new DataError({ what: `${file} is an old .xls workbook, or one with a password`, fix: saveAnew })
  }
  if (bytes.toString("latin1", 0, 2) !== "PK") {
    throw new DataError({
      what: `${file} is not an .xlsx workbook${bytes.length === 0 ? ": it is empty" : ""}`,
      fix: "fetch the file again (a Git LFS pointer or an error page may be in its place), or save it anew as .xlsx",
    })
  }
  const parts = unzip(bytes, file, (name) => /\.(xml|rels)$/i.test(name), {
    entries: 10_000,
    unpacked: limits.unpacked,
  })
  for (const [name, part] of parts) checkSheet(part.toString("utf8"), `${file} (${name})`, limits)
  try {
    const rows = await readSheet(storedZip(parts).buffer)
    return rows.map((cells, index) => ({ number: index + 1, cells: cells.map(cellText) }))
  } catch (thrown) {
    throw new DataError(
      { what: `${file} is a ZIP archive but cannot be read as .xlsx: ${messageOf(thrown)}`, fix: saveAnew },
      { cause: thrown },
    )
  }
}

/** @throws DataError when a part is a sheet that spans more than the limits, or has an address that is none */
function checkSheet(xml: string, part: string, limits: WorkbookLimits): void {
  if (!/<(?:\w+:)?sheetData[\s/>]/.test(xml)) return
  let rows = 0
  let columns = 0
  // Addresses ("B12") of cells, numbers ("12") of rows.
  for (const [, , address = ""] of xml.matchAll(/[\s"']r\s*=\s*(["'])([^"']*)\1/g)) {
    const found = /^([A-Z]{0,3})(\d{1,7})$/.exec(address)
    if (!found) {
      throw new DataError({ what: `${part} has the cell address "${address}", which is none`, fix: "save it anew" })
    }
    rows = Math.max(rows, Number(found[2]))
    columns = Math.max(
      columns,
      [...(found[1] as string)].reduce((sum, letter) => 26 * sum + letter.charCodeAt(0) - 64, 0),
    )
  }
  rows = Math.max(rows, [...xml.matchAll(/<(?:\w+:)?row\b/g)].length)
  columns = Math.max(columns, 1)
  if (rows <= limits.rows && rows * columns <= limits.cells) return
  throw new DataError({
    what: `${part} spans ${rows} rows and ${columns} columns, more than a list of notes can have`,
    fix: `keep at most ${limits.rows} rows and ${limits.cells} cells; a stray cell far from the others counts (delete the empty rows and columns)`,
  })
}

/** The package types a cell as `typeof Date` where it gives a Date, hence `unknown`. */
function cellText(value: unknown): string {
  if (typeof value === "string") return value.trim()
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  return value instanceof Date ? value.toISOString() : ""
}
