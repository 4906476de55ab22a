/**
 * As much of VS Code as a language client touches when it starts: classes that hold what they are given, events that never
 * happen, and a place for diagnostics. What is not written out here is a class that does nothing.
 */

import { pathToFileURL } from "node:url"

export interface ShownDiagnostic {
  readonly message: string
  readonly code: unknown
  readonly range: { readonly start: { readonly line: number; readonly character: number } }
}

export interface Stub {
  /** the module `vscode` */
  readonly module: object
  /** what the client has shown, by address */
  readonly shown: Map<string, readonly ShownDiagnostic[]>
  readonly commands: Map<string, (...given: unknown[]) => unknown>
  /** texts that were shown beside the one that is open */
  readonly opened: string[]
  /** what was said to the user */
  readonly messages: string[]
  /** resolves when something is shown on `uri` */
  diagnosticsOn(uri: string): Promise<readonly ShownDiagnostic[]>
}

interface Provider {
  provideTextDocumentContent(uri: Uri): string
}

const disposable = () => ({ dispose() {} })
const event = () => disposable()

class Uri {
  readonly scheme: string
  constructor(private readonly text: string) {
    this.scheme = text.slice(0, text.indexOf(":"))
  }
  static from = ({ scheme, path, query }: Record<string, string>): Uri => new Uri(`${scheme}:${path}?${query}`)
  static parse = (text: string): Uri => new Uri(text)
  static file = (path: string): Uri => new Uri(pathToFileURL(path).href)
  static joinPath = (base: Uri, part: string): Uri => new Uri(new URL(part, base.text).href)
  get fsPath(): string {
    return decodeURIComponent(new URL(this.text).pathname)
  }
  get path(): string {
    return this.fsPath
  }
  with(): Uri {
    return this
  }
  toString(): string {
    return this.text
  }
}
class Position {
  constructor(
    readonly line: number,
    readonly character: number,
  ) {}
}
class Range {
  readonly start: Position
  readonly end: Position
  constructor(line: number, character: number, endLine: number, endCharacter: number) {
    this.start = new Position(line, character)
    this.end = new Position(endLine, endCharacter)
  }
}
class Diagnostic {
  constructor(
    readonly range: Range,
    readonly message: string,
    readonly severity: number,
  ) {}
}
class CodeActionKind {
  constructor(readonly value: string) {}
  static readonly Empty = new CodeActionKind("")
  append(part: string): CodeActionKind {
    return new CodeActionKind(this.value === "" ? part : `${this.value}.${part}`)
  }
}
class CancellationTokenSource {
  readonly token = { isCancellationRequested: false, onCancellationRequested: event }
  cancel(): void {}
  dispose(): void {}
}
class Disposable {
  static from = disposable
  dispose(): void {}
}
class EventEmitter {
  readonly event = event
  fire(): void {}
  dispose(): void {}
}

/** An editor with one text open, in `folder`; `path` is the setting `mdl.path`. */
export function stubWith(options: { folder: string; path: string; uri: string; text: string }): Stub {
  const shown = new Map<string, readonly ShownDiagnostic[]>()
  const commands = new Map<string, (...given: unknown[]) => unknown>()
  const messages: string[] = []
  const opened: string[] = []
  const providers = new Map<string, Provider>()
  const waiting = new Set<() => void>()
  const document = {
    uri: Uri.parse(options.uri),
    languageId: "mdl",
    version: 1,
    isClosed: false,
    isUntitled: false,
    isDirty: false,
    fileName: options.uri,
    getText: () => options.text,
  }
  const said = (message: string): Promise<undefined> => {
    messages.push(message)
    return Promise.resolve(undefined)
  }
  const withDefaults = <T extends object>(known: T, make: () => unknown): T =>
    new Proxy(known, { get: (target, name) => (name in target ? Reflect.get(target, name) : make()) })
  const anEvent = () => () => disposable()
  const setting = (name: string, otherwise?: unknown): unknown => (name === "path" ? options.path : otherwise)
  const module = withDefaults(
    {
      version: "1.91.0",
      Uri,
      Position,
      Range,
      Diagnostic,
      EventEmitter,
      Disposable,
      CancellationTokenSource,
      CodeActionKind,
      DiagnosticSeverity: { Error: 0, Warning: 1, Information: 2, Hint: 3 },
      ViewColumn: { Beside: -2 },
      env: { appName: "test", language: "en" },
      workspace: withDefaults(
        {
          textDocuments: [document],
          notebookDocuments: [],
          workspaceFolders: [{ uri: Uri.file(options.folder), name: "test", index: 0 }],
          getConfiguration: () => ({ get: setting, has: () => true, inspect: () => undefined }),
          openTextDocument: (uri: Uri) => Promise.resolve({ ...document, uri }),
          registerTextDocumentContentProvider(scheme: string, provider: Provider) {
            providers.set(scheme, provider)
            return disposable()
          },
          createFileSystemWatcher: () => withDefaults({ dispose() {} }, anEvent),
        },
        anEvent,
      ),
      window: withDefaults(
        {
          activeTextEditor: { document },
          visibleTextEditors: [],
          tabGroups: withDefaults({ all: [] }, anEvent),
          createOutputChannel: () => withDefaults({ logLevel: 3 }, anEvent),
          showTextDocument({ uri }: { readonly uri: Uri }) {
            opened.push(providers.get(uri.scheme)!.provideTextDocumentContent(uri))
            return Promise.resolve()
          },
          showErrorMessage: said,
          showWarningMessage: said,
        },
        anEvent,
      ),
      languages: withDefaults(
        {
          match: () => 1,
          createDiagnosticCollection: () => ({
            set(uri: Uri, diagnostics: readonly ShownDiagnostic[]) {
              shown.set(uri.toString(), diagnostics)
              for (const wake of waiting) wake()
            },
            delete() {},
            clear() {},
            ...disposable(),
          }),
        },
        anEvent,
      ),
      commands: withDefaults(
        {
          registerCommand(name: string, run: (...given: unknown[]) => unknown) {
            commands.set(name, run)
            return disposable()
          },
        },
        anEvent,
      ),
    },
    () => class {},
  )
  const diagnosticsOn = async (uri: string): Promise<readonly ShownDiagnostic[]> => {
    while (!shown.has(uri)) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake)
          resolve()
        }
        waiting.add(wake)
      })
    }
    return shown.get(uri)!
  }
  return { module, shown, commands, messages, opened, diagnosticsOn }
}
