/**
 * What the commands share in talking: tables, big numbers, JSON on stdout.
 */

import Table from "cli-table3"

/** `69.44 M`, `24.13 G`, `812` */
export function engineering(value: number, unit = ""): string {
  for (const [factor, prefix] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (Math.abs(value) >= factor) return `${(value / factor).toFixed(2)} ${prefix}${unit}`
  }
  return unit ? `${value} ${unit}` : `${value}`
}

/** `69,440,255` */
export function grouped(value: number): string {
  return value.toLocaleString("en-US")
}

/** A table without colours of its own, so that it can be piped. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly number[],
): string {
  const result = new Table({
    head: [...head],
    colAligns: head.map((_, i) => (numeric.includes(i) ? "right" : "left")),
    style: { head: [], border: [], compact: true },
    chars: {
      top: "", "top-mid": "", "top-left": "", "top-right": "",
      bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "",
      left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: " ",
    }, // prettier-ignore
  })
  result.push(...rows.map((row) => [...row]))
  return result.toString()
}

/** The one thing a command with `--json` writes to stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
