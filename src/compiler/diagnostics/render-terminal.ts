/**
 * Diagnostics for people: a code frame with carets under the user's own characters.
 *
 * Takes diagnostics and the texts they point into; gives the text for a terminal, with or without colour. The layout is
 * rustc's and Gleam's: title, place, numbered lines with labels under them, notes, help.
 *
 *     error[MDL1101]: missing closing `)`
 *       --> model.mdl:3:3
 *        |
 *      2 |   let a = f(x
 *        |            - this `(` is never closed
 *      3 |   let b = x
 *        |   ^^^ expected `)` before `let`
 */

import pc from "picocolors"
import { type Diagnostic, type Label, primaryLabel, type Severity } from "./diagnostic.js"
import { displayLine, displayWidth } from "./display-width.js"
import { type SourceLines, Sources, type SourceTexts } from "./source-lines.js"

export interface TerminalOptions {
  readonly colour: boolean
}

type Colours = ReturnType<typeof pc.createColors>

/** Longer lines are shown cut, around their labels. */
const LONGEST_LINE = 160
const CONTEXT_BEFORE = 40
/** Notes and help are wrapped to this. */
const REMARK_WIDTH = 100

/** The diagnostics as text, one blank line after each. */
export function renderTerminal(
  diagnostics: readonly Diagnostic[],
  texts: SourceTexts,
  options: TerminalOptions,
): string {
  const sources = new Sources(texts)
  const colours = pc.createColors(options.colour)
  return diagnostics.map((diagnostic) => renderOne(diagnostic, sources, colours)).join("\n")
}

function renderOne(diagnostic: Diagnostic, sources: Sources, colours: Colours): string {
  const paint = painter(diagnostic.severity, colours)
  const out = [paint(`${diagnostic.severity}[${diagnostic.code}]`) + colours.bold(`: ${diagnostic.title}`)]

  // The file of the primary label comes first, the others in the order in which labels name them.
  const primary = primaryLabel(diagnostic)
  const files = [...new Set([...(primary ? [primary] : []), ...diagnostic.labels].map((label) => label.span.file))]
  const gutter = gutterWidth(diagnostic.labels, sources)
  const margin = " ".repeat(gutter)
  const bar = colours.blue("|")

  files.forEach((file, index) => {
    const labels = diagnostic.labels.filter((label) => label.span.file === file)
    const lines = sources.lines(file)
    const first = (index === 0 ? primary : labels[0]) ?? labels[0]
    if (first === undefined) return
    const arrow = colours.blue(index === 0 ? "-->" : ":::")
    if (lines === undefined) {
      out.push(`${margin}${arrow} ${file}`)
      for (const label of labels) if (label.text !== "") out.push(`${margin} ${colours.blue("=")} ${label.text}`)
      return
    }
    const { line, column } = lines.position(first.span.start)
    out.push(`${margin}${arrow} ${file}:${line}:${column}`, `${margin} ${bar}`)
    out.push(...frame(labels, lines, gutter, paint, colours))
  })

  const remarks = [
    ...diagnostic.notes.map((note) => ["note", note] as const),
    ...(diagnostic.hint === undefined ? [] : [["help", diagnostic.hint] as const]),
  ]
  if (remarks.length > 0 && files.length > 0) out.push(`${margin} ${bar}`)
  for (const [word, text] of remarks) {
    const [head, ...rest] = text.split("\n").flatMap(wrap)
    out.push(`${margin} ${colours.blue("=")} ${colours.bold(word)}: ${head ?? ""}`)
    for (const line of rest) out.push(`${margin}   ${" ".repeat(word.length + 2)}${line}`)
  }
  return out.map((line) => line.trimEnd() + "\n").join("")
}

/** Break a long line between words; one with no blanks in it stays whole. */
function wrap(line: string): string[] {
  const lines: string[] = []
  let current = ""
  for (const word of line.split(" ")) {
    if (current !== "" && displayWidth(current) + 1 + displayWidth(word) > REMARK_WIDTH) {
      lines.push(current)
      current = word
    } else current = current === "" ? word : `${current} ${word}`
  }
  return [...lines, current]
}

function painter(severity: Severity, colours: Colours): (text: string) => string {
  const hue = { error: colours.red, warning: colours.yellow, note: colours.cyan }[severity]
  return (text) => colours.bold(hue(text))
}

function gutterWidth(labels: readonly Label[], sources: Sources): number {
  const numbers = labels.map((label) => sources.lines(label.span.file)?.position(label.span.start).line ?? 1)
  return String(Math.max(1, ...numbers)).length + 1
}

/** The numbered lines of one file with the labels under them. */
function frame(
  labels: readonly Label[],
  lines: SourceLines,
  gutter: number,
  paint: (text: string) => string,
  colours: Colours,
): string[] {
  const byLine = new Map<number, Label[]>()
  for (const label of labels) {
    const { line } = lines.position(label.span.start)
    byLine.set(line, [...(byLine.get(line) ?? []), label])
  }
  const out: string[] = []
  const bar = colours.blue("|")
  let previous: number | undefined
  for (const line of [...byLine.keys()].sort((a, b) => a - b)) {
    if (previous !== undefined && line === previous + 2) out.push(numbered(previous + 1, lines.content(previous + 1)))
    else if (previous !== undefined && line > previous + 2) out.push(colours.blue("...".padStart(gutter + 2)))
    const { text, marks } = place(byLine.get(line) ?? [], line, lines)
    out.push(numbered(line, text))
    for (const row of labelRows(marks, paint, colours)) out.push(`${" ".repeat(gutter)} ${bar} ${row}`)
    previous = line
  }
  return out

  function numbered(line: number, content: string): string {
    const shown = displayLine(content).text
    return `${colours.blue(String(line).padStart(gutter))} ${bar} ${shown}`
  }
}

/** A label on its line: from which column, how many columns wide. */
interface Mark {
  readonly column: number
  readonly width: number
  readonly text: string
  readonly primary: boolean
}

/** Cut a long line around its labels, and say in columns where they stand. Spans that go on are cut at the line's end. */
function place(labels: readonly Label[], line: number, lines: SourceLines): { text: string; marks: Mark[] } {
  const start = lines.start(line)
  const whole = lines.content(line)
  const offsets = labels.map((label) => Math.min(label.span.start - start, whole.length))
  let from = 0
  let content = whole
  if (whole.length > LONGEST_LINE) {
    from = Math.max(0, Math.min(...offsets) - CONTEXT_BEFORE)
    content = whole.slice(from, from + LONGEST_LINE)
    if (from + LONGEST_LINE < whole.length) content += "\u2026"
    if (from > 0) content = "\u2026" + content
  }
  const shift = from > 0 ? from - 1 : 0
  const { columns } = displayLine(content)
  const columnOf = (offset: number): number => columns[Math.max(0, Math.min(offset - shift, content.length))] ?? 0
  const marks = labels.map((label, index) => {
    const begin = offsets[index] ?? 0
    const end = Math.min(Math.max(label.span.end - start, begin), whole.length)
    const column = columnOf(begin)
    return { column, width: Math.max(1, columnOf(end) - column), text: label.text, primary: label.primary }
  })
  return { text: content, marks }
}

/** The rows under one line: all underlines in the first, and the texts where there is room for them. */
function labelRows(marks: readonly Mark[], paint: (text: string) => string, colours: Colours): string[] {
  const colour = (mark: Mark): ((text: string) => string) => (mark.primary ? paint : colours.blue)
  const sorted = [...marks].sort((a, b) => a.column - b.column || Number(a.primary) - Number(b.primary))

  const underline = new Canvas()
  // Secondary ones first, so that carets win where the two overlap.
  for (const mark of [...sorted].sort((a, b) => Number(a.primary) - Number(b.primary))) {
    underline.write(mark.column, (mark.primary ? "^" : "-").repeat(mark.width), colour(mark))
  }
  const texts = sorted.filter((mark) => mark.text !== "")
  const last = texts[texts.length - 1]
  // The rightmost text stands beside its underline when nothing else is to the right of it.
  const beside = last !== undefined && sorted.every((mark) => mark.column + mark.width <= last.column + last.width)
  if (beside) underline.write(last.column + last.width + 1, last.text, colour(last))
  const rows = [underline.toString()]

  const hanging = beside ? texts.slice(0, -1) : texts
  if (hanging.length > 0) {
    const bars = new Canvas()
    for (const mark of hanging) bars.write(mark.column, "|", colour(mark))
    rows.push(bars.toString())
  }
  for (let index = hanging.length - 1; index >= 0; index--) {
    const row = new Canvas()
    for (const mark of hanging.slice(0, index)) row.write(mark.column, "|", colour(mark))
    const mark = hanging[index]
    if (mark !== undefined) row.write(mark.column, mark.text, colour(mark))
    rows.push(row.toString())
  }
  return rows
}

/** A row of cells, each with a colour of its own, so that colouring never disturbs the columns. */
class Canvas {
  private readonly cells: { readonly text: string; readonly colour: (text: string) => string }[] = []

  write(column: number, text: string, colour: (text: string) => string): void {
    while (this.cells.length < column) this.cells.push({ text: " ", colour: (plain) => plain })
    let at = column
    for (const character of displayLine(text).text) {
      this.cells[at++] = { text: character, colour }
      // A wide character takes a second, empty cell.
      if (displayWidth(character) === 2) this.cells[at++] = { text: "", colour }
    }
  }

  toString(): string {
    let out = ""
    let run = ""
    let current: ((text: string) => string) | undefined
    for (const { text, colour } of this.cells) {
      if (colour !== current && run !== "") {
        out += current === undefined ? run : current(run)
        run = ""
      }
      current = colour
      run += text
    }
    return out + (current === undefined ? run : current(run))
  }
}
