/**
 * Where `mdl` is, and what it prints.
 *
 * Takes the setting and the folders that are open; gives the program. A project's own `mdl` goes before one that happens to
 * be on the PATH, because a model and the compiler it was written for belong together.
 */

import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path"

export interface Program {
  readonly command: string
  readonly arguments: readonly string[]
  /** a script of the Windows shell, which is started by it */
  readonly isScript: boolean
}

export interface Places {
  /** what the user has set; "" for nothing */
  readonly setting: string
  /** folders of the workspace, and of the text that is open */
  readonly folders: readonly string[]
}

const IS_WINDOWS = process.platform === "win32"
const NAMES = IS_WINDOWS ? ["mdl.cmd", "mdl.exe"] : ["mdl"]

/** `mdl` by the setting, in `node_modules`, or on the PATH. A setting that leads nowhere is not passed over. */
export function findProgram({ setting, folders }: Places): Program | undefined {
  if (setting !== "") {
    const path = isAbsolute(setting) || folders[0] === undefined ? setting : resolve(folders[0], setting)
    return existsSync(path) ? started(path) : undefined
  }
  const near = folders
    .flatMap(above)
    .flatMap((folder) => NAMES.map((name) => join(folder, "node_modules", ".bin", name)))
  const onPath = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "")
  const found = [...near, ...onPath.flatMap((folder) => NAMES.map((name) => join(folder, name)))].find(existsSync)
  return found === undefined ? undefined : started(found)
}

/** What to do where there is none. */
export function notFoundMessage({ setting }: Places): string {
  if (setting !== "") return `MDL: there is no program ${setting}, which the setting mdl.path names.`
  return "MDL: the program `mdl` was not found. Run `npm install mdl` in this project, or set mdl.path."
}

/** What the program prints for `given`. @throws Error with what it says went wrong */
export function printed(program: Program, given: readonly string[], folder: string): Promise<string> {
  const options = { cwd: folder, shell: program.isScript, env: { ...process.env, NO_COLOR: "1" }, maxBuffer: 2 ** 26 }
  return new Promise((done, failed) => {
    execFile(program.command, [...program.arguments, ...given], options, (error, stdout, stderr) => {
      if (error) failed(new Error(stderr.trim() || error.message))
      else done(stdout)
    })
  })
}

/** A program written in JavaScript is run by the editor's own Node where it is named directly. */
function started(path: string): Program {
  if (/\.[cm]?js$/.test(path)) return { command: "node", arguments: [path], isScript: false }
  return { command: path, arguments: [], isScript: IS_WINDOWS && path.endsWith(".cmd") }
}

/** A folder and all above it. */
function above(folder: string): readonly string[] {
  const outer = dirname(folder)
  return outer === folder ? [folder] : [folder, ...above(outer)]
}
