/**
 * An editor for tests: starts `mdl lsp` and speaks to it over standard input and output, as editors do.
 *
 * Texts carry their cursor as `<|>` and marked places as `<<word>>`, so that a test shows where it asks.
 */

import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node"
import type {
  CodeAction,
  CodeLens,
  CompletionItem,
  Diagnostic,
  DocumentSymbol,
  FoldingRange,
  Hover,
  InitializeResult,
  InlayHint,
  Location,
  Position,
  PublishDiagnosticsParams,
  Range,
  SemanticTokens,
  SignatureHelp,
  TextEdit,
  WorkspaceEdit,
} from "vscode-languageserver/node"

/** Answered when everything about a text is known, and has been told. */
const CHECKED_REQUEST = "mdl/checked"
const MDL = fileURLToPath(new URL("../../bin/mdl.mjs", import.meta.url))

export interface Answers {
  "textDocument/hover": Hover | null
  "textDocument/completion": CompletionItem[]
  "textDocument/definition": Location | null
  "textDocument/references": Location[]
  "textDocument/documentHighlight": { range: Range }[]
  "textDocument/rename": WorkspaceEdit | null
  "textDocument/prepareRename": { range: Range; placeholder: string } | null
  "textDocument/signatureHelp": SignatureHelp | null
  "textDocument/documentSymbol": DocumentSymbol[]
  "textDocument/foldingRange": FoldingRange[]
  "textDocument/semanticTokens/full": SemanticTokens
  "textDocument/inlayHint": InlayHint[]
  "textDocument/codeAction": CodeAction[]
  "textDocument/codeLens": CodeLens[]
  "textDocument/formatting": TextEdit[] | null
  "textDocument/rangeFormatting": TextEdit[] | null
}

/** A text without its marks, and where they were. */
export function marked(written: string): { text: string; cursor: number; ranges: [number, number][] } {
  let text = ""
  let cursor = -1
  const ranges: [number, number][] = []
  const open: number[] = []
  for (const part of written.split(/(<\|>|<<|>>)/)) {
    if (part === "<|>") cursor = text.length
    else if (part === "<<") open.push(text.length)
    else if (part === ">>") ranges.push([open.pop()!, text.length])
    else text += part
  }
  return { text, cursor, ranges }
}

/** An open document, with the text the server has of it. */
export class Document {
  version = 1
  constructor(
    readonly editor: Editor,
    readonly uri: string,
    public text: string,
    readonly cursor: number,
    readonly ranges: readonly [number, number][],
  ) {}

  position(offset: number): Position {
    const before = this.text.slice(0, offset).split("\n")
    return { line: before.length - 1, character: before.at(-1)!.length }
  }

  offset({ line, character }: Position): number {
    const lines = this.text.split("\n").slice(0, line)
    return lines.reduce((sum, l) => sum + l.length + 1, 0) + character
  }

  range(start: number, end: number): Range {
    return { start: this.position(start), end: this.position(end) }
  }

  textIn({ start, end }: Range): string {
    return this.text.slice(this.offset(start), this.offset(end))
  }

  /** Asks at the cursor, or at another offset. */
  ask<M extends keyof Answers>(method: M, more: object = {}, at = Math.max(0, this.cursor)): Promise<Answers[M]> {
    const place = { textDocument: { uri: this.uri }, position: this.position(at) }
    return this.editor.request(method, { ...place, ...more })
  }

  /** Writes `text` in the place of a range. */
  async edit(start: number, end: number, text: string): Promise<void> {
    const change = { range: this.range(start, end), text }
    this.text = this.text.slice(0, start) + text + this.text.slice(end)
    this.version++
    const textDocument = { uri: this.uri, version: this.version }
    await this.editor.notify("textDocument/didChange", { textDocument, contentChanges: [change] })
  }

  /** The diagnostics of the text as it is now, when the server has told them all. */
  async diagnostics(): Promise<Diagnostic[]> {
    return this.editor.diagnosticsOf(this)
  }

  /** The text with edits in it. */
  with(edits: readonly TextEdit[]): string {
    return [...edits]
      .sort((a, b) => this.offset(b.range.start) - this.offset(a.range.start))
      .reduce(
        (text, { range, newText }) =>
          text.slice(0, this.offset(range.start)) + newText + text.slice(this.offset(range.end)),
        this.text,
      )
  }
}

export class Editor {
  /** a folder of its own, with the files the test writes */
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "mdl-lsp-")))
  private readonly process: ChildProcess
  private readonly connection: MessageConnection
  private readonly published = new Map<string, PublishDiagnosticsParams>()
  private readonly waiting = new Set<() => void>()
  private count = 0
  /** what the server logged as errors */
  readonly errors: string[] = []

  constructor() {
    this.process = spawn(process.execPath, [MDL, "lsp", "--stdio"], { stdio: ["pipe", "pipe", "inherit"] })
    this.connection = createMessageConnection(
      new StreamMessageReader(this.process.stdout!),
      new StreamMessageWriter(this.process.stdin!),
    )
    this.connection.onNotification("textDocument/publishDiagnostics", (params: PublishDiagnosticsParams) => {
      this.published.set(params.uri, params)
      for (const wake of this.waiting) wake()
    })
    this.connection.onNotification("window/logMessage", ({ type, message }: { type: number; message: string }) => {
      if (type === 1) this.errors.push(message)
    })
    this.connection.listen()
  }

  async start(): Promise<InitializeResult> {
    const workspaceFolders = [{ uri: pathToFileURL(this.folder).href, name: "test" }]
    const params = { processId: process.pid, rootUri: null, capabilities: {}, workspaceFolders }
    const result = await this.connection.sendRequest<InitializeResult>("initialize", params)
    await this.connection.sendNotification("initialized", {})
    return result
  }

  /** Ends the server as an editor does; gives its exit code. */
  async stop(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.process.once("exit", resolve))
    await this.connection.sendRequest("shutdown")
    await this.connection.sendNotification("exit")
    const code = await ended
    this.connection.dispose()
    rmSync(this.folder, { recursive: true, force: true })
    return code
  }

  request<M extends keyof Answers>(method: M, params: object): Promise<Answers[M]> {
    return this.connection.sendRequest(method, params)
  }

  notify(method: string, params: object): Promise<void> {
    return this.connection.sendNotification(method, params)
  }

  /** Writes a file beside the documents. */
  file(name: string, text: string): string {
    const path = join(this.folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return pathToFileURL(path).href
  }

  /** Opens a text with marks, under a name of its own unless one is given. */
  async open(written: string, name = `text-${++this.count}.mdl`): Promise<Document> {
    const { text, cursor, ranges } = marked(written)
    const document = new Document(this, pathToFileURL(join(this.folder, name)).href, text, cursor, ranges)
    const textDocument = { uri: document.uri, languageId: "mdl", version: 1, text }
    await this.notify("textDocument/didOpen", { textDocument })
    return document
  }

  async close({ uri }: Document): Promise<void> {
    await this.notify("textDocument/didClose", { textDocument: { uri } })
  }

  /** Every diagnostic of the last version; the server tells them in one or more goes, the last of which is complete. */
  async diagnosticsOf(document: Document): Promise<Diagnostic[]> {
    const current = (): PublishDiagnosticsParams | undefined => {
      const found = this.published.get(document.uri)
      return found?.version === document.version ? found : undefined
    }
    await this.connection.sendRequest(CHECKED_REQUEST, { uri: document.uri })
    while (!current()) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.waiting.delete(wake)
          resolve()
        }
        this.waiting.add(wake)
      })
    }
    return current()!.diagnostics
  }
}
