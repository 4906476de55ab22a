/**
 * A text file that need not be there.
 *
 * Takes its path; gives its text, or undefined. Anything else that goes wrong is thrown: a file that cannot be read is not a
 * file that is absent.
 */

import { readFile } from "node:fs/promises"
import { codeOf } from "../data/data-error.js"

/** The text of a file; undefined when there is none of that name. */
export async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8")
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return undefined
    throw thrown
  }
}
