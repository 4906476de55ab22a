/**
 * `mdl graph`: the picture of a model, as a page to explore or a drawing for a paper.
 *
 * Takes the command line. Gives: a file, and its place on stdout. Thin: the picture is made in compiler/picture, the file
 * in runtime/pictures.
 */

import { basename } from "node:path"
import { Command, Option } from "commander"
import { openSide } from "../runtime/model-side.js"
import { drawn, EDITORS, type Editor } from "../runtime/pictures/side.js"
import { requirePictureName, writeGraph } from "../runtime/pictures/write-picture.js"
import { print, printJson } from "./output.js"

interface GraphFlags {
  readonly out?: string
  readonly openIn?: Editor
  readonly json?: boolean
}

/** The `graph` command. */
export function graphCommand(): Command {
  return new Command("graph")
    .description("draw a model: sections, statements and blocks, with shapes, sizes and source")
    .argument("<model>", "file.mdl#name, REVISION:file.mdl#name of a git revision, or an exported file.onnx")
    .option("-o, --out <file>", "what to write: .html to explore, .svg for a paper (default: MODEL.html here)")
    .addOption(
      new Option("--open-in <editor>", "link every part to its line in an editor on this machine").choices(
        Object.keys(EDITORS),
      ),
    )
    .option("--json", "print the picture as JSON; a file is then written only with --out")
    .action(async (reference: string, { out, openIn, json }: GraphFlags) => {
      if (out !== undefined) requirePictureName(out)
      const side = drawn(await openSide(reference))
      if (json) {
        if (out !== undefined) await writeGraph(side, out, { editor: openIn })
        printJson(side.picture)
        return
      }
      const path =
        out ?? `${basename(reference.replace(/#.*$/, "")).replace(/\.[^.]*$/, "")}${selectorOf(reference)}.html`
      const bytes = await writeGraph(side, path, { editor: openIn })
      print(`${path} (${(bytes / 1e6).toFixed(2)} MB)`)
    })
}

/** `-quick` of `reclmis.mdl#quick`, so that pictures of two ablations do not take each other's place. */
function selectorOf(reference: string): string {
  const at = reference.lastIndexOf("#")
  return at < 0 || at === reference.length - 1 ? "" : `-${reference.slice(at + 1)}`
}
