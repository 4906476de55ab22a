/**
 * The extension: starts the language server, and runs what its lenses and the palette name.
 *
 * Takes the editor; gives it a client of `mdl lsp` and three commands. Everything about the language is the server's: where
 * `mdl` is not there, texts still have colours and snippets, and a message says how to get the rest.
 */

import * as vscode from "vscode"
import { LanguageClient, type ServerOptions } from "vscode-languageclient/node"
import { diffWithBase, DIFF_SCHEME, DiffTexts } from "./diff.js"
import { showGraph } from "./graph.js"
import { findProgram, notFoundMessage, type Program } from "./program.js"

let client: LanguageClient | undefined

/** Called by the editor when the first text of MDL is opened. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel("MDL", { log: true })
  const texts = new DiffTexts()
  const command = (name: string, run: (...given: unknown[]) => Promise<void>): vscode.Disposable =>
    vscode.commands.registerCommand(name, async (...given: unknown[]) => {
      try {
        await run(...given)
      } catch (error) {
        // A command that fails says so where the user is looking.
        await vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error))
      }
    })
  context.subscriptions.push(
    output,
    vscode.workspace.registerTextDocumentContentProvider(DIFF_SCHEME, texts),
    command("mdl.diffWithBase", (given) => diffWithBase(given, texts, program)),
    command("mdl.showGraph", (given) => showGraph(given, program)),
    command("mdl.restartServer", () => restart(output)),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("mdl.path")) void restart(output)
    }),
  )
  await start(output)
}

/** Called by the editor before it ends. */
export function deactivate(): Promise<void> | undefined {
  return client?.stop()
}

/** `mdl` for the text that is open. @throws Error with words for the user */
function program(): Program {
  const found = findProgram(places())
  if (found) return found
  throw new Error(notFoundMessage(places()))
}

/** Where `mdl` may be. */
function places(): { readonly setting: string; readonly folders: readonly string[] } {
  const setting = vscode.workspace.getConfiguration("mdl").get<string>("path", "").trim()
  const open = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri)
  const file = vscode.window.activeTextEditor?.document.uri
  const near = file ? [vscode.Uri.joinPath(file, "..")] : []
  return { setting, folders: [...open, ...near].filter(({ scheme }) => scheme === "file").map(({ fsPath }) => fsPath) }
}

async function start(output: vscode.LogOutputChannel): Promise<void> {
  const found = findProgram(places())
  if (!found) {
    const settings = "Open Settings"
    output.warn(notFoundMessage(places()))
    void vscode.window.showWarningMessage(notFoundMessage(places()), settings).then((chosen) => {
      if (chosen === settings) void vscode.commands.executeCommand("workbench.action.openSettings", "mdl.path")
    })
    return
  }
  output.info(`${found.command} ${[...found.arguments, "lsp"].join(" ")}`)
  const options: ServerOptions = {
    command: found.command,
    args: [...found.arguments, "lsp", "--stdio"],
    options: { shell: found.isScript },
  }
  client = new LanguageClient("mdl", "MDL", options, {
    documentSelector: [{ language: "mdl" }],
    outputChannel: output,
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.mdl") },
  })
  await client.start()
}

async function restart(output: vscode.LogOutputChannel): Promise<void> {
  await client?.stop()
  client = undefined
  await start(output)
}
