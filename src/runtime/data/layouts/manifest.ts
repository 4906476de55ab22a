/**
 * A manifest: a table that says which files are a case, for data that has no folder layout of its own.
 *
 *   manifest.csv      image,mask,note,split        then one line for each case; more columns: subject, id
 *   manifest.jsonl    {"image": "a.png", "mask": "a_mask.png", "note": "left lung", "split": "train"}    one object a line
 *
 * Takes: the folder of a manifest, or the manifest itself (any name that ends in .csv or .jsonl). Gives: samples, and what
 * does not fit together. Paths are relative to the manifest; in JSONL a note may be a list of texts that say the same.
 *
 * Why so: here somebody wrote down what is a case, so nothing is guessed. A file that a row names has to be there under
 * exactly that name, every row needs its split, and each mistake is told with file and line. CSV is RFC 4180 as
 * spreadsheets write it (quotes, line breaks in cells, a byte order mark), read by `csv-parse`.
 */
import { stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { CsvError, parse } from "csv-parse/sync"
import { codeOf, DataError } from "../data-error.js"
import { isImageName, splitFragment } from "../formats/names.js"
import { type Layout, listed, type Sample, type Split, splitNamed, SPLITS } from "../sample.js"
import { Findings } from "./findings.js"
import { fieldsByName } from "./image-folder.js"
import { isRecord, parseJson, readIndexText } from "./text-files.js"
import { caseNames, notesOf } from "./wordings.js"

const NAMES = ["manifest.csv", "manifest.jsonl"] as const
const REQUIRED = ["image", "mask", "note", "split"] as const
const OPTIONAL = ["subject", "id"] as const
type Column = (typeof REQUIRED)[number] | (typeof OPTIONAL)[number]

/** A row as it was written: cells by column, the line it begins at. Undefined: not there. */
export interface ManifestRow {
  readonly line: number
  readonly cells: Readonly<Partial<Record<Column, string | readonly string[]>>>
}

export const manifestLayout: Layout = {
  name: "manifest",
  looksLike: "manifest.csv or manifest.jsonl with the columns image, mask, note, split (and subject, id)",
  async detect(_root, entries) {
    return NAMES.some((name) => entries.includes(name))
  },
  isFile: (path) => /\.(csv|jsonl)$/i.test(path),
  async read(place) {
    const file = await manifestAt(place)
    const rows = parseManifest(await readIndexText(file), file)
    const findings = findingsIn(file)
    return { samples: await samplesOf(rows, file, findings), problems: findings.problems() }
  },
}

/** @throws DataError when a folder has both manifests: one of them would not be read */
async function manifestAt(place: string): Promise<string> {
  if (!(await stat(place)).isDirectory()) return place
  const there: string[] = []
  for (const name of NAMES) if (await isFileAt(join(place, name))) there.push(join(place, name))
  const [first, second] = there
  if (first !== undefined && second === undefined) return first
  throw new DataError({
    what: `${place} has ${there.length === 0 ? "no manifest that is a file" : "two manifests"}`,
    fix: `name the one to read: ${NAMES.map((name) => join(place, name)).join(" or ")}`,
  })
}

/** Rows of a manifest, by its file name's ending. @throws DataError naming file and line */
export function parseManifest(text: string, file: string): ManifestRow[] {
  return /\.jsonl$/i.test(file) ? parseJsonLines(text, file) : parseCsv(text, file)
}

interface CsvRecord {
  readonly line: number
  readonly cells: readonly string[]
}

function parseCsv(text: string, file: string): ManifestRow[] {
  const [header, ...rows] = csvRecords(text, file)
  const titles = (header?.cells ?? []).map((title) => title.trim().toLowerCase())
  requireColumns(titles, file)
  return rows.map(({ line, cells }) => {
    if (cells.length !== titles.length) {
      throw new DataError({
        what: `${file}:${line}: ${cells.length} cells, but the first line names ${titles.length} columns`,
        fix: 'write a cell for each column, and put a note that has commas in "quotes"',
      })
    }
    return { line, cells: Object.fromEntries(titles.map((title, index) => [title, (cells[index] as string).trim()])) }
  })
}

/** All records of a CSV text. @throws DataError naming the line that the mistake is in */
function csvRecords(text: string, file: string): CsvRecord[] {
  // `csv-parse` takes one kind of line end for all, and counts a CR LF in quotes as two lines.
  const lines = text.replace(/\r\n?/g, "\n")
  const records: CsvRecord[] = []
  let end = 0
  try {
    parse(lines, {
      bom: true,
      record_delimiter: "\n",
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (cells: string[], info) => {
        end = info.lines
        // `lines` is where a record ends.
        records.push({ cells, line: end - cells.reduce((sum, cell) => sum + cell.split("\n").length - 1, 0) })
        return null
      },
    })
    return records
  } catch (thrown) {
    if (!(thrown instanceof CsvError)) throw thrown
    // A quote that is never closed is noticed at the end of the file, and is wanted where it was opened.
    const unclosed = thrown.code === "CSV_QUOTE_NOT_CLOSED"
    const line = unclosed ? end + 1 : Number(thrown["lines"])
    const what = unclosed ? "a quote in this row is not closed" : "a quote stands in the middle of a cell"
    throw new DataError(
      {
        what: `${file}:${line}: not valid CSV: ${what}`,
        fix: 'put a cell that has commas, quotes or line breaks in "quotes", and write a quote in it twice ("")',
      },
      { cause: thrown },
    )
  }
}

/** @throws DataError when a required column is missing, or one is there twice */
function requireColumns(titles: readonly string[], file: string): void {
  const missing = REQUIRED.filter((column) => !titles.includes(column))
  if (missing.length > 0) {
    const what = `${file}:1: the first line lacks ${missing.map((column) => `"${column}"`).join(", ")}; it has ${listed(titles.filter(Boolean), 8)}`
    throw new DataError({
      what,
      fix: `the first line names the columns: ${REQUIRED.join(",")} (split is train, valid or test), and if you like ${OPTIONAL.join(", ")}`,
    })
  }
  const twice = [...REQUIRED, ...OPTIONAL].find((column) => titles.indexOf(column) !== titles.lastIndexOf(column))
  if (twice === undefined) return
  throw new DataError({ what: `${file}:1: the column "${twice}" is there twice`, fix: "keep one of them" })
}

function parseJsonLines(text: string, file: string): ManifestRow[] {
  return text.split(/\r?\n/).flatMap((json, index) => {
    if (json.trim() === "") return []
    const line = index + 1
    const value = parseJson(json, file, line)
    if (!isRecord(value)) {
      throw new DataError({ what: `${file}:${line}: not an object`, fix: `a line is {${EXAMPLE}}` })
    }
    const cells: Partial<Record<Column, string | readonly string[]>> = {}
    for (const column of [...REQUIRED, ...OPTIONAL]) {
      const cell = value[column]
      if (cell === undefined || cell === null) continue
      if (typeof cell === "string") cells[column] = cell.trim()
      else if (column === "note" && Array.isArray(cell) && cell.every((one) => typeof one === "string")) {
        cells[column] = cell.map((one) => one.trim())
      } else {
        const kinds = column === "note" ? "a text or a list of texts" : "a text"
        throw new DataError({ what: `${file}:${line}: "${column}" is not ${kinds}`, fix: `a line is {${EXAMPLE}}` })
      }
    }
    return [{ line, cells }]
  })
}

const EXAMPLE = '"image": "a.png", "mask": "a_mask.png", "note": "left lung", "split": "train"'

function findingsIn(file: string) {
  const index = basename(file)
  return new Findings({
    "incomplete-row": {
      severity: "error",
      what: (names) => `rows that lack something: ${names}`,
      fix: `every row of ${index} needs image, mask, note and split (train, valid or test)`,
    },
    "missing-image": {
      severity: "error",
      what: (names) => `images that are not there: ${names}`,
      fix: `correct the path (it is relative to the folder of ${index}), fetch the file, or remove the row`,
    },
    "missing-mask": {
      severity: "error",
      what: (names) => `masks that are not there: ${names}`,
      fix: `correct the path (it is relative to the folder of ${index}), fetch the file, or remove the row`,
    },
    "duplicate-caption": {
      severity: "error",
      what: (names) => `rows that give another note, split or name for an image and mask than an earlier row: ${names}`,
      fix: 'keep one row for each image and mask; several wordings of a note are a list in JSONL: "note": ["...", "..."]',
    },
    "ambiguous-name": {
      severity: "error",
      what: (names) => `rows with the id of an earlier row of the same split: ${names}`,
      fix: "give each row an id of its own, or none",
    },
  })
}

interface ManifestCase {
  readonly row: ManifestRow
  readonly split: Split
  readonly image: string
  readonly mask: string
  readonly wordings: readonly string[]
  readonly id: string | undefined
  readonly subject: string | undefined
}

async function samplesOf(
  rows: readonly ManifestRow[],
  file: string,
  findings: ReturnType<typeof findingsIn>,
): Promise<Sample[]> {
  const where = (row: ManifestRow): string => `${basename(file)}:${row.line}`
  const cases: ManifestCase[] = []
  const known = new Map<string, ManifestCase>()
  for (const row of rows) {
    const one = caseOf(row)
    if (typeof one === "string") {
      findings.add("incomplete-row", `${where(row)} (${one})`)
      continue
    }
    const key = JSON.stringify([one.image, one.mask])
    const earlier = known.get(key)
    if (earlier === undefined) {
      known.set(key, one)
      cases.push(one)
      continue
    }
    const said = ({ split, wordings, id, subject }: ManifestCase): string =>
      JSON.stringify([split, wordings, id, subject])
    findings.add(said(earlier) === said(one) ? "repeated-row" : "duplicate-caption", `${where(row)} (${one.image})`)
  }
  const root = dirname(file)
  const isThere = (path: string): Promise<boolean> => isFileAt(resolve(root, splitFragment(path).file))
  const there = await Promise.all(cases.map(({ image, mask }) => Promise.all([isThere(image), isThere(mask)])))
  const whole = cases.filter(({ row, image, mask }, index) => {
    const [imageThere = false, maskThere = false] = there[index] ?? []
    if (!imageThere) findings.add("missing-image", `${image} (${where(row)})`)
    if (!maskThere) findings.add("missing-mask", `${mask} (${where(row)})`)
    return imageThere && maskThere
  })
  const names = caseNames(whole)
  const taken = new Set<string>()
  return whole.flatMap((one, index) => {
    const { row, split, image, mask, wordings, subject } = one
    const id = one.id ?? names[index]!
    if (taken.has(`${split}/${id}`)) {
      findings.add("ambiguous-name", `${id} (${where(row)})`)
      return []
    }
    taken.add(`${split}/${id}`)
    return [
      {
        id,
        split,
        imagePath: resolve(root, image),
        maskPath: resolve(root, mask),
        ...notesOf(wordings, { split, id }),
        ...fieldsByName(basename(image), mask),
        ...(subject === undefined ? {} : { subject: subject.toLowerCase() }),
      },
    ]
  })
}

/** What a row says, or what it lacks. */
function caseOf(row: ManifestRow): ManifestCase | string {
  const text = (column: Exclude<Column, "note">): string | undefined => {
    const cell = row.cells[column]
    return typeof cell === "string" && cell !== "" ? cell : undefined
  }
  const { note = "" } = row.cells
  const wordings = (typeof note === "string" ? [note] : note).filter((one) => one !== "")
  const [image, mask, splitName] = [text("image"), text("mask"), text("split")]
  if (image === undefined) return "no image"
  if (mask === undefined) return `${image} has no mask`
  if (wordings.length === 0) return `${image} has no note`
  if (splitName === undefined) return `${image} has no split`
  const split = splitNamed(splitName)
  if (split === undefined) return `${image} has the split "${splitName}", which is none of ${SPLITS.join(", ")}`
  const other = [image, mask].find((path) => !isImageName(path))
  if (other !== undefined) return `${other} is no image, by its ending`
  return { row, split, image, mask, wordings, id: text("id"), subject: text("subject") }
}

/** Whether there is a file of this name. */
async function isFileAt(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (thrown) {
    // No such file; a file where a folder should be; a name too long; a name with a zero byte, which no file has.
    const code = codeOf(thrown)
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG" || code === "ERR_INVALID_ARG_VALUE")
      return false
    throw thrown
  }
}
