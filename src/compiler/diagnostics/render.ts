/**
 * Diagnostics for programs: JSON and GitHub's annotation lines. The terminal's code frames are in `render-terminal.ts`.
 *
 * Takes diagnostics and the texts they point into; gives plain values. No renderer reads files or writes anywhere.
 */

import type { Span } from "../../../grammar/ast.js"
import { type Diagnostic, primaryLabel, type Severity } from "./diagnostic.js"
import { Sources, type SourceTexts } from "./source-lines.js"

export { renderTerminal } from "./render-terminal.js"
export type { SourceTexts } from "./source-lines.js"

/** Where a span lies, all 1-based; the end is the position just after the last character. */
export interface JsonRange {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly endLine: number
  readonly endColumn: number
}

export interface JsonLabel extends JsonRange {
  readonly text: string
  readonly primary: boolean
}

/** One diagnostic as `--json` prints it. A diagnostic about no place in particular has null for its place. */
export interface JsonDiagnostic {
  readonly code: string
  readonly severity: Severity
  /** Title and primary label in one line. */
  readonly message: string
  readonly title: string
  readonly file: string | null
  readonly line: number | null
  readonly column: number | null
  readonly endLine: number | null
  readonly endColumn: number | null
  readonly labels: readonly JsonLabel[]
  readonly notes: readonly string[]
  readonly hint: string | null
}

const NOWHERE = { file: null, line: null, column: null, endLine: null, endColumn: null }

/** The diagnostics as values for `JSON.stringify`. */
export function renderJson(diagnostics: readonly Diagnostic[], texts: SourceTexts): JsonDiagnostic[] {
  const sources = new Sources(texts)
  return diagnostics.map((diagnostic) => {
    const label = primaryLabel(diagnostic)
    return {
      code: diagnostic.code,
      severity: diagnostic.severity,
      message: oneLine(diagnostic),
      title: diagnostic.title,
      ...(label === undefined ? NOWHERE : range(label.span, sources)),
      labels: diagnostic.labels.map(({ span, text, primary }) => ({ ...range(span, sources), text, primary })),
      notes: [...diagnostic.notes],
      hint: diagnostic.hint ?? null,
    }
  })
}

/** One workflow command a diagnostic, as GitHub Actions turns into an annotation on the changed line. */
export function renderGithub(diagnostics: readonly Diagnostic[], texts: SourceTexts): string {
  const command: Record<Severity, string> = { error: "error", warning: "warning", note: "notice" }
  return renderJson(diagnostics, texts)
    .map((diagnostic) => {
      const properties = [
        ...(diagnostic.file === null
          ? []
          : [
              `file=${escapeProperty(diagnostic.file)}`,
              `line=${diagnostic.line}`,
              `col=${diagnostic.column}`,
              `endLine=${diagnostic.endLine}`,
              `endColumn=${diagnostic.endColumn}`,
            ]),
        `title=${escapeProperty(diagnostic.code)}`,
      ]
      const message = [diagnostic.message, ...diagnostic.notes, ...(diagnostic.hint === null ? [] : [diagnostic.hint])]
      return `::${command[diagnostic.severity]} ${properties.join(",")}::${escapeData(message.join("\n"))}\n`
    })
    .join("")
}

/** A diagnostic without its code frame: the title names the kind of mistake, the label says what it is. */
function oneLine(diagnostic: Diagnostic): string {
  const text = primaryLabel(diagnostic)?.text ?? ""
  return text === "" ? diagnostic.title : `${diagnostic.title}: ${text}`
}

function range(span: Span, sources: Sources): JsonRange {
  const lines = sources.lines(span.file)
  // A text that cannot be read any more still gets its diagnostics, at the file's beginning.
  const start = lines?.position(span.start) ?? { line: 1, column: 1 }
  const end = lines?.position(Math.max(span.start, span.end)) ?? start
  return { file: span.file, line: start.line, column: start.column, endLine: end.line, endColumn: end.column }
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A")
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C")
}
