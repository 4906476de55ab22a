/**
 * How text looks in a terminal: how many columns it takes, with nothing in it that could steer the terminal.
 *
 * Takes one source line; gives the line as it is shown, and the column at which each of its characters starts. Carets
 * can only stand under the right character when tabs, wide and combining characters are counted as the terminal does.
 */

const TAB_WIDTH = 4

/** East Asian wide and fullwidth blocks and emoji: two columns each in practically every terminal. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
]

/** Columns one code point takes: 0, 1 or 2. */
export function characterWidth(character: string): number {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x300) return 1
  if (/^[\p{Mn}\p{Me}]$/u.test(character) || code === 0x200d || (code >= 0xfe00 && code <= 0xfe0f)) return 0
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1
}

/** Columns a string takes. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

export interface DisplayedLine {
  readonly text: string
  /** `columns[i]` is the 0-based column at which UTF-16 unit `i` is shown; one more entry for the end. */
  readonly columns: readonly number[]
}

/** A source line as shown: tabs are spaces, control and direction-changing characters are visible marks. */
export function displayLine(line: string): DisplayedLine {
  let text = ""
  let column = 0
  const columns: number[] = []
  for (const character of line) {
    const shown = show(character)
    for (let unit = 0; unit < character.length; unit++) columns.push(column)
    text += shown
    column += displayWidth(shown)
  }
  columns.push(column)
  return { text, columns }
}

function show(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (character === "\t") return " ".repeat(TAB_WIDTH)
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  if (code === 0x7f) return "\u2421"
  // A source text must not be able to reorder or hide what the terminal shows.
  if (/^[\p{Cc}\p{Cs}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]$/u.test(character)) return "\ufffd"
  return character
}
