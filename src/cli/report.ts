/**
 * `mdl report`: the page of a run, made again.
 *
 * Takes the command line. Gives: one HTML file, and its place on stdout. Thin: the work is in
 * runtime/reports/report-for-run.ts.
 */
import { Command, Option } from "commander"
import { type Split, SPLITS } from "../runtime/data/sample.js"
import { reportForRun, type WrittenReport } from "../runtime/reports/report-for-run.js"
import { CHECKPOINT_NAMES, type CheckpointName } from "../runtime/runs/checkpoint.js"
import { PERMUTATIONS } from "../runtime/training/note-adherence.js"
import { print, printJson } from "./output.js"
import { promptOption } from "./prompt-option.js"
import { positive, wholeNumberFrom } from "./whole-number.js"

interface ReportFlags {
  readonly data?: string
  readonly prompt?: string
  readonly split?: Split
  readonly checkpoint: CheckpointName
  readonly noteAdherence?: number | true
  readonly cases: number
  readonly out?: string
  readonly json?: boolean
}

/** More cases than this make a page that nobody scrolls through, and mails refuse. */
const MOST_CASES = 20

/** The `report` command. */
export function reportCommand(): Command {
  return new Command("report")
    .description("write the report of a run as one HTML file: scores, curves, warnings, cases, the model's text")
    .argument("<run>", "folder of a run")
    .option("-o, --out <file>", "the page to write (default: report.html in the run's folder)")
    .addOption(new Option("--split <name>", "which cases (default: test, or valid without them)").choices(SPLITS))
    .addOption(new Option("--checkpoint <name>", "which weights").choices(CHECKPOINT_NAMES).default("best"))
    .option("--data <dir>", "folder of the data set, or a manifest (default: what the run was trained on)")
    .addOption(promptOption("the run's"))
    .option(
      "--note-adherence [n]",
      `read every case with other notes too (the mean of n shufflings, ${PERMUTATIONS} by default), as mdl eval does`,
      positive,
    )
    .option("--cases <n>", "how many best, median and worst cases", wholeNumberFrom(1, MOST_CASES), 1)
    .option("--json", "print what was written as JSON and nothing else on stdout")
    .action(async (run: string, flags: ReportFlags) => {
      const { data, prompt, split, checkpoint, noteAdherence, cases, out } = flags
      const written = await reportForRun(run, {
        ...{ data, prompt, split, checkpoint, out },
        each: cases,
        noteAdherence: noteAdherence === true ? PERMUTATIONS : noteAdherence,
      })
      if (flags.json) printJson(written)
      else print(writtenText(written))
    })
}

/** What was written, in lines. */
function writtenText({ file, bytes, scores, warnings }: WrittenReport): string {
  const { split, cases, dice, iou, convention } = scores ?? {}
  return [
    `${file} (${(bytes / 1e6).toFixed(2)} MB)`,
    scores
      ? `Dice ${dice?.toFixed(4)}, mIoU ${iou?.toFixed(4)} of ${cases} ${split} cases (convention "${convention}")`
      : "no scores: none of the model's outputs has the shape of its target",
    ...warnings.map(({ about, text }) => `warning (${about}): ${text}`),
  ].join("\n")
}
