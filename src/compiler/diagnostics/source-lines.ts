/**
 * Lines and columns of a text.
 *
 * Takes a text and offsets into it; gives 1-based lines and columns. Columns count UTF-16 units, as editors and the
 * language server protocol do, so that a clicked `file:line:column` lands on the right character.
 */

export interface Position {
  readonly line: number
  readonly column: number
}

export class SourceLines {
  private readonly starts: readonly number[]

  constructor(readonly text: string) {
    const starts = [0]
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
    this.starts = starts
  }

  get count(): number {
    return this.starts.length
  }

  /** Where an offset lies. Offsets outside of the text are moved to its nearer end. */
  position(offset: number): Position {
    const inside = Math.max(0, Math.min(offset, this.text.length))
    let low = 0
    let high = this.starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.starts[middle] ?? 0) <= inside) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: inside - (this.starts[low] ?? 0) + 1 }
  }

  /** Offset of the first character of a line. */
  start(line: number): number {
    return this.starts[line - 1] ?? this.text.length
  }

  /** A line without its line break. */
  content(line: number): string {
    const end = line < this.starts.length ? this.start(line + 1) - 1 : this.text.length
    const content = this.text.slice(this.start(line), end)
    return content.endsWith("\r") ? content.slice(0, -1) : content
  }
}

/** Texts by the path that spans name. */
export type SourceTexts = ReadonlyMap<string, string> | ((file: string) => string | undefined)

/** The texts of a run, by the path that spans name; each is split into lines once. */
export class Sources {
  private readonly known = new Map<string, SourceLines | undefined>()

  constructor(private readonly read: SourceTexts) {}

  lines(file: string): SourceLines | undefined {
    if (!this.known.has(file)) {
      const text = typeof this.read === "function" ? this.read(file) : this.read.get(file)
      this.known.set(file, text === undefined ? undefined : new SourceLines(text))
    }
    return this.known.get(file)
  }
}
