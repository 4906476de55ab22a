/**
 * `mdl data`: describe and check a data set, or make the phantom one.
 *
 * Takes: the command line. Gives: a report on stdout (with --json nothing but the JSON). Thin: the work is in
 * runtime/data/. What is wrong with the data is thrown as a DataError, which the main program prints and ends with 1 for.
 */
import { Command } from "commander"
import { DataError } from "../runtime/data/data-error.js"
import { type DatasetReport, inspectDataset } from "../runtime/data/inspect.js"
import { synthesise } from "../runtime/data/phantom.js"
import { caseProgress } from "./case-progress.js"
import { formatReport } from "./inspect-text.js"
import { promptOption } from "./prompt-option.js"
import { seedNumber, wholeNumber } from "./whole-number.js"

interface SynthFlags {
  readonly train: number
  readonly valid: number
  readonly test: number
  readonly size: number
  readonly seed: number
  readonly json?: boolean
}

/** The `data` command with its two subcommands. */
export function dataCommand(): Command {
  const data = new Command("data").description("describe and check a data set, or make the phantom data set")

  data
    .command("inspect")
    .argument("<dir>", "folder of a data set, or a manifest (.csv, .jsonl)")
    .addOption(promptOption())
    .option("--json", "print the report as JSON and nothing else")
    .description("count, measure and check a data set: broken files, duplicates, leakage between splits")
    .action(async (dir: string, flags: { prompt?: string; json?: boolean }) => {
      const report = await inspectWithProgress(dir, flags.prompt)
      process.stdout.write(flags.json ? JSON.stringify(report, undefined, 2) + "\n" : formatReport(report))
      if (!report.usable) {
        const errors = report.problems.filter((problem) => problem.severity === "error")
        const first = errors[0]?.what ?? report.badFiles[0] ?? ""
        const others = errors.length + report.badFiles.length - 1
        throw new DataError({
          what: `the data set cannot be used as it is: ${first}${others > 0 ? ` (and ${others} more, see the report)` : ""}`,
          fix:
            errors[0]?.fix ??
            "fetch the file again, or remove its case (image, mask and row); a mask has the size of its image",
        })
      }
    })

  data
    .command("synth")
    .argument("<dir>", "folder to make; an earlier phantom set there is replaced")
    .option("--train <n>", "training cases", wholeNumber, 400)
    .option("--valid <n>", "validation cases", wholeNumber, 80)
    .option("--test <n>", "test cases", wholeNumber, 120)
    .option("--size <pixels>", "height and width of the images", wholeNumber, 96)
    .option("--seed <n>", "seed; the same seed and options give the same files", seedNumber, 1)
    .option("--json", "print the report as JSON and nothing else")
    .description("make the phantom data set: chest-like pictures whose mask is known only with the note")
    .action(async (dir: string, flags: SynthFlags) => {
      const { train, valid, test, size, seed } = flags
      const report = await synthesise({ root: dir, counts: { train, valid, test }, size, seed })
      const text = `${report.root}: ${train} train, ${valid} valid and ${test} test cases, ${size}x${size}, seed ${seed}\n`
      process.stdout.write(flags.json ? JSON.stringify(report, undefined, 2) + "\n" : text)
    })

  return data
}

async function inspectWithProgress(dir: string, prompt: string | undefined): Promise<DatasetReport> {
  const progress = caseProgress("reading")
  try {
    return await inspectDataset(dir, { prompt, onProgress: progress.update })
  } finally {
    progress.stop()
  }
}
