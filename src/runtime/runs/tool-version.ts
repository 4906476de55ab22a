/**
 * Which version of MDL this is, from the package's own description; written into runs and files.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { PACKAGE_ROOT } from "../model-file.js"

export function toolVersion(): string {
  const text = readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")
  return (JSON.parse(text) as { version: string }).version
}
