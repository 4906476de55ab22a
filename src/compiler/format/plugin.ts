/**
 * MDL for Prettier.
 *
 * Takes nothing; gives a plugin in Prettier's own form (`languages`, `parsers`, `printers`), so that editors and
 * `prettier --write` format `.mdl` files as `mdl fmt` does.
 */

import type { Parser, Plugin, Printer } from "prettier"
import type { SourceFile } from "../../../grammar/ast.js"
import { type Comment, parse, type Parsed } from "../../../grammar/parse.js"
import { primaryLabel } from "../diagnostics/diagnostic.js"
import { SourceLines } from "../diagnostics/source-lines.js"
import { printFile } from "./print.js"

/** The fixed style; Prettier takes these for its defaults. */
const STYLE = { printWidth: 120, tabWidth: 2, useTabs: false, endOfLine: "lf" } as const

/** What the parser hands to the printer. The printer places comments itself, so they do not go by Prettier's name. */
interface Tree {
  readonly file: SourceFile
  readonly remarks: readonly Comment[]
}

export const languages: NonNullable<Plugin["languages"]> = [
  { name: "MDL", parsers: ["mdl"], extensions: [".mdl"], vscodeLanguageIds: ["mdl"] },
]

const parser: Parser<Tree> = {
  astFormat: "mdl",
  parse(text, options) {
    const parsed = parse(options.filepath ?? "input.mdl", text)
    if (!parsed.complete) throw syntaxError(parsed, text)
    return { file: parsed.file, remarks: parsed.comments }
  },
  locStart: (node) => node.file.span.start,
  locEnd: (node) => node.file.span.end,
}

const printer: Printer<Tree> = {
  print: ({ node }, options) => printFile(node.file, options.originalText, node.remarks),
}

export const parsers: Record<string, Parser> = { mdl: parser }
export const printers: Record<string, Printer> = { mdl: printer }
export { STYLE as defaultOptions }

/** An error in the form from which Prettier makes its code frame. */
function syntaxError({ diagnostics }: Parsed, text: string): SyntaxError {
  const first = diagnostics.find(({ severity }) => severity === "error")
  const label = first && primaryLabel(first)
  const lines = new SourceLines(text)
  const message = [first?.title, label?.text].filter((part) => part !== undefined && part !== "").join(": ")
  return Object.assign(new SyntaxError(message), {
    loc: { start: lines.position(label?.span.start ?? 0), end: lines.position(label?.span.end ?? 0) },
  })
}
