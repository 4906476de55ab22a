/**
 * Which model of a text is meant.
 *
 * Takes what a command was given; gives a file and a name. The lenses of the server name an ablation; from the palette, the
 * user chooses among what the text defines.
 */

import * as vscode from "vscode"

/** What the server gives to the command of a lens over an ablation. */
export interface Ablation {
  readonly uri: string
  readonly base: string
  readonly ablation: string
}

export interface Definition {
  readonly name: string
  /** the model that an ablation changes; undefined for a model */
  readonly base: string | undefined
}

/** What a lens gave; undefined from the palette. */
export function givenAblation(given: unknown): Ablation | undefined {
  if (typeof given !== "object" || given === null) return undefined
  const { uri, base, ablation } = given as Partial<Ablation>
  return typeof uri === "string" && typeof base === "string" && typeof ablation === "string"
    ? { uri, base, ablation }
    : undefined
}

/** The text that is open, saved: the program reads the file. @throws Error where there is none */
export async function openText(): Promise<vscode.TextDocument> {
  const document = vscode.window.activeTextEditor?.document
  if (document?.languageId !== "mdl") throw new Error("Open a text of MDL first.")
  await savedText(document)
  return document
}

/** @throws Error for a text that is not a file */
export async function savedText(document: vscode.TextDocument): Promise<void> {
  if (document.isUntitled || document.uri.scheme !== "file") throw new Error("Save the text as a file first.")
  if (document.isDirty && !(await document.save())) throw new Error(`${document.fileName} could not be saved.`)
}

/** The models and ablations of a text, as the server outlines it. */
export async function definitionsOf(document: vscode.TextDocument): Promise<readonly Definition[]> {
  const symbols =
    (await vscode.commands.executeCommand<vscode.DocumentSymbol[] | undefined>(
      "vscode.executeDocumentSymbolProvider",
      document.uri,
    )) ?? []
  return symbols.flatMap(({ name, detail }): Definition[] => {
    if (detail === "model") return [{ name, base: undefined }]
    return detail.startsWith("of ") ? [{ name, base: detail.slice("of ".length) }] : []
  })
}

/** One of `choices`, asked for where there are several; undefined where the user wants none. @throws Error for none */
export async function chosen(choices: readonly Definition[], what: string): Promise<Definition | undefined> {
  if (choices.length === 0) throw new Error(`This text has no ${what}.`)
  if (choices.length === 1) return choices[0]
  const items = choices.map((definition) => {
    const description = definition.base === undefined ? "model" : `of ${definition.base}`
    return { label: definition.name, description, definition }
  })
  return (await vscode.window.showQuickPick(items, { placeHolder: `Which ${what}?` }))?.definition
}
