/**
 * The script of picture pages as one text.
 *
 * Takes the compiled modules of `page/`; gives them one after another, without imports and exports: a page that stands in one
 * file can import nothing. The names of all modules therefore share one scope, as the browser's tests prove they can.
 */

import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { UserError } from "../user-error.js"

/** In the order in which they need one another. */
export const PICTURE_MODULES = ["stage", "side", "main"] as const

/** The JavaScript of a module in `page/`. */
export type PictureModuleReader = (name: string) => Promise<string>

/** The script. @param read the JavaScript of a module; as compiled when absent */
export async function pageScript(read: PictureModuleReader = readCompiled): Promise<string> {
  const texts = await Promise.all(PICTURE_MODULES.map(read))
  return texts
    .map((text) =>
      text
        .replace(/^import .*?;$/gms, "")
        .replace(/^export (?=const|class|function|\{)/gm, "")
        .replace(/^\{\};?$/gm, "")
        .replace(/^\/\/# sourceMappingURL=.*$/gm, "")
        .trim(),
    )
    .join("\n")
}

/** @throws UserError when the page is not built */
async function readCompiled(name: string): Promise<string> {
  const path = fileURLToPath(new URL(`page/${name}.js`, import.meta.url))
  try {
    return await readFile(path, "utf8")
  } catch (thrown) {
    throw new UserError(`${path} is missing: build the tool (npm run build)`, { cause: thrown })
  }
}
