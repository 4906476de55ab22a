/**
 * Between the compiler's words and those of the language server protocol.
 *
 * Takes spans, diagnostics and candidates; gives them in the protocol's form. Lines and characters of the protocol count
 * from 0, in UTF-16 units, as spans do.
 */

import {
  CompletionItemKind,
  type Diagnostic as ProtocolDiagnostic,
  DiagnosticSeverity,
  type DocumentSymbol,
  type Location,
  MarkupKind,
  type MarkupContent,
  type Position,
  type Range,
  SymbolKind,
  type TextEdit,
  type WorkspaceEdit,
} from "vscode-languageserver/node"
import type { Span } from "../../grammar/ast.js"
import { type Diagnostic, primaryLabel, type Severity } from "../compiler/diagnostics/diagnostic.js"
import type { SourceLines } from "../compiler/diagnostics/source-lines.js"
import type { CompletionKind } from "../compiler/editing/completion.js"
import type { OutlineEntry } from "../compiler/editing/outline.js"
import type { Edit } from "../compiler/editing/rename.js"
import type { Workspace } from "./workspace.js"

export function positionIn(lines: SourceLines, offset: number): Position {
  const { line, column } = lines.position(offset)
  return { line: line - 1, character: column - 1 }
}

/** A position behind the end of its line means the end, as the protocol has it. */
export function offsetIn(lines: SourceLines, { line, character }: Position): number {
  if (line >= lines.count) return lines.text.length
  return lines.start(line + 1) + Math.min(character, lines.content(line + 1).length)
}

export function rangeIn(lines: SourceLines, { start, end }: Pick<Span, "start" | "end">): Range {
  return { start: positionIn(lines, start), end: positionIn(lines, Math.max(start, end)) }
}

export function locationOf(workspace: Workspace, span: Span): Location {
  return { uri: workspace.uriOf(span.file), range: rangeIn(workspace.lines(span.file), span) }
}

export function textEdit(workspace: Workspace, { span, text }: Edit): TextEdit {
  return { range: rangeIn(workspace.lines(span.file), span), newText: text }
}

export function workspaceEdit(workspace: Workspace, edits: readonly Edit[]): WorkspaceEdit {
  const changes: Record<string, TextEdit[]> = {}
  for (const edit of edits) (changes[workspace.uriOf(edit.span.file)] ??= []).push(textEdit(workspace, edit))
  return { changes }
}

export const markdown = (value: string): MarkupContent => ({ kind: MarkupKind.Markdown, value })

const SEVERITIES: Record<Severity, DiagnosticSeverity> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  note: DiagnosticSeverity.Information,
}

/** A diagnostic for the document `path`. What lies in another file is shown where this one first speaks of it. */
export function protocolDiagnostic(workspace: Workspace, path: string, diagnostic: Diagnostic): ProtocolDiagnostic {
  const { code, severity, title, labels, notes, hint } = diagnostic
  const primary = primaryLabel(diagnostic)
  const here = primary?.span.file === path ? primary : labels.find(({ span }) => span.file === path)
  const span = here?.span ?? importSpan(workspace, path, primary?.span.file)
  const lines = workspace.lines(path)
  const text = primary?.text ? `${title}: ${primary.text}` : title
  const message = [text, ...notes, ...(hint === undefined ? [] : [`hint: ${hint}`])].join("\n")
  const others = labels.filter((label) => label !== here && (label.text !== "" || label.span.file !== path))
  return {
    range: rangeIn(lines, span),
    severity: SEVERITIES[severity],
    code,
    source: "mdl",
    message,
    relatedInformation: others.map((label) => ({
      location: locationOf(workspace, label.span),
      message: label.text || title,
    })),
  }
}

/** The import that leads to `file`; the first character of the text where none does so directly. */
function importSpan(workspace: Workspace, path: string, file: string | undefined): Pick<Span, "start" | "end"> {
  const loaded = workspace.load(path)
  for (const item of loaded?.graph.root.file.items ?? []) {
    if (item.kind !== "import") continue
    const [name] = item.names
    const found = name && loaded?.graph.root.scope.get((name.alias ?? name.name).text)
    if (found?.module.path === file) return item.from.span
  }
  return { start: 0, end: 0 }
}

const SYMBOLS: Record<OutlineEntry["kind"], SymbolKind> = {
  model: SymbolKind.Class,
  block: SymbolKind.Class,
  fn: SymbolKind.Function,
  ablation: SymbolKind.Event,
  input: SymbolKind.Interface,
  section: SymbolKind.Namespace,
  train: SymbolKind.Object,
  let: SymbolKind.Variable,
  param: SymbolKind.Constant,
  output: SymbolKind.Field,
  loss: SymbolKind.Field,
}

export function documentSymbol(lines: SourceLines, entry: OutlineEntry): DocumentSymbol {
  const range = rangeIn(lines, entry.span)
  return {
    name: entry.name,
    detail: entry.detail,
    kind: SYMBOLS[entry.kind],
    range,
    selectionRange: rangeIn(lines, entry.at),
    children: entry.children.map((child) => documentSymbol(lines, child)),
  }
}

export const COMPLETION_KINDS: Record<CompletionKind, CompletionItemKind> = {
  argument: CompletionItemKind.Property,
  block: CompletionItemKind.Class,
  function: CompletionItemKind.Function,
  operation: CompletionItemKind.Function,
  variable: CompletionItemKind.Variable,
  section: CompletionItemKind.Module,
  setting: CompletionItemKind.Property,
  keyword: CompletionItemKind.Keyword,
  type: CompletionItemKind.TypeParameter,
  file: CompletionItemKind.File,
}
