/**
 * Tables of a report.
 *
 * Takes: heads and rows of texts or markup, and which columns hold numbers. Gives: one card with a table, which scrolls
 * sideways in a narrow window.
 */

import { type Html, markup, type Part } from "./html.js"

interface Table {
  readonly head: readonly string[]
  readonly rows: readonly (readonly Part[])[]
  /** columns that are set to the right */
  readonly numeric: readonly number[]
  /** what is added up below a line */
  readonly foot?: readonly Part[]
}

/** The table in a card. */
export function tableCard({ head, rows, numeric, foot }: Table): Html {
  const right = new Set(numeric)
  const number = (column: number): Html | undefined => (right.has(column) ? markup` class="number"` : undefined)
  const row = (cells: readonly Part[], emphasis = false): Html =>
    markup`<tr>${cells.map((cell, column) => markup`<td${number(column)}>${emphasis ? markup`<b>${cell}</b>` : cell}</td>`)}</tr>`
  return markup`<div class="card scroll"><table>
<thead><tr>${head.map((name, column) => markup`<th${number(column)}>${name}</th>`)}</tr></thead>
<tbody>${rows.map((cells) => row(cells))}${foot && row(foot, true)}</tbody></table></div>`
}
