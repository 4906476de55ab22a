/**
 * What an ablation changes, beside the text.
 *
 * Takes an ablation; gives a text that cannot be edited, with what `mdl diff` prints.
 */

import { dirname } from "node:path"
import * as vscode from "vscode"
import { chosen, definitionsOf, givenAblation, openText, savedText } from "./models.js"
import { printed, type Program } from "./program.js"

export const DIFF_SCHEME = "mdl-diff"

/** The texts that have been shown, by address. */
export class DiffTexts implements vscode.TextDocumentContentProvider {
  private readonly texts = new Map<string, string>()
  private readonly changes = new vscode.EventEmitter<vscode.Uri>()
  readonly onDidChange = this.changes.event

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? ""
  }

  set(uri: vscode.Uri, text: string): void {
    this.texts.set(uri.toString(), text)
    this.changes.fire(uri)
  }
}

/** The command `mdl.diffWithBase`. */
export async function diffWithBase(given: unknown, texts: DiffTexts, program: () => Program): Promise<void> {
  const named = givenAblation(given)
  const document = named ? await vscode.workspace.openTextDocument(vscode.Uri.parse(named.uri)) : await openText()
  await savedText(document)
  const all = named ? [] : (await definitionsOf(document)).filter(({ base }) => base !== undefined)
  const picked = named ? { name: named.ablation, base: named.base } : await chosen(all, "ablation")
  if (!picked) return
  const { fsPath } = document.uri
  const sides = [`${fsPath}#${picked.base}`, `${fsPath}#${picked.name}`]
  const text = await printed(program(), ["diff", ...sides], dirname(fsPath))
  const uri = vscode.Uri.from({ scheme: DIFF_SCHEME, path: `/${picked.base} → ${picked.name}`, query: fsPath })
  texts.set(uri, text)
  const shown = await vscode.workspace.openTextDocument(uri)
  await vscode.window.showTextDocument(shown, {
    viewColumn: vscode.ViewColumn.Beside,
    preview: true,
    preserveFocus: true,
  })
}
