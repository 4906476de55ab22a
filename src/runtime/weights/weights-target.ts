/**
 * The file that weights are written to.
 *
 * Takes what the user named; gives its absolute path. Only .safetensors is written, and a name without that ending is more
 * likely a slip than a wish.
 */

import { existsSync, statSync } from "node:fs"
import { resolve } from "node:path"
import { UserError } from "../user-error.js"

/** @throws UserError when `out` is no name for a weights file, or a folder */
export function weightsTarget(out: string): string {
  const file = resolve(out)
  if (!out.endsWith(".safetensors")) {
    throw new UserError(`${out || '""'} is no name for a weights file: it ends in .safetensors`)
  }
  if (existsSync(file) && statSync(file).isDirectory()) throw new UserError(`${out} is a folder; name a file in it`)
  return file
}
