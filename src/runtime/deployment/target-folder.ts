/**
 * The folder that a result goes to.
 *
 * Takes: the path of a file to be written. Gives: its folder, made where it is missing: `-o out/model.onnx` should not fail
 * after minutes of work because `out` is not there yet.
 */

import { mkdir } from "node:fs/promises"
import { dirname } from "node:path"
import { messageOf } from "../data/data-error.js"
import { UserError } from "../user-error.js"

/** Makes the folder of `file`. @throws UserError when it cannot be made, such as where a file has its name */
export async function makeFolderFor(file: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true })
  } catch (thrown) {
    throw new UserError(
      `${file} cannot be written: ${messageOf(thrown)}\n  name a file in a folder that may be written`,
      {
        cause: thrown,
      },
    )
  }
}
