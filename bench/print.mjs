// How the benchmark talks: tables on stdout, progress and remarks on stderr.
const live = process.stderr.isTTY === true

export const milliseconds = (seconds) => `${(seconds * 1e3).toFixed(1)} ms`
export const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`

/** The last column and the first are texts, the others numbers. */
export function printTable(title, head, rows) {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column].length)))
  const isNumber = (column) => column > 0 && column < head.length - 1
  const line = (row) =>
    row.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ")
  process.stdout.write(`\n${title}\n${[head, ...rows].map((row) => line(row).trimEnd()).join("\n")}\n`)
}

/** One line that is written over; nothing where stderr is not a terminal. */
export function progress(text) {
  if (live) process.stderr.write(`\r\u001b[2K${text}`)
}

export function say(text) {
  process.stderr.write(`bench: ${text}\n`)
}
