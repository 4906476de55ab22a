/**
 * `mdl doctor`: backend, versions, GPU, what is missing and how to get it.
 *
 * Takes: the command line. Gives: a table on stdout, or with --json nothing but the JSON. Thin: the examination is in
 * runtime/native/doctor.ts. A machine that is not ready is thrown as MachineNotReady, which ends the program with 2.
 */
import { Command } from "commander"
import colors from "picocolors"
import { examine, type DoctorItem, type DoctorReport } from "../runtime/native/doctor.js"

/** Something that MDL needs is missing here. */
export class MachineNotReady extends Error {
  override readonly name = "MachineNotReady"
  /** The machine, not the user's input. */
  readonly exitCode = 2
}

/** The `doctor` command. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("show the native backend, versions and GPU, what is missing and the command that gets it")
    .option("--json", "print the report as JSON and nothing else")
    .option("--no-load", "do not load TensorFlow (loading takes up to 10 seconds)")
    .action(async (flags: { json?: boolean; load: boolean }) => {
      const report = await examine({ load: flags.load })
      process.stdout.write(flags.json ? JSON.stringify(report, undefined, 2) + "\n" : formatReport(report))
      if (report.ready) return
      const missing = report.items.filter((item) => item.status === "missing")
      throw new MachineNotReady(
        `this machine is not ready: ${missing.map((item) => item.name).join(", ")}\n` +
          `  fix: ${missing.find((item) => item.fix !== undefined)?.fix ?? "see the report"}`,
      )
    })
}

/** The report as a person reads it. */
export function formatReport({ items, withoutBackend }: DoctorReport): string {
  const width = Math.max(...items.map((item) => item.name.length))
  const lines = items.flatMap((item) => {
    const line = `${mark(item.status)}  ${item.name.padEnd(width)}  ${item.value}`
    return item.fix === undefined ? [line] : [line, `${" ".repeat(width + 11)}fix: ${colors.bold(item.fix)}`]
  })
  if (withoutBackend !== undefined) lines.push("", withoutBackend)
  return lines.join("\n") + "\n"
}

function mark(status: DoctorItem["status"]): string {
  const paint = { ok: colors.green, warning: colors.yellow, missing: colors.red }[status]
  return paint(status.padEnd(7))
}
