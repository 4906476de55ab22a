/**
 * The language server: what an editor asks, answered by the compiler.
 *
 * Takes a connection; registers a handler for each request. Handlers convert and nothing else: what a name means, what fits
 * at a place or how a text is formatted is the compiler's to say (`src/compiler/editing/`). What needs a model waits
 * until the typing has paused and it is built; the rest is answered from the text alone, also where it is broken.
 */

import {
  CodeActionKind,
  type Connection,
  ErrorCodes,
  FoldingRangeKind,
  InlayHintKind,
  ResponseError,
  SemanticTokensBuilder,
  type ServerCapabilities,
  TextDocuments,
  TextDocumentSyncKind,
} from "vscode-languageserver/node"
import { TextDocument } from "vscode-languageserver-textdocument"
import { fileURLToPath } from "node:url"
import { parse } from "../../grammar/parse.js"
import { primaryLabel } from "../compiler/diagnostics/diagnostic.js"
import { ablationFromSection, fixesFor } from "../compiler/editing/actions.js"
import { completionsAt } from "../compiler/editing/completion.js"
import { foldings } from "../compiler/editing/folding.js"
import { formatted, formattedRange } from "../compiler/editing/formatting.js"
import { hoverText } from "../compiler/editing/hover.js"
import { costText, shapeHints } from "../compiler/editing/hints.js"
import { isOfLanguage, isDeclaration, occurrenceAt, type Occurrence } from "../compiler/editing/occurrences.js"
import { ablationsOf, allEntries, outline } from "../compiler/editing/outline.js"
import { notRenamable, referencesIn, rename, RenameRefused } from "../compiler/editing/rename.js"
import { semanticTokens, TOKEN_MODIFIERS, TOKEN_TYPES } from "../compiler/editing/semantic-tokens.js"
import { signatureAt } from "../compiler/editing/signature.js"
import { NotFormattableError } from "../compiler/format/format.js"
import { resolvePath } from "../compiler/resolve/modules.js"
import { Checker } from "./checker.js"
import {
  COMPLETION_KINDS,
  documentSymbol,
  locationOf,
  markdown,
  offsetIn,
  positionIn,
  protocolDiagnostic,
  rangeIn,
  textEdit,
  workspaceEdit,
} from "./convert.js"
import { type Loaded, Workspace } from "./workspace.js"

/** The command behind the lens of an ablation, with `{ uri, base, ablation }`; the editor runs `mdl diff` with it. */
export const DIFF_COMMAND = "mdl.diffWithBase"

/** Answered, with nothing, when all is published that can be said of the text `{ uri }`. */
export const CHECKED_REQUEST = "mdl/checked"

const CAPABILITIES: ServerCapabilities = {
  textDocumentSync: TextDocumentSyncKind.Incremental,
  hoverProvider: true,
  inlayHintProvider: true,
  completionProvider: { triggerCharacters: [".", "(", ",", '"', "/", "{"] },
  signatureHelpProvider: { triggerCharacters: ["(", ","], retriggerCharacters: ["="] },
  definitionProvider: true,
  referencesProvider: true,
  documentHighlightProvider: true,
  renameProvider: { prepareProvider: true },
  documentSymbolProvider: true,
  foldingRangeProvider: true,
  semanticTokensProvider: {
    legend: { tokenTypes: [...TOKEN_TYPES], tokenModifiers: [...TOKEN_MODIFIERS] },
    full: true,
  },
  codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix, CodeActionKind.Refactor] },
  codeLensProvider: {},
  documentFormattingProvider: true,
  documentRangeFormattingProvider: true,
  workspace: { workspaceFolders: { supported: true } },
}

/** Where a request points: the text, with the offset in it. */
interface Pointed {
  readonly loaded: Loaded
  readonly path: string
  readonly offset: number
}

/** Serves `connection` until it is closed. */
export function serve(connection: Connection): void {
  const workspace = new Workspace()
  const documents = new TextDocuments(TextDocument)
  const checker = new Checker(workspace, {
    publish(path, diagnostics) {
      const uri = workspace.uriOf(path)
      const version = documents.get(uri)?.version
      const shown = diagnostics.map((diagnostic) => protocolDiagnostic(workspace, path, diagnostic))
      void connection.sendDiagnostics({ uri, ...(version === undefined ? {} : { version }), diagnostics: shown })
    },
    failed: (error) =>
      connection.console.error(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  })

  connection.onInitialize(({ workspaceFolders }) => {
    const folders = (workspaceFolders ?? []).map(({ uri }) => uri).filter((uri) => uri.startsWith("file:"))
    workspace.folders = folders.map((uri) => fileURLToPath(uri))
    return { capabilities: CAPABILITIES, serverInfo: { name: "mdl" } }
  })
  connection.onShutdown(() => checker.dispose())
  documents.onDidChangeContent(({ document }) => {
    workspace.change(document.uri, document.getText())
    checker.changed(workspace.pathOf(document.uri))
  })
  documents.onDidClose(({ document }) => {
    const path = workspace.pathOf(document.uri)
    checker.closed(path)
    workspace.close(document.uri)
    checker.changed(path)
  })
  connection.onDidChangeWatchedFiles(() => {
    workspace.forget()
    checker.checkAll(workspace.openPaths)
  })

  // For clients that want the last word at once: tests, and scripts that check a text through a server that is there.
  connection.onRequest(CHECKED_REQUEST, ({ uri }: { readonly uri: string }) =>
    checker.reached(workspace.pathOf(uri), "all"),
  )

  const loadedAt = (uri: string): Loaded => {
    const loaded = workspace.load(workspace.pathOf(uri))
    if (!loaded) throw new ResponseError(ErrorCodes.InvalidParams, `there is no text ${uri}`)
    return loaded
  }
  const pointed = (at: Parameters<Parameters<Connection["onHover"]>[0]>[0]): Pointed => {
    const loaded = loadedAt(at.textDocument.uri)
    return { loaded, path: loaded.path, offset: offsetIn(workspace.lines(loaded.path), at.position) }
  }
  /** The models of a text, when they are built. */
  const modelsOf = (path: string) =>
    workspace.modelNames(path).flatMap((name) => {
      const result = workspace.build(path, name)
      const { output } = result
      return output ? [{ model: output, costs: workspace.costsOf(result)! }] : []
    })
  /** The texts that may speak of what is declared in `file`, each with all it imports. */
  const graphsWith = (file: string) =>
    [...new Set([...workspace.allPaths(), ...(file.startsWith("std/") ? [] : [file])])].flatMap((path) => {
      const graph = workspace.load(path)?.graph
      return graph?.modules.has(file) ? [graph] : []
    })
  const referencesOf = ({ declaration }: Occurrence, path: string): readonly Occurrence[] => {
    const own = workspace.load(path)
    if (isOfLanguage(declaration)) return own ? referencesIn(own.graph, declaration) : []
    return graphsWith(declaration.name.span.file).flatMap((graph) => referencesIn(graph, declaration))
  }

  connection.onHover(async (params) => {
    await checker.reached(workspace.pathOf(params.textDocument.uri), "models")
    const { loaded, path, offset } = pointed(params)
    const found = occurrenceAt(loaded.occurrences, offset)
    if (!found) return null
    const value = hoverText(found, loaded.graph.root, loaded.graph, modelsOf(path))
    return { contents: markdown(value), range: rangeIn(workspace.lines(path), found.name.span) }
  })

  connection.languages.inlayHint.on(async ({ textDocument, range }) => {
    const path = workspace.pathOf(textDocument.uri)
    await checker.reached(path, "models")
    const lines = workspace.lines(path)
    const [start, end] = [offsetIn(lines, range.start), offsetIn(lines, range.end)]
    return modelsOf(path)
      .flatMap(({ model }) => shapeHints(model, path))
      .filter(({ at }) => start <= at && at <= end)
      .map(({ at, text }) => ({
        position: positionIn(lines, at),
        label: text,
        kind: InlayHintKind.Type,
        paddingLeft: true,
      }))
  })

  connection.onCompletion((params) => {
    const { loaded, path, offset } = pointed(params)
    const models = workspace.modelNames(path).filter((name) => workspace.hasBuilt(path, name))
    const model = models.map((name) => workspace.build(path, name).output).find((output) => output !== undefined)
    const { root } = loaded.graph
    const { items, replace } = completionsAt(loaded.graph, root, offset, {
      imports: workspace.importsFrom(path),
      definitionsOf: (from) => [...(workspace.load(resolvePath(path, from))?.graph.root.definitions.values() ?? [])],
      model,
    })
    const range = rangeIn(workspace.lines(path), replace)
    return items.map(({ label, kind, detail, doc, insert }, i) => ({
      label,
      kind: COMPLETION_KINDS[kind],
      ...(detail === undefined ? {} : { detail }),
      ...(doc === undefined ? {} : { documentation: markdown(doc) }),
      sortText: String(i).padStart(5, "0"),
      textEdit: { range, newText: insert ?? label },
    }))
  })

  connection.onSignatureHelp((params) => {
    const { loaded, offset } = pointed(params)
    const help = signatureAt(loaded.graph.root, offset)
    if (!help) return null
    const { label, callable, active } = help
    const parameters = callable.parameters.map(({ text, doc }) => ({
      label: text,
      ...(doc === undefined ? {} : { documentation: markdown(doc) }),
    }))
    const documentation = callable.doc === undefined ? {} : { documentation: markdown(callable.doc) }
    return {
      signatures: [{ label, parameters, ...documentation }],
      activeSignature: 0,
      // A number behind the last one marks none.
      activeParameter: active ?? parameters.length,
    }
  })

  connection.onDefinition((params) => {
    const { loaded, path, offset } = pointed(params)
    for (const item of loaded.graph.root.file.items) {
      if (item.kind !== "import" || offset < item.from.span.start || offset > item.from.span.end) continue
      const target = loaded.graph.modules.get(resolvePath(path, item.from.text))
      return target ? locationOf(workspace, { file: target.path, start: 0, end: 0 }) : null
    }
    const found = occurrenceAt(loaded.occurrences, offset)
    if (!found || isOfLanguage(found.declaration)) return null
    return locationOf(workspace, found.declaration.name.span)
  })

  connection.onReferences((params) => {
    const { loaded, path, offset } = pointed(params)
    const found = occurrenceAt(loaded.occurrences, offset)
    if (!found) return []
    return referencesOf(found, path)
      .filter((reference) => params.context.includeDeclaration || !isDeclaration(reference))
      .map(({ name }) => locationOf(workspace, name.span))
  })

  connection.onDocumentHighlight((params) => {
    const { loaded, path, offset } = pointed(params)
    const found = occurrenceAt(loaded.occurrences, offset)
    if (!found) return []
    const lines = workspace.lines(path)
    return referencesIn(loaded.graph, found.declaration).map(({ name }) => ({ range: rangeIn(lines, name.span) }))
  })

  connection.onPrepareRename((params) => {
    const { loaded, path, offset } = pointed(params)
    const found = occurrenceAt(loaded.occurrences, offset)
    if (!found) return null
    const refused = notRenamable(found)
    if (refused !== undefined) throw new ResponseError(ErrorCodes.InvalidRequest, refused)
    return { range: rangeIn(workspace.lines(path), found.name.span), placeholder: found.name.text }
  })

  connection.onRenameRequest((params) => {
    const { loaded, offset } = pointed(params)
    const found = occurrenceAt(loaded.occurrences, offset)
    if (!found) return null
    try {
      const graphs = graphsWith(found.declaration.name.span.file)
      return workspaceEdit(workspace, rename(graphs, found, params.newName))
    } catch (error) {
      if (error instanceof RenameRefused) throw new ResponseError(ErrorCodes.InvalidRequest, error.message)
      throw error
    }
  })

  connection.onDocumentSymbol(({ textDocument }) => {
    const { path, graph } = loadedAt(textDocument.uri)
    const lines = workspace.lines(path)
    return outline(graph.root.file).map((entry) => documentSymbol(lines, entry))
  })

  connection.onFoldingRanges(({ textDocument }) => {
    const { path, graph } = loadedAt(textDocument.uri)
    const { comments } = parse(path, graph.root.text)
    return foldings(graph.root.file, comments, workspace.lines(path)).map(({ first, last, kind }) => ({
      startLine: first - 1,
      endLine: last - 1,
      ...(kind === "region" ? {} : { kind: kind === "comment" ? FoldingRangeKind.Comment : FoldingRangeKind.Imports }),
    }))
  })

  connection.languages.semanticTokens.on(({ textDocument }) => {
    const { path, occurrences } = loadedAt(textDocument.uri)
    const lines = workspace.lines(path)
    const builder = new SemanticTokensBuilder()
    for (const { start, length, type, modifiers } of semanticTokens(occurrences)) {
      const { line, character } = positionIn(lines, start)
      const bits = modifiers.reduce((sum, modifier) => sum | (1 << TOKEN_MODIFIERS.indexOf(modifier)), 0)
      builder.push(line, character, length, TOKEN_TYPES.indexOf(type), bits)
    }
    return builder.build()
  })

  connection.onCodeAction(async ({ textDocument, range }) => {
    const path = workspace.pathOf(textDocument.uri)
    await checker.reached(path, "models")
    const { graph } = loadedAt(textDocument.uri)
    const lines = workspace.lines(path)
    const [start, end] = [offsetIn(lines, range.start), offsetIn(lines, range.end)]
    const fixes = checker.known(path).flatMap((diagnostic) => {
      const span = primaryLabel(diagnostic)?.span
      if (span?.file !== path || span.end < start || span.start > end) return []
      const shown = [protocolDiagnostic(workspace, path, diagnostic)]
      return fixesFor(diagnostic, graph.root).map(({ title, edits }) => ({
        title,
        kind: CodeActionKind.QuickFix,
        diagnostics: shown,
        isPreferred: true,
        edit: workspaceEdit(workspace, edits),
      }))
    })
    const ablation = ablationFromSection(graph.root, start)
    if (!ablation) return fixes
    const edit = workspaceEdit(workspace, ablation.edits)
    return [...fixes, { title: ablation.title, kind: CodeActionKind.Refactor, edit }]
  })

  connection.onCodeLens(async ({ textDocument }) => {
    const path = workspace.pathOf(textDocument.uri)
    await checker.reached(path, "models")
    const { file } = loadedAt(textDocument.uri).graph.root
    const lines = workspace.lines(path)
    const models = modelsOf(path)
    const sections = allEntries(outline(file)).flatMap(({ kind, name, at, span }) => {
      const found = models.find(({ model }) => model.sections.some((section) => section.span.start === span.start))
      if (kind !== "section" || !found) return []
      return [{ range: rangeIn(lines, at), command: { title: costText(found.costs(name)), command: "" } }]
    })
    const ablations = ablationsOf(file).map(({ name, base }) => {
      const argument = { uri: textDocument.uri, base: base.text, ablation: name.text }
      return {
        range: rangeIn(lines, name.span),
        command: { title: "diff with base", command: DIFF_COMMAND, arguments: [argument] },
      }
    })
    return [...sections, ...ablations]
  })

  /** Texts with mistakes are not formatted; the mistakes are shown already. */
  const unlessBroken = async <T>(format: () => Promise<T>): Promise<T | null> => {
    try {
      return await format()
    } catch (error) {
      if (error instanceof NotFormattableError) return null
      throw error
    }
  }
  connection.onDocumentFormatting(({ textDocument }) =>
    unlessBroken(async () => {
      const { path, graph } = loadedAt(textDocument.uri)
      return (await formatted(graph.root)).map((edit) =>
        textEdit(workspace, { ...edit, span: { ...edit.span, file: path } }),
      )
    }),
  )
  connection.onDocumentRangeFormatting(({ textDocument, range }) =>
    unlessBroken(async () => {
      const { path, graph } = loadedAt(textDocument.uri)
      const lines = workspace.lines(path)
      const edits = await formattedRange(graph.root, offsetIn(lines, range.start), offsetIn(lines, range.end))
      return edits.map((edit) => textEdit(workspace, edit))
    }),
  )

  documents.listen(connection)
  connection.listen()
}
