/**
 * `mdl new DIR`: a project to start from: a model with two ablations, and the commands in the order one needs them.
 *
 * Takes a folder that does not exist or is empty. Gives the files of templates/project, which tests check, format and
 * train; nothing that is there is ever written over.
 */

import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs"
import { join } from "node:path"
import { Command } from "commander"
import { PACKAGE_ROOT } from "../runtime/model-file.js"
import { UserError } from "../runtime/user-error.js"
import { print, printJson } from "./output.js"

/** What was made. */
export interface NewProject {
  readonly folder: string
  /** paths below it */
  readonly files: readonly string[]
}

/** The `new` command. */
export function newCommand(): Command {
  return new Command("new")
    .description("make a project to start from: a small model, two ablations, and the steps to take")
    .argument("<dir>", "folder to make; it must not exist, or be empty")
    .option("--json", "print what was made as JSON")
    .action((folder: string, options: { json?: boolean }) => {
      const made = makeProject(folder)
      if (options.json) printJson(made)
      else print(projectText(made))
    })
}

/** Copies the template. @throws UserError when the folder is a file or holds something */
export function makeProject(folder: string): NewProject {
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) throw new UserError(`${folder} is a file: name a folder to make`)
    if (readdirSync(folder).length > 0)
      throw new UserError(`${folder} is not empty: name a folder that is not there yet`)
  }
  mkdirSync(folder, { recursive: true })
  cpSync(join(PACKAGE_ROOT, "templates", "project"), folder, { recursive: true })
  // npm leaves files called .gitignore out of packages, so the template has it under another name.
  renameSync(join(folder, "gitignore"), join(folder, ".gitignore"))
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" })
  return { folder, files: entries.filter((name) => statSync(join(folder, name)).isFile()).sort() }
}

function projectText({ folder, files }: NewProject): string {
  return [
    `made ${folder}:`,
    ...files.map((file) => `  ${file}`),
    "next:",
    `  cd ${folder}`,
    "  npx mdl check models/segmenter.mdl",
    "  npx mdl data synth data/phantoms",
    "  npx mdl train models/segmenter.mdl#Segmenter --data data/phantoms --run runs/first",
    "README.md has the steps after that",
  ].join("\n")
}
