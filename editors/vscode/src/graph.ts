/**
 * The graph of a model, beside the text.
 *
 * Takes a model; gives a view with the page that `mdl graph` writes, which is one file and loads nothing.
 */

import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as vscode from "vscode"
import { chosen, definitionsOf, openText } from "./models.js"
import { printed, type Program } from "./program.js"

/** The command `mdl.showGraph`. */
export async function showGraph(given: unknown, program: () => Program): Promise<void> {
  const document = await openText()
  const picked = typeof given === "string" ? { name: given } : await chosen(await definitionsOf(document), "model")
  if (!picked) return
  const { fsPath } = document.uri
  const folder = await mkdtemp(join(tmpdir(), "mdl-graph-"))
  try {
    const page = join(folder, "graph.html")
    const model = `${fsPath}#${picked.name}`
    await printed(program(), ["graph", model, "--out", page, "--open-in", "vscode"], dirname(fsPath))
    const column = vscode.ViewColumn.Beside
    const panel = vscode.window.createWebviewPanel("mdl.graph", picked.name, column, { enableScripts: true })
    panel.webview.html = await readFile(page, "utf8")
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
