/**
 * A file of notes: one for each image.
 *
 * Takes: a CSV file with the columns image, note and perhaps mask, or a JSONL file of objects with these fields. Gives: its
 * rows with their lines. The mask is the truth, for scoring; its path is taken from the file's own folder.
 */

import { dirname, resolve } from "node:path"
import { type CsvError, parse } from "csv-parse/sync"
import { codeOf, messageOf } from "../data/data-error.js"
import { readIndexText } from "../data/layouts/text-files.js"
import { UserError } from "../user-error.js"

export interface NoteRow {
  readonly image: string
  readonly note: string
  /** absolute path */
  readonly mask: string | undefined
  /** counted from 1 */
  readonly line: number
}

type Fields = Readonly<Record<string, unknown>>

/** @throws UserError that names file and line for what cannot be read */
export async function readNotes(file: string): Promise<NoteRow[]> {
  const text = await readText(file)
  const records = /\.jsonl$/i.test(file) ? jsonRecords(text, file) : csvRecords(text, file)
  if (records.length === 0) throw new UserError(`${file} holds no notes`)
  return records.map(({ fields, line }) => {
    const textOf = (key: string): string | undefined => {
      const value = fields[key]
      if (value === undefined || typeof value === "string") return value
      throw new UserError(`${file}:${line}: ${key} is ${JSON.stringify(value)}, not a text`)
    }
    const [image, note, mask] = ["image", "note", "mask"].map(textOf)
    if (!image)
      throw new UserError(`${file}:${line}: there is no image; its fields are ${Object.keys(fields).join(", ")}`)
    if (note === undefined) {
      throw new UserError(`${file}:${line}: there is no note; its fields are ${Object.keys(fields).join(", ")}`)
    }
    return { image, note, mask: mask ? resolve(dirname(file), mask) : undefined, line }
  })
}

async function readText(file: string): Promise<string> {
  if (!/\.(csv|jsonl)$/i.test(file)) throw new UserError(`${file} is not a file of notes: give a .csv or .jsonl file`)
  try {
    return await readIndexText(file)
  } catch (thrown) {
    const cause = thrown instanceof Error ? thrown.cause : undefined
    if (codeOf(cause) === "ENOENT") throw new UserError(`there is no file ${file}`, { cause })
    throw thrown
  }
}

interface FileRecord {
  readonly fields: Fields
  readonly line: number
}

function csvRecords(text: string, file: string): FileRecord[] {
  let found: readonly { readonly record: Fields; readonly info: { readonly lines: number } }[]
  try {
    found = parse(text, { columns: true, bom: true, info: true, skip_empty_lines: true }) as unknown as typeof found
  } catch (thrown) {
    const line = (thrown as CsvError & { readonly lines?: number }).lines
    throw new UserError(`${file}${line === undefined ? "" : `:${line}`}: ${messageOf(thrown)}`, { cause: thrown })
  }
  return found.map(({ record, info }) => ({ fields: record, line: info.lines }))
}

function jsonRecords(text: string, file: string): FileRecord[] {
  return text.split("\n").flatMap((content, index) => {
    if (content.trim() === "") return []
    const line = index + 1
    let value: unknown
    try {
      value = JSON.parse(content)
    } catch (thrown) {
      throw new UserError(`${file}:${line}: ${messageOf(thrown)}`, { cause: thrown })
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new UserError(`${file}:${line}: expected an object such as {"image": "a.png", "note": "..."}`)
    }
    return [{ fields: value as Fields, line }]
  })
}
