/**
 * A profile for the terminal.
 *
 * Takes what profiling gave; gives tables of phases, sections, operations and lines of the model's text.
 */
import pc from "picocolors"
import type { TrainingProfile } from "../runtime/training/profile.js"
import type { LineTimes, Times } from "../runtime/training/profile-report.js"
import { table } from "./output.js"

/** Rows of a table; what takes less than a two-hundredth of the step is left to --json. */
const MOST_ROWS = 30
const LEAST_SHARE = 0.005
const TEXT_WIDTH = 48
/** Operations told beside a line. */
const OPS_TOLD = 2

/** The profile as text, without a line break at the end. */
export function profileText(profile: TrainingProfile): string {
  const { model, batch, sizes, precision, steps, seconds, difference, phases, sections, ops, lines, nodes } = profile
  const size = Object.entries(sizes).map(([name, value]) => `${name} = ${value}`)
  const times = ["share", "ms", "forward", "backward", "update"]
  const told = lines.filter((line) => line.share >= LEAST_SHARE).slice(0, MOST_ROWS)
  return [
    `${pc.bold(model)}   ${[`batch ${batch}`, ...size, precision].join(", ")}; ${steps} steps`,
    "",
    `a step as it is trained              ${milliseconds(seconds.step)} ms`,
    `its ${nodes.length} nodes one after another, sum ${milliseconds(seconds.nodes)} ms: nothing overlaps, nothing is fused`,
    `loss of the second step              differs by ${difference.toExponential(1)} between the two (relative)`,
    "",
    table(
      ["section", ...times],
      [
        ...sections.map((row) => [row.section === null ? "(the step)" : row.section || "(model)", ...cells(row)]),
        ["all", ...cells(phases)],
      ],
      [1, 2, 3, 4, 5],
    ),
    "",
    table(
      ["operation", "count", ...times],
      ops
        .filter(isTold)
        .slice(0, MOST_ROWS)
        .map((row) => [row.op, String(row.count), ...cells(row)]),
      [1, 2, 3, 4, 5, 6],
    ),
    "",
    "lines: ms with all that the line calls, self without; the lines' own times add up to the step",
    table(
      [...times.slice(0, 2), "self", ...times.slice(2), "line", "text", "mostly"],
      told.map((row) => [...lineCells(row), place(row), shortened(row.text), mostly(row)]),
      [0, 1, 2, 3, 4, 5],
    ),
    ...(told.length < lines.length ? ["", `${lines.length - told.length} lines that take less: --json`] : []),
  ].join("\n")
}

const isTold = ({ share }: Times): boolean => share >= LEAST_SHARE

function cells({ share, seconds, forward, backward, update }: Times): string[] {
  return [`${(share * 100).toFixed(1)}%`, ...[seconds, forward, backward, update].map(milliseconds)]
}

function lineCells(row: LineTimes): string[] {
  const [share, total, ...phases] = cells(row)
  return [share!, total!, milliseconds(row.self), ...phases]
}

function place({ file, line }: LineTimes): string {
  return file === null ? "" : `${file}:${line}`
}

function mostly({ ops, seconds }: LineTimes): string {
  return Object.entries(ops)
    .slice(0, OPS_TOLD)
    .map(([op, spent]) => (seconds === 0 ? op : `${op} ${((spent / seconds) * 100).toFixed(0)}%`))
    .join(", ")
}

function shortened(text: string): string {
  return text.length <= TEXT_WIDTH ? text : `${text.slice(0, TEXT_WIDTH - 1)}…`
}

function milliseconds(seconds: number): string {
  return (seconds * 1000).toFixed(2)
}
