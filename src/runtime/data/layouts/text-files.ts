/**
 * Index files of data sets: read whole, with a limit, and parsed with the position of what is wrong.
 *
 * Takes: paths and texts. Gives: text, or values; DataErrors that name file, line and column.
 */
import { open } from "node:fs/promises"
import { DataError, messageOf } from "../data-error.js"
import { jsonMistake } from "../json-position.js"

/** The most bytes of an index file (64 MB): the largest published one has 3 MB, and a wrong file can have any size. */
export const MOST_INDEX_BYTES = 2 ** 26

/** Reads an index file. @throws DataError when it cannot be read, or has more than `most` bytes */
export async function readIndexBytes(file: string, most: number = MOST_INDEX_BYTES): Promise<Buffer> {
  try {
    const handle = await open(file)
    try {
      const found = await handle.stat()
      // A device says that it has no bytes, and has them without end.
      if (!found.isFile()) throw new DataError({ what: `${file} is no file`, fix: "make it a readable file" })
      const { size } = found
      if (size > most) {
        throw new DataError({
          what: `${file} has ${size} bytes, more than any index of a data set (${most})`,
          fix: "check that it is the right file",
        })
      }
      return await handle.readFile()
    } finally {
      await handle.close()
    }
  } catch (thrown) {
    if (thrown instanceof DataError) throw thrown
    throw new DataError(
      { what: `${file} cannot be read: ${messageOf(thrown)}`, fix: "make it a readable file" },
      { cause: thrown },
    )
  }
}

/** The text of an index file in UTF-8; a byte order mark is dropped. @throws DataError as {@link readIndexBytes} */
export async function readIndexText(file: string): Promise<string> {
  return new TextDecoder().decode(await readIndexBytes(file))
}

/**
 * Parses JSON.
 * @param file its path, for messages.
 * @param firstLine the file's line that the text begins at, for a text that is part of a file.
 * @throws DataError naming line and column.
 */
export function parseJson(text: string, file: string, firstLine = 1): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    const { line, column } = jsonMistake(text)
    throw new DataError(
      {
        what: `${file}:${line + firstLine - 1}:${column}: not valid JSON`,
        fix: "correct the file at that position, or fetch it again (it may be cut off)",
      },
      { cause: thrown },
    )
  }
}

/** Whether a parsed value is an object with fields. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
